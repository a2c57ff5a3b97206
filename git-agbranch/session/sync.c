#include "session/sync.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/paths.h"
#include "core/time.h"
#include "gate/gate.h"
#include "session/clone.h"
#include "session/journal.h"
#include "session/lfs.h"
#include "session/start.h"

#include <string.h>

typedef struct {
  AgbHeld *held;
  const AgbSyncOptions *options;
  AgbSyncOutcome *outcome;
  AgbCloneState state;
  AgbSyncRun run;
  AgbJournal *journal;
  AgbGate *gate; /* NULL: nothing to receive */
  char *review_ref;
  char *review_old;    /* where the review branch is; NULL: nowhere */
  gboolean half_moved; /* the ref transaction died: recovery has to finish it */
} Syncing;

static void
syncing_clear (Syncing *sync)
{
  agb_clone_state_clear (&sync->state);
  agb_sync_run_clear (&sync->run);
  g_clear_pointer (&sync->gate, agb_gate_free);
  g_clear_pointer (&sync->journal, agb_journal_free);
  g_free (sync->review_ref);
  g_free (sync->review_old);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Syncing, syncing_clear)

void
agb_sync_outcome_clear (AgbSyncOutcome *outcome)
{
  g_free (outcome->message);
  g_free (outcome->hint);
  g_free (outcome->staged_path);
  g_free (outcome->patch_path);
  g_free (outcome->old_oid);
  g_free (outcome->new_oid);
  g_strfreev (outcome->findings);
  *outcome = (AgbSyncOutcome){ 0 };
}

typedef struct {
  gsize prefix_length;
  gint64 highest;
} Numbers;

static gboolean
see_number (const char *ref, const char *oid, gpointer data)
{
  Numbers *numbers = data;
  guint64 number = 0;

  (void)oid;
  if (g_ascii_string_to_unsigned (ref + numbers->prefix_length, 10, 1, G_MAXINT32, &number, NULL))
    numbers->highest = MAX (numbers->highest, (gint64)number);
  return TRUE;
}

static gboolean
see_run (const AgbSyncRun *run, gpointer data)
{
  Numbers *numbers = data;

  numbers->highest = MAX (numbers->highest, run->number);
  return TRUE;
}

gint64
agb_next_ref_number (AgbHeld *held, const char *kind)
{
  g_autofree char *prefix = g_strdup_printf ("refs/agbranch/%s/%s/", kind, held->session->name);
  Numbers numbers
      = { .prefix_length = strlen (prefix),
          .highest = agb_catalog_kept_ref_number (held->env->catalog, kind, held->session->name) };

  agb_repo_foreach_ref (held->repo, prefix, see_number, &numbers, NULL);
  /* The refs themselves go by retention (gc keeps the highest number), and a reader of a sync run may
   * still look for one. */
  if (g_str_equal (kind, "sync"))
    agb_catalog_foreach_sync_run (held->env->catalog, held->session->name, 0, see_run, &numbers,
                                  NULL);
  return numbers.highest + 1;
}

static void G_GNUC_PRINTF (3, 4) block (Syncing *sync, const char *reason, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  sync->outcome->message = g_strdup_vprintf (format, args);
  va_end (args);
  sync->outcome->blocked = TRUE;
  sync->outcome->reason = reason;
}

static void
block_dirty (Syncing *sync)
{
  const char *name = sync->held->session->name;
  const AgbCloneState *state = &sync->state;

  if (state->dirty > 0 || state->untracked > 0)
    block (sync, "guest_dirty", "'%s' has work that is not committed: %u changed, %u untracked%s",
           name, state->dirty, state->untracked,
           state->pending ? "; a merge or rebase is under way" : "");
  else
    block (sync, "guest_dirty", "in '%s' a merge or rebase is under way", name);
  /* save.sh has left them out. */
  if (sync->options->include_dirty && state->untracked > 0 && !state->pending)
    {
      sync->outcome->hint = g_strdup_printf (
          "a repository of its own in the workspace is not taken along: make it a submodule, or "
          "have it ignored: git agbranch run %s -- sh -c 'echo /<path> >>.git/info/exclude'",
          name);
      return;
    }
  sync->outcome->hint = g_strdup_printf (
      "commit it in the session, or take it along: git agbranch sync %s --include-dirty", name);
}

