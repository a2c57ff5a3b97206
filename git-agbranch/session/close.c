#include "session/close.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/time.h"
#include "gate/reftx.h"
#include "guest/tmux.h"
#include "session/agent-log.h"
#include "session/start.h"
#include "session/submodules.h"

void
agb_close_outcome_clear (AgbCloseOutcome *outcome)
{
  agb_sync_outcome_clear (&outcome->sync);
  agb_rescue_clear (&outcome->rescue);
}

/* The guest does not answer, as opposed to a full disk or a defect on our side. */
static gboolean
is_of_the_guest (const GError *problem)
{
  return g_error_matches (problem, AGB_ERROR, AGB_ERROR_RUNTIME)
         || g_error_matches (problem, AGB_ERROR, AGB_ERROR_TIMEOUT)
         || g_error_matches (problem, AGB_ERROR, AGB_ERROR_CHILD);
}

/* Submodules and the like. */
static gboolean
rescue_others (AgbHeld *held, AgbJournal *journal, gboolean discard, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (agb_submodules_rescue (held, journal, discard, &problem))
    return TRUE;
  if (!discard || agb_interrupt_signal () != 0 || !is_of_the_guest (problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  agb_progress_warn (held->env->progress, "not all work in submodules could be saved: %s",
                     problem->message);
  return agb_catalog_add_event (held->env->catalog, held->session->name, "warning", "rescue_failed",
                                error, "submodules: %s", problem->message);
}

/* An error in rescuing ends a close --sync, since the user relies on nothing being lost; a discard
 * goes on, and the catalog and the user are told. */
static gboolean
rescue (AgbHeld *held, AgbJournal *journal, gboolean discard, AgbRescue *ret, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (held->repo == NULL)
    {
      ret->problem = g_strdup_printf ("the repository '%s' is gone", held->session->git_common_dir);
      return TRUE;
    }
  agb_progress_phase (held->env->progress, "saving what is not synced");
  if (agb_session_start (held->env, held->session, held->runtime, NULL, &problem)
      /* Nothing of the agent's may come in between saving and destroying. */
      && agb_tmux_kill_window (held->runtime, held->session, AGB_AGENT_WINDOW, &problem)
      /* The session's own last: that is the one which `rescue show` means by the name. */
      && rescue_others (held, journal, discard, &problem)
      && agb_rescue_save (held, NULL, journal, ret, &problem))
    return TRUE;
  if (!discard || agb_interrupt_signal () != 0 || !is_of_the_guest (problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  g_autofree char *hint = NULL;
  agb_error_split (problem, &ret->problem, &hint);
  return TRUE;
}

static gboolean
tell_rescue (AgbHeld *held, const AgbRescue *saved, GError **error)
{
  AgbCatalog *catalog = held->env->catalog;
  const char *name = held->session->name;

  if (saved->problem != NULL)
    {
      agb_progress_warn (held->env->progress, "not all work could be saved: %s%s%s", saved->problem,
                         saved->bundle_path != NULL ? "; it is in " : "",
                         saved->bundle_path != NULL ? saved->bundle_path : "");
      return agb_catalog_add_event (catalog, name, "warning", "rescue_failed", error, "%s%s%s",
                                    saved->problem, saved->bundle_path != NULL ? "; kept in " : "",
                                    saved->bundle_path != NULL ? saved->bundle_path : "");
    }
  if (saved->ref == NULL)
    return TRUE;
  agb_progress_note (held->env->progress,
                     "work that is on no branch was saved; see it: git agbranch rescue show %s",
                     name);
  return agb_catalog_add_event (catalog, name, "info", "rescued", error, "%s", saved->ref);
}

static gboolean
prove_gone (AgbRuntime *runtime, const AgbSession *session, GError **error)
{
  g_auto (AgbGuestStatus) status = { 0 };

  if (!runtime->klass->status (runtime, session->vm_name, &status, error))
    return FALSE;
  if (status.state == AGB_GUEST_ABSENT)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' is still %s after its destruction",
               session->vm_name, agb_guest_state_word (status.state));
  agb_error_hint (error, "git agbranch repair %s", session->name);
  return FALSE;
}

static gboolean
destroy (AgbEnv *env, const AgbSession *session, AgbJournal *journal, GError **error)
{
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, error);
  g_autofree char *key = agb_session_key (session);

  if (runtime == NULL || !agb_journal_step (journal, AGB_CLOSE_STEP_DESTROY, error)
      || !agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state",
                                      "destroying", NULL))
    return FALSE;
  agb_progress_phase (env->progress, "removing the guest");
  return agb_fault_point ("close: destroy the guest", error)
         && runtime->klass->destroy (runtime, session->vm_name, key, error)
         && prove_gone (runtime, session, error);
}

/* The session's own refs end with it; review branch, sync/<n> and rescue/<n> stay. */
static gboolean
remove_refs (AgbEnv *env, const AgbSession *session, AgbJournal *journal, GError **error)
{
  const char *const refs[] = { session->session_ref_base, session->session_ref_head };
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  g_autoptr (AgbRepo) repo = NULL;

  if (!agb_env_session_repo_if_there (env, session, &repo, error))
    return FALSE;
  for (gsize i = 0; repo != NULL && i < G_N_ELEMENTS (refs); i++)
    {
      g_autofree char *oid = NULL;
      if (refs[i] != NULL && !agb_repo_find_ref (repo, refs[i], &oid, error))
        return FALSE;
      if (oid != NULL)
        agb_ref_updates_add (updates, refs[i], oid, NULL);
    }
  if (agb_ref_updates_length (updates) == 0)
    return TRUE;
  agb_journal_set_value (journal, "refs", agb_ref_updates_to_json (updates));
  return agb_journal_step (journal, "session-refs", error)
         && agb_ref_updates_apply (repo, updates, "agbranch: close", error);
}

gboolean
agb_close_finish (AgbEnv *env, const AgbSession *session, AgbJournal *journal, GError **error)
{
  gboolean discard = g_strcmp0 (agb_journal_get (journal, "outcome"), "sync") != 0;
  g_autofree char *now = agb_time_now ();

  if (!destroy (env, session, journal, error) || !remove_refs (env, session, journal, error)
      || !agb_journal_step (journal, "closed", error))
    return FALSE;
  return agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state",
                                     "closed", "sync_state", discard ? "discarded" : "clean",
                                     "closed_at", now, NULL)
         && agb_catalog_add_event (env->catalog, session->name, "info", "closed", error,
                                   discard ? "closed, work discarded" : "closed, work synced")
         && agb_journal_end (journal, error);
}

gboolean
agb_session_close (AgbHeld *held, gboolean discard, AgbCloseOutcome *ret, GError **error)
{
  const AgbSyncOptions no_options = { 0 };
  AgbCatalog *catalog = held->env->catalog;

  if (!discard && (!agb_session_sync (held, &no_options, &ret->sync, error) || ret->sync.blocked))
    return *error == NULL;

  g_autoptr (AgbJournal) journal = agb_journal_begin (catalog, held->session->name, "close", error);
  if (journal == NULL)
    return FALSE;
  agb_journal_set (journal, "outcome", discard ? "discard" : "sync");
  if (!agb_session_is_sandbox (held->session)
      && (!rescue (held, journal, discard, &ret->rescue, error)
          || !tell_rescue (held, &ret->rescue, error)))
    {
      /* Nothing is destroyed, the session goes on. */
      agb_journal_end (journal, NULL);
      return FALSE;
    }
  agb_agent_log_keep (held->env, held->session);
  agb_interrupt_shield ();
  gboolean finished = agb_close_finish (held->env, held->session, journal, error);
  agb_interrupt_unshield ();
  agb_progress_phase (held->env->progress, NULL);
  return finished;
}
