/* Rows of `sessions`. */
#include "store/catalog-private.h"

#include "core/error.h"
#include "core/names.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

typedef struct {
  const char *name;
  gsize offset;
  gboolean is_number;
} Field;

#define TEXT(column)                             \
  {                                              \
#column, offsetof(AgbSession, column), FALSE \
  }
#define NUMBER(column)                          \
  {                                             \
#column, offsetof(AgbSession, column), TRUE \
  }

/* All columns, in the order in which they are selected. */
static const Field fields[] = {
  TEXT (name),
  TEXT (vm_name),
  TEXT (session_mode),
  TEXT (repo_sync_mode),
  TEXT (host_context_path),
  TEXT (guest_workspace_path),
  TEXT (seed_host_path),
  TEXT (host_git_root),
  TEXT (host_head_oid_at_open),
  TEXT (host_head_ref_at_open),
  NUMBER (host_dirty_at_open),
  TEXT (base_ref),
  TEXT (review_branch),
  TEXT (session_ref_base),
  TEXT (session_ref_head),
  TEXT (provider_kind),
  TEXT (imported_provider_files_json),
  TEXT (guest_tmux_socket_path),
  TEXT (shell_window_name),
  TEXT (agent_window_name),
  TEXT (agent_launch_preset),
  TEXT (lifecycle_state),
  TEXT (sync_state),
  NUMBER (lock_owner_pid),
  TEXT (lock_operation),
  TEXT (created_at),
  TEXT (last_started_at),
  TEXT (last_stopped_at),
  TEXT (last_used_at),
  TEXT (closed_at),
  TEXT (runtime),
  NUMBER (attempt),
  TEXT (git_common_dir),
  TEXT (base_oid),
  TEXT (image),
  NUMBER (cpus),
  NUMBER (memory_bytes),
  NUMBER (disk_bytes),
  TEXT (network),
  TEXT (agent_command_json),
  TEXT (options_json),
};

static const char *const lifecycle_states[]
    = { "preparing_base", "cloning",  "starting",   "seeding",   "running", "stopped", "syncing",
        "staging",        "applying", "destroying", "repairing", "error",   "closed",  NULL };

static char **
text_of (const AgbSession *session, const Field *field)
{
  return (char **)(void *)((char *)(gpointer)session + field->offset);
}

static gint64 *
number_of (const AgbSession *session, const Field *field)
{
  return (gint64 *)(void *)((char *)(gpointer)session + field->offset);
}

AgbSession *
agb_session_new (const char *name)
{
  AgbSession *session = g_new0 (AgbSession, 1);

  session->name = g_strdup (name);
  session->attempt = 1;
  return session;
}

void
agb_session_free (AgbSession *session)
{
  if (session == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (!fields[i].is_number)
      g_free (*text_of (session, &fields[i]));
  g_free (session);
}

AgbSession *
agb_session_copy (const AgbSession *session)
{
  AgbSession *copy = g_new0 (AgbSession, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (fields[i].is_number)
      *number_of (copy, &fields[i]) = *number_of (session, &fields[i]);
    else
      *text_of (copy, &fields[i]) = g_strdup (*text_of (session, &fields[i]));
  return copy;
}

/* The fields called WANTED (NULL: all), in the order of the table; ended by NULL. */
typedef struct {
  const Field *fields[G_N_ELEMENTS (fields) + 1];
} Selection;

static Selection
select_fields (const char *const *wanted)
{
  Selection selection;
  gsize count = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (wanted == NULL || g_strv_contains (wanted, fields[i].name))
      selection.fields[count++] = &fields[i];
  selection.fields[count] = NULL;
  return selection;
}

static void
append_columns (GString *sql, const Selection *selection)
{
  for (gsize i = 0; selection->fields[i] != NULL; i++)
    {
      g_string_append (sql, i > 0 ? ", " : "");
      g_string_append (sql, selection->fields[i]->name);
    }
}

/* The strings stay SQLite's, and are good until the next step. */
static void
borrow_row (sqlite3_stmt *statement, const Selection *selection, AgbSession *ret)
{
  for (int i = 0; selection->fields[i] != NULL; i++)
    if (selection->fields[i]->is_number)
      *number_of (ret, selection->fields[i]) = sqlite3_column_int64 (statement, i);
    else
      *text_of (ret, selection->fields[i]) = (char *)sqlite3_column_text (statement, i);
}

static char *
upsert_sql (void)
{
  GString *sql = g_string_new ("INSERT INTO sessions (");
  const Selection all = select_fields (NULL);

  append_columns (sql, &all);
  g_string_append (sql, ") VALUES (");
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    g_string_append_printf (sql, "%s:%s", i > 0 ? ", " : "", fields[i].name);
  g_string_append (sql, ") ON CONFLICT (name) DO UPDATE SET ");
  for (gsize i = 1; i < G_N_ELEMENTS (fields); i++)
    g_string_append_printf (sql, "%s%s = excluded.%s", i > 1 ? ", " : "", fields[i].name,
                            fields[i].name);
  return g_string_free (sql, FALSE);
}

static gboolean
upsert (AgbCatalog *catalog, const AgbSession *session, GError **error)
{
  g_autofree char *sql = upsert_sql ();
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, sql, error);
  gboolean row = FALSE;

  if (statement == NULL)
    return FALSE;
  for (int i = 0; i < (int)G_N_ELEMENTS (fields); i++)
    if (fields[i].is_number)
      sqlite3_bind_int64 (statement, i + 1, *number_of (session, &fields[i]));
    else
      sqlite3_bind_text (statement, i + 1, *text_of (session, &fields[i]), -1, SQLITE_STATIC);
  return agb_catalog_step (catalog, statement, "write a session", &row, error);
}

/* Names are the user's, across repositories. */
static gboolean
check_name_free (AgbCatalog *catalog, const AgbSession *session, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (
      catalog,
      "SELECT coalesce (git_common_dir, host_context_path) FROM sessions WHERE name = :name"
      " AND lifecycle_state IS NOT 'closed' AND git_common_dir IS NOT :here",
      error);
  gboolean row = FALSE;

  if (statement == NULL)
    return FALSE;
  agb_catalog_bind (statement, ":name", session->name);
  agb_catalog_bind (statement, ":here", session->git_common_dir);
  if (!agb_catalog_step (catalog, statement, "look for a session", &row, error))
    return FALSE;
  if (!row)
    return TRUE;
  const char *where = agb_catalog_text (statement, 0);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "there is a session '%s' already, of '%s'",
               session->name, where != NULL ? where : "(nowhere)");
  agb_error_hint (error, "take another name, or end it: git agbranch close %s", session->name);
  return FALSE;
}

