/* start: bring a session's guest, its shell window and, if asked, its agent back.  Killed half-way: a
 * second start, or repair, goes on. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "guest/tmux.h"
#include "session/agent-run.h"
#include "session/start.h"
#include "subcommands/agent-options.h"

static void
print_started (AgbContext *ctx, const AgbSession *session, gboolean resumed,
               const AgbRuntimeScript *script, const GError *problem)
{
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  if (problem != NULL)
    agb_error_split (problem, &message, &hint);
  if (message != NULL && !ctx->json)
    agb_progress_warn (ctx->progress, "the agent was not started again: %s%s%s", message,
                       hint != NULL ? "; " : "", hint != NULL ? hint : "");
  if (!ctx->json)
    {
      agb_print ("session '%s' is running%s\n", session->name,
                 resumed ? ", its agent was started again" : "");
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "vm_name", session->vm_name);
  agb_json_add_string (object, "lifecycle_state", session->lifecycle_state);
  cJSON_AddBoolToObject (object, "agent_resumed", resumed);
  agb_json_add_string (object, "agent_problem", message);
  agb_runtime_script_json (object, script);
  agb_print_json (object, FALSE);
}

static gboolean
print_name (AgbContext *ctx, AgbEnv *env, GError **error)
{
  g_autoptr (AgbSession) session = agb_env_session (env, ctx->session, FALSE, error);
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  if (session == NULL)
    return FALSE;
  agb_json_add_string (object, "session", session->name);
  agb_print_json (object, TRUE);
  return TRUE;
}

static const char *const usage[]
    = { "git agbranch start [--resume-agent] [--json] [<session>]", NULL };

static gboolean
run_start (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean resume = FALSE, resumed = FALSE, only_name = FALSE;
  g_auto (AgbRuntimeScript) script = { 0 };
  g_autoptr (GError) problem = NULL;
  AgbAsk ask;
  const GOptionEntry entries[] = {
    { "resume-agent", 0, 0, G_OPTION_ARG_NONE, &resume, "start the agent again too", NULL },
    /* For the programs that enter a session: which one is meant. */
    { "only-name", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &only_name, "", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  if (env != NULL && only_name)
    return print_name (ctx, env, error);
  g_autoptr (AgbHeld) held
      = env != NULL ? agb_hold (env, ctx->session, "start", TRUE, error) : NULL;
  if (held == NULL || !agb_session_start (env, held->session, held->runtime, NULL, error)
      || !agb_tmux_start (held->runtime, held->session, error))
    return FALSE;
  if (resume
          ? !agb_session_agent_resume (held, agb_script_ask (ctx, &ask), &resumed, &script, error)
          : !agb_session_agent_resume_as_set (held, agb_script_ask (ctx, &ask), &resumed, &script,
                                              &problem, error))
    return FALSE;
  print_started (ctx, held->session, resumed, &script, problem);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "start",
                                .usage = usage,
                                .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION,
                                .run = run_start };

  return agb_main (argc, argv, &verb);
}
