/* gc: removes what nobody needs any more, and says why each thing goes or stays.  Killed at any
 * point, the next gc goes on. */
#include "core/error.h"
#include "core/escape.h"
#include "core/main.h"
#include "core/output.h"
#include "session/gc.h"

static void
print_human (const AgbContext *ctx, const AgbGc *gc)
{
  const char *drop = gc->dry_run ? "would drop" : "dropped";
  guint dropped = 0;

  for (guint i = 0; i < gc->items->len; i++)
    {
      const AgbGcItem *item = g_ptr_array_index (gc->items, i);
      g_autofree char *what = agb_escape (item->what, -1);
      g_autofree char *reason = agb_escape (item->reason, -1);

      dropped += item->drop;
      if (!ctx->quiet)
        agb_print ("%-10s %s: %s\n", item->drop ? drop : "kept", what, reason);
    }
  for (guint i = 0; i < gc->warnings->len; i++)
    {
      g_autofree char *warning = agb_escape (g_ptr_array_index (gc->warnings, i), -1);
      agb_progress_warn (ctx->progress, "%s", warning);
    }
  agb_print ("%s %u %s and %" G_GINT64_FORMAT " rows of the catalog\n", drop, dropped,
             dropped == 1 ? "item" : "items", gc->rows);
}

static const char *const usage[] = { "git agbranch gc [-n | --dry-run] [--json]", NULL };

static gboolean
run_gc (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean dry_run = FALSE;
  const GOptionEntry entries[] = {
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run, "only say what would go", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env
      = agb_env_open (dry_run ? AGB_ENV_READ_ONLY : 0, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbGc) gc = agb_gc_run (env, dry_run, error);
  if (gc == NULL)
    return FALSE;
  if (ctx->json)
    {
      g_autoptr (cJSON) object = agb_gc_to_json (gc);
      agb_print_json (object, FALSE);
    }
  else
    print_human (ctx, gc);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "gc", .usage = usage, .flags = AGB_VERB_JSON, .run = run_gc };

  return agb_main (argc, argv, &verb);
}
