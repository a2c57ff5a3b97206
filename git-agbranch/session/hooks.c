#include "session/hooks.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/io.h"
#include "core/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const hook_names[] = { "reference-transaction", "pre-push", "post-checkout" };

/* By this line a hook is known as ours. */
static const char marker[] = "\n# git-agbranch hook: ";

static void
hook_free (gpointer data)
{
  AgbHook *hook = data;

  g_free (hook->path);
  g_free (hook);
}

/* The folder in which git looks for hooks; asked from git, which knows core.hooksPath in all its
 * forms. */
static char *
hooks_folder (AgbRepo *repo, GError **error)
{
  const char *git_dir = agb_repo_git_dir (repo);
  const char *work_tree = agb_repo_work_tree (repo);
  g_autofree char *dir_option = g_strconcat ("--git-dir=", git_dir, NULL);
  const char *const argv[]
      = { "git", dir_option, "rev-parse", "--path-format=absolute", "--git-path", "hooks", NULL };
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = work_tree != NULL ? work_tree : git_dir,
                              .timeout_ms = AGB_TIMEOUT_QUICK };
  char *output = NULL;

  if (!agb_child_check (&spec, &output, error))
    return NULL;
  gsize length = strlen (output);
  if (length > 0 && output[length - 1] == '\n')
    output[length - 1] = '\0';
  return output;
}

static char *
our_text (const char *name, GError **error)
{
  g_autofree char *folder = agb_share_path ("git-agbranch/hooks");
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot read '%s': ", path);
      agb_error_hint (error, "install git agbranch again");
      return NULL;
    }
  return text;
}

static const char *
state_of (const char *path, const char *ours)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_file_test (path, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK) ? "other" : "missing";
  if (strstr (text, marker) == NULL)
    return "other";
  return g_str_equal (text, ours) ? "installed" : "outdated";
}

static gboolean
is_ours (const AgbHook *hook)
{
  return g_str_equal (hook->state, "installed") || g_str_equal (hook->state, "outdated");
}

static char *
chained_path (const AgbHook *hook)
{
  return g_strconcat (hook->path, ".before-agbranch", NULL);
}

GPtrArray *
agb_hooks_status (AgbRepo *repo, GError **error)
{
  g_autoptr (GPtrArray) hooks = g_ptr_array_new_with_free_func (hook_free);
  g_autofree char *folder = hooks_folder (repo, error);

  if (folder == NULL)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (hook_names); i++)
    {
      g_autofree char *ours = our_text (hook_names[i], error);
      if (ours == NULL)
        return NULL;
      AgbHook *hook = g_new0 (AgbHook, 1);
      g_ptr_array_add (hooks, hook);
      hook->name = hook_names[i];
      hook->path = g_build_filename (folder, hook->name, NULL);
      hook->state = state_of (hook->path, ours);
      g_autofree char *before = chained_path (hook);
      hook->chained = is_ours (hook) && g_file_test (before, G_FILE_TEST_EXISTS);
    }
  return g_steal_pointer (&hooks);
}

/* Give the hook that is there a second name.  A run that was killed behind this left both names of the
 * same file. */
static gboolean
keep_other (const AgbHook *hook, GError **error)
{
  g_autofree char *before = chained_path (hook);
  struct stat now, kept;

  if (!agb_fault_point ("hooks: keep the hook that is there", error))
    return FALSE;
  if (link (hook->path, before) == 0)
    return TRUE;
  if (errno != EEXIST)
    return agb_error_set_errno (error, errno, "keep", hook->path);
  if (lstat (hook->path, &now) == 0 && lstat (before, &kept) == 0 && now.st_ino == kept.st_ino
      && now.st_dev == kept.st_dev)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not ours, and '%s' is there already",
               hook->path, before);
  agb_error_hint (error, "join the two into one of them, then: git agbranch hooks install");
  return FALSE;
}

static gboolean
install_one (const AgbHook *hook, GError **error)
{
  g_autofree char *text = our_text (hook->name, error);

  if (text == NULL)
    return FALSE;
  if (g_str_equal (hook->state, "other") && !keep_other (hook, error))
    return FALSE;
  return agb_fault_point ("hooks: write a hook", error)
         && agb_file_replace (hook->path, text, strlen (text), 0755, error);
}

