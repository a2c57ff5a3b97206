#include "store/catalog-private.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
  BUSY_TIMEOUT_MS = 30 * 1000,
  BUSY_STEP_MS = 10,
};

gboolean
agb_catalog_set_error (AgbCatalog *catalog, const char *action, GError **error)
{
  int code = sqlite3_errcode (catalog->db);

  if (agb_interrupted (error))
    return FALSE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CATALOG, "cannot %s in '%s': %s", action, catalog->path,
               sqlite3_errmsg (catalog->db));
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    agb_error_hint (error, "it is damaged; to rebuild it from the repositories: "
                           "git agbranch repair --all");
  else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    agb_error_hint (error, "another program holds it: fuser '%s'", catalog->path);
  else if (code == SQLITE_FULL)
    agb_error_hint (error, "make room on its disk: df '%s'", catalog->path);
  return FALSE;
}

sqlite3_stmt *
agb_catalog_prepare (AgbCatalog *catalog, const char *sql, GError **error)
{
  sqlite3_stmt *statement = NULL;

  if (sqlite3_prepare_v2 (catalog->db, sql, -1, &statement, NULL) != SQLITE_OK)
    agb_catalog_set_error (catalog, "read the tables", error);
  return statement;
}

void
agb_catalog_bind (sqlite3_stmt *statement, const char *name, const char *text)
{
  int index = sqlite3_bind_parameter_index (statement, name);

  g_assert (index > 0);
  if (text != NULL)
    sqlite3_bind_text (statement, index, text, -1, SQLITE_STATIC);
  else
    sqlite3_bind_null (statement, index);
}

void
agb_catalog_bind_int (sqlite3_stmt *statement, const char *name, gint64 value)
{
  int index = sqlite3_bind_parameter_index (statement, name);

  g_assert (index > 0);
  sqlite3_bind_int64 (statement, index, value);
}

gboolean
agb_catalog_step (AgbCatalog *catalog, sqlite3_stmt *statement, const char *action,
                  gboolean *ret_row, GError **error)
{
  int rc = sqlite3_step (statement);

  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    return agb_catalog_set_error (catalog, action, error);
  *ret_row = rc == SQLITE_ROW;
  return TRUE;
}

gboolean
agb_catalog_exec (AgbCatalog *catalog, const char *sql, const char *action, GError **error)
{
  if (sqlite3_exec (catalog->db, sql, NULL, NULL, NULL) != SQLITE_OK)
    return agb_catalog_set_error (catalog, action, error);
  return TRUE;
}

gboolean
agb_catalog_begin (AgbCatalog *catalog, const char *action, GError **error)
{
  return agb_catalog_exec (catalog, "BEGIN IMMEDIATE", action, error);
}

