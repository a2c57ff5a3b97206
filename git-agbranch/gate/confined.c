/* How git is started in the gate: by agbranch-git, with few rights.
 *
 * index-pack reads the pack before anything is known of it but its form; whoever reads objects from the
 * quarantine afterwards (rev-list, diff-tree, cat-file, merge-tree, config on a .gitmodules) reads what a guest
 * has written with the same code.  So all of them are started here.  What runs with the rights of the
 * user is told names only (drop_known, the refs), or runs once the objects are the host's own. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/paths.h"

#include <string.h>
#include <unistd.h>

void
gate_git_reads (AgbGate *gate, const char *path)
{
  g_ptr_array_add (gate->readable, g_strdup (path));
}

/* Packs may lie elsewhere, by a link. */
static void
read_objects (AgbGate *gate)
{
  for (char **folder = gate->object_dirs; *folder != NULL; folder++)
    {
      g_autofree char *packs = g_build_filename (*folder, "pack", NULL);
      gate_git_reads (gate, *folder);
      gate_git_reads (gate, packs);
    }
}

/* Libraries of a git that is not the system's. */
static void
read_libraries (AgbGate *gate, const char *exec_path)
{
  static const char *const names[] = { "lib", "lib64" };
  const char *path = g_environ_getenv (gate->envp, "LD_LIBRARY_PATH");
  g_auto (GStrv) folders = g_strsplit_set (path != NULL ? path : "", ":;", -1);

  gate_git_reads (gate, exec_path);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *folder = g_build_filename (exec_path, "..", "..", names[i], NULL);
      gate_git_reads (gate, folder);
    }
  for (char **folder = folders; *folder != NULL; folder++)
    if (g_path_is_absolute (*folder))
      gate_git_reads (gate, *folder);
}

/* The program itself: what PATH has may be a script that starts it, and nothing is started there. */
static gboolean
find_git (AgbGate *gate, GError **error)
{
  static const char *const argv[] = { "git", "--exec-path", NULL };
  const AgbChildSpec spec = { .argv = argv, .cwd = gate->quarantine, .envp = gate->envp };
  g_autofree char *exec_path = NULL;

  if (!agb_child_check (&spec, &exec_path, error))
    return FALSE;
  g_strchomp (exec_path);
  gate->git = g_build_filename (exec_path, "git", NULL);
  if (access (gate->git, X_OK) != 0)
    {
      g_free (gate->git);
      gate->git = g_find_program_in_path ("git");
    }
  if (gate->git == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "git is in neither PATH nor '%s'", exec_path);
      return FALSE;
    }
  read_libraries (gate, exec_path);
  read_objects (gate);
  return TRUE;
}

/* A pack whose modes are those of a shared repository. */
static gboolean
is_shared (AgbGate *gate)
{
  return agb_settings_git (gate->settings, "core.sharedRepository") != NULL;
}

char **
gate_git_argv (AgbGate *gate, const char *const *args, GError **error)
{
  g_autofree char *exec_path = agb_exec_path ();
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *program = g_build_filename (exec_path, "agbranch-git", NULL);

  if (gate->git == NULL && !find_git (gate, error))
    return NULL;
  g_strv_builder_add (builder, program);
  if (is_shared (gate))
    g_strv_builder_add (builder, "-m");
  g_strv_builder_add (builder, gate->quarantine);
  for (guint i = 0; i < gate->readable->len; i++)
    g_strv_builder_add (builder, gate->readable->pdata[i]);
  g_strv_builder_add_many (builder, "--", gate->git, NULL);
  g_strv_builder_addv (builder, (const char **)args);
  return g_strv_builder_end (builder);
}

gboolean
gate_git_started (int status, const GString *errors, GError **error)
{
  if (status != AGB_ERROR_CHILD)
    return TRUE;

  g_autofree char *line = gate_last_line (errors->str);
  g_set_error_literal (error, AGB_ERROR, AGB_ERROR_CHILD, line);
  return FALSE;
}
