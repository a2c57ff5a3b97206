#include "guest/bwrap/mounts.h"

#include "core/error.h"
#include "core/io.h"
#include "guest/bwrap/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* admin-guide/devices.txt of the kernel */
enum { TUN_MAJOR = 10, TUN_MINOR = 200 };

enum {
  LEAST_TMP_BYTES = 64 * 1024 * 1024,
  BYTES_FOR_A_FILE = 4096, /* an empty one takes a quarter of it from the kernel's memory */
};

void
agb_bwrap_mounts_clear (AgbBwrapMounts *mounts)
{
  g_clear_pointer (&mounts->home, g_free);
  g_clear_pointer (&mounts->object_dirs, g_strfreev);
  g_clear_pointer (&mounts->programs, g_strfreev);
  g_clear_pointer (&mounts->execd, g_free);
  g_clear_pointer (&mounts->memory, g_free);
}

void
agb_bwrap_mounts_plain (const AgbBwrapSpec *spec, const char *state_root, const char *execd,
                        const AgbBwrapPrograms *programs, AgbBwrapMounts *ret)
{
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();

  for (guint i = 0; i < programs->paths->len; i++)
    g_strv_builder_add (paths, g_ptr_array_index (programs->paths, i));
  *ret = (AgbBwrapMounts){
    .home = agb_bwrap_path (state_root, spec->vm_name, "home"),
    .object_dirs = g_strdupv (spec->object_dirs),
    .programs = g_strv_builder_end (paths),
    .execd = g_strdup (execd),
  };
}

static gboolean
set_mount_error (GError **error, const char *action, const char *path)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot %s '%s': %s", action, path,
               g_strerror (errno));
  return FALSE;
}

/* An empty folder of every Debian, Fedora or Arch (FHS 3.0) that can be covered without hiding what the
 * keeper still needs by its path. */
static const char *
folder_to_cover (const char *state_root)
{
  static const char *const candidates[] = { "/mnt", "/media", "/srv", "/opt" };

  for (gsize i = 0; i < G_N_ELEMENTS (candidates); i++)
    {
      g_autofree char *below = g_strconcat (candidates[i], "/", NULL);

      if (g_file_test (candidates[i], G_FILE_TEST_IS_DIR) && !g_str_has_prefix (state_root, below))
        return candidates[i];
    }
  return NULL;
}

/* Bind what FD (O_PATH) names to PATH, which is made; takes FD. */
static gboolean
bind_fd (int fd_taken, const char *path, GError **error)
{
  agb_autofd int fd = fd_taken;
  g_autofree char *source = g_strdup_printf ("/proc/self/fd/%d", fd);
  struct stat info;

  if (fstat (fd, &info) != 0)
    return set_mount_error (error, "look at", path);
  if (S_ISDIR (info.st_mode))
    {
      if (mkdir (path, 0755) != 0)
        return set_mount_error (error, "make folder", path);
    }
  else
    {
      agb_autofd int target = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
      if (target < 0)
        return set_mount_error (error, "make file", path);
    }
  if (mount (source, path, NULL, MS_BIND | MS_REC, NULL) != 0)
    return set_mount_error (error, "bind", path);
  return TRUE;
}

static int
open_part (const char *path, GError **error)
{
  int fd = open (path, O_PATH | O_CLOEXEC);

  if (fd < 0)
    set_mount_error (error, "open", path);
  return fd;
}

/* Everything is opened before the folder is covered, since it may lie below it. */
static gboolean
open_parts (const AgbBwrapMounts *plain, GArray *fds, GError **error)
{
  const char *const first[] = { plain->home, plain->execd, NULL };
  const char *const *const all[]
      = { first, (const char *const *)plain->object_dirs, (const char *const *)plain->programs };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    for (const char *const *part = all[i]; *part != NULL; part++)
      {
        int fd = open_part (*part, error);
        if (fd < 0)
          return FALSE;
        g_array_append_val (fds, fd);
      }
  return TRUE;
}