gboolean
agb_catalog_end (AgbCatalog *catalog, gboolean done, const char *action, GError **error)
{
  g_autofree char *point = g_strdup_printf ("catalog: %s", action);

  if (done && agb_fault_point (point, error) && agb_catalog_exec (catalog, "COMMIT", action, error))
    return TRUE;
  /* SQLite has rolled back already after some errors (disk full). */
  if (!sqlite3_get_autocommit (catalog->db))
    sqlite3_exec (catalog->db, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

gboolean
agb_catalog_write (AgbCatalog *catalog, sqlite3_stmt *statement, const char *action,
                   int *ret_changed, GError **error)
{
  gboolean row = FALSE;

  if (!agb_catalog_begin (catalog, action, error))
    return FALSE;
  gboolean done = agb_catalog_step (catalog, statement, action, &row, error);
  int changed = sqlite3_changes (catalog->db);
  sqlite3_reset (statement);
  if (!agb_catalog_end (catalog, done, action, error))
    return FALSE;
  if (ret_changed != NULL)
    *ret_changed = changed;
  return TRUE;
}

/* SQLite's own handler sleeps; this one ends for a signal as well. */
static int
wait_while_busy (void *data, int count)
{
  AgbCatalog *catalog = data;
  struct pollfd interrupt = { .fd = agb_interrupt_fd (), .events = POLLIN };

  if (count == 0)
    catalog->busy_deadline_usec = agb_deadline_in (BUSY_TIMEOUT_MS);
  int left = agb_deadline_left_ms (catalog->busy_deadline_usec);
  if (left == 0)
    return 0;
  /* Not all at the same time: with 64 waiting, the one that just wrote would win again. */
  int step = 1 + g_random_int_range (0, BUSY_STEP_MS);
  return poll (&interrupt, 1, MIN (step, left)) == 0;
}

gboolean
agb_catalog_read_version (AgbCatalog *catalog, int *ret_version, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, "PRAGMA user_version", error);
  gboolean row = FALSE;

  if (statement == NULL || !agb_catalog_step (catalog, statement, "read the version", &row, error))
    return FALSE;
  *ret_version = row ? sqlite3_column_int (statement, 0) : 0;
  return TRUE;
}

static gboolean
check_not_newer (AgbCatalog *catalog, int version, GError **error)
{
  if (version <= AGB_CATALOG_VERSION)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CATALOG,
               "the catalog '%s' has schema version %d, this program knows only up to %d",
               catalog->path, version, AGB_CATALOG_VERSION);
  agb_error_hint (error, "update git agbranch; your version is shown by: git agbranch --version");
  return FALSE;
}

static gboolean
open_database (AgbCatalog *catalog, const char *path, int flags, GError **error)
{
  g_clear_pointer (&catalog->db, sqlite3_close_v2);
  if (sqlite3_open_v2 (path, &catalog->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                       NULL)
      != SQLITE_OK)
    return agb_catalog_set_error (catalog, "open the catalog", error);
  sqlite3_busy_handler (catalog->db, wait_while_busy, catalog);
  sqlite3_extended_result_codes (catalog->db, 0);
  return TRUE;
}

/* SQLite would make the file with the umask; its -wal and -shm take over the mode of the file. */
static gboolean
make_file (const char *path, GError **error)
{
  agb_autofd int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", path);
  return TRUE;
}

static gboolean
open_for_writing (AgbCatalog *catalog, GError **error)
{
  int version = 0;

  if (!make_file (catalog->path, error)
      || !open_database (catalog, catalog->path, SQLITE_OPEN_READWRITE, error)
      || !agb_catalog_read_version (catalog, &version, error)
      || !check_not_newer (catalog, version, error))
    return FALSE;
  if (version < AGB_CATALOG_VERSION)
    {
      g_autofree char *lock_path = agb_state_path (error, "locks", "catalog.lock", NULL);
      g_autoptr (AgbLock) lock
          = lock_path != NULL ? agb_lock_take (lock_path, "migrate", BUSY_TIMEOUT_MS, error) : NULL;
      /* Another process may have done it while we waited. */
      if (lock == NULL || !agb_catalog_read_version (catalog, &version, error)
          || !check_not_newer (catalog, version, error)
          || (version < AGB_CATALOG_VERSION && !agb_catalog_migrate (catalog, version, error)))
        return FALSE;
    }
  return agb_catalog_exec (catalog, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
                           "prepare writing", error);
}

static gboolean
open_for_reading (AgbCatalog *catalog, GError **error)
{
  int version = 0;

  if (!g_file_test (catalog->path, G_FILE_TEST_EXISTS))
    return open_database (catalog, ":memory:", SQLITE_OPEN_READWRITE, error)
           && agb_catalog_create_tables (catalog, error);
  if (!open_database (catalog, catalog->path, SQLITE_OPEN_READONLY, error)
      || !agb_catalog_read_version (catalog, &version, error)
      || !check_not_newer (catalog, version, error))
    return FALSE;
  return version == AGB_CATALOG_VERSION || open_for_writing (catalog, error);
}

