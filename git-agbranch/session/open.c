#include "session/open.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/paths.h"
#include "core/time.h"
#include "gate/reftx.h"
#include "guest/tmux.h"
#include "guest/transport.h"
#include "session/clone.h"
#include "session/host-side.h"
#include "session/journal.h"
#include "session/lfs.h"
#include "session/notes.h"
#include "session/provider.h"
#include "session/seed-folder.h"
#include "session/submodules.h"
#include "session/variables.h"

#include <string.h>

enum { FLUSH_OUTPUT_LIMIT = 4096 };

typedef struct {
  AgbEnv *env;
  const AgbOpenRequest *request;
  AgbSession *session;
  AgbRuntime *runtime;
  AgbJournal *journal;
  char **borrowed;
  char **command;
  char **copied;         /* files of the work tree that go in, NULL: none */
  GPtrArray *submodules; /* of the base */
  AgbOpenResult *result;
} Opening;

static void
opening_clear (Opening *opening)
{
  g_clear_pointer (&opening->session, agb_session_free);
  g_clear_pointer (&opening->runtime, agb_runtime_free);
  g_clear_pointer (&opening->journal, agb_journal_free);
  g_clear_pointer (&opening->borrowed, g_strfreev);
  g_clear_pointer (&opening->command, g_strfreev);
  g_clear_pointer (&opening->copied, g_strfreev);
  g_clear_pointer (&opening->submodules, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Opening, opening_clear)

void
agb_open_result_clear (AgbOpenResult *result)
{
  g_clear_pointer (&result->session, agb_session_free);
  agb_runtime_script_clear (&result->script);
}

/* The number that makes this session's guest another than those of earlier sessions of that name. */
static gboolean
check_name (AgbEnv *env, const AgbOpenRequest *request, gint64 *ret_attempt, GError **error)
{
  g_autoptr (AgbSession) old = agb_catalog_get_session (env->catalog, request->name, NULL);

  *ret_attempt = old != NULL ? old->attempt + 1 : 1;
  if (old == NULL || !agb_session_is_live (old))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' is open already (%s), in '%s'",
               old->name, old->lifecycle_state, old->host_context_path);
  agb_error_hint (error, "take another name, or close it: git agbranch close %s", old->name);
  return FALSE;
}

/* A guest under our handle that the catalog does not know is somebody's work: it is never taken over
 * silently. */
static gboolean
check_no_guest (Opening *opening, GError **error)
{
  g_autofree char *vm_name = g_strconcat ("agbranch-", opening->request->name, NULL);
  g_auto (AgbGuestStatus) status = { 0 };

  if (!opening->runtime->klass->status (opening->runtime, vm_name, &status, error))
    return FALSE;
  if (status.state == AGB_GUEST_ABSENT || status.state == AGB_GUEST_LOST)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "a guest '%s' is there already (%s), but no open session has it", vm_name,
               agb_guest_state_word (status.state));
  agb_error_hint (error, "bring it back or remove it: git agbranch repair --all");
  return FALSE;
}

/* An old review branch may stay only when the base has it already: then the first sync moves it
 * forward like any other. */
static gboolean
check_review_branch (AgbRepo *repo, AgbSession *session, char **ret_oid, GError **error)
{
  g_autofree char *ref = g_strconcat ("refs/heads/", session->review_branch, NULL);
  g_autofree char *oid = NULL;
  gboolean merged = FALSE;

  if (!agb_repo_find_ref (repo, ref, &oid, error))
    return FALSE;
  if (oid == NULL)
    return TRUE;
  if (!agb_repo_is_ancestor (repo, oid, session->base_oid, &merged, error))
    return FALSE;
  if (merged)
    {
      *ret_oid = g_steal_pointer (&oid);
      return TRUE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "branch '%s' is left from an earlier session and not merged into the base",
               session->review_branch);
  agb_error_hint (error,
                  "merge it (git merge %s), rename it (git branch -m %s <name>) or delete it (git "
                  "branch -D %s)",
                  session->review_branch, session->review_branch, session->review_branch);
  return FALSE;
}

static char *
json_strv (const char *const *strv)
{
  g_autoptr (cJSON) array = cJSON_CreateArray ();

  for (; *strv != NULL; strv++)
    cJSON_AddItemToArray (array, cJSON_CreateString (*strv));
  return agb_json_print (array, FALSE);
}