static void
block_off_branch (Syncing *sync)
{
  const AgbSession *session = sync->held->session;
  g_autofree char *branch = agb_escape (sync->state.branch != NULL ? sync->state.branch : "", -1);
  g_autofree char *shown = agb_fit (branch, 120);

  if (sync->state.head == NULL)
    block (sync, "guest_off_branch", "HEAD of '%s' has no commit", session->name);
  else
    block (sync, "guest_off_branch", "HEAD of '%s' is %s%s, not on %s", session->name,
           *shown != '\0' ? "on " : "detached", shown, session->review_branch);
  sync->outcome->hint = g_strdup_printf ("git agbranch run %s -- git switch %s", session->name,
                                         session->review_branch);
}

static void
block_rewritten (Syncing *sync)
{
  const AgbSession *session = sync->held->session;
  const char *old = sync->outcome->old_oid;

  block (sync, "guest_rewritten",
         "the history of '%s' was rewritten: it no longer contains %.12s, which was synced",
         session->name, old);
  sync->outcome->hint = g_strdup_printf (
      "put the new state on top of it: git agbranch run %s -- sh -c "
      "'git reset --soft %.12s && git commit -m \"rewrite\"', then git agbranch sync %s",
      session->name, old, session->name);
}

static void
block_moved (Syncing *sync)
{
  const AgbSession *session = sync->held->session;
  const char *branch = session->review_branch;
  const char *head = sync->outcome->old_oid;
  gboolean synced = strcmp (head, session->base_oid) != 0;

  if (sync->review_old == NULL)
    {
      block (sync, "host_moved", "%s was deleted on the host", branch);
      sync->outcome->hint = g_strdup_printf ("bring it back: git branch %s %.12s", branch, head);
      return;
    }
  block (sync, "host_moved", "%s was %s on the host: it is at %.12s", branch,
         synced ? "moved" : "made", sync->review_old);
  sync->outcome->hint
      = synced
            ? g_strdup_printf ("keep yours under another name and put it back: git branch %s-host "
                               "%s && git update-ref refs/heads/%s %.12s",
                               branch, branch, branch, head)
            : g_strdup_printf ("give it another name: git branch -m %s %s-host", branch, branch);
}

/* What the review branch must be at for a sync that moves only forward. */
static char *
expected_review (const AgbSession *session, const char *head)
{
  g_autoptr (cJSON) options = NULL;
  const cJSON *at_open = NULL;

  if (strcmp (head, session->base_oid) != 0)
    return g_strdup (head);
  if (session->options_json != NULL)
    options = cJSON_Parse (session->options_json);
  at_open = options != NULL ? cJSON_GetObjectItemCaseSensitive (options, "review_at_open") : NULL;
  return cJSON_IsString (at_open) ? g_strdup (at_open->valuestring) : NULL;
}

static gboolean
find_rewritten (Syncing *sync, GError **error)
{
  gboolean forward = TRUE;

  if (sync->gate != NULL
      && !agb_gate_is_ancestor (sync->gate, sync->outcome->old_oid, sync->outcome->new_oid,
                                &forward, error))
    return FALSE;
  if (!forward)
    block_rewritten (sync);
  return TRUE;
}

static gboolean
find_host_reasons (Syncing *sync, GError **error)
{
  const AgbSession *session = sync->held->session;
  g_autofree char *expected = expected_review (session, sync->outcome->old_oid);

  if (!agb_repo_find_ref (sync->held->repo, sync->review_ref, &sync->review_old, error))
    return FALSE;
  if (g_strcmp0 (expected, sync->review_old) != 0)
    {
      block_moved (sync);
      return TRUE;
    }
  /* Moving a branch under a work tree makes that tree look changed. */
  g_autofree char *place
      = sync->gate != NULL ? agb_repo_checked_out_at (sync->held->repo, sync->review_ref) : NULL;
  if (place == NULL)
    return TRUE;
  g_autofree char *quoted = g_shell_quote (place);
  block (sync, "checked_out", "%s is checked out in '%s'", session->review_branch, place);
  sync->outcome->hint = g_strdup_printf ("git -C %s switch --detach, then git agbranch sync %s",
                                         quoted, session->name);
  return TRUE;
}

static gboolean
is_on_review_branch (const Syncing *sync)
{
  return sync->state.head != NULL && g_strcmp0 (sync->state.branch, sync->review_ref) == 0;
}