AgbCatalog *
agb_catalog_open (AgbCatalogFlags flags, GError **error)
{
  g_autoptr (AgbCatalog) catalog = g_new0 (AgbCatalog, 1);
  gboolean opened;

  if ((flags & AGB_CATALOG_READ_ONLY) != 0)
    {
      g_autofree char *root = agb_state_root ();
      catalog->path = g_build_filename (root, "state.db", NULL);
      catalog->watch_path = g_strconcat (catalog->path, "-wal", NULL);
      opened = open_for_reading (catalog, error);
    }
  else
    {
      catalog->path = agb_state_path (error, "state.db", NULL);
      if (catalog->path == NULL)
        return NULL;
      catalog->watch_path = g_strconcat (catalog->path, "-wal", NULL);
      opened = open_for_writing (catalog, error);
    }
  return opened ? g_steal_pointer (&catalog) : NULL;
}

void
agb_catalog_close (AgbCatalog *catalog)
{
  if (catalog == NULL)
    return;
  g_clear_pointer (&catalog->db, sqlite3_close_v2);
  g_free (catalog->path);
  g_free (catalog->watch_path);
  g_free (catalog);
}

gboolean
agb_catalog_set_aside (char **ret_path, GError **error)
{
  static const char *const suffixes[] = { "", "-wal", "-shm" };
  g_autofree char *path = agb_state_path (error, "state.db", NULL);
  g_autofree char *lock_path = agb_state_path (error, "locks", "catalog.lock", NULL);

  if (path == NULL || lock_path == NULL)
    return FALSE;
  g_autoptr (AgbLock) lock = agb_lock_take (lock_path, "set aside", BUSY_TIMEOUT_MS, error);
  if (lock == NULL)
    return FALSE;
  g_autofree char *now = agb_time_now ();
  g_autofree char *aside = g_strdup_printf ("%s.damaged-%s", path, now);
  /* The log goes first: alone it would be applied to the new database. */
  for (int i = G_N_ELEMENTS (suffixes) - 1; i >= 0; i--)
    {
      g_autofree char *from = g_strconcat (path, suffixes[i], NULL);
      g_autofree char *to = g_strconcat (aside, suffixes[i], NULL);

      if (!agb_fault_point ("catalog: set aside", error))
        return FALSE;
      if (rename (from, to) != 0 && errno != ENOENT)
        return agb_error_set_errno (error, errno, "rename", from);
    }
  g_autofree char *root = g_path_get_dirname (path);
  if (!agb_fsync_folder (root, error))
    return FALSE;
  *ret_path = g_steal_pointer (&aside);
  return TRUE;
}

gint64
agb_catalog_change_counter (AgbCatalog *catalog)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, "PRAGMA data_version", NULL);
  gint64 others = 0;

  if (statement != NULL && sqlite3_step (statement) == SQLITE_ROW)
    others = sqlite3_column_int64 (statement, 0);
  return others + sqlite3_total_changes64 (catalog->db);
}

const char *
agb_catalog_watch_path (AgbCatalog *catalog)
{
  return catalog->watch_path;
}

static gboolean
check_with (AgbCatalog *catalog, const char *pragma, const char *sound, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, pragma, error);
  gboolean row = FALSE;

  if (statement == NULL || !agb_catalog_step (catalog, statement, "check the catalog", &row, error))
    return FALSE;
  const char *finding = row ? agb_catalog_text (statement, 0) : NULL;
  if (g_strcmp0 (finding, sound) == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CATALOG, "the catalog '%s' is damaged: %s",
               catalog->path, finding);
  agb_error_hint (error, "to rebuild it from the repositories: git agbranch repair --all");
  return FALSE;
}

gboolean
agb_catalog_check (AgbCatalog *catalog, GError **error)
{
  return check_with (catalog, "PRAGMA integrity_check", "ok", error)
         && check_with (catalog,
                        "SELECT 'row ' || rowid || ' of ' || \"table\" || ' names no ' || parent "
                        "FROM pragma_foreign_key_check LIMIT 1",
                        NULL, error);
}
