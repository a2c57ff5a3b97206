/* Running git on the host's repository. */
#include "store/repo-private.h"

#include "core/error.h"

#include <string.h>

/* What of the caller's GIT_* environment a plumbing command may see: who commits, where git's own
 * programs are, and tracing. */
static gboolean
is_kept (const char *variable)
{
  static const char *const kept[]
      = { "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_TRACE", "GIT_EXEC_PATH=" };

  for (gsize i = 0; i < G_N_ELEMENTS (kept); i++)
    if (g_str_has_prefix (variable, kept[i]))
      return TRUE;
  return !g_str_has_prefix (variable, "GIT_");
}

char **
agb_repo_plumbing_env (AgbRepo *repo)
{
  static const char *const fixed[]
      = { "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
          "GIT_ATTR_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1",
          /* A file that cannot be there: an empty one would bring git's advice about grafts. */
          "GIT_GRAFT_FILE=/dev/null/none", "GIT_NO_LAZY_FETCH=1",
          "GIT_ALLOW_PROTOCOL=", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_PAGER=cat",
          "GIT_EDITOR=false",
          /* Our own ref updates pass the guards of session/hooks.h. */
          "AGBRANCH_HOOKS=off",
          /* Otherwise the current folder would count as the work tree, with its .gitattributes. */
          "GIT_IMPLICIT_WORK_TREE=0", "LC_ALL=C" };
  g_auto (GStrv) ours = g_get_environ ();
  g_autoptr (GPtrArray) envp = g_ptr_array_new ();

  for (char **variable = ours; *variable != NULL; variable++)
    if (is_kept (*variable) && !g_str_has_prefix (*variable, "LC_ALL="))
      g_ptr_array_add (envp, g_strdup (*variable));
  for (gsize i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (envp, g_strdup (fixed[i]));
  g_ptr_array_add (envp, g_strconcat ("GIT_DIR=", repo->git_dir, NULL));
  g_ptr_array_add (envp, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&envp), FALSE);
}

static char **
with_extra (char **envp, const char *const *extra)
{
  for (; extra != NULL && *extra != NULL; extra++)
    {
      const char *equals = strchr (*extra, '=');
      g_autofree char *name = g_strndup (*extra, (gsize)(equals - *extra));
      envp = g_environ_setenv (envp, name, equals + 1, TRUE);
    }
  return envp;
}

static const char **
git_argv (const char *const *args)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (gpointer) "git");
  for (; *args != NULL; args++)
    g_ptr_array_add (argv, (gpointer)*args);
  g_ptr_array_add (argv, NULL);
  return (const char **)g_ptr_array_free (g_steal_pointer (&argv), FALSE);
}

gboolean
agb_repo_git (AgbRepo *repo, const char *const *args, const char *const *extra_env,
              char **ret_output, GError **error)
{
  g_auto (GStrv) envp = with_extra (agb_repo_plumbing_env (repo), extra_env);
  g_autofree const char **argv = git_argv (args);
  const AgbChildSpec spec
      = { .argv = argv, .cwd = repo->git_dir, .envp = envp, .timeout_ms = AGB_TIMEOUT_GIT };

  return agb_child_check (&spec, ret_output, error);
}

gboolean
agb_repo_run (AgbRepo *repo, const char *const *args, AgbChildResult *ret, GError **error)
{
  g_auto (GStrv) envp = agb_repo_plumbing_env (repo);
  g_autofree const char **argv = git_argv (args);
  const AgbChildSpec spec
      = { .argv = argv, .cwd = repo->git_dir, .envp = envp, .timeout_ms = AGB_TIMEOUT_GIT };

  return agb_child_run (&spec, ret, error);
}

gboolean
agb_repo_is_ancestor (AgbRepo *repo, const char *ancestor, const char *descendant, gboolean *ret,
                      GError **error)
{
  const char *const args[] = { "merge-base", "--is-ancestor", ancestor, descendant, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_repo_run (repo, args, &result, error))
    return FALSE;
  if (result.status > 1)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot compare commits %s and %s: %s",
                   ancestor, descendant, g_strstrip (result.errors->str));
      return FALSE;
    }
  *ret = result.status == 0;
  return TRUE;
}

gboolean
agb_repo_count_commits (AgbRepo *repo, const char *from, const char *to, guint *ret, GError **error)
{
  g_autofree char *range = g_strdup_printf ("%s..%s", from, to);
  const char *const args[] = { "rev-list", "--count", "--end-of-options", range, "--", NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, error))
    return FALSE;
  *ret = (guint)g_ascii_strtoull (output, NULL, 10);
  return TRUE;
}

char **
agb_repo_user_env (AgbRepo *repo)
{
  char **envp = agb_repo_forget (g_get_environ ());

  envp = g_environ_setenv (envp, "GIT_DIR", repo->git_dir, TRUE);
  if (repo->work_tree != NULL)
    envp = g_environ_setenv (envp, "GIT_WORK_TREE", repo->work_tree, TRUE);
  envp = g_environ_setenv (envp, "GIT_OPTIONAL_LOCKS", "0", TRUE);
  return g_environ_setenv (envp, "LC_ALL", "C", TRUE);
}

gboolean
agb_repo_is_dirty (AgbRepo *repo, gboolean *ret_dirty, guint *ret_untracked, GError **error)
{
  static const char *const argv[]
      = { "git", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal", NULL };
  gboolean dirty = FALSE;
  guint untracked = 0;

  if (repo->work_tree != NULL)
    {
      g_auto (GStrv) envp = agb_repo_user_env (repo);
      g_auto (AgbChildResult) result = { 0 };
      const AgbChildSpec spec
          = { .argv = argv, .cwd = repo->work_tree, .envp = envp, .timeout_ms = AGB_TIMEOUT_GIT };

      if (!agb_child_run (&spec, &result, error))
        return FALSE;
      if (result.status != 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "git status failed in '%s': %s",
                       repo->work_tree, g_strstrip (result.errors->str));
          return FALSE;
        }
      const char *end = result.output->str + result.output->len;
      for (const char *entry = result.output->str; entry < end; entry += strlen (entry) + 1)
        {
          dirty = TRUE;
          untracked += g_str_has_prefix (entry, "??");
        }
    }
  if (ret_dirty != NULL)
    *ret_dirty = dirty;
  if (ret_untracked != NULL)
    *ret_untracked = untracked;
  return TRUE;
}
