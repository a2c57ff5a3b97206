#include "guest/bwrap/disk.h"

#include "core/child.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define LOOP_CONTROL "/dev/loop-control"

enum {
  ATTACH_TRIES = 64, /* others take free devices too */
  DETACH_TIMEOUT_MS = 20 * 1000,
  DETACH_PAUSE_USEC = 2000,
};

/* Often not in the PATH of who is root by sudo. */
static char *
find_mkfs (void)
{
  char *program = g_find_program_in_path ("mkfs.ext4");

  if (program == NULL && g_file_test ("/usr/sbin/mkfs.ext4", G_FILE_TEST_IS_EXECUTABLE))
    program = g_strdup ("/usr/sbin/mkfs.ext4");
  return program;
}

/* A loop device that was free a moment ago, opened; -1 with errno. */
static int
open_free_loop (void)
{
  agb_autofd int control = open (LOOP_CONTROL, O_RDWR | O_CLOEXEC);
  int number = control < 0 ? -1 : ioctl (control, LOOP_CTL_GET_FREE);
  g_autofree char *path = g_strdup_printf ("/dev/loop%d", number);

  return number < 0 ? -1 : open (path, O_RDWR | O_CLOEXEC);
}

const char *
agb_bwrap_disk_missing (void)
{
  g_autofree char *mkfs = find_mkfs ();
  g_autofree char *kinds = NULL;

  if (geteuid () != 0)
    return "only root may mount one";
  if (mkfs == NULL)
    return "there is no mkfs.ext4";
  if (!g_file_get_contents ("/proc/filesystems", &kinds, NULL, NULL)
      || strstr (kinds, "\text4\n") == NULL)
    return "the kernel has no ext4";
  agb_autofd int loop = open_free_loop ();
  return loop < 0 ? "there is no loop device" : NULL;
}

static gboolean
make_file_system (const AgbBwrapSpec *spec, const char *image, const char *home, GError **error)
{
  g_autofree char *mkfs = find_mkfs ();
  g_autofree char *options = g_strdup_printf (
      "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=%u:%u", spec->uid, spec->uid);
  const char *argv[] = { mkfs, "-q", "-F", "-m", "0", "-E", options, "-d", home, image, NULL };
  const AgbChildSpec child = { .argv = argv, .timeout_ms = AGB_TIMEOUT_GIT };
  g_autoptr (GError) reason = NULL;

  if (mkfs != NULL && agb_child_check (&child, NULL, &reason))
    return TRUE;
  if (reason != NULL && g_error_matches (reason, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot make the disk '%s': %s", image,
               reason != NULL ? reason->message : "there is no mkfs.ext4");
  agb_error_hint (error, "name another --disk");
  return FALSE;
}

gboolean
agb_bwrap_disk_make (const AgbBwrapSpec *spec, const char *state_root, GError **error)
{
  g_autofree char *image = agb_bwrap_path (state_root, spec->vm_name, "disk.img");
  g_autofree char *image_new = g_strconcat (image, ".new", NULL);
  g_autofree char *home = agb_bwrap_path (state_root, spec->vm_name, "home");

  if (g_file_test (image, G_FILE_TEST_EXISTS))
    return TRUE;
  if (!agb_fault_point ("bwrap: make disk", error))
    return FALSE;
  agb_autofd int fd = open (image_new, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return agb_error_set_errno (error, errno, "open", image_new);
  if (ftruncate (fd, (off_t)spec->disk_bytes) != 0)
    return agb_error_set_errno (error, errno, "size", image_new);
  if (!make_file_system (spec, image_new, home, error))
    return FALSE;
  if (fsync (fd) != 0 || rename (image_new, image) != 0)
    return agb_error_set_errno (error, errno, "rename", image_new);
  return TRUE;
}

/* A loop device with the file FD in it that frees itself; -1 with errno. */
static int
attach (int fd)
{
  const struct loop_config config = { .fd = (__u32)fd, .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };

  for (int i = 0; i < ATTACH_TRIES; i++)
    {
      int loop = open_free_loop ();

      if (loop < 0 || ioctl (loop, LOOP_CONFIGURE, &config) == 0)
        return loop;
      int reason = errno;
      close (loop);
      errno = reason;
      if (reason != EBUSY)
        return -1;
    }
  return -1;
}

gboolean
agb_bwrap_disk_mount (const AgbBwrapSpec *spec, const char *state_root, const char *folder,
                      GError **error)
{
  g_autofree char *image = agb_bwrap_path (state_root, spec->vm_name, "disk.img");
  agb_autofd int fd = open (image, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  agb_autofd int loop = fd >= 0 ? attach (fd) : -1;
  g_autofree char *lost = g_build_filename (folder, "lost+found", NULL);

  if (loop >= 0)
    {
      g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", loop);
      g_autofree char *device = g_file_read_link (link, NULL);

      /* Deleted files give their space back to the host. */
      if (device != NULL
          && mount (device, folder, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "discard") == 0)
        {
          rmdir (lost); /* e2fsck makes it again when it has something to put there */
          return TRUE;
        }
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot mount the disk '%s': %s", image,
               g_strerror (errno));
  return FALSE;
}

static gboolean
is_attached (const char *image)
{
  g_autoptr (GDir) devices = g_dir_open ("/sys/block", 0, NULL);

  for (const char *name; devices != NULL && (name = g_dir_read_name (devices)) != NULL;)
    {
      g_autofree char *path = g_build_filename ("/sys/block", name, "loop/backing_file", NULL);
      g_autofree char *file = NULL;

      if (g_str_has_prefix (name, "loop") && g_file_get_contents (path, &file, NULL, NULL)
          && g_str_equal (g_strchomp (file), image))
        return TRUE;
    }
  return FALSE;
}

gboolean
agb_bwrap_disk_wait (const char *state_root, const char *vm_name, GError **error)
{
  g_autofree char *path = agb_bwrap_path (state_root, vm_name, "disk.img");
  char image[PATH_MAX];
  gint64 deadline = agb_deadline_in (DETACH_TIMEOUT_MS);

  if (realpath (path, image) == NULL)
    return TRUE;
  while (is_attached (image))
    {
      if (agb_deadline_left_ms (deadline) <= 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "the disk '%s' is still mounted",
                       image);
          return FALSE;
        }
      g_usleep (DETACH_PAUSE_USEC);
    }
  return TRUE;
}
