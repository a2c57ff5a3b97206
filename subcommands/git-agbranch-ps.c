/* ps: the sessions of this user, from the catalog alone.
 *
 * Reads one table and links neither libgit2 nor a runtime: it is meant for shell prompts.  What runtimes
 * and guests say (--live, columns that are measured) comes from a helper program. */
#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/main.h"
#include "core/output.h"
#include "core/pager.h"
#include "core/paths.h"
#include "core/time.h"
#include "session/columns.h"
#include "session/watcher.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  AgbContext *ctx;
  const AgbColumn **columns;
  AgbTable *table;
  GHashTable *live;     /* vm_name -> state; NULL: not asked for */
  GHashTable *measured; /* name -> strv of a line of agbranch-live; NULL: not asked for */
  guint rows;
} Ps;

static const char *
live_state (Ps *ps, const AgbSession *session)
{
  if (ps->live == NULL)
    return NULL;
  const char *state
      = session->vm_name != NULL ? g_hash_table_lookup (ps->live, session->vm_name) : NULL;
  return state != NULL ? state : "absent";
}

/* The caller frees. */
static char *
value_of (Ps *ps, const AgbColumn *column, const AgbSession *session)
{
  if (column->measured == 0)
    return agb_column_value (column, session, live_state (ps, session));
  char **line = ps->measured != NULL ? g_hash_table_lookup (ps->measured, session->name) : NULL;
  const char *value = line != NULL ? line[column->measured] : NULL;
  return value != NULL && !g_str_equal (value, "-") ? g_strdup (value) : NULL;
}

static void
print_json_row (Ps *ps, const AgbSession *session)
{
  g_autoptr (cJSON) object = agb_session_to_json (session);

  if (ps->live != NULL)
    agb_json_add_string (object, "live", live_state (ps, session));
  g_autofree char *text = agb_json_print (object, FALSE);
  agb_print ("%s%s", ps->rows > 0 ? ",\n  " : "[\n  ", text);
}

static void
print_nul_row (Ps *ps, const AgbSession *session)
{
  if (ps->ctx->quiet)
    {
      fputs (session->name, stdout);
      putchar ('\0');
      return;
    }
  for (const AgbColumn **column = ps->columns; *column != NULL; column++)
    {
      g_autofree char *value = value_of (ps, *column, session);
      fputs (value != NULL ? value : "-", stdout);
      putchar ('\0');
    }
  putchar ('\0');
}

static void
add_table_row (Ps *ps, const AgbSession *session)
{
  char *cells[64] = { NULL };
  guint count = 0;

  for (const AgbColumn **column = ps->columns; *column != NULL; column++)
    cells[count++] = value_of (ps, *column, session);
  agb_table_add (ps->table, (const char *const *)cells);
  while (count > 0)
    g_free (cells[--count]);
}

static gboolean
show_row (const AgbSession *session, gpointer data)
{
  Ps *ps = data;

  if (ps->ctx->json)
    print_json_row (ps, session);
  else if (ps->ctx->nul)
    print_nul_row (ps, session);
  else if (ps->ctx->quiet)
    agb_print ("%s\n", session->name);
  else
    add_table_row (ps, session);
  ps->rows++;
  return TRUE;
}

/* The lines that agbranch-live says when it is asked for WHAT (NULL: the states of guests). */
static char **
ask_live (const char *what, GError **error)
{
  g_autofree char *folder = agb_exec_path ();
  g_autofree char *program = g_build_filename (folder, "agbranch-live", NULL);
  const char *argv[] = { program, what, NULL };
  AgbChildSpec spec = { .argv = argv, .timeout_ms = AGB_TIMEOUT_QUICK };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_child_run (&spec, &result, error))
    return NULL;
  if (result.status != 0)
    {
      g_autofree char *reason = agb_escape (g_strchomp (result.errors->str), -1);
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "a runtime does not answer: %s", reason);
      return NULL;
    }
  return g_strsplit (result.output->str, "\n", -1);
}