static gboolean
bind_parts (const char *top, GArray *fds, guint object_dir_count, AgbBwrapMounts *ret,
            GError **error)
{
  g_autoptr (GStrvBuilder) dirs = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) programs = g_strv_builder_new ();

  for (guint i = 0; i < fds->len; i++)
    {
      int fd = g_array_index (fds, int, i);
      g_autofree char *path = i == 0   ? g_build_filename (top, "home", NULL)
                              : i == 1 ? g_build_filename (top, "execd", NULL)
                                       : g_strdup_printf ("%s/%u", top, i - 2);

      if (!bind_fd (fd, path, error))
        return FALSE;
      if (i == 0)
        ret->home = g_steal_pointer (&path);
      else if (i == 1)
        ret->execd = g_steal_pointer (&path);
      else
        g_strv_builder_add (i - 2 < object_dir_count ? dirs : programs, path);
    }
  ret->object_dirs = g_strv_builder_end (dirs);
  ret->programs = g_strv_builder_end (programs);
  return TRUE;
}

guint64
agb_bwrap_mounts_tmp_bytes (const AgbBwrapSpec *spec)
{
  return MAX (spec->memory_bytes / 2, (guint64)LEAST_TMP_BYTES);
}

static gboolean
mount_memory (const char *folder, const char *name, const char *mode, guint64 bytes, guint32 uid,
              GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *options = g_strdup_printf ("mode=%s,uid=%u,gid=%u,size=%" G_GUINT64_FORMAT
                                              ",nr_inodes=%" G_GUINT64_FORMAT,
                                              mode, uid, uid, bytes, bytes / BYTES_FOR_A_FILE);

  if (mkdir (path, 0755) != 0
      || mount ("agbranch", path, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
    return set_mount_error (error, "mount", path);
  return TRUE;
}

/* bwrap can bound a tmpfs in bytes only. */
static gboolean
make_memory (const AgbBwrapSpec *spec, const char *top, AgbBwrapMounts *ret, GError **error)
{
  guint64 bytes = agb_bwrap_mounts_tmp_bytes (spec);

  ret->memory = g_strdup (top);
  return mount_memory (ret->memory, "tmp", "1777", bytes, spec->uid, error)
         && mount_memory (ret->memory, "shm", "1777", bytes / 2, spec->uid, error)
         && mount_memory (ret->memory, "run", "0755", AGB_BWRAP_RUN_BYTES, spec->uid, error);
}

gboolean
agb_bwrap_mounts_private (const AgbBwrapSpec *spec, const char *state_root, const char *execd,
                          const AgbBwrapPrograms *programs, AgbBwrapMounts *ret, GError **error)
{
  g_auto (AgbBwrapMounts) plain = { 0 };
  g_auto (AgbBwrapMounts) mounts = { 0 };
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  const char *top = folder_to_cover (state_root);

  if (top == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                           "there is none of /mnt, /media, /srv and /opt to bind a sandbox in");
      return FALSE;
    }
  agb_bwrap_mounts_plain (spec, state_root, execd, programs, &plain);
  if (unshare (CLONE_NEWNS) != 0)
    return set_mount_error (error, "unshare", "mount namespace");
  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return set_mount_error (error, "make private", "/");
  if (!open_parts (&plain, fds, error))
    return FALSE;
  if (mount ("agbranch", top, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0)
    return set_mount_error (error, "cover", top);
  if (!bind_parts (top, fds, g_strv_length (plain.object_dirs), &mounts, error)
      || !make_memory (spec, top, &mounts, error)
      || (spec->own_disk && !agb_bwrap_disk_mount (spec, state_root, mounts.home, error)))
    return FALSE;
  *ret = mounts;
  mounts = (AgbBwrapMounts){ 0 };
  return TRUE;
}

gboolean
agb_bwrap_mounts_tun (const AgbBwrapMounts *mounts, GError **error)
{
  g_autofree char *top = g_path_get_dirname (mounts->home);
  g_autofree char *folder = g_build_filename (top, "dev", NULL);
  g_autofree char *device = g_build_filename (folder, "tun", NULL);

  if (mkdir (folder, 0755) != 0
      || mount ("agbranch", folder, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") != 0
      || mknod (device, S_IFCHR | 0666, makedev (TUN_MAJOR, TUN_MINOR)) != 0
      || chmod (device, 0666) != 0 || mount (device, "/dev/net/tun", NULL, MS_BIND, NULL) != 0)
    return set_mount_error (error, "make", "/dev/net/tun");
  return TRUE;
}
