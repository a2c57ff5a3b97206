#include "session/submodules.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/names.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/transport.h"
#include "session/clone.h"
#include "session/host-side.h"
#include "session/lfs.h"

#include <string.h>

enum {
  NESTING_MAX = 8,
  NESTED_MAX = 256,
  LIST_LIMIT = 256 * 1024, /* bytes of their paths */
};

static void
submodule_free (gpointer data)
{
  AgbSubmodule *submodule = data;

  g_free (submodule->path);
  g_free (submodule->name);
  g_free (submodule->git_dir);
  g_free (submodule->oid);
  g_free (submodule);
}

/* NAME comes from a file of the repository and becomes a path (as git's check_submodule_name). */
static gboolean
is_plain_name (const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);

  for (char **part = parts; *part != NULL; part++)
    if (**part == '\0' || g_str_equal (*part, "..") || g_str_equal (*part, "."))
      return FALSE;
  return *parts != NULL;
}

/* The commit that COMMIT records at PATH, NULL when there is no submodule; the caller frees. */
static char *
recorded_commit (AgbRepo *repo, const char *commit, const char *path)
{
  static const char gitlink[] = "160000 commit ";
  const char *args[] = { "ls-tree", "-z", "--full-tree", commit, "--", path, NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, NULL) || !g_str_has_prefix (output, gitlink))
    return NULL;
  char *oid = output + strlen (gitlink);
  oid[strcspn (oid, "\t")] = '\0';
  return agb_is_oid (oid) ? g_strdup (oid) : NULL;
}

/* TRUE when FOLDER is a repository with COMMIT; what a partial clone was promised is fetched. */
static gboolean
has_commit (const char *folder, const char *commit)
{
  g_autofree char *object = g_strconcat (commit, "^{commit}", NULL);
  const char *args[] = { "cat-file", "-e", object, NULL };
  g_autoptr (AgbRepo) repo = agb_repo_open (folder, FALSE, NULL);

  return repo != NULL && agb_repo_git (repo, args, NULL, NULL, NULL)
         && agb_fetch_promised (repo, commit, NULL, NULL);
}

/* Where git keeps the repository of a submodule: below the one of this work tree, below the common
 * one, or, as it used to be, in the submodule's own folder. */
static char *
find_repository (AgbRepo *repo, const AgbSubmodule *submodule, const char *path)
{
  const char *work_tree = agb_repo_work_tree (repo);
  char *places[]
      = { g_build_filename (agb_repo_git_dir (repo), "modules", submodule->name, NULL),
          g_build_filename (agb_repo_common_dir (repo), "modules", submodule->name, NULL),
          work_tree != NULL ? g_build_filename (work_tree, path, ".git", NULL) : NULL };
  char *found = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      if (found == NULL && places[i] != NULL && g_file_test (places[i], G_FILE_TEST_IS_DIR)
          && has_commit (places[i], submodule->oid))
        found = g_strdup (places[i]);
      g_free (places[i]);
    }
  return found;
}

static gboolean collect (AgbRepo *repo, const char *commit, const char *above, guint depth,
                         GPtrArray *found, GError **error);

/* KEY is "submodule.NAME.path", PATH its value. */
static gboolean
add_submodule (AgbRepo *repo, const char *commit, const char *above, guint depth, const char *key,
               const char *path, GPtrArray *found, GError **error)
{
  const gsize before = strlen ("submodule."), after = strlen (".path");
  g_autofree char *oid = is_plain_name (path) ? recorded_commit (repo, commit, path) : NULL;

  if (oid == NULL || strlen (key) <= before + after)
    return TRUE;
  AgbSubmodule *submodule = g_new0 (AgbSubmodule, 1);
  submodule->path = *above != '\0' ? g_build_filename (above, path, NULL) : g_strdup (path);
  submodule->name = g_strndup (key + before, strlen (key) - before - after);
  submodule->oid = g_steal_pointer (&oid);
  if (is_plain_name (submodule->name))
    submodule->git_dir = find_repository (repo, submodule, path);
  g_ptr_array_add (found, submodule);
  if (submodule->git_dir == NULL || depth + 1 >= NESTING_MAX)
    return TRUE;
  g_autoptr (AgbRepo) inner = agb_repo_open (submodule->git_dir, FALSE, error);
  return inner != NULL && collect (inner, submodule->oid, submodule->path, depth + 1, found, error);
}