gboolean
agb_catalog_insert_session (AgbCatalog *catalog, const AgbSession *session, GError **error)
{
  static const char action[] = "insert session";

  if (!agb_catalog_begin (catalog, action, error))
    return FALSE;
  gboolean done = check_name_free (catalog, session, error) && upsert (catalog, session, error);
  return agb_catalog_end (catalog, done, action, error);
}

gboolean
agb_catalog_save_session (AgbCatalog *catalog, const AgbSession *session, GError **error)
{
  static const char action[] = "save session";

  return agb_catalog_begin (catalog, action, error)
         && agb_catalog_end (catalog, upsert (catalog, session, error), action, error);
}

static gboolean
is_column (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (g_str_equal (fields[i].name, name))
      return TRUE;
  return FALSE;
}

static gboolean
collect_name (const AgbSession *session, gpointer data)
{
  g_ptr_array_add (data, g_strdup (session->name));
  return TRUE;
}

static void
set_no_session_error (AgbCatalog *catalog, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *shown = g_strescape (name, NULL);
  const char *nearest = NULL;

  if (agb_catalog_foreach_session (catalog, NULL, collect_name, names, NULL))
    {
      g_ptr_array_add (names, NULL);
      nearest = agb_nearest (name, (const char *const *)names->pdata);
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "no session '%s'", shown);
  if (nearest != NULL)
    agb_error_hint (error, "did you mean '%s'? all of them: git agbranch ps", nearest);
  else
    agb_error_hint (error, "for what there is: git agbranch ps -a");
}

/* The statement for COLUMN and the pairs of column and value in ARGS, and the values in order. */
static char *
update_sql (const char *column, const char *value, va_list args, GPtrArray *values)
{
  GString *sql = g_string_new ("UPDATE sessions SET ");

  while (column != NULL)
    {
      if (!is_column (column))
        g_error ("'%s' is not a column of sessions", column);
      g_string_append_printf (sql, "%s%s = ?", values->len > 0 ? ", " : "", column);
      g_ptr_array_add (values, (gpointer)value);
      column = va_arg (args, const char *);
      value = column != NULL ? va_arg (args, const char *) : NULL;
    }
  g_string_append (sql, " WHERE name = ?");
  return g_string_free (sql, FALSE);
}

gboolean
agb_catalog_update_session (AgbCatalog *catalog, const char *name, GError **error,
                            const char *column, const char *value, ...)
{
  g_autoptr (GPtrArray) values = g_ptr_array_new ();
  va_list args;
  int changed = 0;

  va_start (args, value);
  g_autofree char *sql = update_sql (column, value, args, values);
  va_end (args);
  g_ptr_array_add (values, (gpointer)name);

  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, sql, error);
  if (statement == NULL)
    return FALSE;
  for (guint i = 0; i < values->len; i++)
    sqlite3_bind_text (statement, (int)i + 1, values->pdata[i], -1, SQLITE_STATIC);
  if (!agb_catalog_write (catalog, statement, "update session", &changed, error))
    return FALSE;
  if (changed == 0)
    set_no_session_error (catalog, name, error);
  return changed > 0;
}

