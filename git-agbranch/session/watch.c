#include "session/watch.h"

#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"

#include <unistd.h>

/* A guest that says that it goes down is looked at again for a while: it has not gone yet. */
enum { LOOK_FIRST_MS = 200, LOOK_LAST_MS = 12800 };

typedef struct {
  AgbCatalog *catalog;
  AgbRuntime *runtime; /* NULL: it cannot be asked */
  AgbGuestFollow follow;
  char *followed;      /* last_started_at of the guest that is followed; NULL: none yet */
  AgbGuestState guest; /* as the reader knows it; AGB_GUEST_STARTING: nothing to compare with */
  gint64 look_usec;    /* when to look at the guest again, -1: not */
  int look_ms;
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
  agb_guest_follow_clear (&watch->follow);
  g_clear_pointer (&watch->followed, g_free);
  g_clear_pointer (&watch->runtime, agb_runtime_free);
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

/* What the row says of the guest. */
static AgbGuestState
state_in_row (const AgbSession *session)
{
  static const char *const running[] = { "running", "syncing", "staging", "applying", NULL };

  if (session->lifecycle_state != NULL && g_strv_contains (running, session->lifecycle_state))
    return AGB_GUEST_RUNNING;
  return g_strcmp0 (session->lifecycle_state, "stopped") == 0 ? AGB_GUEST_STOPPED
                                                              : AGB_GUEST_STARTING;
}

/* Be told of the guest from now on, once for each time that it was started. */
static void
follow_guest (Watch *watch)
{
  const char *started
      = watch->session->last_started_at != NULL ? watch->session->last_started_at : "";

  if (watch->runtime == NULL || watch->runtime->klass->follow == NULL
      || state_in_row (watch->session) != AGB_GUEST_RUNNING
      || g_strcmp0 (watch->followed, started) == 0)
    return;
  agb_guest_follow_clear (&watch->follow);
  g_free (watch->followed);
  watch->followed = g_strdup (started);
  watch->runtime->klass->follow (watch->runtime, watch->session->vm_name, &watch->follow);
  watch->look_ms = LOOK_LAST_MS;
  watch->look_usec = g_get_monotonic_time ();
}

/* Tell when the guest is not what the row says, and nobody is at work on it, who would say so. */
static void
look_at_guest (Watch *watch)
{
  g_auto (AgbGuestStatus) status = { 0 };

  watch->look_ms *= 2;
  watch->look_usec = watch->look_ms <= LOOK_LAST_MS ? agb_deadline_in (watch->look_ms) : -1;
  read_lock (watch);
  if (watch->lock_held || watch->guest == AGB_GUEST_STARTING
      || !watch->runtime->klass->status (watch->runtime, watch->session->vm_name, &status, NULL)
      || status.state == AGB_GUEST_UNREACHABLE || status.state == watch->guest)
    return;
  g_autofree char *at = agb_time_now ();
  g_autofree char *message = g_strdup_printf (
      "the guest is %s%s%s", agb_guest_state_word (status.state), status.reason != NULL ? ": " : "",
      status.reason != NULL ? status.reason : "");
  watch->guest = status.state;
  pass_on (watch, "event", at, "guest", status.state == AGB_GUEST_RUNNING ? "info" : "warning",
           message);
}

/* Wait for a change of the catalog or of the guest, and do what is due with the latter; FALSE in
 * *RET_GO_ON when the reader of stdout has gone away. */
static gboolean
wait_for_change (Watch *watch, AgbWatcher *watcher, gboolean *ret_go_on, GError **error)
{
  GPollFD fds[]
      = { { .fd = STDOUT_FILENO, .events = 0 }, { .fd = watch->follow.fd, .events = G_IO_IN } };
  AgbWatcherEvents events = 0;

  if (!agb_watcher_wait (watcher, fds, G_N_ELEMENTS (fds), watch->look_usec, &events, error))
    return FALSE;
  *ret_go_on = fds[0].revents == 0;
  if (fds[1].revents != 0)
    {
      agb_guest_follow_drain (&watch->follow);
      watch->look_ms = LOOK_FIRST_MS / 2;
      watch->look_usec = g_get_monotonic_time ();
    }
  return TRUE;
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
  if (state_in_row (before) != state_in_row (watch->session))
    watch->guest = state_in_row (watch->session);
  follow_guest (watch);
  if (watch->look_usec >= 0 && g_get_monotonic_time () >= watch->look_usec)
    look_at_guest (watch);
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
agb_watch_session (AgbEnv *env, const char *name, AgbWatchFunc func, gpointer data, GError **error)
{
  AgbCatalog *catalog = env->catalog;
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (catalog, error);
  g_auto (Watch) watch = { .catalog = catalog,
                           .name = name,
                           .func = func,
                           .data = data,
                           .follow = AGB_GUEST_FOLLOW_NONE,
                           .look_usec = -1 };
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

  if (!row_is_over (watch.session))
    {
      watch.runtime = agb_env_session_runtime (env, watch.session, NULL);
      watch.guest = state_in_row (watch.session);
      follow_guest (&watch);
    }
  while (go_on && !watch.stopped && !row_is_over (watch.session))
    if (!wait_for_change (&watch, watcher, &go_on, error) || (go_on && !catch_up (&watch, error)))
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
