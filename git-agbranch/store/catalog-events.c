/* Rows of `session_events` and `sync_runs`, and what goes with time. */
#include "store/catalog-private.h"

#include "core/time.h"

#include <stdarg.h>

gboolean
agb_catalog_add_event (AgbCatalog *catalog, const char *session, const char *level,
                       const char *kind, GError **error, const char *format, ...)
{
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog,
                             "INSERT INTO session_events (session_name, at, level, kind, message)"
                             " VALUES (:session, :at, :level, :kind, :message)",
                             error);
  g_autofree char *now = agb_time_now ();
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  if (statement == NULL)
    return FALSE;
  /* Text of a guest may be in it. */
  g_autofree char *message = g_utf8_make_valid (text, -1);
  agb_catalog_bind (statement, ":session", session);
  agb_catalog_bind (statement, ":at", now);
  agb_catalog_bind (statement, ":level", level);
  agb_catalog_bind (statement, ":kind", kind);
  agb_catalog_bind (statement, ":message", message);
  return agb_catalog_write (catalog, statement, "add event", NULL, error);
}

gboolean
agb_catalog_foreach_event (AgbCatalog *catalog, const char *session, gint64 after_id,
                           const char *since, guint limit, AgbEventFunc func, gpointer data,
                           GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      session != NULL
          ? "SELECT * FROM (SELECT id, session_name, at, level, kind, message FROM session_events"
            " WHERE session_name = :session AND id > :after AND (:since IS NULL OR at >= :since)"
            " ORDER BY id DESC LIMIT :limit) ORDER BY id"
          : "SELECT * FROM (SELECT id, session_name, at, level, kind, message FROM session_events"
            " WHERE :session IS NULL AND id > :after AND (:since IS NULL OR at >= :since)"
            " ORDER BY id DESC LIMIT :limit) ORDER BY id",
      error);
  gboolean row = FALSE;

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":session", session);
  agb_catalog_bind_int (statement, ":after", after_id);
  agb_catalog_bind (statement, ":since", since);
  agb_catalog_bind_int (statement, ":limit", limit > 0 ? (gint64)limit : -1);
  for (;;)
    {
      if (!agb_catalog_step (catalog, statement, "list events", &row, error))
        return FALSE;
      if (!row)
        return TRUE;
      const AgbEvent event = {
        .id = sqlite3_column_int64 (statement, 0),
        .session = agb_catalog_text (statement, 1),
        .at = agb_catalog_text (statement, 2),
        .level = agb_catalog_text (statement, 3),
        .kind = agb_catalog_text (statement, 4),
        .message = agb_catalog_text (statement, 5),
      };
      if (!func (&event, data))
        return TRUE;
    }
}

void
agb_sync_run_clear (AgbSyncRun *run)
{
  g_clear_pointer (&run->session_name, g_free);
  g_clear_pointer (&run->direction, g_free);
  g_clear_pointer (&run->result, g_free);
  g_clear_pointer (&run->started_at, g_free);
  g_clear_pointer (&run->finished_at, g_free);
  g_clear_pointer (&run->staging_path, g_free);
  g_clear_pointer (&run->patch_path, g_free);
  g_clear_pointer (&run->error_text, g_free);
  g_clear_pointer (&run->old_oid, g_free);
  g_clear_pointer (&run->new_oid, g_free);
}

static void
bind_sync_run (sqlite3_stmt *statement, const AgbSyncRun *run)
{
  agb_catalog_bind (statement, ":session", run->session_name);
  agb_catalog_bind (statement, ":direction", run->direction);
  agb_catalog_bind (statement, ":result", run->result);
  agb_catalog_bind (statement, ":started", run->started_at);
  agb_catalog_bind (statement, ":finished", run->finished_at);
  agb_catalog_bind (statement, ":staging", run->staging_path);
  agb_catalog_bind (statement, ":patch", run->patch_path);
  agb_catalog_bind (statement, ":error", run->error_text);
  agb_catalog_bind (statement, ":old", run->old_oid);
  agb_catalog_bind (statement, ":new", run->new_oid);
  agb_catalog_bind_int (statement, ":number", run->number);
}

gboolean
agb_catalog_begin_sync_run (AgbCatalog *catalog, AgbSyncRun *run, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      "INSERT INTO sync_runs (session_name, direction, result, started_at, finished_at,"
      " staging_path, patch_path, error_text, old_oid, new_oid, number) VALUES (:session,"
      " :direction, :result, :started, :finished, :staging, :patch, :error, :old, :new, :number)",
      error);

  if (statement == NULL)
    return FALSE;
  if (run->started_at == NULL)
    run->started_at = agb_time_now ();
  bind_sync_run (statement, run);
  if (!agb_catalog_write (catalog, statement, "begin sync run", NULL, error))
    return FALSE;
  run->id = sqlite3_last_insert_rowid (catalog->db);
  return TRUE;
}

