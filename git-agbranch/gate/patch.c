/* The accepted work as a patch.  All of it runs in the quarantine, which has no attributes, drivers,
 * filters or settings; what merge-tree writes goes away with it. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The tree of HEAD with the session's work merged into it; NULL when they conflict (*error unset), or
 * on an error. */
static char *
merge_with_head (AgbGate *gate, const char *head, GError **error)
{
  const char *const args[]
      = { "merge-tree", "--write-tree", "--no-messages", head, gate->new_oid, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!gate_git_run (gate, args, NULL, 0, 0, &result, error) || result.status != 0)
    return NULL;
  return g_strdup (g_strchomp (result.output->str));
}

static gboolean
write_difference (AgbGate *gate, const char *from, const char *to, int fd, GError **error)
{
  const char *const args[] = { "diff-tree",
                               "-r",
                               "-p",
                               "--binary",
                               "--full-index",
                               "--no-ext-diff",
                               "--no-textconv",
                               "--no-renames",
                               "--no-color",
                               "--src-prefix=a/",
                               "--dst-prefix=b/",
                               from,
                               to,
                               "--",
                               NULL };
  const AgbChildSpec spec = { .timeout_ms = AGB_TIMEOUT_GIT, .stdout_fd = fd };
  g_auto (AgbChildResult) result = { 0 };

  if (!gate_git_run_spec (gate, "git diff-tree", args, &spec, &result, error))
    return FALSE;
  if (result.status != 0)
    {
      g_autofree char *line = gate_last_words (&result);
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot make the patch: git diff-tree: %s",
                   line);
      return FALSE;
    }
  return TRUE;
}

static gboolean
write_patch (AgbGate *gate, const char *from, const char *to, const char *path, GError **error)
{
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  agb_autofd int fd = -1;
  mode_t mask = umask (0);

  umask (mask);
  if (!agb_fault_point ("gate: write patch", error))
    return FALSE;
  fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return agb_error_set_errno (error, errno, "write", path);
  gboolean good = write_difference (gate, from, to, fd, error);
  if (good && (fchmod (fd, 0666 & ~mask) != 0 || fsync (fd) != 0 || rename (temporary, path) != 0))
    good = agb_error_set_errno (error, errno, "write", path);
  if (!good)
    unlink (temporary);
  return good;
}

gboolean
agb_gate_export_patch (AgbGate *gate, const char *path, GError **error)
{
  g_autofree char *head = agb_repo_resolve_commit (gate->repo, NULL, NULL);
  g_autoptr (GError) local = NULL;

  if (head == NULL || strcmp (head, gate->base_oid) == 0)
    return write_patch (gate, gate->base_oid, gate->new_oid, path, error);

  g_autofree char *merged = merge_with_head (gate, head, &local);
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (merged != NULL)
    return write_patch (gate, head, merged, path, error);
  agb_progress_note (gate->progress,
                     "the work conflicts with HEAD; the patch applies on the session's base %.12s",
                     gate->base_oid);
  return write_patch (gate, gate->base_oid, gate->new_oid, path, error);
}
