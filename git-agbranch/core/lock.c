#include "core/lock.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct AgbLock {
  int fd;
};

/* The kernel tells of a closing just before it takes the lock away: one more look this soon. */
enum { SECOND_LOOK_MS = 10 };

static gboolean
try_lock (int fd)
{
  struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  return fcntl (fd, F_OFD_SETLK, &whole) == 0;
}

static void
read_owner (int fd, AgbProcessId *ret_owner, char **ret_operation)
{
  char text[256] = "";
  ssize_t length = pread (fd, text, sizeof text - 1, 0);

  text[MAX (length, 0)] = '\0';
  char *operation = strchr (text, '\n');
  if (operation != NULL)
    *operation++ = '\0';
  if (!agb_process_parse (text, ret_owner))
    *ret_owner = (AgbProcessId){ 0 };
  *ret_operation = g_strdup (operation != NULL ? g_strchomp (operation) : "");
}

static gboolean
write_owner (int fd, const char *operation, GError **error)
{
  AgbProcessId self;

  agb_process_self (&self);
  g_autofree char *id = agb_process_format (&self);
  g_autofree char *text = g_strdup_printf ("%s\n%s\n", id, operation);
  if (ftruncate (fd, 0) != 0 || pwrite (fd, text, strlen (text), 0) < 0)
    return agb_error_set_errno (error, errno, "write", "lock file");
  return TRUE;
}

/* Wait for the holder's descriptor to be closed: every closing of a file opened for writing is an
 * inotify event. */
static gboolean
wait_for_lock (int fd, const char *path, gint64 deadline_usec, GError **error)
{
  agb_autofd int notify = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  gboolean second_look = FALSE;
  /* Also when it has just been removed. */
  g_autofree char *file = g_strdup_printf ("/proc/self/fd/%d", fd);

  if (notify < 0 || inotify_add_watch (notify, file, IN_CLOSE_WRITE) < 0)
    return agb_error_set_errno (error, errno, "watch", path);
  while (!try_lock (fd))
    {
      struct pollfd fds[2]
          = { { .fd = notify, .events = POLLIN }, { .fd = agb_interrupt_fd (), .events = POLLIN } };
      char events[4096];

      int left = agb_deadline_left_ms (deadline_usec);
      gboolean last = !second_look || (left >= 0 && left <= SECOND_LOOK_MS);
      int ready = poll (fds, 2, last ? left : SECOND_LOOK_MS);
      if (agb_interrupted (error))
        return FALSE;
      second_look = ready > 0;
      if (ready == 0 && last)
        {
          AgbProcessId owner;
          g_autofree char *operation = NULL;

          if (try_lock (fd))
            return TRUE;
          read_owner (fd, &owner, &operation);
          g_autofree char *name = g_path_get_basename (path);
          if (g_str_has_suffix (name, ".lock"))
            name[strlen (name) - strlen (".lock")] = '\0';
          g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is busy: process %d runs '%s'", name,
                       (int)owner.pid, operation);
          agb_error_hint (error, "wait for it to end, or end it with: kill %d", (int)owner.pid);
          return FALSE;
        }
      if (ready > 0 && read (notify, events, sizeof events) < 0 && errno != EAGAIN)
        return agb_error_set_errno (error, errno, "watch", path);
    }
  return TRUE;
}

/* What is locked is what the next one will find at PATH. */
static gboolean
is_at (int fd, const char *path)
{
  struct stat ours, there;

  return fstat (fd, &ours) == 0 && lstat (path, &there) == 0 && ours.st_dev == there.st_dev
         && ours.st_ino == there.st_ino;
}

/* The lock file, locked; -1 on an error. */
static int
open_locked (const char *path, gint64 deadline_usec, GError **error)
{
  for (;;)
    {
      agb_autofd int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

      if (fd < 0)
        {
          agb_error_set_errno (error, errno, "open", path);
          return -1;
        }
      if (!try_lock (fd) && !wait_for_lock (fd, path, deadline_usec, error))
        return -1;
      if (is_at (fd, path))
        return agb_steal_fd (&fd);
    }
}

AgbLock *
agb_lock_take (const char *path, const char *operation, gint64 wait_ms, GError **error)
{
  agb_autofd int fd = open_locked (path, agb_deadline_in (wait_ms), error);

  if (fd < 0 || !write_owner (fd, operation, error))
    return NULL;

  AgbLock *lock = g_new (AgbLock, 1);
  lock->fd = agb_steal_fd (&fd);
  return lock;
}

void
agb_lock_release (AgbLock *lock)
{
  agb_close (&lock->fd);
  g_free (lock);
}

void
agb_lock_remove (AgbLock *lock, const char *path)
{
  unlink (path);
  agb_lock_release (lock);
}

gboolean
agb_lock_peek (const char *path, AgbProcessId *ret_owner, char **ret_operation)
{
  agb_autofd int fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  if (fd < 0 || fcntl (fd, F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK)
    return FALSE;
  read_owner (fd, ret_owner, ret_operation);
  return TRUE;
}