/* A guest that is silent gets no more time for it than for its pack. */
static gboolean
read_state (Syncing *sync, GError **error)
{
  AgbHeld *held = sync->held;
  gint64 wanted_ms = 1000 * agb_settings_int (held->settings, "agbranch.limits.seconds");
  gint64 timeout_ms = MIN (wanted_ms, AGB_TIMEOUT_GIT);

  if (agb_clone_state (held->runtime, held->session, agb_repo_oid_length (held->repo), timeout_ms,
                       &sync->state, error))
    return TRUE;
  if (g_error_matches (*error, AGB_ERROR, AGB_ERROR_TIMEOUT))
    {
      g_clear_error (error);
      g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT,
                   "git in the guest did not answer within %" G_GINT64_FORMAT " seconds",
                   timeout_ms / 1000);
      agb_error_hint (error, "git agbranch shell %s", held->session->name);
    }
  return FALSE;
}

/* Only where the commit is one that the user can have meant: on the review branch, and not the end
 * of a merge with its conflicts in it. */
static gboolean
commit_dirty (Syncing *sync, GError **error)
{
  AgbHeld *held = sync->held;
  g_autofree char *oid = NULL;

  if (!sync->options->include_dirty || !is_on_review_branch (sync) || sync->state.pending
      || (sync->state.dirty == 0 && sync->state.untracked == 0))
    return TRUE;
  if (!agb_clone_save (held->runtime, held->session, agb_repo_oid_length (held->repo),
                       AGB_SAVE_BRANCH, "Include uncommitted changes", NULL, &oid, error))
    return FALSE;
  agb_clone_state_clear (&sync->state);
  return read_state (sync, error);
}

static gboolean
ask_guest (Syncing *sync, GError **error)
{
  AgbHeld *held = sync->held;

  agb_progress_phase (held->env->progress, "asking the guest");
  if (!read_state (sync, error) || !commit_dirty (sync, error))
    return FALSE;
  sync->outcome->new_oid
      = g_strdup (sync->state.head != NULL ? sync->state.head : sync->outcome->old_oid);
  return TRUE;
}

/* The first reason not to move anything, in the order in which a user would clear them. */
static gboolean
find_reason (Syncing *sync, GError **error)
{
  if (!is_on_review_branch (sync))
    block_off_branch (sync);
  else if (sync->state.dirty > 0 || sync->state.untracked > 0 || sync->state.pending)
    block_dirty (sync);
  else
    return find_host_reasons (sync, error)
           && (sync->outcome->blocked || find_rewritten (sync, error));
  return TRUE;
}

static AgbGateRequest
gate_request (Syncing *sync)
{
  return (AgbGateRequest){ .session = sync->held->session->name,
                           .base_oid = sync->held->session->base_oid,
                           .old_oid = sync->outcome->old_oid,
                           .new_oid = sync->outcome->new_oid,
                           .review_ref = sync->review_ref,
                           .staged_path = sync->run.staging_path };
}

static gboolean
receive (Syncing *sync, GError **error)
{
  AgbHeld *held = sync->held;
  AgbGateRequest request = gate_request (sync);
  const char *haves[] = { held->session->base_oid, sync->outcome->old_oid, NULL };

  if (strcmp (request.new_oid, request.old_oid) == 0)
    return agb_gate_stage_existing (held->repo, &request, error);
  sync->gate = agb_gate_new (held->repo, held->settings, &request, held->env->progress, error);
  if (sync->gate == NULL)
    return FALSE;
  g_autoptr (AgbGuestProcess) process
      = agb_clone_pack_start (held->runtime, held->session, request.new_oid, haves, error);
  return process != NULL && agb_gate_receive (sync->gate, process->stdout_fd, error)
         && agb_clone_pack_end (process, error);
}

static gboolean
write_patch (Syncing *sync, GError **error)
{
  if (sync->options->export_patch == NULL || sync->gate == NULL)
    return TRUE;
  if (!agb_gate_export_patch (sync->gate, sync->options->export_patch, error))
    return FALSE;
  sync->outcome->patch_path = g_strdup (sync->options->export_patch);
  sync->run.patch_path = g_strdup (sync->options->export_patch);
  return TRUE;
}

static AgbRefUpdates *
ref_updates (Syncing *sync)
{
  const AgbSession *session = sync->held->session;
  const AgbSyncOutcome *outcome = sync->outcome;
  AgbRefUpdates *updates = agb_ref_updates_new ();
  g_autofree char *numbered
      = g_strdup_printf ("refs/agbranch/sync/%s/%" G_GINT64_FORMAT, session->name, outcome->number);

  agb_ref_updates_add (updates, numbered, NULL, outcome->new_oid);
  agb_ref_updates_add (updates, session->session_ref_head, outcome->old_oid, outcome->new_oid);
  agb_ref_updates_add (updates, sync->review_ref, sync->review_old, outcome->new_oid);
  return updates;
}

