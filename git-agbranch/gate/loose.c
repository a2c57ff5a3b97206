/* A small pack becomes loose objects: in the quarantine first, then they move into the store one by
 * one, so that a git that is killed leaves its temporary files where they are swept. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
unpack_into (AgbGate *gate, const char *folder, GError **error)
{
  static const char *const argv[] = { "git",
                                      "-c",
                                      "core.fsync=loose-object,pack,pack-metadata,reference",
                                      "-c",
                                      "core.bigFileThreshold=1m",
                                      "unpack-objects",
                                      "-q",
                                      NULL };
  g_autofree char *name = g_strconcat ("objects/pack/", gate->pack_name, ".pack", NULL);
  g_autofree char *path = gate_quarantine_path (gate, name);
  agb_autofd int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autofree char *stores = gate_join_object_dirs (gate->object_dirs);
  /* The settings of the host's repository: compression, and who may read the files.  What it has
   * already is not written again. */
  g_auto (GStrv) envp = g_environ_setenv (agb_repo_plumbing_env (gate->repo),
                                          "GIT_ALTERNATE_OBJECT_DIRECTORIES", stores, TRUE);
  envp = g_environ_setenv (g_steal_pointer (&envp), "GIT_OBJECT_DIRECTORY", folder, TRUE);
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_git_dir (gate->repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .stdin_fd = fd };

  if (fd < 0)
    return agb_error_set_errno (error, errno, "open", path);
  if (!agb_fault_point ("gate: unpack objects", error) || !agb_child_run (&spec, &result, error))
    return FALSE;
  if (result.status == 0)
    return TRUE;
  g_autofree char *line = gate_last_words (&result);
  g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot store the objects in '%s': %s", folder,
               line);
  return FALSE;
}

static gboolean
is_hex (const char *name, gsize length)
{
  return strlen (name) == length && strspn (name, "0123456789abcdef") == length;
}

/* Into the store's folder of the same name, which comes along as a whole where there is none: git has
 * given it the mode that core.sharedRepository wants. */
static gboolean
move_fan (AgbGate *gate, const char *from, const char *fan, GError **error)
{
  g_autofree char *source = g_build_filename (from, fan, NULL);
  g_autofree char *target = g_build_filename (gate->object_dirs[0], fan, NULL);
  g_autoptr (GDir) list = g_dir_open (source, 0, NULL);
  gsize rest = agb_repo_oid_length (gate->repo) - strlen (fan);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    if (is_hex (name, rest))
      g_ptr_array_add (names, g_strdup (name));
  if (!agb_fault_point ("gate: move objects", error))
    return FALSE;
  gboolean whole = rename (source, target) == 0;
  if (!whole && errno != EEXIST && errno != ENOTEMPTY)
    return agb_error_set_errno (error, errno, "move the objects to", target);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *inside = g_build_filename (source, names->pdata[i], NULL);
      g_autofree char *outside = g_build_filename (target, names->pdata[i], NULL);

      if (!whole && rename (inside, outside) != 0)
        return agb_error_set_errno (error, errno, "move an object to", outside);
      g_ptr_array_add (gate->loose, g_steal_pointer (&outside));
    }
  return agb_fsync_folder (target, error);
}

gboolean
gate_unpack (AgbGate *gate, GError **error)
{
  g_autofree char *folder = gate_quarantine_path (gate, "loose");

  if (mkdir (folder, 0777) != 0)
    return agb_error_set_errno (error, errno, "make folder", folder);
  if (!unpack_into (gate, folder, error))
    return FALSE;

  g_autoptr (GDir) fans = g_dir_open (folder, 0, NULL);
  gate->loose = g_ptr_array_new_with_free_func (g_free);
  for (const char *fan; fans != NULL && (fan = g_dir_read_name (fans)) != NULL;)
    if (is_hex (fan, 2) && !move_fan (gate, folder, fan, error))
      return FALSE;
  return agb_fsync_folder (gate->object_dirs[0], error);
}

/* A `git prune --expire=now` beside us may have taken them before a ref held them. */
gboolean
gate_lost_loose (AgbGate *gate)
{
  for (guint i = 0; gate->loose != NULL && i < gate->loose->len; i++)
    if (access (gate->loose->pdata[i], F_OK) != 0)
      return TRUE;
  return FALSE;
}
