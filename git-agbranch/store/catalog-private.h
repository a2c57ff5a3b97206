/* Inside of AgbCatalog, for the files catalog*.c only. */
#pragma once

#include "store/catalog.h"

#include <sqlite3.h>

struct AgbCatalog {
  sqlite3 *db;
  char *path;
  char *watch_path;
  gint64 busy_deadline_usec; /* of the wait that is under way */
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

/* Set AGB_ERROR_CATALOG "cannot ACTION: sqlite's reason" with the hint that fits (or
 * AGB_ERROR_INTERRUPTED when a signal ended the wait for a lock).  Returns FALSE. */
gboolean agb_catalog_set_error (AgbCatalog *catalog, const char *action, GError **error);

/* Compile SQL; NULL on an error.  Finalized by g_autoptr. */
sqlite3_stmt *agb_catalog_prepare (AgbCatalog *catalog, const char *sql, GError **error);

/* Bind the parameter called NAME (":name") to TEXT; NULL is SQL NULL.  TEXT must outlive the
 * statement. */
void agb_catalog_bind (sqlite3_stmt *statement, const char *name, const char *text);
void agb_catalog_bind_int (sqlite3_stmt *statement, const char *name, gint64 value);

/* One step: *ret_row TRUE when there is a row.  FALSE on an error. */
gboolean agb_catalog_step (AgbCatalog *catalog, sqlite3_stmt *statement, const char *action,
                           gboolean *ret_row, GError **error);

/* SQL without results. */
gboolean agb_catalog_exec (AgbCatalog *catalog, const char *sql, const char *action,
                           GError **error);

/* BEGIN IMMEDIATE; then, when DONE, the fault point "catalog: ACTION" and COMMIT, else ROLLBACK.
 * agb_catalog_end returns TRUE when the transaction is committed and durable. */
gboolean agb_catalog_begin (AgbCatalog *catalog, const char *action, GError **error);
gboolean agb_catalog_end (AgbCatalog *catalog, gboolean done, const char *action, GError **error);

/* A statement that is a transaction of its own.  *ret_changed (may be NULL): rows. */
gboolean agb_catalog_write (AgbCatalog *catalog, sqlite3_stmt *statement, const char *action,
                            int *ret_changed, GError **error);

/* Bring the schema to the newest version; WAL is on afterwards.  Held: locks/catalog.lock. */
gboolean agb_catalog_migrate (AgbCatalog *catalog, int version, GError **error);

/* The tables as of the newest version, into an empty database. */
gboolean agb_catalog_create_tables (AgbCatalog *catalog, GError **error);

gboolean agb_catalog_read_version (AgbCatalog *catalog, int *ret_version, GError **error);

/* agbranch 0.1 and its successors may use the numbers below ours. */
enum { AGB_CATALOG_FIRST_VERSION = 100, AGB_CATALOG_VERSION = 101 };

static inline const char *
agb_catalog_text (sqlite3_stmt *statement, int column)
{
  return (const char *)sqlite3_column_text (statement, column);
}
