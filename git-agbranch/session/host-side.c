#include "session/host-side.h"

#include "core/child.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FETCH_ROUNDS = 3 }; /* trees that were missing bring blobs that are */

/* The name of the remote that promised what is missing. */
static char *
promisor (AgbRepo *repo)
{
  const char *args[]
      = { "config", "--name-only", "--get-regexp", "^remote\\..*\\.promisor$", NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, NULL))
    return NULL;
  char *line_end = strchr (output, '\n');
  if (line_end != NULL)
    *line_end = '\0';
  if (!g_str_has_prefix (output, "remote.") || !g_str_has_suffix (output, ".promisor"))
    return NULL;
  return g_strndup (output + strlen ("remote."),
                    strlen (output) - strlen ("remote.") - strlen (".promisor"));
}

/* The objects of COMMIT's tree that are not here, one id a line. */
static gboolean
missing_objects (AgbRepo *repo, const char *commit, GString *ids, GError **error)
{
  const char *args[]
      = { "rev-list", "--objects", "--missing=print", "--max-count=1", commit, NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, error))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    if (**line == '?')
      g_string_append_printf (ids, "%s\n", *line + 1);
  return TRUE;
}

static gboolean
fetch_objects (AgbRepo *repo, const char *remote, const GString *ids, GError **error)
{
  const char *argv[] = { "git",
                         "-c",
                         "fetch.negotiationAlgorithm=noop",
                         "fetch",
                         remote,
                         "--no-tags",
                         "--no-write-fetch-head",
                         "--quiet",
                         "--recurse-submodules=no",
                         "--stdin",
                         "--filter=blob:none",
                         NULL };
  g_auto (GStrv) envp = agb_repo_user_env (repo);
  AgbChildSpec spec = { .argv = argv,
                        .cwd = agb_repo_git_dir (repo),
                        .envp = envp,
                        .timeout_ms = AGB_TIMEOUT_LONG,
                        .input = ids->str,
                        .input_length = ids->len };

  return agb_child_check (&spec, NULL, error);
}

gboolean
agb_fetch_promised (AgbRepo *repo, const char *commit, AgbProgress *progress, GError **error)
{
  if (!agb_repo_is_partial (repo))
    return TRUE;
  g_autofree char *remote = promisor (repo);
  for (int round = 0; remote != NULL && round < FETCH_ROUNDS; round++)
    {
      g_autoptr (GString) ids = g_string_new (NULL);
      if (!missing_objects (repo, commit, ids, error))
        return FALSE;
      if (ids->len == 0)
        return TRUE;
      agb_progress_phase (progress, "fetching what the base needs");
      if (!fetch_objects (repo, remote, ids, error))
        {
          agb_error_adopt (error, AGB_ERROR_CHILD, "%s", "");
          agb_error_hint (error,
                          "the clone is partial, and its remote '%s' must answer: "
                          "git checkout %.12s once, or try again later",
                          remote, commit);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
run_with_index (AgbRepo *repo, const char *index, const char *const *argv, char **ret_output,
                GError **error)
{
  g_auto (GStrv) envp = g_environ_setenv (agb_repo_user_env (repo), "GIT_INDEX_FILE", index, TRUE);
  AgbChildSpec spec = {
    .argv = argv, .cwd = agb_repo_work_tree (repo), .envp = envp, .timeout_ms = AGB_TIMEOUT_GIT
  };

  if (!agb_child_check (&spec, ret_output, error))
    return FALSE;
  if (ret_output != NULL)
    g_strchomp (*ret_output);
  return TRUE;
}

static gboolean
commit_with_index (AgbRepo *repo, const char *index, const char *head, char **ret_commit,
                   GError **error)
{
  const char *add[] = { "git", "add", "-A", NULL };
  const char *write_tree[] = { "git", "write-tree", NULL };
  g_autofree char *tree = NULL;
  g_autofree char *head_tree = NULL;
  g_autofree char *spec = g_strconcat (head, "^{tree}", NULL);
  const char *rev_parse[] = { "rev-parse", "--verify", spec, NULL };

  if (!run_with_index (repo, index, add, NULL, error)
      || !run_with_index (repo, index, write_tree, &tree, error)
      || !agb_repo_git (repo, rev_parse, NULL, &head_tree, error))
    return FALSE;
  if (g_str_equal (tree, g_strchomp (head_tree)))
    {
      *ret_commit = g_strdup (head);
      return TRUE;
    }
  const char *commit[] = {
    "git", "commit-tree", "--no-gpg-sign", "-p", head, "-m", "Uncommitted changes of the host",
    tree,  NULL
  };
  return run_with_index (repo, index, commit, ret_commit, error);
}

/* The index that is written is a copy: it knows the unchanged files already. */
gboolean
agb_commit_changes (AgbRepo *repo, const char *head, char **ret_commit, GError **error)
{
  g_autofree char *folder = g_build_filename (agb_repo_common_dir (repo), "agbranch", NULL);
  g_autofree char *index = g_build_filename (folder, "index-XXXXXX", NULL);
  g_autofree char *own = g_build_filename (agb_repo_git_dir (repo), "index", NULL);
  g_autofree char *contents = NULL;
  gsize length = 0;

  if (!agb_mkdirs (folder, 0777, error) || !agb_fault_point ("open: copy the index", error))
    return FALSE;
  agb_autofd int fd = g_mkstemp_full (index, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", index);
  /* Without an index every file is new to git, which only takes longer; an empty one is no index. */
  gboolean done = g_file_get_contents (own, &contents, &length, NULL)
                      ? agb_write_all (fd, contents, length, index, error)
                      : unlink (index) == 0;
  done = done && commit_with_index (repo, index, head, ret_commit, error);
  unlink (index);
  return done;
}

char **
agb_paths_to_copy (AgbRepo *repo, const char *const *given, gboolean must, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  const char *root = agb_repo_work_tree (repo);
  gsize length = root != NULL ? strlen (root) : 0;

  for (; *given != NULL; given++)
    {
      g_autofree char *path = g_canonicalize_filename (*given, must ? NULL : root);
      gboolean below = root != NULL && strncmp (path, root, length) == 0 && path[length] == '/'
                       && strstr (path + length, "/.git/") == NULL
                       && !g_str_has_suffix (path, "/.git");

      if (below
          && (g_file_test (path, G_FILE_TEST_EXISTS) || g_file_test (path, G_FILE_TEST_IS_SYMLINK)))
        g_ptr_array_add (paths, g_strdup (path + length + 1));
      else if (must)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                       below ? "'%s' is not there" : "'%s' is not in the work tree", *given);
          return NULL;
        }
    }
  g_ptr_array_add (paths, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}
