/* Watching one session: what it is now, then everything that happens to it, driven by changes of the
 * catalog, and by what the runtime tells of the guest. */
#pragma once

#include "session/env.h"
#include "session/watcher.h"

typedef struct {
  const char *kind; /* snapshot, event */
  const AgbSession *session;
  const char *timestamp;
  const char *event_type; /* the event's kind; "snapshot"; "state": only the row has changed;
                              "guest": it is not as the row says, or is so again */
  const char *level;
  const char *message;
  gboolean lock_held;         /* a living process works on the session */
  gint64 lock_pid;            /* 0: nobody */
  const char *lock_operation; /* NULL: nobody */
} AgbWatchItem;

/* FALSE ends the watch. */
typedef gboolean (*AgbWatchFunc) (const AgbWatchItem *item, gpointer data);

/* Call FUNC with a snapshot of session NAME, then with each event as it is committed, until the
 * session is closed or gone (TRUE), FUNC returns FALSE (TRUE), or an interrupt comes
 * (AGB_ERROR_INTERRUPTED).  A reader of stdout that goes away ends it too (TRUE). */
gboolean agb_watch_session (AgbEnv *env, const char *name, AgbWatchFunc func, gpointer data,
                            GError **error);

/* Call FUNC with the events of SESSION (NULL: all sessions) after AFTER_ID as they are committed.
 * Ends as agb_watch_session; SESSION NULL: only by interrupt, FUNC, or the reader. */
gboolean agb_watch_events (AgbCatalog *catalog, const char *session, gint64 after_id,
                           AgbEventFunc func, gpointer data, GError **error);

/* The same for the sync runs of SESSION: each when it is new or its result has changed. */
gboolean agb_watch_sync_runs (AgbCatalog *catalog, const char *session, gint64 after_id,
                              AgbSyncRunFunc func, gpointer data, GError **error);

/* Wait for a change; FALSE in *ret_go_on when the reader of stdout has gone away. */
gboolean agb_watch_wait (AgbWatcher *watcher, gboolean *ret_go_on, GError **error);

/* TRUE when NAME has no row, or a closed one. */
gboolean agb_watch_is_over (AgbCatalog *catalog, const char *name);
