/* Connectivity, and which commits are new. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"

#include <string.h>

static void
commit_free (gpointer data)
{
  GateCommit *commit = data;

  if (commit == NULL) /* moved to another array */
    return;
  g_free (commit->oid);
  g_strfreev (commit->parents);
  g_free (commit);
}

/* "commit OID PARENT…", and after all commits the other objects, one a line. */
static gboolean
take_line (const char *line, gsize length, gpointer data, GError **error)
{
  GPtrArray *commits = data;

  (void)length;
  (void)error;
  if (!g_str_has_prefix (line, "commit "))
    return TRUE;

  g_auto (GStrv) words = g_strsplit (line + strlen ("commit "), " ", -1);
  GateCommit *commit = g_new0 (GateCommit, 1);
  commit->oid = g_strdup (words[0]);
  commit->parents = g_strdupv (words + 1);
  g_ptr_array_add (commits, commit);
  return TRUE;
}

/* Every object that NEW needs and base and old have not: git dies on the first that is missing.
 * The cost grows with what is new, not with history. */
static gboolean
list_objects (AgbGate *gate, GError **error)
{
  const char *const args[]
      = { "rev-list", "--objects",    "--no-object-names", "--parents", "--format=", gate->new_oid,
          "--not",    gate->base_oid, gate->old_oid,       "--",        NULL };
  g_autoptr (GError) local = NULL;

  if (gate_git_records (gate, args, NULL, '\n', take_line, gate->commits, &local))
    return TRUE;
  if (!g_error_matches (local, AGB_ERROR, AGB_ERROR_SYNC)
      || strstr (local->message, "agbranch.limits") != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
               "refused: connectivity: commit %s is not complete: %s", gate->new_oid,
               local->message + strlen ("refused: "));
  return FALSE;
}

/* Drop the commits that the host had before: they are its own (merged in the guest), and were not
 * brought in by this pack. */
static gboolean
drop_known (AgbGate *gate, GError **error)
{
  static const char *const argv[] = { "git", "cat-file", "--batch-check=%(objectname)", NULL };
  g_auto (GStrv) envp = agb_repo_plumbing_env (gate->repo);
  g_autoptr (GString) input = g_string_new (NULL);
  g_autofree char *output = NULL;

  for (guint i = 0; i < gate->commits->len; i++)
    g_string_append_printf (input, "%s\n", ((GateCommit *)gate->commits->pdata[i])->oid);
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_git_dir (gate->repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .input = input->str,
                              .input_length = input->len };
  if (!agb_child_check (&spec, &output, error))
    return FALSE;

  g_autoptr (GPtrArray) fresh = g_ptr_array_new_with_free_func (commit_free);
  const char *line = output;
  for (guint i = 0; i < gate->commits->len; i++)
    {
      const char *end = strchr (line, '\n');
      if (end == NULL)
        break;
      if (end[-1] == 'g') /* "OID missing"; a name alone ends with a hex digit */
        g_ptr_array_add (fresh, g_steal_pointer (&gate->commits->pdata[i]));
      line = end + 1;
    }
  g_ptr_array_unref (gate->commits);
  gate->commits = g_steal_pointer (&fresh);
  return TRUE;
}

gboolean
gate_walk (AgbGate *gate, GError **error)
{
  gate->commits = g_ptr_array_new_with_free_func (commit_free);
  if (!list_objects (gate, error))
    return FALSE;

  const GateCommit *first = gate->commits->len > 0 ? gate->commits->pdata[0] : NULL;
  if (first == NULL ? strcmp (gate->new_oid, gate->old_oid) != 0
                          && strcmp (gate->new_oid, gate->base_oid) != 0
                    : strcmp (first->oid, gate->new_oid) != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
                   "refused: tip: %s is not a commit after the session head", gate->new_oid);
      return FALSE;
    }
  return first == NULL || drop_known (gate, error);
}

gboolean
agb_gate_is_ancestor (AgbGate *gate, const char *ancestor, const char *descendant, gboolean *ret,
                      GError **error)
{
  const char *const args[] = { "merge-base", "--is-ancestor", ancestor, descendant, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!gate_git_run (gate, args, NULL, 0, 0, &result, error))
    return FALSE;
  if (result.status > 1)
    {
      g_autofree char *line = gate_last_words (&result);
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: connectivity: %s", line);
      return FALSE;
    }
  *ret = result.status == 0;
  return TRUE;
}