static gboolean
collect (AgbRepo *repo, const char *commit, const char *above, guint depth, GPtrArray *found,
         GError **error)
{
  g_autofree char *blob = g_strconcat (commit, ":.gitmodules", NULL);
  const char *exists[] = { "cat-file", "-e", blob, NULL };
  const char *list[]
      = { "config", "--blob", blob, "--null", "--get-regexp", "^submodule\\..*\\.path$", NULL };
  g_autofree char *output = NULL;

  /* A file that git cannot read names no submodule either. */
  if (!agb_repo_git (repo, exists, NULL, NULL, NULL)
      || !agb_repo_git (repo, list, NULL, &output, NULL))
    return TRUE;
  for (char *entry = output, *next; *entry != '\0'; entry = next)
    {
      char *value = strchr (entry, '\n');
      next = entry + strlen (entry) + 1;
      if (value == NULL)
        continue;
      *value = '\0';
      if (!add_submodule (repo, commit, above, depth, entry, value + 1, found, error))
        return FALSE;
    }
  return TRUE;
}

GPtrArray *
agb_submodules_of (AgbRepo *repo, const char *commit, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (submodule_free);

  return collect (repo, commit, "", 0, found, error) ? g_steal_pointer (&found) : NULL;
}

cJSON *
agb_submodules_to_json (GPtrArray *submodules)
{
  cJSON *array = cJSON_CreateArray ();

  for (guint i = 0; i < submodules->len; i++)
    {
      const AgbSubmodule *submodule = submodules->pdata[i];
      cJSON *object = cJSON_CreateObject ();
      if (submodule->git_dir != NULL)
        {
          agb_json_add_string (object, "path", submodule->path);
          agb_json_add_string (object, "git_dir", submodule->git_dir);
          agb_json_add_string (object, "oid", submodule->oid);
          cJSON_AddItemToArray (array, object);
        }
      else
        cJSON_Delete (object);
    }
  return array;
}

/* The clone of a submodule as a session of its own: its place, its commit, no branch. */
static AgbSession *
as_session (const AgbSession *session, const char *path, const char *oid)
{
  AgbSession *inner = agb_session_new (session->name);

  inner->vm_name = g_strdup (session->vm_name);
  inner->attempt = session->attempt;
  inner->guest_workspace_path = g_build_filename (session->guest_workspace_path, path, NULL);
  inner->base_oid = g_strdup (oid);
  inner->review_branch = g_strdup ("");
  inner->session_ref_head = g_strdup (session->session_ref_head);
  return inner;
}

/* `git submodule` in the guest counts it as wanted. */
static gboolean
activate (AgbRuntime *runtime, const AgbSession *session, const AgbSubmodule *submodule,
          GError **error)
{
  g_autofree char *key = g_strdup_printf ("submodule.%s.active", submodule->name);
  g_autofree char *folder
      = g_build_filename (session->guest_workspace_path, submodule->path, "..", NULL);
  const char *argv[] = { "git", "config", "--", key, "true", NULL };
  const AgbExecSpec spec = { .argv = argv, .cwd = folder };
  g_auto (AgbChildResult) result = { 0 };

  return agb_guest_capture (runtime, session->vm_name, &spec, NULL, 0, 4096, AGB_TIMEOUT_GIT,
                            &result, error);
}

static gboolean
seed_one (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
          const AgbSubmodule *submodule, AgbProgress *progress, GError **error)
{
  g_autoptr (AgbRepo) repo = agb_repo_open (submodule->git_dir, FALSE, error);
  g_autoptr (AgbSettings) own = repo != NULL ? agb_settings_load (repo, error) : NULL;
  g_autoptr (AgbSession) inner = as_session (session, submodule->path, submodule->oid);

  if (own != NULL && agb_clone_seed (runtime, inner, repo, settings, 0, error)
      && agb_lfs_seed (runtime, inner, repo, own, progress, error)
      && activate (runtime, session, submodule, error))
    return TRUE;
  g_prefix_error (error, "submodule '%s': ", submodule->path);
  return FALSE;
}

