#include "session/recover.h"

#include "core/error.h"
#include "core/fault.h"
#include "gate/gate.h"
#include "session/close.h"
#include "session/open.h"

#include <string.h>
#include <unistd.h>

/* The refs in JOURNAL moved by a transaction whose process died: all forward; or, when somebody else
 * has moved one of them meanwhile, those that moved back again. */
static gboolean
settle_refs (AgbRepo *repo, const AgbJournal *journal, gboolean *ret_forward, GError **error)
{
  const cJSON *array = cJSON_GetObjectItemCaseSensitive (journal->data, "refs");
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_from_json (array, error);
  g_autoptr (AgbRefUpdates) back = agb_ref_updates_new ();
  g_autoptr (GError) problem = NULL;

  if (updates == NULL)
    return FALSE;
  *ret_forward = agb_ref_updates_recover (repo, updates, &journal->operation.owner,
                                          "agbranch: recover", &problem);
  if (*ret_forward)
    return TRUE;
  if (!g_error_matches (problem, AGB_ERROR, AGB_ERROR_ACTION))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (updates, i);
      g_autofree char *now = NULL;
      if (!agb_repo_find_ref (repo, update->ref, &now, error))
        return FALSE;
      if (now != NULL && g_strcmp0 (now, update->new_oid) == 0)
        agb_ref_updates_add (back, update->ref, now, update->old_oid);
    }
  return agb_ref_updates_length (back) == 0
         || agb_ref_updates_apply (repo, back, "agbranch: recover", error);
}

/* The keep file of a pack that was being moved in (only one of ours, only where packs are): without
 * an index beside it the pack is no pack yet, and git's own gc would leave it for ever. */
static gboolean
remove_keep (AgbRepo *repo, const AgbJournal *journal, GError **error)
{
  const char *path = agb_journal_get (journal, "keep");
  g_autofree char *folder = g_build_filename (agb_repo_common_dir (repo), "objects", "pack", NULL);
  g_autofree char *parent = path != NULL ? g_path_get_dirname (path) : NULL;

  if (path == NULL || !g_str_equal (parent, folder) || !g_str_has_suffix (path, ".keep"))
    return TRUE;
  g_autofree char *stem = g_strndup (path, strlen (path) - strlen (".keep"));
  g_autofree char *index = g_strconcat (stem, ".idx", NULL);
  g_autofree char *pack = g_strconcat (stem, ".pack", NULL);
  g_autofree char *reverse = g_strconcat (stem, ".rev", NULL);
  if (!agb_fault_point ("recover: remove keep", error))
    return FALSE;
  if (!g_file_test (index, G_FILE_TEST_EXISTS))
    {
      unlink (pack);
      unlink (reverse);
    }
  unlink (path);
  return TRUE;
}

/* What a killed gate left in REPO. */
static gboolean
sweep (AgbRepo *repo, const AgbJournal *journal, GError **error)
{
  return remove_keep (repo, journal, error) && agb_gate_sweep (repo, FALSE, NULL, NULL, error);
}

static gboolean
guest_state (AgbEnv *env, const AgbSession *session, AgbGuestState *ret, GError **error)
{
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, error);
  g_auto (AgbGuestStatus) status = { 0 };

  if (runtime == NULL || !runtime->klass->status (runtime, session->vm_name, &status, error))
    return FALSE;
  *ret = status.state;
  return TRUE;
}

/* What the catalog shows after an operation that was taken back: what the guest is. */
static gboolean
set_lifecycle (AgbEnv *env, const AgbSession *session, GError **error)
{
  AgbGuestState state;

  if (!guest_state (env, session, &state, error))
    return FALSE;
  const char *word = state == AGB_GUEST_RUNNING                             ? "running"
                     : state == AGB_GUEST_ABSENT || state == AGB_GUEST_LOST ? "error"
                                                                            : "stopped";
  return agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state", word,
                                     NULL);
}

typedef struct {
  gint64 id;
  AgbSyncRun found;
} RunSearch;

static gboolean
see_run (const AgbSyncRun *run, gpointer data)
{
  RunSearch *search = data;

  if (run->id != search->id)
    return TRUE;
  search->found = (AgbSyncRun){ .id = run->id,
                                .session_name = g_strdup (run->session_name),
                                .direction = g_strdup (run->direction),
                                .started_at = g_strdup (run->started_at),
                                .staging_path = g_strdup (run->staging_path),
                                .patch_path = g_strdup (run->patch_path),
                                .old_oid = g_strdup (run->old_oid) };
  return FALSE;
}