static void
fill_agent (Opening *opening)
{
  const AgbOpenRequest *request = opening->request;
  AgbSession *session = opening->session;
  g_auto (GStrv) kept = NULL; /* without the prompt: a resumed agent has had it */

  if (request->profile != NULL)
    {
      opening->command = agb_agent_command (request->profile, request->prompt, request->command);
      kept = agb_agent_command (request->profile, NULL, request->command);
    }
  else if (request->command != NULL)
    {
      opening->command = g_strdupv ((char **)request->command);
      kept = g_strdupv ((char **)request->command);
    }
  session->shell_window_name = g_strdup (AGB_SHELL_WINDOW);
  session->agent_window_name = g_strdup (AGB_AGENT_WINDOW);
  if (opening->command == NULL)
    return;
  session->provider_kind = g_strdup (request->profile != NULL ? request->profile->name : NULL);
  session->agent_launch_preset
      = g_strdup (request->profile != NULL ? request->profile->name : "command");
  session->agent_command_json = json_strv ((const char *const *)kept);
}

/* The commit that the session starts from; with --with-changes one that is made of the work tree, so
 * that the review branch is compared with what the agent began with. */
static gboolean
resolve_base (Opening *opening, GError **error)
{
  AgbRepo *repo = opening->env->repo;
  g_autofree char *oid = agb_repo_resolve_commit (repo, opening->request->base, error);

  if (oid == NULL || !agb_fetch_promised (repo, oid, opening->env->progress, error))
    return FALSE;
  if (!opening->request->with_changes)
    opening->session->base_oid = g_steal_pointer (&oid);
  else if (!agb_commit_changes (repo, oid, &opening->session->base_oid, error))
    return FALSE;
  return TRUE;
}

/* --copy names files that must be there, agbranch.copy those that go along when they are. */
static gboolean
choose_copied (Opening *opening, GError **error)
{
  AgbRepo *repo = opening->env->repo;
  const char *const *configured = agb_settings_list (opening->env->settings, "agbranch.copy");
  static const char *const none[] = { NULL };
  g_autoptr (GStrvBuilder) all = g_strv_builder_new ();
  g_auto (GStrv) usual = agb_paths_to_copy (repo, configured, FALSE, error);
  g_auto (GStrv) named = agb_paths_to_copy (
      repo, opening->request->copy != NULL ? opening->request->copy : none, TRUE, error);

  if (usual == NULL || named == NULL)
    return FALSE;
  g_strv_builder_addv (all, (const char **)usual);
  g_strv_builder_addv (all, (const char **)named);
  if (*usual != NULL || *named != NULL)
    opening->copied = g_strv_builder_end (all);
  return TRUE;
}

static gboolean
fill_repo (Opening *opening, GError **error)
{
  AgbSession *session = opening->session;
  AgbRepo *repo = opening->env->repo;
  g_autoptr (cJSON) options = cJSON_CreateObject ();
  g_autofree char *review_oid = NULL;
  const char *root
      = agb_repo_work_tree (repo) != NULL ? agb_repo_work_tree (repo) : agb_repo_git_dir (repo);

  session->session_mode = g_strdup ("repo");
  session->repo_sync_mode = g_strdup ("git_native");
  session->host_context_path = g_strdup (root);
  session->host_git_root = g_strdup (root);
  session->git_common_dir = g_strdup (agb_repo_common_dir (repo));
  session->guest_workspace_path
      = g_strdup_printf (AGB_GUEST_HOME "/workspaces/%s/repo", session->name);
  session->review_branch = g_strconcat ("agbranch/", session->name, NULL);
  session->session_ref_base = g_strdup_printf ("refs/agbranch/sessions/%s/base", session->name);
  session->session_ref_head = g_strdup_printf ("refs/agbranch/sessions/%s/head", session->name);

  if (!resolve_base (opening, error) || !check_review_branch (repo, session, &review_oid, error))
    return FALSE;
  session->host_head_ref_at_open = agb_repo_head_ref (repo);
  session->host_head_oid_at_open = agb_repo_resolve_commit (repo, NULL, NULL);
  session->base_ref = g_strdup (opening->request->base != NULL   ? opening->request->base
                                : session->host_head_ref_at_open ? session->host_head_ref_at_open
                                                                 : "HEAD");
  opening->submodules = agb_submodules_of (repo, session->base_oid, error);
  if (opening->submodules == NULL)
    return FALSE;
  agb_json_add_string (options, "review_at_open", review_oid);
  if (opening->submodules->len > 0)
    cJSON_AddItemToObject (options, "submodules", agb_submodules_to_json (opening->submodules));
  session->options_json = agb_json_print (options, FALSE);
  return TRUE;
}

