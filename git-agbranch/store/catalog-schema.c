/* The schema of the catalog and its way forward.
 *
 * The tables sessions, sync_runs and session_events are those of agbranch 0.1 with columns of ours
 * behind (agbranch-formats(5)); outside tools write them, so nothing is STRICT and a column of ours
 * may always be left out. */
#include "store/catalog-private.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const char *name;
  const char *type;
} Column;

static const Column session_columns[] = {
  { "name", "TEXT PRIMARY KEY NOT NULL" },
  { "vm_name", "TEXT UNIQUE" },
  { "session_mode", "TEXT" },
  { "repo_sync_mode", "TEXT" },
  { "host_context_path", "TEXT" },
  { "guest_workspace_path", "TEXT" },
  { "seed_host_path", "TEXT" },
  { "host_git_root", "TEXT" },
  { "host_head_oid_at_open", "TEXT" },
  { "host_head_ref_at_open", "TEXT" },
  { "host_dirty_at_open", "INTEGER" },
  { "base_ref", "TEXT" },
  { "review_branch", "TEXT" },
  { "session_ref_base", "TEXT" },
  { "session_ref_head", "TEXT" },
  { "provider_kind", "TEXT" },
  { "imported_provider_files_json", "TEXT" },
  { "guest_tmux_socket_path", "TEXT" },
  { "shell_window_name", "TEXT" },
  { "agent_window_name", "TEXT" },
  { "agent_launch_preset", "TEXT" },
  { "lifecycle_state", "TEXT" },
  { "sync_state", "TEXT" },
  { "lock_owner_pid", "INTEGER" },
  { "lock_operation", "TEXT" },
  { "created_at", "TEXT" },
  { "last_started_at", "TEXT" },
  { "last_stopped_at", "TEXT" },
  { "last_used_at", "TEXT" },
  { "closed_at", "TEXT" },
  { "runtime", "TEXT" },
  { "attempt", "INTEGER" },
  { "git_common_dir", "TEXT" },
  { "base_oid", "TEXT" },
  { "image", "TEXT" },
  { "cpus", "INTEGER" },
  { "memory_bytes", "INTEGER" },
  { "disk_bytes", "INTEGER" },
  { "network", "TEXT" },
  { "agent_command_json", "TEXT" },
  { "options_json", "TEXT" },
};

static const Column sync_run_columns[] = {
  { "id", "INTEGER PRIMARY KEY" },
  { "session_name", "TEXT REFERENCES sessions (name) ON DELETE CASCADE" },
  { "direction", "TEXT" },
  { "result", "TEXT" },
  { "started_at", "TEXT" },
  { "finished_at", "TEXT" },
  { "staging_path", "TEXT" },
  { "patch_path", "TEXT" },
  { "error_text", "TEXT" },
  { "old_oid", "TEXT" },
  { "new_oid", "TEXT" },
  { "number", "INTEGER" },
};

/* Events outlive their session, and a number is never used twice: followers remember it. */
static const Column event_columns[] = {
  { "id", "INTEGER PRIMARY KEY AUTOINCREMENT" },
  { "session_name", "TEXT" },
  { "at", "TEXT" },
  { "level", "TEXT" },
  { "kind", "TEXT" },
  { "message", "TEXT" },
};

/* No reference to sessions: the journal of `open` begins before there is a row. */
static const Column operation_columns[] = {
  { "id", "INTEGER PRIMARY KEY AUTOINCREMENT" },
  { "session_name", "TEXT NOT NULL" },
  { "operation", "TEXT NOT NULL" },
  { "step", "TEXT" },
  { "data_json", "TEXT" },
  { "owner", "TEXT" },
  { "started_at", "TEXT" },
  { "updated_at", "TEXT" },
};

/* Outlives sessions, syncs and refs: a number of a ref is not given twice. */
static const Column ref_number_columns[] = {
  { "name", "TEXT PRIMARY KEY NOT NULL" },
  { "number", "INTEGER" },
};

static const struct {
  const char *name;
  const Column *columns;
  gsize count;
} tables[] = {
  { "sessions", session_columns, G_N_ELEMENTS (session_columns) },
  { "sync_runs", sync_run_columns, G_N_ELEMENTS (sync_run_columns) },
  { "session_events", event_columns, G_N_ELEMENTS (event_columns) },
  { "operations", operation_columns, G_N_ELEMENTS (operation_columns) },
  { "ref_numbers", ref_number_columns, G_N_ELEMENTS (ref_number_columns) },
};

/* The first one is the order in which `ps` lists: without it the rows would be sorted each time. */
static const char indexes[]
    = "CREATE INDEX IF NOT EXISTS agb_sessions_by_time ON sessions (created_at, name);"
      "CREATE INDEX IF NOT EXISTS agb_sync_runs_by_session ON sync_runs (session_name, id);"
      "CREATE INDEX IF NOT EXISTS agb_events_by_session ON session_events (session_name, id);"
      "CREATE UNIQUE INDEX IF NOT EXISTS agb_operations_by_session ON operations (session_name);";

static gboolean
has_column (AgbCatalog *catalog, const char *table, const char *column, gboolean *ret,
            GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog, "SELECT 1 FROM pragma_table_info (:table) WHERE name = :column", error);

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":table", table);
  agb_catalog_bind (statement, ":column", column);
  return agb_catalog_step (catalog, statement, "read the tables", ret, error);
}