gboolean
agb_submodules_seed (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                     GPtrArray *submodules, AgbProgress *progress, GError **error)
{
  g_autoptr (GString) empty = g_string_new (NULL);
  guint missing = 0;

  for (guint i = 0; i < submodules->len; i++)
    {
      const AgbSubmodule *submodule = submodules->pdata[i];
      g_autofree char *shown = agb_escape (submodule->path, -1);
      if (submodule->git_dir == NULL)
        g_string_append_printf (empty, "%s%s", missing++ > 0 ? ", " : "", shown);
      else if (!seed_one (runtime, session, settings, submodule, progress, error))
        return FALSE;
    }
  if (missing > 0)
    agb_progress_note (progress,
                       "%s empty, since the recorded commit is not on this host: %s (git submodule "
                       "update --init --recursive)",
                       missing > 1 ? "these submodules are" : "this submodule is", empty->str);
  return TRUE;
}

/* In the guest: is there still a repository at the place of INNER? */
static gboolean
is_there (AgbRuntime *runtime, const AgbSession *inner, gboolean *ret, GError **error)
{
  g_autofree char *git = g_build_filename (inner->guest_workspace_path, ".git", NULL);
  const char *argv[] = { "test", "-e", git, NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_guest_capture (runtime, inner->vm_name, &spec, NULL, 0, 4096, AGB_TIMEOUT_GIT, &result,
                          error))
    return FALSE;
  *ret = result.status == 0;
  return TRUE;
}

/* GIT_DIR: of a submodule; NULL: saved in the repository of the session. */
static gboolean
tell (AgbHeld *held, const char *path, const char *git_dir, gboolean discard,
      const AgbRescue *saved, GError **error)
{
  const char *kind = git_dir != NULL ? "submodule" : "repository";
  AgbProgress *progress = held->env->progress;
  g_autofree char *shown = agb_escape (path, -1);

  if (saved->problem != NULL && saved->bundle_path == NULL && !discard)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "work in %s '%s' could not be saved: %s", kind,
                   shown, saved->problem);
      agb_error_hint (error, "git agbranch close %s --discard", held->session->name);
      return FALSE;
    }
  if (saved->problem != NULL)
    {
      agb_progress_warn (progress, "work in %s '%s' could not be saved: %s%s%s", kind, shown,
                         saved->problem, saved->bundle_path != NULL ? "; it is in " : "",
                         saved->bundle_path != NULL ? saved->bundle_path : "");
      return agb_catalog_add_event (held->env->catalog, held->session->name, "warning",
                                    "rescue_failed", error, "%s %s: %s", kind, shown,
                                    saved->problem);
    }
  if (saved->ref == NULL)
    return TRUE;
  g_autofree char *quoted = g_shell_quote (git_dir != NULL ? git_dir : "");
  if (git_dir != NULL)
    agb_progress_note (progress,
                       "work in submodule '%s' was saved in its repository; see it: git "
                       "--git-dir=%s log %s",
                       shown, quoted, saved->ref);
  else
    agb_progress_note (progress,
                       "'%s' is a repository that this host has not; it was saved; see it: git "
                       "agbranch rescue show %s",
                       shown, saved->ref + strlen ("refs/agbranch/rescue/"));
  return agb_catalog_add_event (held->env->catalog, held->session->name, "info", "rescued", error,
                                "%s %s: %s", kind, shown, saved->ref);
}

/* What is at PATH of the workspace goes to REPO (NULL: PROBLEM says why not). */
static gboolean
rescue_at (AgbHeld *held, AgbJournal *journal, const char *path, const char *base_oid,
           AgbRepo *repo, const GError *problem, AgbRescue *ret, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (AgbSession) inner = as_session (held->session, path, base_oid);
  AgbHeld as_held = { .env = held->env,
                      .session = inner,
                      .runtime = held->runtime,
                      .repo = repo,
                      .settings = held->settings };

  if (repo == NULL)
    {
      ret->problem = g_strdup (problem->message);
      return TRUE;
    }
  if (agb_rescue_save (&as_held, path, journal, ret, &reason))
    return TRUE;
  /* What one of them does keeps none of the others from being saved. */
  if (g_error_matches (reason, AGB_ERROR, AGB_ERROR_RUNTIME))
    {
      ret->problem = g_strdup (reason->message);
      return TRUE;
    }
  g_propagate_prefixed_error (error, g_steal_pointer (&reason), "'%s': ", path);
  return FALSE;
}

