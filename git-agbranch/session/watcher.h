/* Waiting for a change of the catalog by any process, on inotify; nothing polls while nothing
 * happens.
 *
 * SQLite writes the WAL before a commit becomes visible to readers, and makes it visible through
 * shared memory, which wakes nobody.  So after a write is seen the catalog is looked at again after
 * 1, 2, 4, … ms, for at most a second. */
#pragma once

#include "store/catalog.h"

typedef struct AgbWatcher AgbWatcher;

/* The state root is made when it is missing.  AGB_ERROR_FILE when it cannot be watched. */
AgbWatcher *agb_watcher_new (AgbCatalog *catalog, GError **error);
void agb_watcher_free (AgbWatcher *watcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbWatcher, agb_watcher_free)

/* Also wake for changes of PATH (a log file or a folder), which need not exist yet. */
gboolean agb_watcher_add_path (AgbWatcher *watcher, const char *path, GError **error);

typedef enum {
  AGB_WATCHER_CATALOG = 1 << 0, /* a commit by us or another process since the last call */
  AGB_WATCHER_PATH = 1 << 1,    /* one of the added paths was written */
  AGB_WATCHER_FD = 1 << 2,      /* one of FDS is ready */
} AgbWatcherEvents;

/* Wait until something happens or DEADLINE (core/time.h) is over (then *ret_events is 0).  FDS (N_FDS,
 * may be 0) are polled too; their revents are set.  An interrupt is AGB_ERROR_INTERRUPTED. */
gboolean agb_watcher_wait (AgbWatcher *watcher, GPollFD *fds, guint n_fds, gint64 deadline_usec,
                           AgbWatcherEvents *ret_events, GError **error);