/* Columns of constraints cannot be added later; they are 0.1's own and there already. */
static gboolean
add_missing_columns (AgbCatalog *catalog, const char *table, const Column *columns, gsize count,
                     GError **error)
{
  for (gsize i = 0; i < count; i++)
    {
      gboolean there = FALSE;
      g_autofree char *sql = g_strdup_printf ("ALTER TABLE %s ADD COLUMN %s %s", table,
                                              columns[i].name, columns[i].type);

      if (!has_column (catalog, table, columns[i].name, &there, error)
          || (!there && !agb_catalog_exec (catalog, sql, "add a column", error)))
        return FALSE;
    }
  return TRUE;
}

static char *
create_statement (const char *table, const Column *columns, gsize count)
{
  GString *sql = g_string_new (NULL);

  g_string_append_printf (sql, "CREATE TABLE IF NOT EXISTS %s (", table);
  for (gsize i = 0; i < count; i++)
    g_string_append_printf (sql, "%s%s %s", i > 0 ? ", " : "", columns[i].name, columns[i].type);
  g_string_append (sql, ")");
  return g_string_free (sql, FALSE);
}

static gboolean
create_tables (AgbCatalog *catalog, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      g_autofree char *sql = create_statement (tables[i].name, tables[i].columns, tables[i].count);
      if (!agb_catalog_exec (catalog, sql, "make a table", error))
        return FALSE;
    }
  return TRUE;
}

gboolean
agb_catalog_create_tables (AgbCatalog *catalog, GError **error)
{
  return create_tables (catalog, error)
         && agb_catalog_exec (catalog, indexes, "make an index", error);
}

/* What agbranch 0.1 knew without saying: it had only Lima, and repositories with a work tree. */
static const char fill_in[] = "UPDATE sessions SET runtime = 'lima' WHERE runtime IS NULL;"
                              "UPDATE sessions SET attempt = 1 WHERE attempt IS NULL;"
                              "UPDATE sessions SET git_common_dir = host_git_root || '/.git'"
                              "  WHERE git_common_dir IS NULL AND host_git_root IS NOT NULL;";

static gboolean
migrate_tables (AgbCatalog *catalog, GError **error)
{
  g_autofree char *version = g_strdup_printf ("PRAGMA user_version = %d", AGB_CATALOG_VERSION);

  if (!create_tables (catalog, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    if (!add_missing_columns (catalog, tables[i].name, tables[i].columns, tables[i].count, error))
      return FALSE;
  return agb_catalog_exec (catalog, indexes, "make an index", error)
         && agb_catalog_exec (catalog, fill_in, "fill in new columns", error)
         && agb_catalog_exec (catalog, version, "write the version", error);
}

static gboolean
sync_file (const char *path, GError **error)
{
  agb_autofd int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd < 0 || fsync (fd) != 0)
    return agb_error_set_errno (error, errno, "write to disk", path);
  g_autofree char *folder = g_path_get_dirname (path);
  return agb_fsync_folder (folder, error);
}

/* A copy of the whole database as it was, beside it. */
static gboolean
back_up (AgbCatalog *catalog, const char *backup, GError **error)
{
  g_autofree char *part = g_strconcat (backup, ".part", NULL);
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, "VACUUM INTO :file", error);
  gboolean row = FALSE;

  if (statement == NULL || !agb_fault_point ("catalog: back up", error))
    return FALSE;
  g_unlink (part); /* of a migration that was killed */
  agb_autofd int made = open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0)
    return agb_error_set_errno (error, errno, "make", part);
  agb_catalog_bind (statement, ":file", part);
  if (!agb_catalog_step (catalog, statement, "back up the catalog", &row, error)
      || !sync_file (part, error))
    return FALSE;
  if (rename (part, backup) != 0)
    return agb_error_set_errno (error, errno, "rename", part);
  return sync_file (backup, error);
}

gboolean
agb_catalog_back_up (AgbCatalog *catalog, char **ret_path, GError **error)
{
  g_autofree char *now = agb_time_now ();
  g_autofree char *backup = g_strdup_printf ("%s.backup-%s", catalog->path, now);

  if (!back_up (catalog, backup, error))
    return FALSE;
  *ret_path = g_steal_pointer (&backup);
  return TRUE;
}

static gboolean
has_tables (AgbCatalog *catalog, gboolean *ret, GError **error)
{
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog, "SELECT 1 FROM sqlite_schema LIMIT 1", error);

  return statement != NULL && agb_catalog_step (catalog, statement, "read the tables", ret, error);
}

gboolean
agb_catalog_migrate (AgbCatalog *catalog, int version, GError **error)
{
  g_autofree char *backup = g_strconcat (catalog->path, ".before-migration", NULL);
  gboolean in_use = FALSE, is_session_table = FALSE;

  if (!has_tables (catalog, &in_use, error)
      || !has_column (catalog, "sessions", "name", &is_session_table, error))
    return FALSE;
  if (in_use && !is_session_table)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CATALOG,
                   "'%s' (version %d) is a database of something else", catalog->path, version);
      agb_error_hint (error, "move it away, or set AGBRANCH_STATE_ROOT to another folder");
      return FALSE;
    }
  if ((in_use && !back_up (catalog, backup, error))
      || !agb_catalog_exec (catalog, "PRAGMA journal_mode = WAL", "turn on its log", error)
      || !agb_catalog_begin (catalog, "migrate", error))
    return FALSE;
  return agb_catalog_end (catalog, migrate_tables (catalog, error), "migrate", error);
}
