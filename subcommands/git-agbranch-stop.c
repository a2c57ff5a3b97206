/* stop: end everything that runs in a session; its files stay.  Killed half-way: a second stop, or
 * repair, goes on. */
#include "core/main.h"
#include "core/output.h"
#include "session/held.h"
#include "session/stop.h"

static void
print_stopped (AgbContext *ctx, const AgbSession *session)
{
  if (!ctx->json)
    {
      agb_print ("session '%s' is stopped\n", session->name);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "vm_name", session->vm_name);
  agb_json_add_string (object, "lifecycle_state", session->lifecycle_state);
  agb_json_add_phases (object, ctx->progress);
  agb_print_json (object, FALSE);
}

static const char *const usage[] = { "git agbranch stop [--json] [<session>]", NULL };

static gboolean
run_stop (AgbContext *ctx, int argc, char **argv, GError **error)
{
  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  g_autoptr (AgbHeld) held = env != NULL ? agb_hold (env, ctx->session, "stop", TRUE, error) : NULL;
  if (held == NULL || !agb_session_stop (env, held->session, held->runtime, 0, error))
    return FALSE;
  print_stopped (ctx, held->session);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "stop",
                                .usage = usage,
                                .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION,
                                .run = run_stop };

  return agb_main (argc, argv, &verb);
}
