#include "session/watch.h"

#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"

#include <unistd.h>

typedef struct {
  AgbCatalog *catalog;
  const char *name;
  AgbSession *session; /* the row as it was last read */
  char *lock_operation;
  gint64 lock_pid;
  gboolean lock_held;
  gint64 last_id;   /* of the last event that was passed on */
  gboolean stopped; /* FUNC has had enough */
  AgbWatchFunc func;
  gpointer data;
} Watch;

static void
watch_clear (Watch *watch)
{
  g_clear_pointer (&watch->session, agb_session_free);
  g_clear_pointer (&watch->lock_operation, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Watch, watch_clear)

static void
read_lock (Watch *watch)
{
  g_autofree char *root = agb_state_root ();
  g_autofree char *file = g_strconcat (watch->name, ".lock", NULL);
  g_autofree char *path = g_build_filename (root, "locks", file, NULL);
  AgbProcessId owner;

  g_clear_pointer (&watch->lock_operation, g_free);
  watch->lock_held = agb_lock_peek (path, &owner, &watch->lock_operation);
  watch->lock_pid = watch->lock_held ? owner.pid : 0;
}

static char *
state_message (const AgbSession *session)
{
  if (session->sync_state == NULL)
    return g_strdup (session->lifecycle_state);
  return g_strdup_printf ("%s, sync %s", session->lifecycle_state, session->sync_state);
}

static void
pass_on (Watch *watch, const char *kind, const char *timestamp, const char *event_type,
         const char *level, const char *message)
{
  AgbWatchItem item = {
    .kind = kind,
    .session = watch->session,
    .timestamp = timestamp,
    .event_type = event_type,
    .level = level,
    .message = message,
    .lock_held = watch->lock_held,
    .lock_pid = watch->lock_pid,
    .lock_operation = watch->lock_operation,
  };

  watch->stopped = !watch->func (&item, watch->data);
}

static gboolean
pass_event (const AgbEvent *event, gpointer data)
{
  Watch *watch = data;

  watch->last_id = event->id;
  pass_on (watch, "event", event->at, event->kind, event->level, event->message);
  return !watch->stopped;
}

static gboolean
remember_id (const AgbEvent *event, gpointer data)
{
  *(gint64 *)data = event->id;
  return TRUE;
}

static gboolean
last_event_id (AgbCatalog *catalog, const char *session, gint64 *ret_id, GError **error)
{
  *ret_id = 0;
  return agb_catalog_foreach_event (catalog, session, 0, NULL, 1, remember_id, ret_id, error);
}

/* A change of the row that no event told of: a hand-made update, a lock taken or released. */
static void
pass_silent_change (Watch *watch, const AgbSession *before, gboolean was_held)
{
  const AgbSession *now = watch->session;
  gboolean changed = g_strcmp0 (before->lifecycle_state, now->lifecycle_state) != 0
                     || g_strcmp0 (before->sync_state, now->sync_state) != 0
                     || was_held != watch->lock_held;

  if (!changed)
    return;
  g_autofree char *at = agb_time_now ();
  g_autofree char *message = state_message (now);
  pass_on (watch, "event", at, "state", "info", message);
}

static gboolean
row_is_over (const AgbSession *session)
{
  return session == NULL || g_strcmp0 (session->lifecycle_state, "closed") == 0;
}

/* Everything that has happened since the last call. */
static gboolean
catch_up (Watch *watch, GError **error)
{
  gint64 before_id = watch->last_id;
  gboolean was_held = watch->lock_held;
  g_autoptr (AgbSession) before = g_steal_pointer (&watch->session);

  watch->session = agb_catalog_get_session (watch->catalog, watch->name, NULL);
  if (watch->session == NULL)
    return TRUE;
  read_lock (watch);
  if (!agb_catalog_foreach_event (watch->catalog, watch->name, watch->last_id, NULL, 0, pass_event,
                                  watch, error))
    return FALSE;
  if (watch->last_id == before_id)
    pass_silent_change (watch, before, was_held);
  return TRUE;
}

gboolean
agb_watch_wait (AgbWatcher *watcher, gboolean *ret_go_on, GError **error)
{
  GPollFD reader = { .fd = STDOUT_FILENO, .events = 0 };
  AgbWatcherEvents events = 0;

  if (!agb_watcher_wait (watcher, &reader, 1, -1, &events, error))
    return FALSE;
  *ret_go_on = (events & AGB_WATCHER_FD) == 0;
  return TRUE;
}

gboolean
agb_watch_session (AgbCatalog *catalog, const char *name, AgbWatchFunc func, gpointer data,
                   GError **error)
{
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (catalog, error);
  g_auto (Watch) watch = { .catalog = catalog, .name = name, .func = func, .data = data };
  gboolean go_on = TRUE;

  /* The event number first: what is committed after it comes as an event, whatever the row says. */
  if (watcher == NULL || !last_event_id (catalog, name, &watch.last_id, error))
    return FALSE;
  watch.session = agb_catalog_get_session (catalog, name, error);
  if (watch.session == NULL)
    return FALSE;
  read_lock (&watch);
  g_autofree char *now = agb_time_now ();
  g_autofree char *message = state_message (watch.session);
  pass_on (&watch, "snapshot", now, "snapshot", "info", message);

  while (go_on && !watch.stopped && !row_is_over (watch.session))
    if (!agb_watch_wait (watcher, &go_on, error) || (go_on && !catch_up (&watch, error)))
      return FALSE;
  return TRUE;
}

gboolean
agb_watch_is_over (AgbCatalog *catalog, const char *name)
{
  g_autoptr (AgbSession) session = agb_catalog_get_session (catalog, name, NULL);

  return row_is_over (session);
}

typedef struct {
  AgbEventFunc func;
  gpointer data;
  gint64 last_id;
  gboolean stopped;
} Events;

static gboolean
follow_event (const AgbEvent *event, gpointer data)
{
  Events *events = data;

  events->last_id = event->id;
  events->stopped = !events->func (event, events->data);
  return !events->stopped;
}

gboolean
agb_watch_events (AgbCatalog *catalog, const char *session, gint64 after_id, AgbEventFunc func,
                  gpointer data, GError **error)
{
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (catalog, error);
  Events events = { .func = func, .data = data, .last_id = after_id };
  gboolean go_on = TRUE;

  if (watcher == NULL)
    return FALSE;
  while (go_on)
    {
      /* Before the events are read: the last ones come with, or before, the closing. */
      gboolean over = session != NULL && agb_watch_is_over (catalog, session);

      if (!agb_catalog_foreach_event (catalog, session, events.last_id, NULL, 0, follow_event,
                                      &events, error))
        return FALSE;
      if (events.stopped || over)
        return TRUE;
      if (!agb_watch_wait (watcher, &go_on, error))
        return FALSE;
    }
  return TRUE;
}

typedef struct {
  GHashTable *seen; /* id -> result */
  gint64 after_id;
  AgbSyncRunFunc func;
  gpointer data;
  gboolean stopped;
} SyncRuns;

static gboolean
follow_sync_run (const AgbSyncRun *run, gpointer data)
{
  SyncRuns *runs = data;
  gpointer key = GSIZE_TO_POINTER ((gsize)run->id);
  const char *seen = g_hash_table_lookup (runs->seen, key);

  if (run->id <= runs->after_id || g_strcmp0 (seen, run->result) == 0)
    return TRUE;
  g_hash_table_insert (runs->seen, key, g_strdup (run->result));
  runs->stopped = !runs->func (run, runs->data);
  return !runs->stopped;
}

gboolean
agb_watch_sync_runs (AgbCatalog *catalog, const char *session, gint64 after_id, AgbSyncRunFunc func,
                     gpointer data, GError **error)
{
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (catalog, error);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  SyncRuns runs = { .seen = seen, .after_id = after_id, .func = func, .data = data };
  gboolean go_on = TRUE;

  if (watcher == NULL)
    return FALSE;
  while (go_on)
    {
      gboolean over = agb_watch_is_over (catalog, session);

      if (!agb_catalog_foreach_sync_run (catalog, session, 0, follow_sync_run, &runs, error))
        return FALSE;
      if (runs.stopped || over)
        return TRUE;
      if (!agb_watch_wait (watcher, &go_on, error))
        return FALSE;
    }
  return TRUE;
}
