/* repair: make journal, refs, catalog and guests agree again.  It may be killed and repeated at will. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "session/repair.h"

static const char *const usage[] = {
  "git agbranch repair [--json] [<session>]",
  "git agbranch repair --all [--json]",
  NULL,
};

static cJSON *
repair_json (const AgbRepair *repair)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "session", repair->session);
  agb_json_add_string (object, "lifecycle_state", repair->lifecycle_state);
  agb_json_add_string (object, "action", repair->action);
  agb_json_add_string (object, "detail", repair->detail);
  return object;
}

/* What only the user can decide is exit 3. */
static void
set_status (AgbContext *ctx, const AgbRepair *repair)
{
  if (g_str_equal (repair->action, "blocked"))
    ctx->exit_status = AGB_ERROR_ACTION;
}

static void
print_one (AgbContext *ctx, const AgbRepair *repair)
{
  set_status (ctx, repair);
  if (!ctx->json)
    {
      agb_print ("%s: %s (%s): %s\n", repair->session, repair->action, repair->lifecycle_state,
                 repair->detail);
      return;
    }
  g_autoptr (cJSON) object = repair_json (repair);
  agb_print_json (object, FALSE);
}

static void
print_all (AgbContext *ctx, const GPtrArray *repairs)
{
  static const char *const headers[] = { "SESSION", "STATE", "ACTION", "*DETAIL", NULL };
  g_autoptr (cJSON) array = cJSON_CreateArray ();
  g_autoptr (AgbTable) table = agb_table_new (headers);

  for (guint i = 0; i < repairs->len; i++)
    {
      const AgbRepair *repair = g_ptr_array_index (repairs, i);
      set_status (ctx, repair);
      cJSON_AddItemToArray (array, repair_json (repair));
      agb_table_add (table, (const char *const[]){ repair->session, repair->lifecycle_state,
                                                   repair->action, repair->detail });
    }
  if (ctx->json)
    agb_print_json (array, FALSE);
  else if (repairs->len == 0)
    agb_print ("nothing to repair: there is no session\n");
  else
    agb_table_print (table);
}

static gboolean
repair_all (AgbContext *ctx, AgbEnv *env, GError **error)
{
  g_autoptr (GPtrArray) repairs = agb_repair_all (env, error);

  if (repairs == NULL)
    return FALSE;
  print_all (ctx, repairs);
  return TRUE;
}

static gboolean
run_repair (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean all = FALSE;
  const GOptionEntry entries[] = {
    { "all", 0, 0, G_OPTION_ARG_NONE, &all,
      "every session, guests without one, and a damaged catalog", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autofree char *aside = NULL;

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  if (all && ctx->session != NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "--all takes no session");
      return FALSE;
    }
  g_autoptr (AgbEnv) env = agb_repair_open (all, ctx->progress, &aside, error);
  if (env == NULL)
    return FALSE;
  if (aside != NULL)
    agb_progress_note (ctx->progress, "the damaged catalog was moved to '%s'", aside);
  if (all)
    return repair_all (ctx, env, error);
  g_autoptr (AgbRepair) repair = agb_repair_session (env, ctx->session, error);
  if (repair == NULL)
    return FALSE;
  print_one (ctx, repair);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "repair", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_repair
  };

  return agb_main (argc, argv, &verb);
}