AgbSession *
agb_catalog_get_session (AgbCatalog *catalog, const char *name, GError **error)
{
  g_autoptr (GString) sql = g_string_new ("SELECT ");
  const Selection all = select_fields (NULL);
  AgbSession row = { 0 };
  gboolean found = FALSE;

  append_columns (sql, &all);
  g_string_append (sql, " FROM sessions WHERE name = :name");
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, sql->str, error);
  if (statement == NULL)
    return NULL;
  agb_catalog_bind (statement, ":name", name);
  if (!agb_catalog_step (catalog, statement, "read a session", &found, error))
    return NULL;
  if (!found)
    {
      set_no_session_error (catalog, name, error);
      return NULL;
    }
  borrow_row (statement, &all, &row);
  return agb_session_copy (&row);
}

static gboolean
check_filter (const AgbSessionFilter *filter, GError **error)
{
  const char *sort = filter->sort != NULL && *filter->sort == '-' ? filter->sort + 1 : filter->sort;

  if (sort != NULL && !is_column (sort))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "cannot sort by '%s': no such column", sort);
      agb_error_hint (error, "sort by a key of: git agbranch ps --json");
      return FALSE;
    }
  if (filter->state != NULL && !g_strv_contains (lifecycle_states, filter->state))
    {
      g_autofree char *all = g_strjoinv (", ", (char **)lifecycle_states);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a lifecycle state",
                   filter->state);
      agb_error_hint (error, "one of: %s", all);
      return FALSE;
    }
  return TRUE;
}

static char *
select_sql (const AgbSessionFilter *filter, const Selection *selection)
{
  GString *sql = g_string_new ("SELECT ");
  gboolean descending = filter->sort != NULL && *filter->sort == '-';

  append_columns (sql, selection);
  g_string_append (sql, " FROM sessions WHERE 1");
  if (!filter->include_closed && g_strcmp0 (filter->state, "closed") != 0)
    g_string_append (sql, " AND lifecycle_state IS NOT 'closed'");
  if (filter->state != NULL)
    g_string_append (sql, " AND lifecycle_state = :state");
  if (filter->git_common_dir != NULL)
    g_string_append (sql, " AND git_common_dir = :common");
  if (filter->search != NULL)
    g_string_append (sql, " AND (instr (lower (name), lower (:search))"
                          " OR instr (lower (host_context_path), lower (:search))"
                          " OR instr (lower (review_branch), lower (:search)))");
  g_string_append_printf (sql, " ORDER BY %s%s, name",
                          filter->sort != NULL ? filter->sort + descending : "created_at",
                          descending ? " DESC" : "");
  return g_string_free (sql, FALSE);
}

gboolean
agb_catalog_foreach_session (AgbCatalog *catalog, const AgbSessionFilter *filter,
                             AgbSessionFunc func, gpointer data, GError **error)
{
  static const AgbSessionFilter everything = { .include_closed = FALSE };
  AgbSession session = { 0 };
  gboolean row = FALSE;

  if (filter == NULL)
    filter = &everything;
  if (!check_filter (filter, error))
    return FALSE;
  const Selection selection = select_fields (filter->columns);
  g_autofree char *sql = select_sql (filter, &selection);
  g_autoptr (sqlite3_stmt) statement = agb_catalog_prepare (catalog, sql, error);
  if (statement == NULL)
    return FALSE;
  if (filter->state != NULL)
    agb_catalog_bind (statement, ":state", filter->state);
  if (filter->git_common_dir != NULL)
    agb_catalog_bind (statement, ":common", filter->git_common_dir);
  if (filter->search != NULL)
    agb_catalog_bind (statement, ":search", filter->search);
  for (;;)
    {
      if (!agb_catalog_step (catalog, statement, "list sessions", &row, error))
        return FALSE;
      if (!row)
        return TRUE;
      borrow_row (statement, &selection, &session);
      if (!func (&session, data))
        return TRUE;
    }
}

static gboolean
collect_session (const AgbSession *session, gpointer data)
{
  g_ptr_array_add (data, agb_session_copy (session));
  return TRUE;
}

GPtrArray *
agb_catalog_list_sessions (AgbCatalog *catalog, const AgbSessionFilter *filter, GError **error)
{
  g_autoptr (GPtrArray) sessions
      = g_ptr_array_new_with_free_func ((GDestroyNotify)agb_session_free);

  if (!agb_catalog_foreach_session (catalog, filter, collect_session, sessions, error))
    return NULL;
  return g_steal_pointer (&sessions);
}
