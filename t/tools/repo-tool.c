/* repo-tool: the repository module on the command line, for t6030.
 *
 *   repo-tool [--write] [--at PATH] QUESTION [OPERAND…]
 *
 * QUESTION is one of: where, objects, resolve [REV], head, ref NAME, refs PREFIX, ancestor A B,
 * count A B, dirty, at REF, env.  Exit code and message of an error are those of a verb. */
#include "core/error.h"
#include "core/escape.h"
#include "store/repo.h"

#include <stdio.h>
#include <string.h>

static void
print_value (const char *name, const char *value)
{
  g_autofree char *shown = value != NULL ? agb_escape (value, -1) : g_strdup ("-");

  printf ("%s %s\n", name, shown);
}

static void
print_where (AgbRepo *repo)
{
  print_value ("git_dir", agb_repo_git_dir (repo));
  print_value ("common_dir", agb_repo_common_dir (repo));
  print_value ("work_tree", agb_repo_work_tree (repo));
  print_value ("format", agb_repo_object_format (repo));
  printf ("shallow %d\npartial %d\n", agb_repo_is_shallow (repo), agb_repo_is_partial (repo));
}

static gboolean
print_ref (const char *ref, const char *oid, gpointer data)
{
  (void)data;
  printf ("%s %s\n", ref, oid);
  return TRUE;
}

static gboolean
print_environment (AgbRepo *repo)
{
  g_auto (GStrv) ours = g_get_environ ();
  g_auto (GStrv) plumbing = agb_repo_plumbing_env (repo);

  for (char **variable = ours; *variable != NULL; variable++)
    if (g_str_has_prefix (*variable, "GIT_"))
      printf ("ours %s\n", *variable);
  for (char **variable = plumbing; *variable != NULL; variable++)
    if (g_str_has_prefix (*variable, "GIT_"))
      printf ("git %s\n", *variable);
  return TRUE;
}

static gboolean
print_graph (AgbRepo *repo, const char *question, char **operands, GError **error)
{
  gboolean is_ancestor = FALSE, dirty = FALSE;
  guint count = 0;

  if (g_str_equal (question, "ancestor"))
    {
      if (!agb_repo_is_ancestor (repo, operands[0], operands[1], &is_ancestor, error))
        return FALSE;
      puts (is_ancestor ? "yes" : "no");
    }
  else if (g_str_equal (question, "count"))
    {
      if (!agb_repo_count_commits (repo, operands[0], operands[1], &count, error))
        return FALSE;
      printf ("%u\n", count);
    }
  else
    {
      if (!agb_repo_is_dirty (repo, &dirty, &count, error))
        return FALSE;
      printf ("%s %u\n", dirty ? "dirty" : "clean", count);
    }
  return TRUE;
}

static gboolean
answer (AgbRepo *repo, const char *question, char **operands, GError **error)
{
  g_autofree char *value = NULL;
  g_auto (GStrv) folders = NULL;

  if (g_str_equal (question, "where"))
    print_where (repo);
  else if (g_str_equal (question, "env"))
    print_environment (repo);
  else if (g_str_equal (question, "refs"))
    return agb_repo_foreach_ref (repo, operands[0], print_ref, NULL, error);
  else if (g_str_equal (question, "objects"))
    {
      folders = agb_repo_object_dirs (repo, error);
      for (char **folder = folders; folder != NULL && *folder != NULL; folder++)
        print_value ("objects", *folder);
      return folders != NULL;
    }
  else if (g_str_equal (question, "resolve"))
    {
      value = agb_repo_resolve_commit (repo, operands[0], error);
      if (value == NULL)
        return FALSE;
      print_value ("commit", value);
    }
  else if (g_str_equal (question, "head"))
    print_value ("head", value = agb_repo_head_ref (repo));
  else if (g_str_equal (question, "ref"))
    print_value ("ref", value = agb_repo_read_ref (repo, operands[0]));
  else if (g_str_equal (question, "at"))
    print_value ("at", value = agb_repo_checked_out_at (repo, operands[0]));
  else
    return print_graph (repo, question, operands, error);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gboolean for_writing = FALSE;
  const char *at = NULL;
  int i = 1;

  for (; i < argc && g_str_has_prefix (argv[i], "--"); i++)
    if (g_str_equal (argv[i], "--write"))
      for_writing = TRUE;
    else
      at = argv[++i];
  g_autoptr (AgbRepo) repo = agb_repo_open (at, for_writing, &error);
  if (repo != NULL && answer (repo, argv[i], argv + i + 1, &error))
    return 0;

  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;
  agb_error_split (error, &message, &hint);
  fprintf (stderr, "fatal: %s\nhint: %s\n", message, hint != NULL ? hint : "-");
  return error->code;
}
