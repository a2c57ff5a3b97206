#include "session/start.h"

#include "core/error.h"
#include "core/time.h"
#include "core/trace.h"
#include "guest/tmux.h"
#include "guest/transport.h"

enum { LIST_LIMIT = 1024 * 1024 };

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

static guint
count_lines (const char *text)
{
  guint count = 0;

  for (; *text != '\0'; text++)
    count += *text == '\n';
  return count;
}

/* The lock files of a git that was ended with its guest: nobody else can have them, nothing runs there yet, and
 * each would be in the way of the agent's next commit. */
static gboolean
remove_locks (AgbEnv *env, const AgbSession *session, AgbRuntime *runtime, GError **error)
{
  g_autofree char *git_dir = g_build_filename (session->guest_workspace_path, ".git", NULL);
  const char *argv[]
      = { "find", git_dir, "-type", "f", "-name", "*.lock", "-print", "-delete", NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_auto (AgbChildResult) result = { 0 };

  if (session->base_oid == NULL)
    return TRUE;
  if (!agb_guest_capture (runtime, session->vm_name, &spec, NULL, 0, LIST_LIMIT, AGB_TIMEOUT_GIT,
                          &result, error))
    return FALSE;
  if (result.status != 0)
    agb_trace ("start: no lock files were looked for (find ended with status %d)", result.status);
  guint count = count_lines (result.output->str);
  return count == 0
         || agb_catalog_add_event (env->catalog, session->name, "info", "unlocked", error,
                                   "%u lock file%s of a git that was ended with the guest", count,
                                   count == 1 ? "" : "s");
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
      || !remove_locks (env, session, runtime, error) || !agb_tmux_start (runtime, session, error))
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
