/* migrate: carry the sessions of agbranch 0.1 on.  Nothing of theirs is removed, and a copy of the catalog
 * is made first; it may be killed and repeated at will. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "session/migrate.h"

static const char *const usage[] = { "git agbranch migrate [--json]", NULL };

static void
print_json (const AgbMigrationReport *report)
{
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  cJSON *array;

  agb_json_add_string (object, "backup", report->backup);
  cJSON_AddBoolToObject (object, "wrote_since", report->wrote_since);
  array = cJSON_AddArrayToObject (object, "sessions");
  for (guint i = 0; i < report->migrations->len; i++)
    {
      const AgbMigration *migration = g_ptr_array_index (report->migrations, i);
      cJSON *item = cJSON_CreateObject ();

      agb_json_add_string (item, "session", migration->session);
      agb_json_add_string (item, "lifecycle_state", migration->lifecycle_state);
      agb_json_add_string (item, "action", migration->action);
      agb_json_add_string (item, "detail", migration->detail);
      cJSON_AddItemToArray (array, item);
    }
  agb_print_json (object, FALSE);
}

static void
print_human (const AgbMigrationReport *report)
{
  static const char *const headers[] = { "SESSION", "STATE", "ACTION", "*DETAIL", NULL };
  g_autoptr (AgbTable) table = agb_table_new (headers);

  for (guint i = 0; i < report->migrations->len; i++)
    {
      const AgbMigration *migration = g_ptr_array_index (report->migrations, i);
      agb_table_add (table, (const char *const[]){ migration->session, migration->lifecycle_state,
                                                   migration->action, migration->detail });
    }
  agb_table_print (table);
  agb_print ("the catalog as it was: %s\n", report->backup);
}

static gboolean
run_migrate (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (AgbMigrationReport) report = { 0 };

  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  if (env == NULL || !agb_migrate (env, &report, error))
    return FALSE;
  for (guint i = 0; i < report.migrations->len; i++)
    if (g_str_equal (((const AgbMigration *)report.migrations->pdata[i])->action, "blocked"))
      ctx->exit_status = AGB_ERROR_ACTION;
  if (report.wrote_since)
    agb_progress_note (
        ctx->progress,
        "agbranch 0.1 has made sessions since the last migration: use one of the two");
  if (ctx->json)
    print_json (&report);
  else if (report.migrations->len == 0)
    agb_print ("nothing to migrate: every session is ours\n");
  else
    print_human (&report);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "migrate", .usage = usage, .flags = AGB_VERB_JSON, .run = run_migrate };

  return agb_main (argc, argv, &verb);
}
