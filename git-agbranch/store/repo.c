#include "store/repo-private.h"

#include "core/error.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `git rev-parse --local-env-vars` of git 2.39 and newer, but for GIT_CONFIG_PARAMETERS and
 * GIT_CONFIG_COUNT, and what receive-pack and `git submodule` add. */
static const char *const local_variables[] = { "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                                               "GIT_CONFIG",
                                               "GIT_OBJECT_DIRECTORY",
                                               "GIT_DIR",
                                               "GIT_WORK_TREE",
                                               "GIT_IMPLICIT_WORK_TREE",
                                               "GIT_GRAFT_FILE",
                                               "GIT_INDEX_FILE",
                                               "GIT_NO_REPLACE_OBJECTS",
                                               "GIT_REPLACE_REF_BASE",
                                               "GIT_PREFIX",
                                               "GIT_INTERNAL_SUPER_PREFIX",
                                               "GIT_SHALLOW_FILE",
                                               "GIT_COMMON_DIR",
                                               "GIT_QUARANTINE_PATH",
                                               "GIT_INTERNAL_TOPLEVEL" };

/* rev-parse prints an option that it does not know, which parts paths even when they have newlines
 * in them. */
#define MARK "--agbranch-end-of-path"

static const char *const discovery[] = { "git",
                                         "rev-parse",
                                         "--path-format=absolute",
                                         "--show-object-format",
                                         "--is-bare-repository",
                                         "--is-inside-work-tree",
                                         "--is-shallow-repository",
                                         "--git-dir",
                                         MARK,
                                         "--git-common-dir",
                                         MARK,
                                         "--show-toplevel",
                                         NULL };

/* Take the text before the next SEPARATOR out of *REST; NULL when there is none. */
static char *
take_until (char **rest, const char *separator)
{
  char *end = strstr (*rest, separator);

  if (end == NULL)
    return NULL;
  char *taken = g_strndup (*rest, (gsize)(end - *rest));
  *rest = end + strlen (separator);
  return taken;
}

char **
agb_repo_forget (char **envp)
{
  for (gsize i = 0; i < G_N_ELEMENTS (local_variables); i++)
    envp = g_environ_unsetenv (envp, local_variables[i]);
  return envp;
}

static char **
discovery_environment (const char *path)
{
  char **envp = g_get_environ ();

  if (path != NULL)
    envp = agb_repo_forget (envp);
  /* The reason of a refusal is told apart by git's English words. */
  return g_environ_setenv (envp, "LC_ALL", "C", TRUE);
}

/* What git is asked.  A bare repository that is named is an explicit one (safe.bareRepository). */
static GPtrArray *
discovery_argv (const char *path)
{
  GPtrArray *argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (gpointer)discovery[0]);
  if (path != NULL)
    {
      g_ptr_array_add (argv, (gpointer) "-c");
      g_ptr_array_add (argv, (gpointer) "safe.bareRepository=all");
    }
  for (gsize i = 1; i < G_N_ELEMENTS (discovery); i++)
    g_ptr_array_add (argv, (gpointer)discovery[i]);
  return argv;
}

/* ret_outside (NULL: an error too): TRUE when there is just no repository around us. */
static void
set_discovery_error (const char *path, char *message, gboolean *ret_outside, GError **error)
{
  const char *shown = path != NULL ? path : ".";
  gboolean dubious = strstr (message, "dubious ownership") != NULL;
  gboolean missing = strstr (message, "not a git repository") != NULL;
  const char *reason = g_str_has_prefix (message, "fatal: ") ? message + 7 : message;

  message[strcspn (message, "\n")] = '\0';
  if (missing && ret_outside != NULL && g_getenv ("GIT_DIR") == NULL)
    *ret_outside = TRUE;
  else if (missing)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not in a git repository", shown);
      agb_error_hint (error, "go into one, or name it: git agbranch -C <path> …");
    }
  else
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "cannot use the repository of '%s': %s", shown,
                   reason);
      if (dubious)
        agb_error_hint (error, "if you trust it: git config --global --add safe.directory <path>");
      else
        agb_error_hint (error, "for git's own view: git -C '%s' status", shown);
    }
}

/* Where the work tree of a repository is whose git folder we are in: core.worktree says it
 * (submodules), else it is the folder around ".git". */
static char *
work_tree_around (const char *git_dir)
{
  const char *const argv[]
      = { "git", "--git-dir", git_dir, "config", "--type=path", "--get", "core.worktree", NULL };
  const AgbChildSpec spec = { .argv = argv, .cwd = git_dir };
  g_autofree char *set = NULL;

  if (agb_child_check (&spec, &set, NULL))
    return g_canonicalize_filename (g_strchomp (set), git_dir);
  if (g_str_has_suffix (git_dir, "/.git"))
    return g_path_get_dirname (git_dir);
  return NULL;
}

