/* Refs, revisions and object folders of the host's repository. */
#include "store/repo-private.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/names.h"

#include <string.h>

/* objects/info/alternates may be nested; git stops at this depth too. */
enum { ALTERNATES_DEPTH = 5 };

/* ret_oid: NULL when REV names nothing. */
static gboolean
rev_parse (AgbRepo *repo, const char *rev, char **ret_oid, GError **error)
{
  const char *const args[] = { "rev-parse", "--verify", "--quiet", "--end-of-options", rev, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_repo_run (repo, args, &result, error))
    return FALSE;
  g_strchomp (result.output->str);
  *ret_oid = result.status == 0 && agb_is_oid (result.output->str) ? g_strdup (result.output->str)
                                                                   : NULL;
  return TRUE;
}

static void
set_no_commit_error (AgbRepo *repo, const char *rev, GError **error)
{
  g_autofree char *head = agb_repo_head_ref (repo);
  gboolean is_head = g_str_equal (rev, "HEAD") || g_str_equal (rev, "@");
  g_autofree char *shown = g_strescape (rev, NULL);

  if (head != NULL && is_head)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "the repository has no commit yet on its branch '%s'",
                   g_str_has_prefix (head, "refs/heads/") ? head + 11 : head);
      agb_error_hint (error, "make one: git commit --allow-empty -m 'first commit'");
      return;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' does not name a commit", shown);
  agb_error_hint (error, "for what there is: git log --oneline --all");
}

char *
agb_repo_resolve_commit (AgbRepo *repo, const char *rev, GError **error)
{
  const char *wanted = rev != NULL ? rev : "HEAD";
  g_autofree char *object = NULL;
  g_autofree char *commit = NULL;

  /* In two steps where "^{commit}" would become part of a text that is searched for. */
  if (wanted[0] == ':')
    {
      if (!rev_parse (repo, wanted, &object, error))
        return NULL;
      wanted = object != NULL ? object : wanted;
    }
  if (object != NULL || wanted[0] != ':')
    {
      g_autofree char *peeled = g_strconcat (wanted, "^{commit}", NULL);
      if (!rev_parse (repo, peeled, &commit, error))
        return NULL;
    }
  if (commit == NULL)
    set_no_commit_error (repo, rev != NULL ? rev : "HEAD", error);
  return g_steal_pointer (&commit);
}

char *
agb_repo_head_ref (AgbRepo *repo)
{
  static const char *const args[] = { "symbolic-ref", "--quiet", "HEAD", NULL };
  g_autofree char *output = NULL;

  return agb_repo_git (repo, args, NULL, &output, NULL) ? g_strdup (g_strchomp (output)) : NULL;
}

/* git says the same of a ref that is not there and of one whose file it could not read. */
static gboolean
is_absent (AgbRepo *repo, const char *ref, const AgbChildResult *result)
{
  g_autofree char *loose = g_build_filename (agb_repo_common_dir (repo), ref, NULL);

  return result->signal == 0 && strstr (result->errors->str, "not a valid ref") != NULL
         && !g_file_test (loose, G_FILE_TEST_IS_REGULAR);
}

gboolean
agb_repo_find_ref (AgbRepo *repo, const char *ref, char **ret_oid, GError **error)
{
  const char *const args[] = { "show-ref", "--verify", "--hash", "--", ref, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_repo_run (repo, args, &result, error))
    return FALSE;
  g_strchomp (result.output->str);
  gboolean found = result.status == 0 && agb_is_oid (result.output->str);
  if (!found && !is_absent (repo, ref, &result))
    {
      g_autofree char *why = agb_escape (g_strchomp (result.errors->str), -1);
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD,
                   "cannot read ref '%s': git show-ref ended with %d%s%s", ref, result.status,
                   *why != '\0' ? ": " : "", why);
      agb_error_hint (error, "look at it: git show-ref --verify %s", ref);
      return FALSE;
    }
  *ret_oid = found ? g_strdup (result.output->str) : NULL;
  return TRUE;
}

char *
agb_repo_read_ref (AgbRepo *repo, const char *ref)
{
  char *oid = NULL;

  return agb_repo_find_ref (repo, ref, &oid, NULL) ? oid : NULL;
}

gboolean
agb_repo_foreach_ref (AgbRepo *repo, const char *prefix, AgbRefFunc func, gpointer data,
                      GError **error)
{
  /* for-each-ref matches whole components; the rest of PREFIX is compared here. */
  const char *slash = strrchr (prefix, '/');
  g_autofree char *pattern = g_strndup (prefix, slash != NULL ? (gsize)(slash - prefix) : 0);
  const char *const args[] = { "for-each-ref",
                               "--sort=refname",
                               "--format=%(objectname) %(refname)",
                               "--",
                               *pattern != '\0' ? pattern : NULL,
                               NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, error))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      char *space = strchr (*line, ' ');
      if (space == NULL || !g_str_has_prefix (space + 1, prefix))
        continue;
      *space = '\0';
      if (!func (space + 1, *line, data))
        break;
    }
  return TRUE;
}

char *
agb_repo_checked_out_at (AgbRepo *repo, const char *ref)
{
  static const char *const args[] = { "worktree", "list", "--porcelain", "-z", NULL };
  g_auto (AgbChildResult) result = { 0 };
  const char *path = NULL;

  if (!agb_repo_run (repo, args, &result, NULL) || result.status != 0)
    return NULL;
  const char *end = result.output->str + result.output->len;
  for (const char *line = result.output->str; line < end; line += strlen (line) + 1)
    if (g_str_has_prefix (line, "worktree "))
      path = line + strlen ("worktree ");
    else if (g_str_has_prefix (line, "branch ") && g_str_equal (line + strlen ("branch "), ref))
      return g_strdup (path);
  return NULL;
}

/* A path of objects/info/alternates, in git's C-style quotes when it begins with one. */
static char *
alternate_path (const char *line, const char *objects)
{
  gsize length = strlen (line);

  if (line[0] == '"' && length >= 2 && line[length - 1] == '"')
    {
      g_autofree char *inner = g_strndup (line + 1, length - 2);
      g_autofree char *plain = g_strcompress (inner);
      return g_canonicalize_filename (plain, objects);
    }
  return g_canonicalize_filename (line, objects);
}

static void
collect_object_dirs (const char *objects, GPtrArray *found, int depth)
{
  g_autofree char *file = g_build_filename (objects, "info", "alternates", NULL);
  g_autofree char *text = NULL;

  if (g_ptr_array_find_with_equal_func (found, objects, g_str_equal, NULL)
      || !g_file_test (objects, G_FILE_TEST_IS_DIR))
    return;
  g_ptr_array_add (found, g_strdup (objects));
  if (depth >= ALTERNATES_DEPTH || !g_file_get_contents (file, &text, NULL, NULL))
    return;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    if (**line != '\0' && **line != '#')
      {
        g_autofree char *path = alternate_path (*line, objects);
        collect_object_dirs (path, found, depth + 1);
      }
}

char **
agb_repo_object_dirs (AgbRepo *repo, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *own = g_build_filename (repo->common_dir, "objects", NULL);

  collect_object_dirs (own, found, 0);
  if (found->len == 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "the object folder '%s' is missing", own);
      return NULL;
    }
  g_ptr_array_set_free_func (found, NULL);
  g_ptr_array_add (found, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&found), FALSE);
}