gboolean
agb_catalog_save_sync_run (AgbCatalog *catalog, const AgbSyncRun *run, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      "UPDATE sync_runs SET session_name = :session, direction = :direction, result = :result,"
      " started_at = :started, finished_at = :finished, staging_path = :staging,"
      " patch_path = :patch, error_text = :error, old_oid = :old, new_oid = :new,"
      " number = :number WHERE id = :id",
      error);

  if (statement == NULL)
    return FALSE;
  bind_sync_run (statement, run);
  agb_catalog_bind_int (statement, ":id", run->id);
  return agb_catalog_write (catalog, statement, "save sync run", NULL, error);
}

gboolean
agb_catalog_foreach_sync_run (AgbCatalog *catalog, const char *session, guint limit,
                              AgbSyncRunFunc func, gpointer data, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      "SELECT * FROM (SELECT id, session_name, direction, result, started_at, finished_at,"
      " staging_path, patch_path, error_text, old_oid, new_oid, number FROM sync_runs"
      " WHERE :session IS NULL OR session_name = :session ORDER BY id DESC LIMIT :limit)"
      " ORDER BY id",
      error);
  gboolean row = FALSE;

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":session", session);
  agb_catalog_bind_int (statement, ":limit", limit > 0 ? (gint64)limit : -1);
  for (;;)
    {
      if (!agb_catalog_step (catalog, statement, "list syncs", &row, error))
        return FALSE;
      if (!row)
        return TRUE;
      const AgbSyncRun run = {
        .id = sqlite3_column_int64 (statement, 0),
        .session_name = (char *)sqlite3_column_text (statement, 1),
        .direction = (char *)sqlite3_column_text (statement, 2),
        .result = (char *)sqlite3_column_text (statement, 3),
        .started_at = (char *)sqlite3_column_text (statement, 4),
        .finished_at = (char *)sqlite3_column_text (statement, 5),
        .staging_path = (char *)sqlite3_column_text (statement, 6),
        .patch_path = (char *)sqlite3_column_text (statement, 7),
        .error_text = (char *)sqlite3_column_text (statement, 8),
        .old_oid = (char *)sqlite3_column_text (statement, 9),
        .new_oid = (char *)sqlite3_column_text (statement, 10),
        .number = sqlite3_column_int64 (statement, 11),
      };
      if (!func (&run, data))
        return TRUE;
    }
}

gboolean
agb_catalog_keep_ref_number (AgbCatalog *catalog, const char *kind, const char *session,
                             gint64 number, GError **error)
{
  g_autofree char *name = g_strdup_printf ("%s/%s", kind, session);
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog,
                             "INSERT INTO ref_numbers (name, number) VALUES (:name, :number)"
                             " ON CONFLICT (name) DO UPDATE"
                             " SET number = max (coalesce (number, 0), excluded.number)",
                             error);

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":name", name);
  agb_catalog_bind_int (statement, ":number", number);
  return agb_catalog_write (catalog, statement, "keep a number", NULL, error);
}

gint64
agb_catalog_kept_ref_number (AgbCatalog *catalog, const char *kind, const char *session)
{
  g_autofree char *name = g_strdup_printf ("%s/%s", kind, session);
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog, "SELECT number FROM ref_numbers WHERE name = :name", NULL);
  gboolean row = FALSE;

  if (statement == NULL)
    return 0;
  agb_catalog_bind (statement, ":name", name);
  return agb_catalog_step (catalog, statement, "read a number", &row, NULL) && row
             ? sqlite3_column_int64 (statement, 0)
             : 0;
}

/* What an open session has written stays, however old. */
#define OF_NO_LIVE_SESSION \
  " AND session_name NOT IN (SELECT name FROM sessions WHERE lifecycle_state IS NOT 'closed')"

static const char *const old_rows[] = {
  "session_events WHERE at < :before" OF_NO_LIVE_SESSION,
  "sync_runs WHERE coalesce (finished_at, started_at) < :before" OF_NO_LIVE_SESSION,
  "sessions WHERE lifecycle_state = 'closed' AND closed_at < :before",
};

static gboolean
prune_table (AgbCatalog *catalog, const char *rows, const char *before, gboolean dry_run,
             gint64 *count, GError **error)
{
  g_autofree char *sql
      = g_strconcat (dry_run ? "SELECT count (*) FROM " : "DELETE FROM ", rows, NULL);
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, sql, error);
  gboolean row = FALSE;

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":before", before);
  if (!agb_catalog_step (catalog, statement, "delete old rows", &row, error))
    return FALSE;
  *count += row ? sqlite3_column_int64 (statement, 0) : sqlite3_changes64 (catalog->db);
  return TRUE;
}

gint64
agb_catalog_prune (AgbCatalog *catalog, const char *closed_before, const char *events_before,
                   const char *sync_runs_before, gboolean dry_run, GError **error)
{
  static const char action[] = "prune";
  const char *const befores[] = { events_before, sync_runs_before, closed_before };
  gint64 count = 0;
  gboolean done = TRUE;

  if (!dry_run && !agb_catalog_begin (catalog, action, error))
    return -1;
  for (gsize i = 0; done && i < G_N_ELEMENTS (befores); i++)
    done = befores[i] == NULL
           || prune_table (catalog, old_rows[i], befores[i], dry_run, &count, error);
  if (!dry_run)
    done = agb_catalog_end (catalog, done, action, error);
  return done ? count : -1;
}
