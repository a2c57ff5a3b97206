/* agbranch.limits.deltaDepth for deltas that name their bases.
 *
 * Names of what deltas make are known only when they are made.  So the scan counts the longest chain
 * that there could be; only when that is too long, which with the packs of the guest's own git it
 * hardly ever is, git is asked how long the longest really is. */
#include "gate/internal.h"

#include "core/error.h"

#include <string.h>

enum {
  MOST_OUTPUT = 4 * 1024 * 1024,
};

/* "chain length = N: M objects" of index-pack, one line a length. */
static guint64
longest_chain (const char *output)
{
  static const char begin[] = "chain length = ";
  guint64 longest = 0;

  for (const char *line = output; line != NULL; line = strchr (line, '\n'))
    {
      line += *line == '\n';
      if (g_str_has_prefix (line, begin))
        longest = MAX (longest, g_ascii_strtoull (line + strlen (begin), NULL, 10));
    }
  return longest;
}

/* What `git verify-pack --stat-only` starts; it cannot start anything (gate/confined.c).
 *
 * Outside of any repository: in one that has the objects git would compare each with what is there, and
 * make it anew from the begin of its chain. */
static gboolean
measure (AgbGate *gate, AgbChildResult *ret, GError **error)
{
  g_autofree char *pack
      = g_strconcat (gate->quarantine, "/objects/pack/", gate->pack_name, ".pack", NULL);
  g_autofree char *format
      = g_strconcat ("--object-format=", agb_repo_object_format (gate->repo), NULL);
  g_auto (GStrv) envp = g_environ_setenv (g_strdupv (gate->envp), "GIT_DIR", "/dev/null", TRUE);
  const char *const args[]
      = { "-c",         "core.bigFileThreshold=1m", "-c",   "core.deltaBaseCacheLimit=32m",
          "index-pack", "--verify-stat-only",       format, pack,
          NULL };
  const AgbChildSpec spec = { .envp = envp, .capture_limit = MOST_OUTPUT };

  return gate_git_run_spec (gate, "git index-pack --verify-stat-only", args, &spec, ret, error);
}

gboolean
gate_depth (AgbGate *gate, GError **error)
{
  g_auto (AgbChildResult) result = { 0 };

  if (gate->pack_depth <= gate->limits.pack.depth)
    return TRUE;
  if (!measure (gate, &result, error))
    return FALSE;
  if (result.status != 0)
    {
      g_autofree char *line = gate_last_words (&result);
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: git index-pack: %s", line);
      return FALSE;
    }
  const AgbScanFault fault = { AGB_SCAN_DELTA_DEPTH, longest_chain (result.output->str) };
  return fault.is <= gate->limits.pack.depth
         || agb_scan_fault_error (&fault, &gate->limits.pack, error);
}
