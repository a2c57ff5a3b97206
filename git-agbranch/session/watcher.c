#include "session/watcher.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { LOOK_AGAIN_FIRST_MS = 1, LOOK_AGAIN_LAST_MS = 512 };

struct AgbWatcher {
  AgbCatalog *catalog; /* the caller's */
  gint64 counter;
  int fd;
  int root_watch;    /* the folder of the database */
  gint64 again_usec; /* when to look at the counter again; 0: no write is pending */
  int again_ms;
};

AgbWatcher *
agb_watcher_new (AgbCatalog *catalog, GError **error)
{
  g_autofree char *database = agb_state_path (error, "state.db", NULL);

  if (database == NULL)
    return NULL;
  g_autofree char *root = g_path_get_dirname (database);
  agb_autofd int fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  int watch = fd >= 0 ? inotify_add_watch (fd, root, IN_MODIFY | IN_CREATE | IN_MOVED_TO) : -1;
  if (watch < 0)
    {
      agb_error_set_errno (error, errno, "watch", root);
      return NULL;
    }
  AgbWatcher *watcher = g_new0 (AgbWatcher, 1);
  watcher->catalog = catalog;
  watcher->counter = agb_catalog_change_counter (catalog);
  watcher->fd = agb_steal_fd (&fd);
  watcher->root_watch = watch;
  return watcher;
}

void
agb_watcher_free (AgbWatcher *watcher)
{
  agb_close (&watcher->fd);
  g_free (watcher);
}

gboolean
agb_watcher_add_path (AgbWatcher *watcher, const char *path, GError **error)
{
  /* The folder, not the file: it may be made, or replaced, later. */
  g_autofree char *folder
      = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_strdup (path) : g_path_get_dirname (path);

  if (inotify_add_watch (watcher->fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MASK_ADD)
      < 0)
    return agb_error_set_errno (error, errno, "watch", folder);
  return TRUE;
}

/* Read what inotify has: a write to the database starts looking again, another path is an event. */
static AgbWatcherEvents
drain (AgbWatcher *watcher)
{
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  AgbWatcherEvents events = 0;
  ssize_t length;

  while ((length = read (watcher->fd, buffer, sizeof buffer)) > 0)
    for (char *next = buffer; next < buffer + length;)
      {
        const struct inotify_event *event = (const void *)next;

        if (event->wd == watcher->root_watch && event->len > 0
            && g_str_has_prefix (event->name, "state.db"))
          {
            watcher->again_ms = LOOK_AGAIN_FIRST_MS;
            watcher->again_usec = g_get_monotonic_time ();
          }
        else
          events |= AGB_WATCHER_PATH;
        next += sizeof *event + event->len;
      }
  return events;
}

static gboolean
counter_changed (AgbWatcher *watcher)
{
  gint64 counter = agb_catalog_change_counter (watcher->catalog);
  gboolean changed = counter != watcher->counter;

  watcher->counter = counter;
  return changed;
}

/* Look at the counter when it is time to, and plan the next look. */
static AgbWatcherEvents
look_again (AgbWatcher *watcher)
{
  if (watcher->again_usec == 0 || g_get_monotonic_time () < watcher->again_usec)
    return 0;
  watcher->again_usec
      = watcher->again_ms <= LOOK_AGAIN_LAST_MS ? agb_deadline_in (watcher->again_ms) : 0;
  watcher->again_ms *= 2;
  return counter_changed (watcher) ? AGB_WATCHER_CATALOG : 0;
}

static gint64
earlier (gint64 a, gint64 b)
{
  return a < 0 ? b : b < 0 ? a : MIN (a, b);
}

gboolean
agb_watcher_wait (AgbWatcher *watcher, GPollFD *fds, guint n_fds, gint64 deadline_usec,
                  AgbWatcherEvents *ret_events, GError **error)
{
  g_autofree struct pollfd *polled = g_new0 (struct pollfd, n_fds + 2);

  for (guint i = 0; i < n_fds; i++)
    polled[i + 2] = (struct pollfd){ .fd = fds[i].fd, .events = (short)fds[i].events };
  for (;;)
    {
      AgbWatcherEvents events = look_again (watcher);
      gint64 until = events != 0 ? g_get_monotonic_time () : deadline_usec;

      if (watcher->again_usec != 0)
        until = earlier (until, watcher->again_usec);
      polled[0] = (struct pollfd){ .fd = watcher->fd, .events = POLLIN };
      polled[1] = (struct pollfd){ .fd = agb_interrupt_fd (), .events = POLLIN };
      int ready = poll (polled, n_fds + 2, agb_deadline_left_ms (until));
      if (agb_interrupted (error))
        return FALSE;
      if (ready < 0 && errno != EINTR && errno != EAGAIN)
        return agb_error_set_errno (error, errno, "wait for", "the catalog");

      if (ready > 0 && polled[0].revents != 0)
        events |= drain (watcher);
      for (guint i = 0; i < n_fds; i++)
        {
          fds[i].revents = ready > 0 ? (gushort)polled[i + 2].revents : 0;
          if (fds[i].revents != 0)
            events |= AGB_WATCHER_FD;
        }
      gboolean over = deadline_usec >= 0 && g_get_monotonic_time () >= deadline_usec;
      if (events != 0 || over)
        {
          *ret_events = events;
          return TRUE;
        }
    }
}