/* "VM STATE" a line. */
static GHashTable *
read_live (GError **error)
{
  g_auto (GStrv) lines = ask_live (NULL, error);
  if (lines == NULL)
    return NULL;
  GHashTable *live = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (char **line = lines; *line != NULL; line++)
    {
      char *space = strchr (*line, ' ');
      if (space != NULL)
        g_hash_table_insert (live, g_strndup (*line, (gsize)(space - *line)), g_strdup (space + 1));
    }
  return live;
}

static void
strv_free (gpointer strv)
{
  g_strfreev (strv);
}

/* What the columns have that is measured, *RET NULL for nothing; FALSE and an error when it cannot be had. */
static gboolean
read_measured (const Ps *ps, GHashTable **ret, GError **error)
{
  const char *what = NULL;

  for (const AgbColumn **column = ps->columns; *column != NULL; column++)
    if ((*column)->measured == AGB_COLUMN_CPU)
      what = "cpu";
    else if ((*column)->measured != 0 && what == NULL)
      what = "overview";
  if (what == NULL || ps->ctx->json || ps->ctx->quiet)
    return TRUE;
  g_auto (GStrv) lines = ask_live (what, error);
  if (lines == NULL)
    return FALSE;
  *ret = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, strv_free);
  for (char **line = lines; *line != NULL; line++)
    {
      char **fields = g_strsplit (*line, "\t", -1);
      if (g_strv_length (fields) == 1 + AGB_COLUMNS_MEASURED)
        g_hash_table_replace (*ret, fields[0], fields);
      else
        g_strfreev (fields);
    }
  return TRUE;
}

/* --sort takes the words of --columns, "-" in front turns the order round. */
static char *
sort_column (const char *sort)
{
  gboolean reverse = sort != NULL && *sort == '-';
  const AgbColumn *column = sort != NULL ? agb_column_find (sort + reverse) : NULL;

  if (column == NULL || column->sort == NULL)
    return g_strdup (sort);
  gboolean descending = *column->sort == '-';
  return g_strconcat (reverse != descending ? "-" : "", column->sort + descending, NULL);
}

static void
print_end (Ps *ps)
{
  if (ps->ctx->json)
    agb_print ("%s", ps->rows > 0 ? "\n]\n" : "[]\n");
  else if (ps->table != NULL && ps->rows > 0)
    agb_table_print (ps->table);
}

static gboolean
show_sessions (Ps *ps, AgbCatalog *catalog, const AgbSessionFilter *filter, GError **error)
{
  const char *headers[64] = { NULL };
  g_autoptr (AgbTable) table = NULL;

  for (guint i = 0; ps->columns[i] != NULL; i++)
    {
      if (i + 1 == G_N_ELEMENTS (headers))
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "more than %u columns",
                       (guint)G_N_ELEMENTS (headers) - 1);
          return FALSE;
        }
      headers[i] = ps->columns[i]->header;
    }
  if (!ps->ctx->json && !ps->ctx->nul && !ps->ctx->quiet)
    table = ps->table = agb_table_new (headers);
  ps->rows = 0;
  if (!agb_catalog_foreach_session (catalog, filter, show_row, ps, error))
    return FALSE;
  print_end (ps);
  return TRUE;
}

/* Until the catalog has changed, EVERY_MS (0: no limit) are over, or the reader is gone (*RET_GO_ON
 * FALSE). */
static gboolean
wait_for_change (AgbWatcher *watcher, gint64 every_ms, gboolean *ret_go_on, GError **error)
{
  GPollFD reader = { .fd = STDOUT_FILENO, .events = 0 };
  gint64 deadline = every_ms > 0 ? agb_deadline_in (every_ms) : -1;
  AgbWatcherEvents events = 0;

  if (!agb_watcher_wait (watcher, &reader, 1, deadline, &events, error))
    return FALSE;
  *ret_go_on = (events & AGB_WATCHER_FD) == 0;
  return TRUE;
}