static gboolean
finish_run (AgbEnv *env, const AgbSession *session, const AgbJournal *journal, gboolean forward,
            GError **error)
{
  const cJSON *id = cJSON_GetObjectItemCaseSensitive (journal->data, "run");
  const cJSON *refs = cJSON_GetObjectItemCaseSensitive (journal->data, "refs");
  RunSearch search = { .id = cJSON_IsNumber (id) ? (gint64)id->valuedouble : 0 };

  if (!agb_catalog_foreach_sync_run (env->catalog, session->name, 0, see_run, &search, error))
    return FALSE;
  if (search.found.id == 0)
    return TRUE;
  g_auto (AgbSyncRun) run = search.found;
  run.result = g_strdup (forward ? "synced" : "error");
  run.error_text = forward ? NULL : g_strdup ("the sync was killed and taken back");
  run.finished_at = g_strdup (journal->operation.updated_at);
  g_free (run.staging_path);
  run.staging_path = g_strdup (agb_journal_get (journal, "staging_path"));
  g_autoptr (AgbRefUpdates) updates
      = forward && refs != NULL ? agb_ref_updates_from_json (refs, NULL) : NULL;
  if (updates != NULL && agb_ref_updates_length (updates) > 0)
    {
      /* The first ref of the transaction is refs/agbranch/sync/<s>/<n>. */
      const AgbRefUpdate *numbered = agb_ref_updates_get (updates, 0);
      run.new_oid = g_strdup (numbered->new_oid);
      run.number = g_ascii_strtoll (strrchr (numbered->ref, '/') + 1, NULL, 10);
    }
  return agb_catalog_save_sync_run (env->catalog, &run, error);
}

static gboolean
recover_sync (AgbEnv *env, const AgbSession *session, AgbJournal *journal, AgbRecovery *ret,
              GError **error)
{
  g_autoptr (AgbRepo) repo = agb_env_session_repo (env, session, TRUE, error);
  gboolean forward = FALSE;

  if (repo == NULL)
    return FALSE;
  if (g_str_equal (journal->operation.step, "refs")
      && !settle_refs (repo, journal, &forward, error))
    return FALSE;
  if (!sweep (repo, journal, error))
    return FALSE;
  *ret = forward ? AGB_RECOVER_RESUMED : AGB_RECOVER_ROLLED_BACK;
  return finish_run (env, session, journal, forward, error)
         && agb_catalog_update_session (env->catalog, session->name, error, "sync_state",
                                        forward ? "clean" : "pending", NULL)
         && set_lifecycle (env, session, error);
}

/* Before the agent was started nobody's work is in the guest. */
static gboolean
recover_open (AgbEnv *env, const AgbSession *session, AgbJournal *journal, AgbRecovery *ret,
              GError **error)
{
  const char *step = journal->operation.step;
  AgbGuestState state;

  if (!guest_state (env, session, &state, error))
    return FALSE;
  if (state != AGB_GUEST_ABSENT
      && (g_str_equal (step, AGB_OPEN_STEP_AGENT) || g_str_equal (step, "running")))
    {
      *ret = AGB_RECOVER_RESUMED;
      return set_lifecycle (env, session, error);
    }
  if (cJSON_HasObjectItem (journal->data, "refs"))
    {
      g_autoptr (AgbRepo) repo = agb_env_session_repo (env, session, TRUE, error);
      gboolean forward;
      if (repo == NULL || !settle_refs (repo, journal, &forward, error))
        return FALSE;
    }
  *ret = AGB_RECOVER_ROLLED_BACK;
  return agb_open_undo (env, session, journal->data, error);
}

/* The repository that JOURNAL is of: a submodule's, or the session's; *RET is NULL when it is gone. */
static gboolean
journal_repo (AgbEnv *env, const AgbSession *session, const AgbJournal *journal, AgbRepo **ret,
              GError **error)
{
  const char *git_dir = agb_journal_get (journal, "git_dir");

  if (git_dir == NULL)
    return agb_env_session_repo_if_there (env, session, ret, error);
  *ret = agb_repo_open (git_dir, TRUE, NULL);
  return TRUE;
}

static gboolean
recover_close (AgbEnv *env, const AgbSession *session, AgbJournal *journal, AgbRecovery *ret,
               GError **error)
{
  static const char *const before_destroy[]
      = { "begin", "rescue", "rescue-accept", "rescue-refs", NULL };
  g_autoptr (AgbRepo) repo = NULL;
  gboolean forward;

  if (!journal_repo (env, session, journal, &repo, error))
    return FALSE;
  if (repo != NULL && cJSON_HasObjectItem (journal->data, "refs")
      && !settle_refs (repo, journal, &forward, error))
    return FALSE;
  if (repo != NULL && !sweep (repo, journal, error))
    return FALSE;
  if (g_strv_contains (before_destroy, journal->operation.step))
    {
      *ret = AGB_RECOVER_ROLLED_BACK;
      return set_lifecycle (env, session, error);
    }
  *ret = AGB_RECOVER_RESUMED;
  return agb_close_finish (env, session, journal, error);
}

