#include "session/start.h"

#include "core/error.h"
#include "core/time.h"
#include "guest/tmux.h"

static void
set_string (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

static gboolean
set_running (AgbEnv *env, AgbSession *session, GError **error)
{
  g_autofree char *now = agb_time_now ();

  if (!agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state", "running",
                                   "last_started_at", now, NULL))
    return FALSE;
  set_string (&session->lifecycle_state, "running");
  set_string (&session->last_started_at, now);
  return agb_catalog_add_event (env->catalog, session->name, "info", "started", error,
                                "the guest was started");
}

static gboolean
gone (const AgbSession *session, const AgbGuestStatus *status, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the guest of session '%s' is %s%s%s",
               session->name, agb_guest_state_word (status->state),
               status->reason != NULL ? ": " : "", status->reason != NULL ? status->reason : "");
  if (status->state == AGB_GUEST_UNREACHABLE)
    agb_error_hint (error, "look with: git agbranch doctor");
  else
    agb_error_hint (
        error, "what was synced is on '%s'; end the session: git agbranch close %s --discard",
        session->review_branch != NULL ? session->review_branch : "the host", session->name);
  return FALSE;
}

gboolean
agb_session_start (AgbEnv *env, AgbSession *session, AgbRuntime *runtime, gboolean *ret_started,
                   GError **error)
{
  g_auto (AgbGuestStatus) status = { 0 };

  if (ret_started != NULL)
    *ret_started = FALSE;
  if (!runtime->klass->status (runtime, session->vm_name, &status, error))
    return FALSE;
  if (status.state == AGB_GUEST_RUNNING)
    return TRUE;
  if (status.state == AGB_GUEST_ABSENT || status.state == AGB_GUEST_LOST
      || status.state == AGB_GUEST_UNREACHABLE)
    return gone (session, &status, error);

  agb_progress_phase (env->progress, "starting the guest");
  if (!agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state",
                                   "starting", NULL)
      || !runtime->klass->start (runtime, session->vm_name, env->progress, error)
      || !agb_tmux_start (runtime, session, error))
    return FALSE;
  if (ret_started != NULL)
    *ret_started = TRUE;
  return set_running (env, session, error);
}

gboolean
agb_session_need_running (AgbEnv *env, AgbSession *session, AgbRuntime *runtime, GError **error)
{
  g_auto (AgbGuestStatus) status = { 0 };

  if (!runtime->klass->status (runtime, session->vm_name, &status, error))
    return FALSE;
  if (status.state == AGB_GUEST_RUNNING)
    return TRUE;

  g_autoptr (AgbLock) lock = agb_env_lock (env, session->name, "start", error);
  return lock != NULL && agb_session_start (env, session, runtime, NULL, error);
}
