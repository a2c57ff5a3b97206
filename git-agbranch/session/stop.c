#include "session/stop.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/time.h"
#include "session/agent-log.h"
#include "session/journal.h"

static gboolean
write_stopped (AgbEnv *env, AgbSession *session, gboolean force, GError **error)
{
  g_autofree char *now = agb_time_now ();

  if (!agb_fault_point ("stop: write the row", error)
      || !agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state",
                                      "stopped", "last_stopped_at", now, NULL)
      || !agb_catalog_add_event (env->catalog, session->name, force ? "warning" : "info",
                                 force ? "killed" : "stopped", error, "the guest was %s",
                                 force ? "killed" : "stopped"))
    return FALSE;
  g_free (session->lifecycle_state);
  session->lifecycle_state = g_strdup ("stopped");
  g_free (session->last_stopped_at);
  session->last_stopped_at = g_steal_pointer (&now);
  return TRUE;
}

static gboolean
end_guest (AgbEnv *env, AgbSession *session, AgbRuntime *runtime, gboolean stopped, gboolean force,
           GError **error)
{
  return agb_fault_point ("stop: end the guest", error)
         && (stopped || runtime->klass->stop (runtime, session->vm_name, force, error))
         && write_stopped (env, session, force, error);
}

gboolean
agb_session_stop (AgbEnv *env, AgbSession *session, AgbRuntime *runtime, AgbStopFlags flags,
                  GError **error)
{
  gboolean force = (flags & AGB_STOP_KILL) != 0;
  g_auto (AgbGuestStatus) status = { 0 };

  if (!runtime->klass->status (runtime, session->vm_name, &status, error))
    return FALSE;
  gboolean stopped = status.state == AGB_GUEST_STOPPED || status.state == AGB_GUEST_ABSENT
                     || status.state == AGB_GUEST_LOST;
  if (stopped && g_strcmp0 (session->lifecycle_state, "stopped") == 0)
    return TRUE;

  if (!stopped && !force)
    agb_agent_log_keep (env, session);
  agb_progress_phase (env->progress, force ? "killing the guest" : "stopping the guest");
  if (flags & AGB_STOP_UNLOCKED)
    return end_guest (env, session, runtime, stopped, force, error);
  g_autoptr (AgbJournal) journal
      = agb_journal_begin (env->catalog, session->name, force ? "kill" : "stop", error);
  return journal != NULL && agb_journal_step (journal, "stop", error)
         && end_guest (env, session, runtime, stopped, force, error)
         && agb_journal_end (journal, error);
}
