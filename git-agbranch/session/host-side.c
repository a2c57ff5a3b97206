#include "session/host-side.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Run git on the copy of the index, as the user would, but without the user's hooks (post-index-change). */
static gboolean
run_with_index (AgbRepo *repo, const char *index, const char *const *args, const GString *input,
                char **ret_output, GError **error)
{
  g_auto (GStrv) envp = g_environ_setenv (agb_repo_user_env (repo), "GIT_INDEX_FILE", index, TRUE);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  AgbChildSpec spec = { .cwd = agb_repo_work_tree (repo),
                        .envp = envp,
                        .timeout_ms = AGB_TIMEOUT_GIT,
                        .input = input != NULL ? input->str : NULL,
                        .input_length = input != NULL ? input->len : 0 };

  g_ptr_array_add (argv, (gpointer) "git");
  g_ptr_array_add (argv, (gpointer) "-c");
  g_ptr_array_add (argv, (gpointer) "core.hooksPath=/dev/null");
  for (; *args != NULL; args++)
    g_ptr_array_add (argv, (gpointer)*args);
  g_ptr_array_add (argv, NULL);
  spec.argv = (const char *const *)argv->pdata;
  return agb_child_check (&spec, ret_output, error);
}

/* Names ended by NUL that `git ls-files ARGS` prints, as the length of TEXT tells. */
static gboolean
list_files (AgbRepo *repo, const char *index, const char *const *args, GString *ret, GError **error)
{
  g_auto (GStrv) envp = g_environ_setenv (agb_repo_user_env (repo), "GIT_INDEX_FILE", index, TRUE);
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec = {
    .argv = args, .cwd = agb_repo_work_tree (repo), .envp = envp, .timeout_ms = AGB_TIMEOUT_GIT
  };

  if (!agb_child_run (&spec, &result, error))
    return FALSE;
  if (result.status != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "git ls-files failed in '%s': %s",
                   agb_repo_work_tree (repo), g_strstrip (result.errors->str));
      return FALSE;
    }
  g_string_append_len (ret, result.output->str, (gssize)result.output->len);
  return TRUE;
}

static gboolean
refuse_unmerged (AgbRepo *repo, const char *index, GError **error)
{
  const char *args[] = { "git", "ls-files", "--unmerged", "-z", NULL };
  g_autoptr (GString) unmerged = g_string_new (NULL);

  if (!list_files (repo, index, args, unmerged, error))
    return FALSE;
  if (unmerged->len == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "the work tree '%s' has conflicts of a merge",
               agb_repo_work_tree (repo));
  agb_error_hint (error, "resolve them first (git status), or open without --with-changes");
  return FALSE;
}

/* Untracked files; a repository inside of this one is listed as a folder and stays behind, since its
 * files would not go in anyway. */
static gboolean
add_untracked (AgbRepo *repo, const char *index, GError **error)
{
  const char *list[] = { "git", "ls-files", "--others", "--exclude-standard", "-z", NULL };
  const char *add[] = { "update-index", "--add", "-z", "--stdin", NULL };
  g_autoptr (GString) untracked = g_string_new (NULL);
  g_autoptr (GString) input = g_string_new (NULL);

  if (!list_files (repo, index, list, untracked, error))
    return FALSE;
  for (gsize at = 0; at < untracked->len;)
    {
      const char *name = untracked->str + at;
      gsize length = strlen (name);
      if (!g_str_has_suffix (name, "/"))
        g_string_append_len (input, name, (gssize)length + 1);
      at += length + 1;
    }
  return input->len == 0 || run_with_index (repo, index, add, input, NULL, error);
}

static gboolean
commit_with_index (AgbRepo *repo, const char *index, const char *head, char **ret_commit,
                   GError **error)
{
  const char *add[] = { "add", "--update", "--", ":/", NULL };
  const char *write_tree[] = { "write-tree", NULL };
  g_autofree char *tree = NULL;
  g_autofree char *head_tree = NULL;
  g_autofree char *spec = g_strconcat (head, "^{tree}", NULL);
  const char *rev_parse[] = { "rev-parse", "--verify", spec, NULL };

  if (!refuse_unmerged (repo, index, error) || !agb_fault_point ("open: commit the changes", error)
      || !run_with_index (repo, index, add, NULL, NULL, error)
      || !add_untracked (repo, index, error)
      || !run_with_index (repo, index, write_tree, NULL, &tree, error)
      || !agb_repo_git (repo, rev_parse, NULL, &head_tree, error))
    return FALSE;
  if (g_str_equal (g_strchomp (tree), g_strchomp (head_tree)))
    {
      *ret_commit = g_strdup (head);
      return TRUE;
    }
  const char *commit[]
      = { "commit-tree", "--no-gpg-sign",
          "-p",          head,
          "-m",          "Uncommitted changes of the host",
          "-m",          "Made by git agbranch open --with-changes: what the session starts from.",
          tree,          NULL };
  if (!run_with_index (repo, index, commit, NULL, ret_commit, error))
    return FALSE;
  g_strchomp (*ret_commit);
  return TRUE;
}

/* Copy the index OWN to COPY.  With its time: an entry as new as the index itself is looked at again by
 * git, and would count as unchanged in an index that is newer. */