/* What stays behind is said: the session has the base commit, not the work tree. */
static gboolean
note_dirty (Opening *opening, GError **error)
{
  AgbRepo *repo = opening->env->repo;
  gboolean dirty = FALSE;
  guint untracked = 0;

  if (agb_repo_work_tree (repo) == NULL)
    return TRUE;
  if (opening->request->with_changes)
    {
      dirty = g_strcmp0 (opening->session->base_oid, opening->session->host_head_oid_at_open) != 0;
      opening->session->host_dirty_at_open = opening->result->host_dirty = dirty;
      return TRUE;
    }
  if (!agb_repo_is_dirty (repo, &dirty, &untracked, error))
    return FALSE;
  opening->session->host_dirty_at_open = dirty;
  opening->result->host_dirty = dirty;
  if (dirty)
    agb_progress_note (opening->env->progress,
                       "uncommitted changes of '%s'%s stay behind: the session starts from %s",
                       agb_repo_work_tree (repo), untracked > 0 ? " and untracked files" : "",
                       opening->session->base_ref);
  return TRUE;
}

static void
fill_sandbox (Opening *opening)
{
  AgbSession *session = opening->session;
  const char *seed = opening->request->seed_dir;

  session->session_mode = g_strdup ("sandbox");
  session->seed_host_path = seed != NULL ? g_canonicalize_filename (seed, NULL) : NULL;
  session->host_context_path
      = seed != NULL ? g_strdup (session->seed_host_path) : g_get_current_dir ();
  session->guest_workspace_path = g_strdup_printf (AGB_GUEST_HOME "/sandbox/%s", session->name);
}

static gboolean
fill_session (Opening *opening, gint64 attempt, GError **error)
{
  const AgbOpenRequest *request = opening->request;
  AgbSettings *settings = opening->env->settings;
  AgbSession *session = agb_session_new (request->name);

  opening->session = session;
  session->attempt = attempt;
  session->vm_name = g_strconcat ("agbranch-", session->name, NULL);
  session->lifecycle_state = g_strdup ("cloning");
  session->sync_state = g_strdup ("pending");
  session->created_at = agb_time_now ();
  session->last_used_at = g_strdup (session->created_at);
  session->runtime = g_strdup (opening->runtime->klass->name);
  session->image = g_strdup (request->image);
  session->network
      = g_strdup (request->network != NULL ? request->network
                                           : agb_settings_string (settings, "agbranch.network"));
  session->cpus = request->cpus > 0 ? request->cpus : agb_settings_int (settings, "agbranch.cpus");
  session->memory_bytes
      = (gint64)(request->memory_bytes > 0 ? request->memory_bytes
                                           : agb_settings_size (settings, "agbranch.memory"));
  session->disk_bytes
      = (gint64)(request->disk_bytes > 0 ? request->disk_bytes
                                         : agb_settings_size (settings, "agbranch.disk"));
  session->guest_tmux_socket_path
      = g_strdup_printf (AGB_GUEST_HOME "/.agbranch/tmux/%s.sock", session->name);
  fill_agent (opening);
  if (request->sandbox)
    {
      fill_sandbox (opening);
      return TRUE;
    }
  return agb_clone_check_identity (settings, error) && fill_repo (opening, error)
         && choose_copied (opening, error)
         && agb_clone_borrowed_dirs (opening->runtime, opening->env->repo, settings,
                                     &opening->borrowed, error);
}

static gboolean
make_guest (Opening *opening, GError **error)
{
  const AgbOpenRequest *request = opening->request;
  const AgbSession *session = opening->session;
  AgbGuestSpec spec = {
    .session = session->name,
    .vm_name = session->vm_name,
    .attempt = session->attempt,
    .sandbox = request->sandbox,
    .cpus = session->cpus,
    .memory_bytes = (guint64)session->memory_bytes,
    .disk_bytes = (guint64)session->disk_bytes,
    .disk_wanted
    = request->disk_bytes > 0
      || !g_str_equal (agb_settings_origin (opening->env->settings, "agbranch.disk"), "default"),
    .pids = agb_settings_int (opening->env->settings, "agbranch.limits.pids"),
    .limits_wanted = request->cpus > 0 || request->memory_bytes > 0 || request->disk_bytes > 0,
    .network = session->network,
    .image = session->image,
    .repo = request->sandbox || agb_settings_bool (opening->env->settings, "agbranch.private")
                ? NULL
                : session->git_common_dir,
    .object_dirs = (const char *const *)opening->borrowed
  };

  return opening->runtime->klass->create (opening->runtime, &spec, opening->env->progress, error);
}