/* From the next step on, what the journal has is of the repository GIT_DIR; NULL: the session's. */
static void
turn_to (AgbJournal *journal, const char *git_dir)
{
  agb_journal_set (journal, "git_dir", git_dir);
  agb_journal_set (journal, "keep", NULL);
  cJSON_DeleteItemFromObjectCaseSensitive (journal->data, "refs");
}

static gboolean
rescue_submodule (AgbHeld *held, AgbJournal *journal, const cJSON *entry, gboolean discard,
                  GHashTable *seen, GError **error)
{
  const char *path = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (entry, "path"));
  const char *git_dir = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (entry, "git_dir"));
  const char *oid = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (entry, "oid"));
  g_autoptr (GError) problem = NULL;
  g_auto (AgbRescue) saved = { 0 };
  gboolean there = FALSE;

  if (path == NULL || git_dir == NULL || oid == NULL)
    return TRUE;
  g_hash_table_add (seen, g_strdup (path));
  g_autoptr (AgbSession) inner = as_session (held->session, path, oid);
  if (!is_there (held->runtime, inner, &there, error))
    return FALSE;
  if (!there)
    return TRUE;
  g_autoptr (AgbRepo) repo = agb_repo_open (git_dir, TRUE, &problem);
  turn_to (journal, git_dir);
  return rescue_at (held, journal, path, oid, repo, problem, &saved, error)
         && tell (held, path, git_dir, discard, &saved, error);
}

/* In the session's repository: a history of its own, which the gate takes as it takes any. */
static gboolean
rescue_nested (AgbHeld *held, AgbJournal *journal, const char *path, gboolean discard,
               GError **error)
{
  g_auto (AgbRescue) saved = { 0 };

  return rescue_at (held, journal, path, held->session->base_oid, held->repo, NULL, &saved, error)
         && tell (held, path, NULL, discard, &saved, error);
}

/* The paths of all repositories in the workspace, as the guest says. */
static char **
nested_paths (AgbHeld *held, GError **error)
{
  g_autofree char *script = agb_asset_read ("guest/nested.sh", error);
  const char *argv[]
      = { "sh", "-c", script, "nested.sh", held->session->guest_workspace_path, NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();
  guint count = 0;

  if (script == NULL
      || !agb_guest_capture (held->runtime, held->session->vm_name, &spec, NULL, 0, LIST_LIMIT,
                             AGB_TIMEOUT_GIT, &result, error))
    return NULL;
  const char *end = result.output->str + result.output->len;
  for (const char *path = result.output->str; path < end; path += strlen (path) + 1, count++)
    if (is_plain_name (path))
      g_strv_builder_add (paths, path);
  if (result.status == 0 && count <= NESTED_MAX)
    return g_strv_builder_end (paths);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "the guest does not name the repositories in the workspace, or more than %d",
               NESTED_MAX);
  return NULL;
}

gboolean
agb_submodules_rescue (AgbHeld *held, AgbJournal *journal, gboolean discard, GError **error)
{
  const char *text = held->session->options_json;
  g_autoptr (cJSON) options = text != NULL ? cJSON_Parse (text) : NULL;
  const cJSON *list
      = options != NULL ? cJSON_GetObjectItemCaseSensitive (options, "submodules") : NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  /* First, since this brings back what was put away. */
  g_auto (GStrv) paths = nested_paths (held, error);
  const cJSON *entry;

  if (paths == NULL)
    return FALSE;
  cJSON_ArrayForEach (entry, list)
  {
    if (!rescue_submodule (held, journal, entry, discard, seen, error))
      return FALSE;
  }
  turn_to (journal, NULL);
  for (char **path = paths; *path != NULL; path++)
    if (g_hash_table_add (seen, g_strdup (*path))
        && !rescue_nested (held, journal, *path, discard, error))
      return FALSE;
  return TRUE;
}

gboolean
agb_submodules_foreach (const char *text, AgbSubmoduleFunc func, gpointer data, GError **error)
{
  g_autoptr (cJSON) options = text != NULL ? cJSON_Parse (text) : NULL;
  const cJSON *list
      = options != NULL ? cJSON_GetObjectItemCaseSensitive (options, "submodules") : NULL;
  const cJSON *entry;

  cJSON_ArrayForEach (entry, list)
  {
    const char *git_dir
        = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (entry, "git_dir"));
    if (git_dir != NULL && !func (git_dir, data, error))
      return FALSE;
  }
  return TRUE;
}
