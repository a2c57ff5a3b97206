/* hooks: put our git hooks into this repository, take them away, say how they stand.  `hooks run` is
 * what the hooks themselves call. */
#include "core/error.h"
#include "core/io.h"
#include "core/main.h"
#include "core/output.h"
#include "session/hooks.h"

#include <glib.h>
#include <stdio.h>
#include <unistd.h>

enum { INPUT_MAX = 64 << 20 };

static void
print_json (const GPtrArray *hooks)
{
  g_autoptr (cJSON) array = cJSON_CreateArray ();

  for (guint i = 0; i < hooks->len; i++)
    {
      const AgbHook *hook = g_ptr_array_index (hooks, i);
      cJSON *object = cJSON_CreateObject ();
      cJSON_AddItemToArray (array, object);
      agb_json_add_string (object, "hook", hook->name);
      agb_json_add_string (object, "state", hook->state);
      cJSON_AddBoolToObject (object, "chained", hook->chained);
      agb_json_add_string (object, "path", hook->path);
    }
  agb_print_json (array, FALSE);
}

static gboolean
print_status (AgbContext *ctx, AgbRepo *repo, GError **error)
{
  static const char *const headers[] = { "HOOK", "STATE", "CHAINED", "*PATH", NULL };
  g_autoptr (GPtrArray) hooks = agb_hooks_status (repo, error);

  if (hooks == NULL)
    return FALSE;
  if (ctx->json)
    {
      print_json (hooks);
      return TRUE;
    }
  g_autoptr (AgbTable) table = agb_table_new (headers);
  for (guint i = 0; i < hooks->len; i++)
    {
      const AgbHook *hook = g_ptr_array_index (hooks, i);
      const char *const cells[]
          = { hook->name, hook->state, hook->chained ? "yes" : "no", hook->path, NULL };
      agb_table_add (table, cells);
    }
  agb_table_print (table);
  return TRUE;
}

static char *
read_input (GError **error)
{
  g_autoptr (GString) input = g_string_new (NULL);
  char buffer[8192];
  ssize_t length;

  while ((length = read (STDIN_FILENO, buffer, sizeof buffer)) > 0 && input->len < INPUT_MAX)
    g_string_append_len (input, buffer, length);
  if (length != 0)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_FILE,
                           "cannot read what git said to the hook");
      return NULL;
    }
  return g_string_free (g_steal_pointer (&input), FALSE);
}

static gboolean
run_hook (AgbContext *ctx, AgbRepo *repo, const char *name, GError **error)
{
  gboolean writes = g_str_equal (name, "post-checkout");
  g_autofree char *input = read_input (error);

  if (input == NULL)
    return FALSE;
  g_autoptr (AgbCatalog) catalog = agb_catalog_open (writes ? 0 : AGB_CATALOG_READ_ONLY, error);
  return catalog != NULL && agb_hooks_run (repo, catalog, name, input, ctx->progress, error);
}

static const char *const usage[]
    = { "git agbranch hooks install", "git agbranch hooks remove",
        "git agbranch hooks status [--json]", "git agbranch hooks run <hook>", NULL };

static gboolean
run_hooks (AgbContext *ctx, int argc, char **argv, GError **error)
{
  if (!agb_options_parse (ctx, NULL, &argc, &argv, 2, error))
    return FALSE;
  const char *action = argc > 1 ? argv[1] : "";
  gboolean run = g_str_equal (action, "run");
  if (argc > 2 && !run)
    {
      g_autofree char *shown = g_strescape (argv[2], NULL);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "unexpected operand '%s'", shown);
      return FALSE;
    }
  if (argc != (run ? 3 : 2))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                           run ? "which hook?" : "say install, remove, status or run");
      return FALSE;
    }
  gboolean install = g_str_equal (action, "install"), remove = g_str_equal (action, "remove");
  if (!run && !install && !remove && !g_str_equal (action, "status"))
    {
      g_autofree char *shown = g_strescape (action, NULL);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "unknown action '%s'", shown);
      return FALSE;
    }

  g_autoptr (AgbRepo) repo = agb_repo_open (NULL, install || remove, error);
  if (repo == NULL)
    return FALSE;
  if (run)
    return run_hook (ctx, repo, argv[2], error);
  if (install && !agb_hooks_install (repo, ctx->progress, error))
    return FALSE;
  if (remove && !agb_hooks_remove (repo, ctx->progress, error))
    return FALSE;
  return print_status (ctx, repo, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "hooks", .usage = usage, .flags = AGB_VERB_JSON, .run = run_hooks };

  return agb_main (argc, argv, &verb);
}
