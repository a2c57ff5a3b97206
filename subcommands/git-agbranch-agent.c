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
#include "session/provider.h"
#include "subcommands/import-options.h"

typedef struct {
  char *provider;
  char *prompt;
  char **imports;
  char **env;
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
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgentOptions, agent_options_clear)

static void
print_agent (AgbContext *ctx, const AgbSession *session, const char *status)
{
  const char *label = session->provider_kind != NULL ? session->provider_kind : "the agent";

  if (!ctx->json)
    {
      agb_print ("%s in session '%s': %s\n", label, session->name, status);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "provider", session->provider_kind);
  agb_json_add_string (object, "agent_window", AGB_AGENT_WINDOW);
  agb_json_add_string (object, "status", status);
  cJSON_AddItemToObject (object, "imported_provider_files", agb_provider_imported (session));
  agb_print_json (object, FALSE);
}

static gboolean
fill_request (AgbContext *ctx, const AgentOptions *options, AgbAgentRequest *request,
              GError **error)
{
  request->extra = (const char *const *)ctx->command;
  request->env = (const char *const *)options->env;
  if (options->provider != NULL)
    request->profile = agb_agent_profile (options->provider, error);
  else if (ctx->command == NULL || ctx->command[0] == NULL)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                         "neither --provider nor a command after '--'");
  else if (options->prompt != NULL || options->imports != NULL)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                         "--prompt and --import need --provider");
  else
    return TRUE;
  if (request->profile == NULL)
    return FALSE;
  request->imports = agb_choose_imports (
      ctx, request->profile, (const char *const *)options->imports, options->yes, error);
  return request->imports != NULL;
}

static gboolean
start_agent (AgbContext *ctx, const AgentOptions *options, GError **error)
{
  g_autofree char *prompt = NULL;
  g_autofree char *name = NULL;
  AgbAgentRequest request = { 0 };

  gboolean ready = fill_request (ctx, options, &request, error);
  g_autoptr (GPtrArray) imports G_GNUC_UNUSED = request.imports; /* frees them */
  if (!ready)
    return FALSE;
  if (options->prompt != NULL && (prompt = agb_agent_prompt (options->prompt, error)) == NULL)
    return FALSE;
  request.prompt = prompt;
  {
    g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
    g_autoptr (AgbHeld) held
        = env != NULL ? agb_hold (env, ctx->session, "agent", TRUE, error) : NULL;
    if (held == NULL || !agb_session_agent_start (held, &request, error))
      return FALSE;
    print_agent (ctx, held->session, "started");
    name = g_strdup (held->session->name);
  }
  /* Attached without the lock: others work on the session meanwhile. */
  return agb_attach_agent (name, !ctx->json && !options->detach, ctx->progress, &ctx->exit_status,
                           error);
}

static gboolean
stop_agent (AgbContext *ctx, GError **error)
{
  gboolean was_there = FALSE;

  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  g_autoptr (AgbHeld) held
      = env != NULL ? agb_hold (env, ctx->session, "agent", TRUE, error) : NULL;
  if (held == NULL || !agb_session_agent_stop (held, &was_there, error))
    return FALSE;
  print_agent (ctx, held->session, was_there ? "stopped" : "not_running");
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
      "give the guest files of the provider: settings, credentials, or one file", "<name>" },
    { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.env,
      "set a variable for the agent; a name alone takes the host's value", "<name>[=<value>]" },
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
