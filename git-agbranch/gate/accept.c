/* From the quarantine into the object store. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  SMALL_PACK = 8 * 1024 * 1024,
  SMALL_PACKS = 16, /* more become few */
  DEFAULT_GC_AUTO = 6700,
  DEFAULT_PACK_LIMIT = 50,
};

static gint64
number_of (AgbGate *gate, const char *key, gint64 fallback)
{
  const char *text = agb_settings_git (gate->settings, key);
  char *end = NULL;
  gint64 number = text != NULL ? g_ascii_strtoll (text, &end, 10) : 0;

  return text != NULL && end != text ? number : fallback;
}

/* The reader of a pack looks for .idx first: that one comes last, and the .keep before all. */
static gboolean
move_pack (AgbGate *gate, GError **error)
{
  static const char *const suffixes[] = { ".keep", ".pack", ".rev", ".idx" };
  g_autofree char *folder = g_build_filename (gate->object_dirs[0], "pack", NULL);

  if (!agb_mkdirs (folder, 0777, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *name = g_strconcat (gate->pack_name, suffixes[i], NULL);
      g_autofree char *inside = g_build_filename (gate->quarantine, "objects", "pack", name, NULL);
      g_autofree char *outside = g_build_filename (folder, name, NULL);

      if (!agb_fault_point ("gate: move pack", error))
        return FALSE;
      /* git 2.39 writes a .rev only when told to. */
      if (rename (inside, outside) != 0 && !(errno == ENOENT && i == 2))
        return agb_error_set_errno (error, errno, "move the pack to", outside);
      gate->moved = TRUE;
    }
  return agb_fsync_folder (folder, error);
}

/* What was moved before an error has to go again: a .keep or a .pack alone stays for ever. */
static void
remove_pack (AgbGate *gate)
{
  static const char *const suffixes[] = { ".idx", ".rev", ".pack", ".keep" };

  for (gsize i = 0; gate->moved && i < G_N_ELEMENTS (suffixes); i++)
    {
      g_autofree char *path = g_strdup (gate->keep_path);
      g_autofree char *other = NULL;

      path[strlen (path) - strlen (".keep")] = '\0';
      other = g_strconcat (path, suffixes[i], NULL);
      unlink (other);
    }
  gate->moved = FALSE;
}

gboolean
agb_gate_accept (AgbGate *gate, GError **error)
{
  agb_progress_phase (gate->progress, "storing");
  if (gate->pack_name == NULL)
    return TRUE;
  if (gate->keep_path == NULL || move_pack (gate, error))
    return TRUE;
  remove_pack (gate);
  return FALSE;
}

const char *
agb_gate_keep_path (AgbGate *gate)
{
  return gate->keep_path;
}

static guint
count_names (const char *folder, gboolean (*counts) (const char *name))
{
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);
  guint count = 0;
  const char *name;

  while (list != NULL && (name = g_dir_read_name (list)) != NULL)
    count += counts (name);
  return count;
}

static gboolean
is_object (const char *name)
{
  return strspn (name, "0123456789abcdef") == strlen (name);
}

static gboolean
is_pack (const char *name)
{
  return g_str_has_suffix (name, ".pack");
}

/* The user's own git with the user's own settings, once the refs have moved. */
static void
look_after (AgbGate *gate, const char *const *argv, gint64 timeout_ms)
{
  g_auto (GStrv) envp
      = g_environ_setenv (g_get_environ (), "GIT_DIR", agb_repo_common_dir (gate->repo), TRUE);
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec = {
    .argv = argv, .cwd = agb_repo_common_dir (gate->repo), .envp = envp, .timeout_ms = timeout_ms
  };

  agb_child_run (&spec, &result, NULL);
}

/* A sync never becomes loose objects: a prune that looked at the refs before they moved would take them
 * afterwards, and nobody can see that one is under way.  A pack it does not touch.  So that ten thousand
 * syncs are not ten thousand packs, small ones are put together.  (Not beside alternates and promised
 * objects, which git before 2.44 does not tell apart there.) */
static void
roll_up (AgbGate *gate)
{
  g_autofree char *folder = g_build_filename (gate->object_dirs[0], "pack", NULL);
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  guint small = 0;

  if (agb_repo_is_partial (gate->repo) || gate->object_dirs[1] != NULL)
    return;
  g_strv_builder_add_many (builder, "git", "-c", "repack.writeBitmaps=false", "repack",
                           "--geometric=2", "-d", "-l", "-n", "-q", NULL);
  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *keep = g_strconcat ("--keep-pack=", name, NULL);
      struct stat info;

      if (!is_pack (name) || stat (path, &info) != 0)
        continue;
      if (info.st_size < SMALL_PACK)
        small++;
      else
        g_strv_builder_add (builder, keep);
    }
  g_auto (GStrv) argv = g_strv_builder_end (builder);
  if (small > SMALL_PACKS)
    look_after (gate, (const char *const *)argv, AGB_TIMEOUT_GIT);
}

/* git's own rule (gc.auto, gc.autoPackLimit), so that the program is only asked when it would work. */
static gboolean
needs_maintenance (AgbGate *gate, gint64 objects)
{
  gint64 packs = number_of (gate, "gc.autoPackLimit", DEFAULT_PACK_LIMIT);
  g_autofree char *sample = g_build_filename (gate->object_dirs[0], "17", NULL);
  g_autofree char *folder = g_build_filename (gate->object_dirs[0], "pack", NULL);

  return count_names (sample, is_object) > (objects + 255) / 256
         || (packs > 0 && count_names (folder, is_pack) > packs);
}

void
gate_remove_keep (AgbGate *gate)
{
  if (gate->moved && agb_fault_point ("gate: remove keep", NULL))
    unlink (gate->keep_path);
  gate->moved = FALSE;
}

void
agb_gate_finish (AgbGate *gate)
{
  /* It goes on in the background by itself. */
  static const char *const argv[] = { "git", "maintenance", "run", "--auto", "--quiet", NULL };
  gint64 objects = number_of (gate, "gc.auto", DEFAULT_GC_AUTO);

  gate_remove_keep (gate);
  if (objects <= 0)
    return;
  roll_up (gate);
  if (needs_maintenance (gate, objects))
    look_after (gate, argv, AGB_TIMEOUT_QUICK);
}
