/* The operations journal. */
#include "store/catalog-private.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/time.h"

void
agb_operation_clear (AgbOperation *operation)
{
  g_clear_pointer (&operation->session_name, g_free);
  g_clear_pointer (&operation->operation, g_free);
  g_clear_pointer (&operation->step, g_free);
  g_clear_pointer (&operation->data_json, g_free);
  g_clear_pointer (&operation->started_at, g_free);
  g_clear_pointer (&operation->updated_at, g_free);
}

static gboolean
journal_point (const AgbOperation *operation, const char *step, GError **error)
{
  g_autofree char *point = g_strdup_printf ("journal: %s %s", operation->operation, step);

  return agb_fault_point (point, error);
}

gboolean
agb_catalog_begin_operation (AgbCatalog *catalog, AgbOperation *operation, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      "INSERT INTO operations (session_name, operation, step, data_json, owner, started_at,"
      " updated_at) VALUES (:session, :operation, :step, :data, :owner, :started, :started)",
      error);

  if (statement == NULL || !journal_point (operation, "begin", error))
    return FALSE;
  agb_process_self (&operation->owner);
  g_autofree char *owner = agb_process_format (&operation->owner);
  g_free (operation->started_at);
  operation->started_at = agb_time_now ();
  g_free (operation->updated_at);
  operation->updated_at = g_strdup (operation->started_at);
  agb_catalog_bind (statement, ":session", operation->session_name);
  agb_catalog_bind (statement, ":operation", operation->operation);
  agb_catalog_bind (statement, ":step", operation->step);
  agb_catalog_bind (statement, ":data", operation->data_json);
  agb_catalog_bind (statement, ":owner", owner);
  agb_catalog_bind (statement, ":started", operation->started_at);
  if (!agb_catalog_write (catalog, statement, "begin operation", NULL, error))
    return FALSE;
  operation->id = sqlite3_last_insert_rowid (catalog->db);
  return TRUE;
}

static gboolean
check_still_there (const AgbOperation *operation, int changed, GError **error)
{
  if (changed > 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CATALOG,
               "the journal of '%s' on session '%s' has been removed by another program",
               operation->operation, operation->session_name);
  agb_error_hint (error, "git agbranch repair %s", operation->session_name);
  return FALSE;
}

gboolean
agb_catalog_step_operation (AgbCatalog *catalog, AgbOperation *operation, const char *step,
                            const char *data_json, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      "UPDATE operations SET step = :step, data_json = :data, owner = :owner, updated_at = :now"
      " WHERE id = :id",
      error);
  g_autofree char *now = agb_time_now ();
  int changed = 0;

  if (statement == NULL || !journal_point (operation, step, error))
    return FALSE;
  /* Whoever recovers an operation takes it over. */
  agb_process_self (&operation->owner);
  g_autofree char *owner = agb_process_format (&operation->owner);
  agb_catalog_bind (statement, ":step", step);
  agb_catalog_bind (statement, ":data", data_json);
  agb_catalog_bind (statement, ":owner", owner);
  agb_catalog_bind (statement, ":now", now);
  agb_catalog_bind_int (statement, ":id", operation->id);
  if (!agb_catalog_write (catalog, statement, "step operation", &changed, error)
      || !check_still_there (operation, changed, error))
    return FALSE;
  g_autofree char *new_step = g_strdup (step);
  g_autofree char *new_data = g_strdup (data_json);
  g_free (operation->step);
  operation->step = g_steal_pointer (&new_step);
  g_free (operation->data_json);
  operation->data_json = g_steal_pointer (&new_data);
  g_free (operation->updated_at);
  operation->updated_at = g_steal_pointer (&now);
  return TRUE;
}

gboolean
agb_catalog_end_operation (AgbCatalog *catalog, AgbOperation *operation, GError **error)
{
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog, "DELETE FROM operations WHERE id = :id", error);

  if (statement == NULL || !journal_point (operation, "end", error))
    return FALSE;
  agb_catalog_bind_int (statement, ":id", operation->id);
  return agb_catalog_write (catalog, statement, "end operation", NULL, error);
}

#define SELECT_OPERATION                                                               \
  "SELECT id, session_name, operation, step, data_json, owner, started_at, updated_at" \
  " FROM operations"

static void
borrow_operation (sqlite3_stmt *statement, AgbOperation *ret)
{
  *ret = (AgbOperation){
    .id = sqlite3_column_int64 (statement, 0),
    .session_name = (char *)sqlite3_column_text (statement, 1),
    .operation = (char *)sqlite3_column_text (statement, 2),
    .step = (char *)sqlite3_column_text (statement, 3),
    .data_json = (char *)sqlite3_column_text (statement, 4),
    .started_at = (char *)sqlite3_column_text (statement, 6),
    .updated_at = (char *)sqlite3_column_text (statement, 7),
  };
  /* An owner that cannot be read is nobody: pid 0 is never alive. */
  agb_process_parse (agb_catalog_text (statement, 5), &ret->owner);
}

gboolean
agb_catalog_get_operation (AgbCatalog *catalog, const char *session, AgbOperation *ret_operation,
                           gboolean *ret_found, GError **error)
{
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog, SELECT_OPERATION " WHERE session_name = :session", error);
  AgbOperation row = { 0 };
  gboolean found = FALSE;

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":session", session);
  if (!agb_catalog_step (catalog, statement, "read the journal", &found, error))
    return FALSE;
  if (found)
    {
      borrow_operation (statement, &row);
      *ret_operation = row;
      ret_operation->session_name = g_strdup (row.session_name);
      ret_operation->operation = g_strdup (row.operation);
      ret_operation->step = g_strdup (row.step);
      ret_operation->data_json = g_strdup (row.data_json);
      ret_operation->started_at = g_strdup (row.started_at);
      ret_operation->updated_at = g_strdup (row.updated_at);
    }
  *ret_found = found;
  return TRUE;
}

gboolean
agb_catalog_foreach_operation (AgbCatalog *catalog, AgbOperationFunc func, gpointer data,
                               GError **error)
{
  g_autoptr (sqlite3_stmt) statement
      = agb_catalog_prepare (catalog, SELECT_OPERATION " ORDER BY id", error);
  AgbOperation operation;
  gboolean row = FALSE;

  if (statement == NULL)
    return FALSE;
  for (;;)
    {
      if (!agb_catalog_step (catalog, statement, "read the journal", &row, error))
        return FALSE;
      if (!row)
        return TRUE;
      borrow_operation (statement, &operation);
      if (!func (&operation, data))
        return TRUE;
    }
}
