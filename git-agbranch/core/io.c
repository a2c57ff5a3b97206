#include "core/io.h"

#include "core/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
agb_close (int *fd)
{
  int saved_errno = errno;

  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  errno = saved_errno;
}

gboolean
agb_write_all (int fd, const void *data, gsize length, const char *name, GError **error)
{
  const char *next = data;

  while (length > 0)
    {
      ssize_t written = write (fd, next, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        return agb_error_set_errno (error, errno, "write to", name);
      next += written;
      length -= (gsize)written;
    }
  return TRUE;
}

gboolean
agb_file_replace (const char *path, const void *contents, gsize length, int mode, GError **error)
{
  if (!g_file_set_contents_full (path, contents, (gssize)length,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, mode,
                                 error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot write '%s': ", path);
      return FALSE;
    }
  g_autofree char *folder = g_path_get_dirname (path);
  return agb_fsync_folder (folder, error);
}

gboolean
agb_mkdirs (const char *path, int mode, GError **error)
{
  if (g_mkdir_with_parents (path, mode) != 0)
    return agb_error_set_errno (error, errno, "make folder", path);
  return TRUE;
}

gboolean
agb_fsync_folder (const char *path, GError **error)
{
  agb_autofd int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  /* Some file systems cannot sync a folder (EINVAL): nothing better is to be had there. */
  if (fd < 0 || (fsync (fd) != 0 && errno != EINVAL))
    return agb_error_set_errno (error, errno, "sync folder", path);
  return TRUE;
}

enum { REMOVE_DEPTH = 64 };

typedef struct {
  const char *path; /* for messages */
  int top_fd;       /* the folder that is removed, -1 before it is open */
  guint moved;      /* folders that were too deep and lie in it now */
} Removal;

static gboolean remove_below (Removal *removal, int parent_fd, const char *name, guint depth,
                              GError **error);

/* Whoever made the tree may have made it deeper than there are descriptors: then what is below goes to
 * the top and is removed from there. */
static gboolean
move_up (Removal *removal, int parent_fd, const char *name, GError **error)
{
  for (;;)
    {
      g_autofree char *new_name = g_strdup_printf (".removed-%u", removal->moved++);

      /* Its own ".." changes: a folder that nobody may write cannot be moved. */
      if (fchmodat (parent_fd, name, 0700, 0) == 0
          && renameat2 (parent_fd, name, removal->top_fd, new_name, RENAME_NOREPLACE) == 0)
        return TRUE;
      if (errno != EEXIST)
        return agb_error_set_errno (error, errno, "remove", removal->path);
    }
}

static gboolean
remove_entries (Removal *removal, int fd, guint depth, GError **error)
{
  int list_fd = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = list_fd >= 0 ? fdopendir (list_fd) : NULL;
  gboolean removed = TRUE;

  if (list == NULL)
    {
      agb_close (&list_fd);
      return agb_error_set_errno (error, errno, "list", removal->path);
    }
  for (struct dirent *entry; removed && (entry = readdir (list)) != NULL;)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      removed = remove_below (removal, fd, entry->d_name, depth + 1, error);
  closedir (list);
  return removed;
}

static gboolean
remove_below (Removal *removal, int parent_fd, const char *name, guint depth, GError **error)
{
  if (unlinkat (parent_fd, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  if (errno != EISDIR && errno != EPERM)
    return agb_error_set_errno (error, errno, "remove", removal->path);
  if (unlinkat (parent_fd, name, AT_REMOVEDIR) == 0)
    return TRUE;
  if (depth > REMOVE_DEPTH)
    return move_up (removal, parent_fd, name, error);

  agb_autofd int fd = openat (parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES && fchmodat (parent_fd, name, 0700, 0) == 0)
    fd = openat (parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT || agb_error_set_errno (error, errno, "open", removal->path);
  fchmod (fd, 0700); /* a folder without write permission keeps its entries otherwise */
  if (removal->top_fd < 0)
    removal->top_fd = fd;

  guint moved;
  do
    {
      moved = removal->moved;
      if (!remove_entries (removal, fd, depth, error))
        return FALSE;
  } while (fd == removal->top_fd && moved != removal->moved);
  if (unlinkat (parent_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", removal->path);
  return TRUE;
}

gboolean
agb_remove_tree (const char *path, GError **error)
{
  Removal removal = { .path = path, .top_fd = -1 };

  return remove_below (&removal, AT_FDCWD, path, 0, error);
}
