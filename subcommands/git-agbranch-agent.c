/* agent: start or stop the agent of a session that is there.
 *
 * `start` leaves the agent running in its window when it is killed after that; before, nothing but a
 * started guest and imported files. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "guest/tmux.h"
#include "session/agent-run.h"
#include "session/attach.h"
#include "subcommands/agent-options.h"

typedef struct {
  char *provider;
  char *prompt;
  char **imports;
  char **env;
  char **env_files;
  gboolean yes;
  gboolean detach;
} AgentOptions;

static void
agent_options_clear (AgentOptions *options)
{
  g_free (options->provider);
  g_free (options->prompt);
  g_strfreev (options->imports);
  g_strfreev (options->env);
  g_strfreev (options->env_files);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgentOptions, agent_options_clear)

static void
print_agent (AgbContext *ctx, const AgbSession *session, const char *status,
             const AgbRuntimeScript *script)
{
  const char *label = session->provider_kind != NULL ? session->provider_kind : "the agent";

  if (!ctx->json)
    {
      g_autofree char *word = g_strdelimit (g_strdup (status), "_", ' ');
      agb_print ("%s in session '%s': %s\n", label, session->name, word);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "provider", session->provider_kind);
  agb_json_add_string (object, "agent_window", AGB_AGENT_WINDOW);
  agb_json_add_string (object, "status", status);
  cJSON_AddItemToObject (object, "imported_provider_files", agb_provider_imported (session));
  agb_runtime_script_json (object, script);
  agb_print_json (object, FALSE);
}

static gboolean
fill_request (AgbContext *ctx, const AgentOptions *options, AgbAgentRequest *request,
              GError **error)
{
  request->extra = (const char *const *)ctx->command;
  if (options->provider != NULL)
    {
      request->profile = agb_agent_profile (options->provider, error);
      return request->profile != NULL;
    }
  if (ctx->command != NULL && ctx->command[0] != NULL && options->prompt == NULL
      && options->imports == NULL)
    return TRUE;
  g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                       ctx->command == NULL || ctx->command[0] == NULL
                           ? "neither --provider nor a command after '--'"
                           : "--prompt and --import need --provider");
  return FALSE;
}

/* All questions but the one about the runtime script come before the session's lock. */
static gboolean
start_held (AgbContext *ctx, const AgentOptions *options, AgbAgentRequest *request, char **ret_name,
            GError **error)
{
  g_auto (AgbRuntimeScript) script = { 0 };
  AgbAsk ask;

  request->ask = agb_script_ask (ctx, &ask);
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  g_autoptr (AgbSession) session
      = env != NULL ? agb_env_session (env, ctx->session, FALSE, error) : NULL;
  g_autoptr (GPtrArray) imports
      = session != NULL
            ? agb_choose_imports (ctx, request->profile, (const char *const *)options->imports,
                                  options->yes, session, error)
            : NULL;
  request->imports = imports;
  g_autoptr (AgbHeld) held
      = imports != NULL ? agb_hold (env, session->name, "agent", TRUE, error) : NULL;
  if (held == NULL || !agb_session_agent_start (held, request, &script, error))
    return FALSE;
  print_agent (ctx, held->session, "started", &script);
  *ret_name = g_strdup (held->session->name);
  return TRUE;
}

static gboolean
start_agent (AgbContext *ctx, const AgentOptions *options, GError **error)
{
  const AgbVariables variables = { .named = (const char *const *)options->env,
                                   .files = (const char *const *)options->env_files };
  g_autofree char *prompt = NULL;
  g_autofree char *name = NULL;
  AgbAgentRequest request = { .variables = &variables };

  if (!fill_request (ctx, options, &request, error))
    return FALSE;
  if (options->prompt != NULL && (prompt = agb_agent_prompt (options->prompt, error)) == NULL)
    return FALSE;
  request.prompt = prompt;
  /* Attached without the lock: others work on the session meanwhile. */
  return start_held (ctx, options, &request, &name, error)
         && agb_attach_agent (name, !ctx->json && !options->detach, ctx->progress,
                              &ctx->exit_status, error);
}

static gboolean
stop_agent (AgbContext *ctx, GError **error)
{
  static const AgbRuntimeScript none = { 0 };
  gboolean was_there = FALSE;

  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  g_autoptr (AgbHeld) held
      = env != NULL ? agb_hold (env, ctx->session, "agent", TRUE, error) : NULL;
  if (held == NULL || !agb_session_agent_stop (held, &was_there, error))
    return FALSE;
  print_agent (ctx, held->session, was_there ? "stopped" : "not_running", &none);
  return TRUE;
}

/* Takes the first operand, "start" or "stop", out of ARGV; NULL: another or none. */
static const char *
take_action (int *argc, char ***argv)
{
  static const char *const actions[] = { "start", "stop" };

  for (gsize i = 0; *argc > 1 && i < G_N_ELEMENTS (actions); i++)
    if (g_str_equal ((*argv)[1], actions[i]))
      {
        (*argv)[1] = (*argv)[0];
        (*argv)++;
        (*argc)--;
        return actions[i];
      }
  return NULL;
}

static const char *const usage[] = {
  "git agbranch agent start [<options>] --provider <profile> [<session>] [-- <argument>...]",
  "git agbranch agent start [<options>] [<session>] -- <command> [<argument>...]",
  "git agbranch agent stop [--json] [<session>]",
  NULL,
};

static gboolean
run_agent (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (AgentOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "provider", 'a', 0, G_OPTION_ARG_STRING, &options.provider,
      "claude-code (or claude), codex, gemini, opencode, aider", "<profile>" },
    { "prompt", 0, 0, G_OPTION_ARG_STRING, &options.prompt,
      "the first task: a text, @<file>, or - for standard input", "<text>" },
    { "import", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.imports,
      "give the guest files of the provider: settings, credentials, one file, none", "<name>" },
    { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.env,
      "set a variable for the agent; a name alone takes the host's value", "<name>[=<value>]" },
    { "env-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.env_files,
      "variables for the agent, a line each", "<file>" },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &options.yes, "import credentials without asking", NULL },
    { "detach", 'd', 0, G_OPTION_ARG_NONE, &options.detach, "do not attach to the agent's window",
      NULL },
    G_OPTION_ENTRY_NULL,
  };
  const char *action = take_action (&argc, &argv);

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  if (action == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "neither 'start' nor 'stop'");
      return FALSE;
    }
  if (g_str_equal (action, "start"))
    return start_agent (ctx, &options, error);
  return stop_agent (ctx, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "agent",
          .usage = usage,
          .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION | AGB_VERB_COMMAND,
          .run = run_agent };

  return agb_main (argc, argv, &verb);
}