static gboolean
start_guest (Opening *opening, GError **error)
{
  return opening->runtime->klass->start (opening->runtime, opening->session->vm_name,
                                         opening->env->progress, error);
}

static gboolean
seed_clone (Opening *opening, GError **error)
{
  const AgbSession *session = opening->session;
  AgbSettings *settings = opening->env->settings;
  AgbRepo *repo = opening->env->repo;
  AgbProgress *progress = opening->env->progress;
  guint borrowed = opening->borrowed != NULL ? g_strv_length (opening->borrowed) : 0;

  if (!agb_clone_seed (opening->runtime, session, repo, settings, borrowed, error)
      || !agb_lfs_seed (opening->runtime, session, repo, settings, progress, error)
      || !agb_submodules_seed (opening->runtime, session, settings, opening->submodules, progress,
                               error))
    return FALSE;
  return opening->copied == NULL
         || agb_seed_paths (opening->runtime, session, settings, agb_repo_work_tree (repo),
                            opening->copied, progress, error);
}

/* The base's entry for its browser is in the home that the clone has. */
static gboolean
leave_browser_out (Opening *opening, GError **error)
{
  const char *args[] = { "off", NULL };
  g_auto (AgbChildResult) result = { 0 };

  if ((opening->runtime->klass->flags & AGB_RUNTIME_HAS_BASE) == 0
      || (!opening->request->no_browser
          && agb_settings_bool (opening->env->settings, "agbranch.browser")))
    return TRUE;
  if (!agb_guest_script (opening->runtime, opening->session->vm_name, "guest/browser.sh", args,
                         NULL, NULL, 0, AGB_TIMEOUT_GIT, &result, error))
    return FALSE;
  if (result.status == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "cannot take the browser out of the agents' configuration (status %d)",
               result.status);
  return FALSE;
}

static gboolean
seed_workspace (Opening *opening, GError **error)
{
  const AgbSession *session = opening->session;

  if (!agb_catalog_update_session (opening->env->catalog, session->name, error, "lifecycle_state",
                                   "seeding", NULL)
      || !leave_browser_out (opening, error))
    return FALSE;
  if (opening->request->sandbox)
    return agb_seed_folder (opening->runtime, session, opening->env->settings,
                            opening->env->progress, &opening->result->seeded_files,
                            &opening->result->seeded_bytes, error);
  return seed_clone (opening, error);
}

/* Session refs that are left from a session that was never closed properly are replaced. */
static AgbRefUpdates *
session_ref_updates (Opening *opening, GError **error)
{
  const AgbSession *session = opening->session;
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  const char *const refs[] = { session->session_ref_base, session->session_ref_head };

  for (gsize i = 0; i < G_N_ELEMENTS (refs); i++)
    {
      g_autofree char *old = NULL;
      if (!agb_repo_find_ref (opening->env->repo, refs[i], &old, error))
        return NULL;
      agb_ref_updates_add (updates, refs[i], old, session->base_oid);
    }
  return g_steal_pointer (&updates);
}

static gboolean
write_refs (Opening *opening, GError **error)
{
  if (opening->request->sandbox)
    return TRUE;
  g_autoptr (AgbRefUpdates) updates = session_ref_updates (opening, error);
  if (updates == NULL)
    return FALSE;
  agb_journal_set_value (opening->journal, "refs", agb_ref_updates_to_json (updates));
  return agb_journal_step (opening->journal, "refs", error)
         && agb_ref_updates_apply (opening->env->repo, updates, "agbranch: open", error);
}

static gboolean
start_tmux (Opening *opening, GError **error)
{
  return agb_tmux_start (opening->runtime, opening->session, error);
}