/* The list again, after an empty line, whenever the catalog has changed. */
static gboolean
watch_sessions (Ps *ps, AgbCatalog *catalog, const AgbSessionFilter *filter, gint64 every_ms,
                GError **error)
{
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (catalog, error);
  gboolean go_on = watcher != NULL;

  if (watcher == NULL)
    return FALSE;
  while (go_on)
    {
      if (!show_sessions (ps, catalog, filter, error))
        return FALSE;
      fflush (stdout);
      if (!wait_for_change (watcher, every_ms, &go_on, error))
        return agb_interrupt_ends_following (error);
      agb_print ("\n");
    }
  return TRUE;
}

static const char *const only_name[] = { "name", NULL };
static const char live_list[] = "name,state,live,sync,agent,age,where";

static const char *const usage[] = {
  "git agbranch ps [<options>] [-q | -z | --json]",
  NULL,
};

/* GOption knows no option whose value may be left out: "--watch=S" becomes "--watch" here. */
static gboolean
take_watch_seconds (int argc, char **argv, gint64 *ret_ms, GError **error)
{
  static char plain[] = "--watch";

  for (int i = 1; i < argc && !g_str_equal (argv[i], "--"); i++)
    {
      const char *value = argv[i] + strlen ("--watch=");

      if (!g_str_has_prefix (argv[i], "--watch="))
        continue;
      argv[i] = plain;
      if (!agb_duration_parse (value, ret_ms, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
run_ps (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gint64 every_ms = 0;
  gboolean all = FALSE, live = FALSE, watch = FALSE;
  g_autofree char *search = NULL, *state = NULL, *sort = NULL, *list = NULL;
  const GOptionEntry entries[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "closed sessions too", NULL },
    { "search", 0, 0, G_OPTION_ARG_STRING, &search, "only where name, path or branch has this text",
      "<text>" },
    { "state", 0, 0, G_OPTION_ARG_STRING, &state, "only in this lifecycle state", "<state>" },
    { "sort", 0, 0, G_OPTION_ARG_STRING, &sort, "order by a column, '-' in front: reversed",
      "<column>" },
    { "columns", 0, 0, G_OPTION_ARG_STRING, &list, "the columns to show", "<list>" },
    { "watch", 0, 0, G_OPTION_ARG_NONE, &watch,
      "again whenever something has changed; --watch=<seconds>: and at least so often", NULL },
    { "live", 0, 0, G_OPTION_ARG_NONE, &live, "ask the runtimes for the state of each guest",
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!take_watch_seconds (argc, argv, &every_ms, error)
      || !agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autofree const AgbColumn **columns
      = agb_columns_parse (list == NULL && live ? live_list : list, error);
  if (columns == NULL)
    return FALSE;

  g_autoptr (GHashTable) states = NULL;
  if (live && (states = read_live (error)) == NULL)
    return FALSE;
  g_autofree char *order = sort_column (sort);
  g_autofree const char **needs = agb_columns_needs (columns);
  AgbSessionFilter filter = {
    .columns = ctx->json    ? NULL
               : ctx->quiet ? only_name
                            : needs,
    .include_closed = all || g_strcmp0 (state, "closed") == 0,
    .search = search,
    .state = state,
    .sort = order,
  };
  Ps ps = { .ctx = ctx, .columns = columns, .live = states };
  g_autoptr (GHashTable) measured = NULL;
  if (!read_measured (&ps, &measured, error))
    return FALSE;
  ps.measured = measured;
  if (!watch)
    agb_pager_start ();
  g_autoptr (AgbCatalog) catalog = agb_catalog_open (watch ? 0 : AGB_CATALOG_READ_ONLY, error);
  if (catalog == NULL)
    return FALSE;
  return watch ? watch_sessions (&ps, catalog, &filter, every_ms, error)
               : show_sessions (&ps, catalog, &filter, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "ps", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_NUL, .run = run_ps };

  return agb_main (argc, argv, &verb);
}