static gboolean
parse_discovery (AgbRepo *repo, char *output)
{
  char *rest = output;
  g_autofree char *bare = NULL;
  g_autofree char *inside = NULL;
  g_autofree char *shallow = NULL;

  repo->object_format = take_until (&rest, "\n");
  bare = take_until (&rest, "\n");
  inside = take_until (&rest, "\n");
  shallow = take_until (&rest, "\n");
  repo->git_dir = take_until (&rest, "\n" MARK "\n");
  repo->common_dir = take_until (&rest, "\n" MARK "\n");
  if (repo->common_dir == NULL)
    return FALSE;

  repo->shallow = g_strcmp0 (shallow, "true") == 0;
  if (g_str_has_suffix (rest, "\n"))
    repo->work_tree = g_strndup (rest, strlen (rest) - 1);
  else if (g_strcmp0 (bare, "false") == 0)
    repo->work_tree = work_tree_around (repo->git_dir);
  return TRUE;
}

static AgbRepo *
discover (const char *path, gboolean *ret_outside, GError **error)
{
  g_autoptr (AgbRepo) repo = g_new0 (AgbRepo, 1);
  g_auto (GStrv) envp = discovery_environment (path);
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GPtrArray) argv = discovery_argv (path);
  const AgbChildSpec spec = { .argv = (const char *const *)argv->pdata, .cwd = path, .envp = envp };

  repo->partial = -1;
  if (path != NULL && !g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a folder", path);
      return NULL;
    }
  if (!agb_child_run (&spec, &result, error))
    return NULL;
  /* Outside a work tree the last question fails, after the others have been answered. */
  if (!parse_discovery (repo, result.output->str))
    {
      set_discovery_error (path, result.errors->str, ret_outside, error);
      return NULL;
    }
  return g_steal_pointer (&repo);
}

/* git itself lets root work through sudo in the repository of the user behind it; we would make
 * root's refs there, and the catalog of root would know the session. */
static gboolean
check_sudo (AgbRepo *repo, GError **error)
{
  struct stat status;

  if (geteuid () != 0 || g_getenv ("SUDO_UID") == NULL || stat (repo->common_dir, &status) != 0
      || status.st_uid == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "the repository '%s' belongs to user %d, and this is root through sudo",
               repo->common_dir, (int)status.st_uid);
  agb_error_hint (error, "run git agbranch without sudo");
  return FALSE;
}

static gboolean
check_writable (AgbRepo *repo, const char *path, GError **error)
{
  if (path == NULL && (g_getenv ("GIT_QUARANTINE_PATH") || g_getenv ("GIT_OBJECT_DIRECTORY")))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "objects go to a quarantine here (GIT_OBJECT_DIRECTORY is set)");
      agb_error_hint (error, "call git agbranch from a post-receive hook, or after the push");
      return FALSE;
    }
  g_autofree char *blocking = agb_repo_read_ref (repo, "refs/heads/agbranch");
  if (blocking == NULL)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "the branch 'agbranch' leaves no room for review branches 'agbranch/<session>'");
  agb_error_hint (error, "rename it: git branch -m agbranch <other-name>");
  return FALSE;
}

static AgbRepo *
open_and_check (const char *path, gboolean for_writing, gboolean *ret_outside, GError **error)
{
  g_autoptr (AgbRepo) repo = discover (path, ret_outside, error);

  if (repo == NULL || !check_sudo (repo, error)
      || (for_writing && !check_writable (repo, path, error)))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (local_variables); i++)
    g_unsetenv (local_variables[i]);
  return g_steal_pointer (&repo);
}

AgbRepo *
agb_repo_open (const char *path, gboolean for_writing, GError **error)
{
  return open_and_check (path, for_writing, NULL, error);
}

AgbRepo *
agb_repo_open_optional (gboolean for_writing, GError **error)
{
  gboolean outside = FALSE;

  return open_and_check (NULL, for_writing, &outside, error);
}

void
agb_repo_free (AgbRepo *repo)
{
  if (repo == NULL)
    return;
  g_free (repo->git_dir);
  g_free (repo->common_dir);
  g_free (repo->work_tree);
  g_free (repo->object_format);
  g_free (repo);
}

const char *
agb_repo_git_dir (AgbRepo *repo)
{
  return repo->git_dir;
}

const char *
agb_repo_common_dir (AgbRepo *repo)
{
  return repo->common_dir;
}

const char *
agb_repo_work_tree (AgbRepo *repo)
{
  return repo->work_tree;
}

const char *
agb_repo_object_format (AgbRepo *repo)
{
  return repo->object_format;
}

gsize
agb_repo_oid_length (AgbRepo *repo)
{
  return g_str_equal (repo->object_format, "sha256") ? 64 : 40;
}

gboolean
agb_repo_is_shallow (AgbRepo *repo)
{
  return repo->shallow;
}

gboolean
agb_repo_is_partial (AgbRepo *repo)
{
  if (repo->partial < 0)
    {
      const char *const args[] = { "config", "--get-regexp",
                                   "^(remote\\..*\\.promisor|extensions\\.partialclone)$", NULL };
      g_auto (AgbChildResult) result = { 0 };

      repo->partial = agb_repo_run (repo, args, &result, NULL) && result.status == 0;
    }
  return repo->partial;
}
