/* The hook pre-sync. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"

#include <string.h>
#include <unistd.h>

/* core.hooksPath as git takes it: "~/" is the home, a relative path begins where hooks run. */
static char *
hook_path (AgbGate *gate)
{
  const char *folder = agb_settings_git (gate->settings, "core.hooksPath");

  if (folder == NULL || *folder == '\0')
    return g_build_filename (agb_repo_common_dir (gate->repo), "hooks", "pre-sync", NULL);
  if (g_str_has_prefix (folder, "~/"))
    return g_build_filename (g_get_home_dir (), folder + 2, "pre-sync", NULL);

  const char *start = agb_repo_work_tree (gate->repo) != NULL ? agb_repo_work_tree (gate->repo)
                                                              : agb_repo_git_dir (gate->repo);
  g_autofree char *absolute = g_canonicalize_filename (folder, start);
  return g_build_filename (absolute, "pre-sync", NULL);
}

static char **
hook_env (AgbGate *gate)
{
  g_autofree char *objects = gate_quarantine_path (gate, "objects");
  g_autofree char *alternates = gate_join_object_dirs (gate->object_dirs);
  char **envp = g_get_environ ();

  envp = g_environ_setenv (envp, "GIT_DIR", agb_repo_git_dir (gate->repo), TRUE);
  envp = g_environ_setenv (envp, "GIT_QUARANTINE_PATH", objects, TRUE);
  envp = g_environ_setenv (envp, "GIT_OBJECT_DIRECTORY", objects, TRUE);
  envp = g_environ_setenv (envp, "GIT_ALTERNATE_OBJECT_DIRECTORIES", alternates, TRUE);
  return g_environ_setenv (envp, "AGBRANCH_SESSION", gate->session, TRUE);
}

gboolean
agb_gate_run_hook (AgbGate *gate, GError **error)
{
  g_autofree char *path = hook_path (gate);
  g_autofree char *input
      = g_strdup_printf ("%s %s %s\n", gate->old_oid, gate->new_oid, gate->review_ref);
  const char *const argv[] = { path, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (access (path, X_OK) != 0)
    return TRUE;

  g_auto (GStrv) envp = hook_env (gate);
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_git_dir (gate->repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .input = input,
                              .input_length = strlen (input) };
  agb_progress_phase (gate->progress, "hook pre-sync");
  if (!agb_child_run (&spec, &result, error))
    return FALSE;
  if (result.status == 0)
    return TRUE;
  g_autofree char *line = gate_last_line (result.errors->str);
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: hook pre-sync: %s (status %d)",
               *line != '\0' ? line : "it gave no reason", result.status);
  return FALSE;
}