/* Refs of a closed session that gc was deleting, there or in a submodule. */
static gboolean
recover_gc (AgbEnv *env, const AgbSession *session, AgbJournal *journal, AgbRecovery *ret,
            GError **error)
{
  gboolean forward = FALSE;

  *ret = AGB_RECOVER_ROLLED_BACK;
  if (!cJSON_HasObjectItem (journal->data, "refs"))
    return TRUE;
  g_autoptr (AgbRepo) repo = NULL;
  if (!journal_repo (env, session, journal, &repo, error)
      || (repo != NULL && !settle_refs (repo, journal, &forward, error)))
    return FALSE;
  *ret = forward ? AGB_RECOVER_RESUMED : AGB_RECOVER_ROLLED_BACK;
  return TRUE;
}

static gboolean
dispatch (AgbEnv *env, const AgbSession *session, AgbJournal *journal, AgbRecovery *ret,
          GError **error)
{
  const char *operation = journal->operation.operation;

  if (g_str_equal (operation, "open"))
    return recover_open (env, session, journal, ret, error);
  if (g_str_equal (operation, "sync"))
    return recover_sync (env, session, journal, ret, error);
  if (g_str_equal (operation, "close"))
    return recover_close (env, session, journal, ret, error);
  if (g_str_equal (operation, "gc"))
    return recover_gc (env, session, journal, ret, error);
  /* start, stop and the like: one effect of the runtime, which is repeated by asking again. */
  *ret = AGB_RECOVER_RESUMED;
  return set_lifecycle (env, session, error);
}

/* What was written down cannot be read: nothing more is known than that the operation was cut off.  The
 * comparison of catalog, refs and guest that follows says what is to be done. */
static gboolean
recover_unreadable (AgbEnv *env, const AgbOperation *operation, const AgbSession *session,
                    AgbRecovery *ret, GError **error)
{
  AgbOperation bare = *operation;

  bare.data_json = NULL;
  g_autoptr (AgbJournal) journal = agb_journal_adopt (env->catalog, &bare, error);
  *ret = AGB_RECOVER_ROLLED_BACK;
  if (journal == NULL)
    return FALSE;
  if (session != NULL
      && (!set_lifecycle (env, session, error)
          || !agb_catalog_add_event (env->catalog, session->name, "warning", "rolled_back", error,
                                     "the unfinished '%s' had a journal that cannot be read",
                                     operation->operation)))
    return FALSE;
  return agb_journal_end (journal, error);
}

static gboolean
recover (AgbEnv *env, const AgbOperation *operation, AgbRecovery *ret, GError **error)
{
  g_autoptr (AgbJournal) journal = agb_journal_adopt (env->catalog, operation, NULL);
  g_autoptr (AgbSession) session
      = agb_catalog_get_session (env->catalog, operation->session_name, NULL);

  if (journal == NULL)
    return recover_unreadable (env, operation, session, ret, error);
  *ret = AGB_RECOVER_ROLLED_BACK;
  /* Without a row the operation came to nothing. */
  if (session != NULL && !dispatch (env, session, journal, ret, error))
    {
      g_prefix_error (error,
                      "cannot recover the unfinished '%s' of session '%s': ", operation->operation,
                      operation->session_name);
      return FALSE;
    }
  if (session != NULL
      && !agb_catalog_add_event (env->catalog, session->name, "warning",
                                 *ret == AGB_RECOVER_RESUMED ? "resumed" : "rolled_back", error,
                                 "the unfinished '%s' was %s at step '%s'", operation->operation,
                                 *ret == AGB_RECOVER_RESUMED ? "finished" : "taken back",
                                 operation->step))
    return FALSE;
  return agb_journal_end (journal, error);
}

gboolean
agb_recover_unfinished (AgbEnv *env, const char *name, AgbRecovery *ret, GError **error)
{
  g_auto (AgbOperation) operation = { 0 };
  AgbRecovery recovery = AGB_RECOVER_NOTHING;
  gboolean found = FALSE;

  if (!agb_catalog_get_operation (env->catalog, name, &operation, &found, error))
    return FALSE;
  /* We hold the session's lock: an operation whose owner lives is our own. */
  if (found && !agb_process_alive (&operation.owner)
      && !recover (env, &operation, &recovery, error))
    return FALSE;
  if (ret != NULL)
    *ret = recovery;
  return TRUE;
}