static gboolean
copy_index (const char *own, const char *copy, GError **error)
{
  agb_autofd int own_fd = open (own, O_RDONLY | O_CLOEXEC);
  agb_autofd int fd = -1;
  g_autofree char *contents = NULL;
  gsize length = 0;
  struct stat status;

  /* Without an index every file is new to git. */
  if (own_fd < 0)
    return TRUE;
  if (fstat (own_fd, &status) != 0)
    return agb_error_set_errno (error, errno, "look at", own);
  if (!g_file_get_contents (own, &contents, &length, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot read the index: ");
      return FALSE;
    }
  fd = open (copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", copy);
  const struct timespec times[] = { status.st_mtim, status.st_mtim };
  if (!agb_write_all (fd, contents, length, copy, error))
    return FALSE;
  return futimens (fd, times) == 0 || agb_error_set_errno (error, errno, "set the time of", copy);
}

/* The index that is written is a copy, which knows the unchanged files already.  Its folder is named as
 * those of the gate are, so that agb_gate_sweep removes what a killed process leaves. */
gboolean
agb_commit_changes (AgbRepo *repo, const char *head, char **ret_commit, GError **error)
{
  g_autofree char *parent = g_build_filename (agb_repo_common_dir (repo), "agbranch", NULL);
  g_autofree char *folder = g_build_filename (parent, "quarantine-index-XXXXXX", NULL);
  g_autofree char *own = g_build_filename (agb_repo_git_dir (repo), "index", NULL);

  if (agb_repo_work_tree (repo) == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                           "--with-changes needs a work tree, and the repository is bare");
      agb_error_hint (error, "open without it, or in a work tree: git worktree list");
      return FALSE;
    }
  if (!agb_mkdirs (parent, 0777, error) || !agb_fault_point ("open: copy the index", error))
    return FALSE;
  if (g_mkdtemp (folder) == NULL)
    return agb_error_set_errno (error, errno, "make folder", folder);
  g_autofree char *index = g_build_filename (folder, "index", NULL);
  gboolean done
      = copy_index (own, index, error) && commit_with_index (repo, index, head, ret_commit, error);
  return agb_remove_tree (folder, done ? error : NULL) && done;
}

static gboolean
refuse_path (GError **error, const char *given, const char *reason, const char *hint)
{
  g_autofree char *shown = agb_escape (given, -1);

  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' %s", shown, reason);
  agb_error_hint (error, "%s", hint);
  return FALSE;
}

/* GIVEN below ROOT with the links on the way resolved, so that none leads out; NULL when it lies
 * elsewhere.  The last component stays as it is.  The caller frees. */
static char *
path_below (const char *root, const char *given, const char *from)
{
  g_autofree char *path = g_canonicalize_filename (given, from);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *real = realpath (parent, NULL);
  gsize length = strlen (root);

  if (real == NULL || strncmp (real, root, length) != 0
      || (real[length] != '\0' && real[length] != '/'))
    return NULL;
  const char *below = real[length] == '/' ? real + length + 1 : "";
  return *below != '\0' ? g_build_filename (below, name, NULL) : g_steal_pointer (&name);
}

static gboolean
is_in_git_folder (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  for (char **part = parts; *part != NULL; part++)
    if (g_ascii_strcasecmp (*part, ".git") == 0)
      return TRUE;
  return FALSE;
}

/* A link whose target does not lie below ROOT. */
static gboolean
leads_out (const char *root, const char *path)
{
  g_autofree char *whole = g_build_filename (root, path, NULL);
  g_autofree char *target = g_file_read_link (whole, NULL);
  g_autofree char *folder = g_path_get_dirname (whole);
  g_autofree char *below = target != NULL ? path_below (root, target, folder) : NULL;

  return target != NULL && (below == NULL || g_path_is_absolute (target));
}

static gboolean
check_untracked (AgbRepo *repo, const char *path, GError **error)
{
  g_autofree char *pathspec = g_strconcat (":(top,literal)", path, NULL);
  g_autofree char *index = g_build_filename (agb_repo_git_dir (repo), "index", NULL);
  const char *args[] = { "git", "ls-files", "-z", "--", pathspec, NULL };
  g_autoptr (GString) tracked = g_string_new (NULL);

  if (!list_files (repo, index, args, tracked, error))
    return FALSE;
  return tracked->len == 0
         || refuse_path (error, path, "is tracked by git, so it comes with the base",
                         "for its uncommitted changes: git agbranch open --with-changes");
}

/* PATH (relative) can go in as it is. */
static gboolean
check_copied (AgbRepo *repo, const char *path, GError **error)
{
  const char *root = agb_repo_work_tree (repo);

  if (is_in_git_folder (path))
    return refuse_path (error, path, "lies in a git folder", "copy files of the work tree only");
  if (strchr (path, '\n') != NULL)
    return refuse_path (error, path, "has a newline in its name", "rename it");
  if (leads_out (root, path))
    return refuse_path (error, path, "is a link that leads out of the work tree",
                        "when the session runs: git agbranch cp <file> <session>:<path>");
  return check_untracked (repo, path, error);
}

char **
agb_paths_to_copy (AgbRepo *repo, const char *const *given, gboolean must, GError **error)
{
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();
  const char *root = agb_repo_work_tree (repo);
  g_autofree char *real_root = root != NULL ? realpath (root, NULL) : NULL;

  for (; *given != NULL; given++)
    {
      g_autofree char *path
          = real_root != NULL ? path_below (real_root, *given, must ? NULL : root) : NULL;
      /* With --repo we are somewhere else. */
      if (path == NULL && real_root != NULL)
        path = path_below (real_root, *given, root);
      g_autofree char *whole = path != NULL ? g_build_filename (root, path, NULL) : NULL;
      struct stat status;

      if (whole != NULL && lstat (whole, &status) == 0)
        {
          if (!check_copied (repo, path, error))
            return NULL;
          g_strv_builder_add (paths, path);
        }
      else if (must)
        {
          refuse_path (error, *given, path != NULL ? "is not there" : "is not in the work tree",
                       "--copy takes ignored files of the work tree");
          return NULL;
        }
    }
  return g_strv_builder_end (paths);
}
