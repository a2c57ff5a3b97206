/* sync: bring the guest's commits onto the review branch, only ever forward.  Killed half-way, the
 * next command on the session finishes it or takes it back. */
#include "core/error.h"
#include "core/main.h"
#include "subcommands/sync-report.h"

static const char *const usage[] = { "git agbranch sync [<options>] [<session>]", NULL };

static gboolean
run_sync (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean yes = FALSE, include_dirty = FALSE;
  g_autofree char *patch = NULL;
  const GOptionEntry entries[] = {
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, "for scripts of agbranch 0.1; nothing is asked",
      NULL },
    { "include-dirty", 0, 0, G_OPTION_ARG_NONE, &include_dirty,
      "commit what is not committed in the session first", NULL },
    { "export-patch", 0, 0, G_OPTION_ARG_FILENAME, &patch, "write the new commits as a patch too",
      "<file>" },
    G_OPTION_ENTRY_NULL,
  };
  g_auto (AgbSyncOutcome) outcome = { 0 };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autofree char *patch_path = patch != NULL ? g_canonicalize_filename (patch, NULL) : NULL;
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbHeld) held = agb_hold (env, ctx->session, "sync", FALSE, error);
  AgbSyncOptions options = { .include_dirty = include_dirty, .export_patch = patch_path };
  if (held == NULL || !agb_session_sync (held, &options, &outcome, error))
    return FALSE;
  agb_report_sync (ctx, held->session, &outcome);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "sync",
                                .usage = usage,
                                .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION,
                                .run = run_sync };

  return agb_main (argc, argv, &verb);
}