/* After a failed transaction: what it left half-way (its program was killed) is for recovery, which
 * finds the operation in the journal. */
static gboolean
any_moved (AgbRepo *repo, const AgbRefUpdates *updates)
{
  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (updates, i);
      g_autofree char *now = NULL;
      /* One that cannot be read may have moved. */
      if (!agb_repo_find_ref (repo, update->ref, &now, NULL))
        return TRUE;
      if (g_strcmp0 (now, update->old_oid) != 0 && g_strcmp0 (now, update->new_oid) == 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
accept_and_move (Syncing *sync, const AgbRefUpdates *updates, GError **error)
{
  AgbHeld *held = sync->held;

  const char *keep = agb_gate_keep_path (sync->gate);

  agb_journal_set (sync->journal, "keep", keep);
  if (!agb_journal_step (sync->journal, "accept", error) || !agb_gate_accept (sync->gate, error))
    return FALSE;
  agb_journal_set_value (sync->journal, "refs", agb_ref_updates_to_json (updates));
  if (!agb_journal_step (sync->journal, "refs", error))
    return FALSE;
  agb_progress_phase (held->env->progress, "moving the review branch");
  if (!agb_ref_updates_apply (held->repo, updates, "agbranch: sync", error))
    {
      sync->half_moved = any_moved (held->repo, updates);
      return FALSE;
    }
  agb_gate_finish (sync->gate);
  return TRUE;
}

static gboolean
move_refs (Syncing *sync, GError **error)
{
  AgbHeld *held = sync->held;

  sync->outcome->number = sync->run.number = agb_next_ref_number (held, "sync");
  g_autoptr (AgbRefUpdates) updates = ref_updates (sync);
  agb_interrupt_shield ();
  gboolean moved = accept_and_move (sync, updates, error);
  agb_interrupt_unshield ();
  if (!moved)
    return FALSE;
  agb_repo_count_commits (held->repo, sync->outcome->old_oid, sync->outcome->new_oid,
                          &sync->outcome->commits, NULL);
  return TRUE;
}

/* Everything up to the moved refs; sync->outcome says what came of it. */
static gboolean
run_sync (Syncing *sync, GError **error)
{
  if (!ask_guest (sync, error) || !receive (sync, error) || !find_reason (sync, error))
    return FALSE;
  sync->outcome->staged_path = g_strdup (sync->run.staging_path);
  if (sync->outcome->blocked || sync->gate == NULL)
    return write_patch (sync, error);

  if (!agb_gate_check (sync->gate, error) || !agb_lfs_bring (sync->held, sync->gate, error))
    return FALSE;
  sync->outcome->findings = g_strdupv ((char **)agb_gate_findings (sync->gate));
  if (!write_patch (sync, error) || !agb_gate_run_hook (sync->gate, error))
    return FALSE;
  return move_refs (sync, error);
}

/* The session was changed under our feet by git on the host: that is the user's move, not a fault. */
static gboolean
lost_race (Syncing *sync, GError **error)
{
  if (*error == NULL || !g_error_matches (*error, AGB_ERROR, AGB_ERROR_ACTION)
      || sync->outcome->blocked || sync->half_moved)
    return FALSE;
  g_autofree char *hint = NULL;
  agb_error_split (*error, &sync->outcome->message, &hint);
  sync->outcome->hint = hint != NULL
                            ? g_steal_pointer (&hint)
                            : g_strdup_printf ("git agbranch sync %s", sync->held->session->name);
  sync->outcome->blocked = TRUE;
  sync->outcome->reason = "host_moved";
  sync->outcome->number = sync->run.number = 0;
  g_clear_error (error);
  return TRUE;
}

static gboolean
begin (Syncing *sync, GError **error)
{
  AgbHeld *held = sync->held;
  AgbCatalog *catalog = held->env->catalog;
  const char *name = held->session->name;

  sync->run.session_name = g_strdup (name);
  sync->run.direction = g_strdup ("guest_to_host");
  sync->run.result = g_strdup ("running");
  sync->run.started_at = agb_time_now ();
  sync->run.old_oid = g_strdup (sync->outcome->old_oid);
  if (!agb_catalog_begin_sync_run (catalog, &sync->run, error))
    return FALSE;

  g_autofree char *file = g_strdup_printf ("%" G_GINT64_FORMAT ".bundle", sync->run.id);
  sync->run.staging_path = agb_state_path (error, "staging", name, file, NULL);
  if (sync->run.staging_path == NULL)
    return FALSE;
  sync->journal = agb_journal_begin (catalog, name, "sync", error);
  if (sync->journal == NULL)
    return FALSE;
  agb_journal_set_value (sync->journal, "run", cJSON_CreateNumber ((double)sync->run.id));
  agb_journal_set (sync->journal, "staging_path", sync->run.staging_path);
  return agb_journal_step (sync->journal, "receive", error)
         && agb_catalog_update_session (catalog, name, error, "lifecycle_state", "syncing", NULL);
}

static const char *
result_word (const Syncing *sync, const GError *problem)
{
  if (problem != NULL)
    return g_error_matches (problem, AGB_ERROR, AGB_ERROR_SYNC) ? "refused" : "error";
  if (sync->outcome->blocked)
    return "blocked";
  return sync->outcome->number > 0 ? "synced" : "nothing";
}

static gboolean
add_event (Syncing *sync, const char *result, GError **error)
{
  AgbCatalog *catalog = sync->held->env->catalog;
  const char *name = sync->held->session->name;
  const AgbSyncOutcome *outcome = sync->outcome;

  if (sync->run.error_text != NULL)
    return agb_catalog_add_event (catalog, name, outcome->blocked ? "warning" : "error",
                                  outcome->blocked ? "sync_blocked" : "sync_failed", error,
                                  "%s: %s", result, sync->run.error_text);
  if (outcome->number == 0)
    return agb_catalog_add_event (catalog, name, "info", "synced", error, "nothing to sync");
  return agb_catalog_add_event (
      catalog, name, "info", "synced", error, "%u commits, %.12s..%.12s, sync %" G_GINT64_FORMAT,
      outcome->commits, outcome->old_oid, outcome->new_oid, outcome->number);
}

/* Write down what came of it, also after an error (PROBLEM). */
static gboolean
record (Syncing *sync, const GError *problem, GError **error)
{
  AgbCatalog *catalog = sync->held->env->catalog;
  const char *result = result_word (sync, problem);
  const char *sync_state = problem != NULL ? "error" : sync->outcome->blocked ? "blocked" : "clean";
  g_autofree char *now = agb_time_now ();
  g_autofree char *hint = NULL;

  g_free (sync->run.result);
  sync->run.result = g_strdup (result);
  sync->run.finished_at = g_strdup (now);
  sync->run.new_oid = g_strdup (sync->outcome->new_oid);
  if (problem != NULL)
    agb_error_split (problem, &sync->run.error_text, &hint);
  else
    sync->run.error_text = g_strdup (sync->outcome->message);
  return agb_catalog_save_sync_run (catalog, &sync->run, error)
         && agb_catalog_update_session (catalog, sync->run.session_name, error, "lifecycle_state",
                                        "running", "sync_state", sync_state, "last_used_at", now,
                                        NULL)
         && add_event (sync, result, error);
}

gboolean
agb_session_sync (AgbHeld *held, const AgbSyncOptions *options, AgbSyncOutcome *ret, GError **error)
{
  g_auto (Syncing) sync = { .held = held, .options = options, .outcome = ret };
  g_autoptr (GError) problem = NULL;

  if (held->repo == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "sandbox session '%s' has no way back by git",
                   held->session->name);
      agb_error_hint (error, "copy files out: git agbranch export %s --from <path> --to <path>",
                      held->session->name);
      return FALSE;
    }
  if (!agb_session_start (held->env, held->session, held->runtime, NULL, error))
    return FALSE;
  sync.review_ref = g_strconcat ("refs/heads/", held->session->review_branch, NULL);
  if (!agb_repo_find_ref (held->repo, held->session->session_ref_head, &ret->old_oid, error))
    return FALSE;
  if (ret->old_oid == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session ref '%s' is gone",
                   held->session->session_ref_head);
      agb_error_hint (error, "git agbranch repair %s", held->session->name);
      return FALSE;
    }
  if (!begin (&sync, error))
    return FALSE;

  if (!run_sync (&sync, &problem))
    lost_race (&sync, &problem);
  agb_progress_phase (held->env->progress, NULL);
  if (problem == NULL)
    return record (&sync, NULL, error) && agb_journal_end (sync.journal, error);

  if (sync.half_moved)
    agb_error_hint (&problem, "git agbranch repair %s", held->session->name);
  else if (record (&sync, problem, NULL))
    agb_journal_end (sync.journal, NULL);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}
