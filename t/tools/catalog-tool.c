/* catalog-tool: the catalog module on the command line, for t6000 and t6010.
 *
 *   catalog-tool COMMAND [OPERAND…]
 *     open | read                         make or migrate; read only
 *     insert NAME COMMON_DIR [STATE]      a session
 *     update NAME [COLUMN VALUE]          "" is NULL
 *     get NAME | list [SORT [STATE [SEARCH]]]   ALL=1: closed ones too, FEW=1: not all columns
 *     fill NAME COUNT                     COUNT transactions of one event each, a line when durable
 *     event NAME TEXT | events NAME AFTER SINCE LIMIT
 *     sync NAME RESULT | syncs NAME
 *     journal NAME OPERATION STEP DATA    begin, step, and leave it there
 *     journals | finish NAME
 *     prune CLOSED EVENTS SYNCS [dry]     "" keeps
 *     check | aside | counter
 * Exit code and message of an error are those of a verb. */
#include "core/error.h"
#include "core/interrupt.h"
#include "store/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
operand (char **operands, guint index)
{
  for (guint i = 0; i <= index; i++)
    if (operands[i] == NULL)
      return NULL;
  return *operands[index] != '\0' ? operands[index] : NULL;
}

static gboolean
insert (AgbCatalog *catalog, char **operands, GError **error)
{
  g_autoptr (AgbSession) session = agb_session_new (operands[0]);
  const char *state = operand (operands, 2);

  session->vm_name = g_strconcat ("agbranch-", operands[0], NULL);
  session->session_mode = g_strdup ("repo");
  session->git_common_dir = g_strdup (operand (operands, 1));
  session->host_context_path = g_strdup (operand (operands, 1));
  session->review_branch = g_strconcat ("agbranch/", operands[0], NULL);
  session->lifecycle_state = g_strdup (state != NULL ? state : "running");
  session->sync_state = g_strdup ("pending");
  session->created_at = g_strdup ("2026-01-01T00:00:00Z");
  session->closed_at = g_strdup (g_strcmp0 (state, "closed") == 0 ? "2026-01-02T00:00:00Z" : NULL);
  session->memory_bytes = G_GINT64_CONSTANT (2) << 30;
  return agb_catalog_insert_session (catalog, session, error);
}

static gboolean
print_session (const AgbSession *session, gpointer data)
{
  (void)data;
  printf ("%s|%s|%s|%s|%" G_GINT64_FORMAT "|%" G_GINT64_FORMAT "\n", session->name,
          session->vm_name != NULL ? session->vm_name : "-", session->lifecycle_state,
          session->git_common_dir != NULL ? session->git_common_dir : "-", session->attempt,
          session->memory_bytes);
  return TRUE;
}

static gboolean
print_event (const AgbEvent *event, gpointer data)
{
  (void)data;
  printf ("%" G_GINT64_FORMAT "|%s|%s|%s|%s|%s\n", event->id, event->session, event->at,
          event->level, event->kind, event->message);
  return TRUE;
}

static gboolean
print_sync (const AgbSyncRun *run, gpointer data)
{
  (void)data;
  printf ("%" G_GINT64_FORMAT "|%s|%s|%s|%" G_GINT64_FORMAT "\n", run->id, run->session_name,
          run->result, run->finished_at != NULL ? "finished" : "-", run->number);
  return TRUE;
}

static gboolean
print_operation (const AgbOperation *operation, gpointer data)
{
  (void)data;
  printf ("%s|%s|%s|%s|%s\n", operation->session_name, operation->operation, operation->step,
          operation->data_json != NULL ? operation->data_json : "-",
          agb_process_alive (&operation->owner) ? "alive" : "dead");
  return TRUE;
}

static gboolean
fill (AgbCatalog *catalog, char **operands, GError **error)
{
  int count = atoi (operands[1]);

  for (int i = 1; i <= count; i++)
    {
      if (!agb_catalog_add_event (catalog, operands[0], "info", "filled", error, "%d", i))
        return FALSE;
      printf ("%s %d\n", operands[0], i);
      fflush (stdout);
    }
  return TRUE;
}

static gboolean
record_sync (AgbCatalog *catalog, char **operands, GError **error)
{
  g_auto (AgbSyncRun) run = { .session_name = g_strdup (operands[0]),
                              .direction = g_strdup ("guest_to_host"),
                              .result = g_strdup ("running") };

  if (!agb_catalog_begin_sync_run (catalog, &run, error))
    return FALSE;
  g_free (run.result);
  run.result = g_strdup (operands[1]);
  run.finished_at = g_strdup (run.started_at);
  run.number = run.id;
  return agb_catalog_save_sync_run (catalog, &run, error);
}

