/* Whether two commits would merge.
 *
 * `git merge-tree` runs merge drivers that the host has set up, chosen by the attributes of the work
 * tree (and, with merge.renormalize, of the commits), and it writes what it has merged.  So it runs in
 * a bare repository of its own, which borrows the host's objects and has no setting and no attribute. */
#include "store/repo-private.h"

#include "core/error.h"
#include "core/io.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
write_text (const char *folder, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (g_file_set_contents (path, text, -1, error))
    return TRUE;
  agb_error_adopt (error, AGB_ERROR_FILE, "cannot try a merge: ");
  return FALSE;
}

/* A line of objects/info/alternates is taken as it is when it begins with a slash. */
static gboolean
write_alternates (AgbRepo *repo, const char *folder, GError **error)
{
  g_auto (GStrv) dirs = agb_repo_object_dirs (repo, error);
  g_autoptr (GString) text = g_string_new (NULL);

  if (dirs == NULL)
    return FALSE;
  for (char **dir = dirs; *dir != NULL; dir++)
    {
      if (strchr (*dir, '\n') != NULL)
        {
          g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                               "the path of the repository's objects has a line break");
          return FALSE;
        }
      g_string_append_printf (text, "%s\n", *dir);
    }
  return write_text (folder, "objects/info/alternates", text->str, error);
}

static gboolean
copy_shallow (AgbRepo *repo, const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (repo->common_dir, "shallow", NULL);
  g_autofree char *text = NULL;

  if (!repo->shallow || !g_file_get_contents (path, &text, NULL, NULL))
    return TRUE;
  return write_text (folder, "shallow", text, error);
}

static gboolean
make_repository (AgbRepo *repo, const char *folder, GError **error)
{
  static const char *const folders[] = { "objects/info", "refs" };
  g_autofree char *config
      = g_str_equal (repo->object_format, "sha1")
            ? g_strdup ("[core]\n\tbare = true\n")
            : g_strdup_printf ("[core]\n\tbare = true\n\trepositoryformatversion = 1\n"
                               "[extensions]\n\tobjectFormat = %s\n",
                               repo->object_format);

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (folder, folders[i], NULL);
      if (!agb_mkdirs (path, 0700, error))
        return FALSE;
    }
  return write_text (folder, "config", config, error)
         && write_text (folder, "HEAD", "ref: refs/heads/none\n", error)
         && write_alternates (repo, folder, error) && copy_shallow (repo, folder, error);
}

/* With -z: the merged tree, then each conflicting path, all ended by NUL. */
static gint64
count_paths (const GString *output)
{
  gint64 count = 0;

  for (gsize i = 0; i < output->len; i++)
    count += output->str[i] == '\0';
  return MAX (count - 1, 1);
}

static gboolean
merge (AgbRepo *repo, const char *folder, const char *ours, const char *theirs, gint64 *ret,
       GError **error)
{
  const char *const argv[] = { "git", "merge-tree", "--write-tree", "--name-only", "--no-messages",
                               "-z",  ours,         theirs,         NULL };
  g_auto (GStrv) envp = agb_repo_plumbing_env (repo);
  g_auto (AgbChildResult) result = { 0 };

  envp = g_environ_setenv (envp, "GIT_DIR", folder, TRUE);
  /* ~/.config/git/attributes */
  envp = g_environ_setenv (envp, "HOME", folder, TRUE);
  envp = g_environ_setenv (envp, "XDG_CONFIG_HOME", folder, TRUE);
  const AgbChildSpec spec
      = { .argv = argv, .cwd = folder, .envp = envp, .timeout_ms = AGB_TIMEOUT_QUICK };
  if (!agb_child_run (&spec, &result, error))
    return FALSE;
  if (result.status > 1)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot try to merge %s and %s: %s", ours,
                   theirs, g_strstrip (result.errors->str));
      return FALSE;
    }
  *ret = result.status == 0 ? 0 : count_paths (result.output);
  return TRUE;
}

gboolean
agb_repo_count_conflicts (AgbRepo *repo, const char *ours, const char *theirs, gint64 *ret,
                          GError **error)
{
  g_autofree char *folder = g_dir_make_tmp ("agbranch-merge-XXXXXX", error);

  if (folder == NULL)
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot try a merge: ");
      return FALSE;
    }
  gboolean done
      = make_repository (repo, folder, error) && merge (repo, folder, ours, theirs, ret, error);
  agb_remove_tree (folder, NULL);
  return done;
}