/* A folder that core.hooksPath names may serve every repository of the user. */
static void
note_shared_folder (AgbRepo *repo, const AgbHook *hook, AgbProgress *progress)
{
  g_autofree char *folder = g_path_get_dirname (hook->path);
  g_autofree char *inside = g_strconcat (agb_repo_common_dir (repo), "/", NULL);

  if (!g_str_has_prefix (hook->path, inside))
    agb_progress_note (progress,
                       "core.hooksPath is '%s': the hooks work in every repository that uses it",
                       folder);
}

gboolean
agb_hooks_install (AgbRepo *repo, AgbProgress *progress, GError **error)
{
  g_autoptr (GPtrArray) hooks = agb_hooks_status (repo, error);

  if (hooks == NULL)
    return FALSE;
  g_autofree char *folder = g_path_get_dirname (((AgbHook *)g_ptr_array_index (hooks, 0))->path);
  if (!agb_mkdirs (folder, 0777, error))
    return FALSE;
  for (guint i = 0; i < hooks->len; i++)
    {
      const AgbHook *hook = g_ptr_array_index (hooks, i);
      if (!g_str_equal (hook->state, "installed") && !install_one (hook, error))
        return FALSE;
    }
  note_shared_folder (repo, g_ptr_array_index (hooks, 0), progress);
  return TRUE;
}