static gboolean
leave_journal (AgbCatalog *catalog, char **operands, GError **error)
{
  g_auto (AgbOperation) operation
      = { .session_name = g_strdup (operands[0]), .operation = g_strdup (operands[1]) };

  return agb_catalog_begin_operation (catalog, &operation, error)
         && agb_catalog_step_operation (catalog, &operation, operands[2], operand (operands, 3),
                                        error);
}

static gboolean
finish (AgbCatalog *catalog, const char *name, GError **error)
{
  g_auto (AgbOperation) operation = { 0 };
  gboolean found = FALSE;

  if (!agb_catalog_get_operation (catalog, name, &operation, &found, error))
    return FALSE;
  return !found || agb_catalog_end_operation (catalog, &operation, error);
}

static gboolean
look (AgbCatalog *catalog, const char *command, char **operands, GError **error)
{
  if (g_str_equal (command, "get"))
    {
      g_autoptr (AgbSession) session = agb_catalog_get_session (catalog, operands[0], error);
      return session != NULL && print_session (session, NULL);
    }
  if (g_str_equal (command, "list"))
    {
      static const char *const few[]
          = { "name", "vm_name", "lifecycle_state", "git_common_dir", NULL };
      const AgbSessionFilter filter = { .sort = operand (operands, 0),
                                        .state = operand (operands, 1),
                                        .search = operand (operands, 2),
                                        .include_closed = g_getenv ("ALL") != NULL,
                                        .columns = g_getenv ("FEW") != NULL ? few : NULL };
      return agb_catalog_foreach_session (catalog, &filter, print_session, NULL, error);
    }
  if (g_str_equal (command, "events"))
    return agb_catalog_foreach_event (catalog, operand (operands, 0), atoi (operands[1]),
                                      operand (operands, 2), (guint)atoi (operands[3]), print_event,
                                      NULL, error);
  if (g_str_equal (command, "syncs"))
    return agb_catalog_foreach_sync_run (catalog, operand (operands, 0), 0, print_sync, NULL,
                                         error);
  if (g_str_equal (command, "journals"))
    return agb_catalog_foreach_operation (catalog, print_operation, NULL, error);
  if (g_str_equal (command, "check"))
    return agb_catalog_check (catalog, error);
  if (g_str_equal (command, "counter"))
    printf ("%" G_GINT64_FORMAT " %s\n", agb_catalog_change_counter (catalog),
            agb_catalog_watch_path (catalog));
  return TRUE;
}

static gboolean
prune (AgbCatalog *catalog, char **operands, GError **error)
{
  gint64 count = agb_catalog_prune (catalog, operand (operands, 0), operand (operands, 1),
                                    operand (operands, 2), operand (operands, 3) != NULL, error);

  printf ("%" G_GINT64_FORMAT "\n", count);
  return count >= 0;
}

static gboolean
change (AgbCatalog *catalog, const char *command, char **operands, GError **error)
{
  if (g_str_equal (command, "insert"))
    return insert (catalog, operands, error);
  if (g_str_equal (command, "update"))
    return agb_catalog_update_session (catalog, operands[0], error, operands[1],
                                       operand (operands, 2), NULL);
  if (g_str_equal (command, "fill"))
    return fill (catalog, operands, error);
  if (g_str_equal (command, "event"))
    return agb_catalog_add_event (catalog, operands[0], "info", "noted", error, "%s", operands[1]);
  if (g_str_equal (command, "sync"))
    return record_sync (catalog, operands, error);
  if (g_str_equal (command, "journal"))
    return leave_journal (catalog, operands, error);
  if (g_str_equal (command, "finish"))
    return finish (catalog, operands[0], error);
  if (g_str_equal (command, "prune"))
    return prune (catalog, operands, error);
  return TRUE;
}

static gboolean
run (const char *command, char **operands, GError **error)
{
  static const char *const readers[]
      = { "read", "get", "list", "events", "syncs", "journals", "check", "counter", NULL };
  gboolean reads = g_strv_contains (readers, command);
  g_autofree char *aside = NULL;

  if (g_str_equal (command, "aside"))
    return agb_catalog_set_aside (&aside, error) && puts (aside) >= 0;
  g_autoptr (AgbCatalog) catalog = agb_catalog_open (reads ? AGB_CATALOG_READ_ONLY : 0, error);
  if (catalog == NULL)
    return FALSE;
  return reads ? look (catalog, command, operands, error)
               : change (catalog, command, operands, error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  (void)argc;
  agb_interrupt_init ();
  if (run (argv[1], argv + 2, &error))
    return 0;
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;
  agb_error_split (error, &message, &hint);
  fprintf (stderr, "fatal: %s\nhint: %s\n", message, hint != NULL ? hint : "-");
  return error->code;
}
