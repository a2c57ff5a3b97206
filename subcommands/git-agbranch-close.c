/* close: end a session, after a last sync or with its work saved to a rescue ref.  Killed before the
 * guest is destroyed, the session stays open; after that, the next command finishes the close. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "session/close.h"
#include "subcommands/sync-report.h"

static const char *const usage[]
    = { "git agbranch close (--sync | --discard) [--yes] [<session>]", NULL };

static gboolean
check_mode (const AgbHeld *held, gboolean sync, gboolean discard, GError **error)
{
  const char *name = held->session->name;

  if (sync == discard)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "close of '%s' needs either --sync or --discard", name);
      agb_error_hint (error, "git agbranch close %s %s", name,
                      agb_session_is_sandbox (held->session) ? "--discard" : "--sync");
      return FALSE;
    }
  if (!sync || !agb_session_is_sandbox (held->session))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "sandbox session '%s' has no way back by git: --sync is not possible", name);
  agb_error_hint (error,
                  "git agbranch export %s --from ~/sandbox/%s --to <dir>, then close it with "
                  "--discard",
                  name, name);
  return FALSE;
}

static gboolean
confirm (AgbContext *ctx, const AgbHeld *held, gboolean discard, gboolean yes, GError **error)
{
  const char *name = held->session->name;
  g_autofree char *question
      = g_strdup_printf (discard ? "discard session '%s' and remove its guest?"
                                 : "sync session '%s' and remove its guest?",
                         name);
  g_autofree char *hint
      = g_strdup_printf ("git agbranch close %s %s --yes", name, discard ? "--discard" : "--sync");

  if (yes)
    return TRUE;
  if (!agb_confirm (ctx, question, hint, &yes, error))
    return FALSE;
  if (!yes)
    g_set_error (error, AGB_ERROR, AGB_ERROR_ACTION, "session '%s' stays open", name);
  return yes;
}

static void
print_closed (const AgbContext *ctx, const AgbSession *session, gboolean discard,
              const AgbCloseOutcome *outcome)
{
  if (!ctx->json)
    {
      if (!discard)
        agb_print_sync (session, &outcome->sync);
      agb_print ("session %s is closed, its guest is gone\n", session->name);
      if (outcome->rescue.ref != NULL)
        agb_print ("work that is on no branch: git agbranch rescue show %s\n",
                   outcome->rescue.ref + sizeof "refs/agbranch/rescue/" - 1);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "outcome", discard ? "discard" : "sync");
  agb_json_add_string (object, "destroy_result", "destroyed");
  agb_json_add_string (object, "rescue_ref", outcome->rescue.ref);
  agb_json_add_string (object, "rescue_bundle", outcome->rescue.bundle_path);
  agb_json_add_string (object, "rescue_problem", outcome->rescue.problem);
  if (!discard)
    {
      agb_json_add_string (object, "review_branch", session->review_branch);
      agb_json_add_string (object, "new_oid", outcome->sync.new_oid);
      agb_json_add_string (object, "staged_path", outcome->sync.staged_path);
    }
  agb_json_add_phases (object, ctx->progress);
  agb_print_json (object, FALSE);
}

static gboolean
run_close (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean sync = FALSE, discard = FALSE, yes = FALSE;
  const GOptionEntry entries[] = {
    { "sync", 0, 0, G_OPTION_ARG_NONE, &sync, "sync first; when that is blocked, stay open", NULL },
    { "discard", 0, 0, G_OPTION_ARG_NONE, &discard,
      "leave the review branch as it is; unsynced work goes to a rescue ref", NULL },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, "do not ask", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_auto (AgbCloseOutcome) outcome = { 0 };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbHeld) held = agb_hold (env, ctx->session, "close", discard && !sync, error);
  if (held == NULL || !check_mode (held, sync, discard, error)
      || !confirm (ctx, held, discard, yes, error)
      || !agb_session_close (held, discard, &outcome, error))
    return FALSE;
  if (outcome.sync.blocked)
    agb_report_sync (ctx, held->session, &outcome.sync);
  else
    print_closed (ctx, held->session, discard, &outcome);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "close",
                                .usage = usage,
                                .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION,
                                .run = run_close };

  return agb_main (argc, argv, &verb);
}