/* A machine has a cache of its own, which is lost when it is switched off: not what was made here. */
static gboolean
flush_disk (Opening *opening, GError **error)
{
  static const char *const argv[] = { "sync", NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_auto (AgbChildResult) result = { 0 };

  if ((opening->runtime->klass->flags & AGB_RUNTIME_IS_VM) == 0)
    return TRUE;
  if (!agb_guest_capture (opening->runtime, opening->session->vm_name, &spec, NULL, 0,
                          FLUSH_OUTPUT_LIMIT, AGB_TIMEOUT_LONG, &result, error))
    return FALSE;
  if (result.status == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "the guest cannot write to its disk (sync ended with status %d)", result.status);
  return FALSE;
}

static gboolean
start_agent (Opening *opening, GError **error)
{
  const AgbOpenRequest *request = opening->request;
  AgbEnv *env = opening->env;

  if (opening->command == NULL)
    return TRUE;
  if (request->imports != NULL
      && !agb_provider_import (env, opening->runtime, opening->session, request->imports, error))
    return FALSE;
  agb_note_missing_env (env->progress, request->profile, request->agent_env);
  return agb_runtime_script_start_agent (env, env->settings, opening->runtime, opening->session,
                                         request->profile, (const char *const *)opening->command,
                                         request->agent_env, &opening->result->script, error);
}

static gboolean
set_running (Opening *opening, GError **error)
{
  AgbSession *session = opening->session;
  AgbCatalog *catalog = opening->env->catalog;

  session->last_started_at = agb_time_now ();
  g_free (session->lifecycle_state);
  session->lifecycle_state = g_strdup ("running");
  if (!agb_catalog_update_session (catalog, session->name, error, "lifecycle_state", "running",
                                   "last_started_at", session->last_started_at, NULL))
    return FALSE;
  if (session->base_oid == NULL)
    return agb_catalog_add_event (catalog, session->name, "info", "opened", error,
                                  "opened as a sandbox session");
  return agb_catalog_add_event (catalog, session->name, "info", "opened", error,
                                "opened from %s (%.12s)", session->base_ref, session->base_oid);
}

static const struct {
  const char *name;
  const char *phase; /* NULL: too short to be shown */
  gboolean (*run) (Opening *opening, GError **error);
} steps[] = {
  { "create", "making the guest", make_guest },
  { "start", "starting the guest", start_guest },
  { "seed", "seeding the workspace", seed_workspace },
  { "session-refs", NULL, write_refs },
  { "tmux", "starting the terminal server", start_tmux },
  { "flush", NULL, flush_disk },
  { AGB_OPEN_STEP_AGENT, "starting the agent", start_agent },
  { "running", NULL, set_running },
};

static gboolean
run_steps (Opening *opening, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      if (steps[i].run == start_agent && opening->command == NULL)
        continue;
      if (steps[i].phase != NULL)
        agb_progress_phase (opening->env->progress, steps[i].phase);
      if (agb_interrupted (error) || !agb_journal_step (opening->journal, steps[i].name, error)
          || !steps[i].run (opening, error))
        return FALSE;
    }
  return agb_journal_end (opening->journal, error);
}

static gboolean
delete_refs (AgbEnv *env, const AgbSession *session, const AgbRefUpdates *made, GError **error)
{
  g_autoptr (AgbRepo) repo = NULL;
  g_autoptr (AgbRefUpdates) back = agb_ref_updates_new ();

  if (agb_ref_updates_length (made) == 0)
    return TRUE;
  if (!agb_env_session_repo_if_there (env, session, &repo, error))
    return FALSE;
  if (repo == NULL)
    return TRUE; /* the refs went with it */
  for (guint i = 0; i < agb_ref_updates_length (made); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (made, i);
      g_autofree char *now = NULL;
      if (!agb_repo_find_ref (repo, update->ref, &now, error))
        return FALSE;
      if (g_strcmp0 (now, update->new_oid) == 0)
        agb_ref_updates_add (back, update->ref, now, update->old_oid);
    }
  return agb_ref_updates_length (back) == 0
         || agb_ref_updates_apply (repo, back, "agbranch: open undone", error);
}

/* What an open makes first, for one whose journal is lost: refs that have moved since are not its. */
static AgbRefUpdates *
first_refs (const AgbSession *session)
{
  AgbRefUpdates *refs = agb_ref_updates_new ();

  if (session->base_oid != NULL && session->session_ref_base != NULL)
    agb_ref_updates_add (refs, session->session_ref_base, NULL, session->base_oid);
  if (session->base_oid != NULL && session->session_ref_head != NULL)
    agb_ref_updates_add (refs, session->session_ref_head, NULL, session->base_oid);
  return refs;
}

