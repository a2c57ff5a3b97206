#include "gate/internal.h"

#include "core/error.h"
#include "core/io.h"
#include "core/names.h"

#include <string.h>

static void
read_limits (AgbGate *gate)
{
  AgbSettings *settings = gate->settings;

  gate->limits = (GateLimits){
    .pack = { .bytes = agb_settings_size (settings, "agbranch.limits.packBytes"),
              .inflated_bytes = agb_settings_size (settings, "agbranch.limits.inflatedBytes"),
              .blob_bytes = agb_settings_size (settings, "agbranch.limits.blobBytes"),
              .objects = (guint64)agb_settings_int (settings, "agbranch.limits.objects"),
              .depth = MIN ((guint64)agb_settings_int (settings, "agbranch.limits.deltaDepth"),
                            AGB_PACK_DEPTH_MAX) },
    .path_length = (guint64)agb_settings_int (settings, "agbranch.limits.pathLength"),
    .path_depth = (guint64)agb_settings_int (settings, "agbranch.limits.depth"),
    .changed_paths = (guint64)agb_settings_int (settings, "agbranch.limits.changedPaths"),
    .ms = agb_settings_int (settings, "agbranch.limits.seconds") * 1000,
  };
}

AgbGate *
agb_gate_new (AgbRepo *repo, AgbSettings *settings, const AgbGateRequest *request,
              AgbProgress *progress, GError **error)
{
  g_autoptr (AgbGate) gate = g_new0 (AgbGate, 1);

  gate->repo = repo;
  gate->settings = settings;
  gate->progress = progress;
  gate->session = g_strdup (request->session);
  gate->base_oid = g_strdup (request->base_oid);
  gate->old_oid = g_strdup (request->old_oid);
  gate->new_oid = g_strdup (request->new_oid);
  gate->review_ref = g_strdup (request->review_ref);
  gate->staged_path = g_strdup (request->staged_path);
  gate->hold_fd = -1;
  gate->readable = g_ptr_array_new_with_free_func (g_free);
  gate->findings = g_ptr_array_new_with_free_func (g_free);
  gate->found = g_hash_table_new (g_str_hash, g_str_equal);
  read_limits (gate);

  if (!agb_is_oid (gate->new_oid) || strlen (gate->new_oid) != agb_repo_oid_length (repo))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
                   "refused: tip: the guest names no commit of this object format");
      return NULL;
    }
  gate->object_dirs = agb_repo_object_dirs (repo, error);
  if (gate->object_dirs == NULL || !gate_quarantine_make (gate, error))
    return NULL;
  return g_steal_pointer (&gate);
}

void
agb_gate_free (AgbGate *gate)
{
  gate_remove_keep (gate);
  if (gate->quarantine != NULL)
    gate_quarantine_remove (gate);
  agb_close (&gate->hold_fd);
  g_free (gate->session);
  g_free (gate->base_oid);
  g_free (gate->old_oid);
  g_free (gate->new_oid);
  g_free (gate->review_ref);
  g_free (gate->staged_path);
  g_strfreev (gate->object_dirs);
  g_free (gate->quarantine);
  g_strfreev (gate->envp);
  g_free (gate->git);
  g_ptr_array_unref (gate->readable);
  g_free (gate->pack_name);
  g_free (gate->keep_path);
  g_clear_pointer (&gate->commits, g_ptr_array_unref);
  g_hash_table_unref (gate->found);
  g_ptr_array_unref (gate->findings);
  g_free (gate);
}

gboolean
agb_gate_check (AgbGate *gate, GError **error)
{
  agb_progress_phase (gate->progress, "checking");
  return gate_walk (gate, error) && gate_policy (gate, error);
}

const char *const *
agb_gate_findings (AgbGate *gate)
{
  if (gate->findings->len == 0 || gate->findings->pdata[gate->findings->len - 1] != NULL)
    g_ptr_array_add (gate->findings, NULL);
  return (const char *const *)gate->findings->pdata;
}