static gboolean
remove_one (const AgbHook *hook, GError **error)
{
  g_autofree char *before = chained_path (hook);

  if (!agb_fault_point ("hooks: remove a hook", error))
    return FALSE;
  if (rename (before, hook->path) == 0)
    return TRUE;
  if (errno != ENOENT)
    return agb_error_set_errno (error, errno, "put back", before);
  if (unlink (hook->path) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", hook->path);
  return TRUE;
}

/* Another program has put its hook in the place of ours since: which of the two is wanted is for the user. */
static void
note_left (const AgbHook *hook, AgbProgress *progress)
{
  g_autofree char *before = chained_path (hook);

  if (g_file_test (before, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK))
    agb_progress_note (progress,
                       "'%s' is not ours any more and stays; what was there before ours is '%s'",
                       hook->path, before);
}

gboolean
agb_hooks_remove (AgbRepo *repo, AgbProgress *progress, GError **error)
{
  g_autoptr (GPtrArray) hooks = agb_hooks_status (repo, error);

  if (hooks == NULL)
    return FALSE;
  for (guint i = 0; i < hooks->len; i++)
    {
      const AgbHook *hook = g_ptr_array_index (hooks, i);
      if (!is_ours (hook))
        note_left (hook, progress);
      else if (!remove_one (hook, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_zero (const char *oid)
{
  return *oid != '\0' && oid[strspn (oid, "0")] == '\0';
}

/* The live session of REPO whose review branch is REF, or NULL. */
static AgbSession *
session_of_branch (AgbRepo *repo, AgbCatalog *catalog, const char *ref, GError **error)
{
  static const char prefix[] = "refs/heads/agbranch/";
  const AgbSessionFilter filter = { .git_common_dir = agb_repo_common_dir (repo) };

  if (!g_str_has_prefix (ref, prefix))
    return NULL;
  g_autoptr (GPtrArray) sessions = agb_catalog_list_sessions (catalog, &filter, error);
  for (guint i = 0; sessions != NULL && i < sessions->len; i++)
    {
      AgbSession *session = g_ptr_array_index (sessions, i);
      if (g_strcmp0 (session->name, ref + strlen (prefix)) == 0)
        return g_ptr_array_steal_index (sessions, i);
    }
  return NULL;
}

/* TRUE when the deletion is `git pack-refs` removing the loose file of a ref that it has just packed
 * (git 2.39 asks the hook about those, too).  A true deletion of a packed ref holds the lock of
 * packed-refs meanwhile. */
static gboolean
is_pruning (AgbRepo *repo, const char *old, const char *ref)
{
  g_autofree char *packed = g_build_filename (agb_repo_common_dir (repo), "packed-refs", NULL);
  g_autofree char *lock = g_strconcat (packed, ".lock", NULL);
  g_autofree char *line = g_strdup_printf ("\n%s %s\n", old, ref);
  g_autofree char *text = NULL;

  return !is_zero (old) && !g_file_test (lock, G_FILE_TEST_EXISTS)
         && g_file_get_contents (packed, &text, NULL, NULL) && strstr (text, line) != NULL;
}

/* A line "OLD NEW REF" of git's reference-transaction hook (githooks(5)). */
static gboolean
check_update (AgbRepo *repo, AgbCatalog *catalog, const char *line, GError **error)
{
  g_auto (GStrv) fields = g_strsplit (line, " ", 3);

  if (g_strv_length (fields) != 3 || !is_zero (fields[1]))
    return TRUE;
  const char *ref = fields[2];
  if (is_pruning (repo, fields[0], ref))
    return TRUE;
  g_autofree char *shown = agb_escape (ref, -1);
  if (g_str_has_prefix (ref, "refs/agbranch/"))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is kept for git agbranch", shown);
      agb_error_hint (error, "git agbranch gc removes what is old; to delete it all the same, set "
                             "AGBRANCH_HOOKS=off for the command");
      return FALSE;
    }
  g_autoptr (GError) unreadable = NULL;
  g_autoptr (AgbSession) session = session_of_branch (repo, catalog, ref, &unreadable);
  if (session == NULL)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "'%s' is the review branch of the live session '%s'", shown, session->name);
  agb_error_hint (error,
                  "git agbranch close %s --sync; to delete it all the same, set "
                  "AGBRANCH_HOOKS=off for the command",
                  session->name);
  return FALSE;
}

/* A line "LOCAL-REF LOCAL-OID REMOTE-REF REMOTE-OID" of git's pre-push hook; a deletion on the remote
 * side is a way to clean up there. */
static gboolean
check_push (const char *line, GError **error)
{
  g_auto (GStrv) fields = g_strsplit (line, " ", 4);

  if (g_strv_length (fields) != 4 || is_zero (fields[1]))
    return TRUE;
  if (!g_str_has_prefix (fields[0], "refs/agbranch/")
      && !g_str_has_prefix (fields[2], "refs/agbranch/"))
    return TRUE;
  g_autofree char *shown = agb_escape (fields[0], -1);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is of this repository only", shown);
  agb_error_hint (error,
                  "push branches by name, or with --all --tags instead of --mirror; to push it "
                  "all the same, set AGBRANCH_HOOKS=off for the command");
  return FALSE;
}

/* After a checkout: when HEAD is on the review branch of a live session, say so and log it. */
static gboolean
note_checkout (AgbRepo *repo, AgbCatalog *catalog, AgbProgress *progress, GError **error)
{
  g_autofree char *head = agb_repo_head_ref (repo);
  g_autoptr (GError) failure = NULL;

  if (head == NULL)
    return TRUE;
  g_autoptr (AgbSession) session = session_of_branch (repo, catalog, head, &failure);
  if (failure != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  if (session == NULL)
    return TRUE;
  const char *work_tree = agb_repo_work_tree (repo);
  g_autofree char *shown = agb_escape (work_tree != NULL ? work_tree : "", -1);
  agb_progress_note (progress, "session '%s' cannot sync while its review branch is checked out",
                     session->name);
  return agb_catalog_add_event (catalog, session->name, "info", "review_branch_checked_out", error,
                                "the review branch is checked out in %s", shown);
}

gboolean
agb_hooks_run (AgbRepo *repo, AgbCatalog *catalog, const char *name, const char *input,
               AgbProgress *progress, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (input, "\n", -1);

  if (g_str_equal (name, "post-checkout"))
    return note_checkout (repo, catalog, progress, error);
  gboolean push = g_str_equal (name, "pre-push");
  if (!push && !g_str_equal (name, "reference-transaction"))
    {
      g_autofree char *shown = agb_escape (name, -1);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "there is no hook '%s' of ours", shown);
      return FALSE;
    }
  for (char **line = lines; *line != NULL; line++)
    if (push ? !check_push (*line, error) : !check_update (repo, catalog, *line, error))
      return FALSE;
  return TRUE;
}