gboolean
agb_open_undo (AgbEnv *env, const AgbSession *session, const cJSON *data, GError **error)
{
  const cJSON *array = data != NULL ? cJSON_GetObjectItemCaseSensitive (data, "refs") : NULL;
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, error);
  g_autofree char *key = agb_session_key (session);
  g_autofree char *now = agb_time_now ();

  if (runtime == NULL || !agb_fault_point ("open: destroy the guest again", error)
      || !runtime->klass->destroy (runtime, session->vm_name, key, error))
    return FALSE;
  g_autoptr (AgbRefUpdates) made
      = array != NULL ? agb_ref_updates_from_json (array, error) : first_refs (session);
  if (made == NULL || !delete_refs (env, session, made, error))
    return FALSE;
  return agb_catalog_update_session (env->catalog, session->name, error, "lifecycle_state",
                                     "closed", "closed_at", now, NULL)
         && agb_catalog_add_event (env->catalog, session->name, "warning", "open_undone", error,
                                   "the open was undone");
}

/* After an error: no signal may cut the clean-up in two, and the first error is the one reported. */
static void
undo (Opening *opening, GError **error)
{
  g_autoptr (GError) problem = NULL;

  agb_interrupt_shield ();
  agb_progress_phase (opening->env->progress, "undoing what was made");
  if (agb_open_undo (opening->env, opening->session, opening->journal->data, &problem)
      && agb_journal_end (opening->journal, &problem))
    agb_progress_phase (opening->env->progress, NULL);
  else
    {
      g_autofree char *message = NULL;
      g_autofree char *hint = NULL;
      agb_error_split (problem, &message, &hint);
      agb_progress_warn (opening->env->progress, "could not undo it: %s", message);
      agb_error_hint (error, "git agbranch repair %s", opening->session->name);
    }
  agb_interrupt_unshield ();
}

/* After a script that failed: its output and what it made are wanted, the error is the one reported. */
static void
keep (Opening *opening)
{
  g_autoptr (GError) problem = NULL;

  agb_interrupt_shield ();
  if (!set_running (opening, &problem) || !agb_journal_end (opening->journal, &problem))
    agb_progress_warn (opening->env->progress, "%s", problem->message);
  agb_interrupt_unshield ();
}

static gboolean
settle_script (Opening *opening, GError **error)
{
  const AgbOpenRequest *request = opening->request;

  if (request->sandbox || opening->command == NULL)
    return TRUE;
  return agb_runtime_script_settle (opening->env->repo, opening->env->settings,
                                    opening->session->base_oid, request->ask,
                                    opening->env->progress, &opening->result->script, error);
}

gboolean
agb_session_open (AgbEnv *env, const AgbOpenRequest *request, AgbOpenResult *ret, GError **error)
{
  g_auto (Opening) opening = { .env = env, .request = request, .result = ret };
  g_autoptr (AgbLock) lock = NULL;
  gint64 attempt = 0;
  const char *runtime = request->runtime != NULL
                            ? request->runtime
                            : agb_settings_string (env->settings, "agbranch.runtime");

  opening.runtime = agb_runtime_new (runtime, env->settings, error);
  if (opening.runtime == NULL)
    return FALSE;
  lock = agb_env_lock (env, request->name, request->sandbox ? "launch" : "open", error);
  if (lock == NULL || !check_name (env, request, &attempt, error)
      || !check_no_guest (&opening, error) || !fill_session (&opening, attempt, error)
      || (!request->sandbox && !note_dirty (&opening, error))
      || (request->seed_dir != NULL
          && !agb_seed_folder_check (request->seed_dir, env->settings, error))
      || !settle_script (&opening, error))
    return FALSE;
  agb_note_namespace_sandbox (env, opening.runtime);

  opening.journal = agb_journal_begin (env->catalog, request->name, "open", error);
  if (opening.journal == NULL)
    return FALSE;
  if (!agb_catalog_insert_session (env->catalog, opening.session, error))
    {
      agb_journal_end (opening.journal, NULL);
      return FALSE;
    }
  if (!run_steps (&opening, error))
    {
      if (ret->script.state == AGB_SCRIPT_FAILED)
        keep (&opening);
      else
        undo (&opening, error);
      return FALSE;
    }
  agb_progress_phase (env->progress, NULL);
  ret->session = g_steal_pointer (&opening.session);
  return TRUE;
}
