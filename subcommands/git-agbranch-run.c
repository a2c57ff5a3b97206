/* run: one command in a session, its exit status ours.
 *
 * Our stdin goes to it, SIGINT and SIGTERM are passed on.  When run itself is killed, the command ends
 * with it; nothing is left behind. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "core/progress.h"
#include "core/time.h"
#include "session/enter.h"
#include "session/variables.h"
#include "subcommands/own-failure.h"

enum { JSON_OUTPUT_LIMIT = 64 * 1024 * 1024 };

typedef struct {
  char *timeout;
  char **env;
  char **env_files;
  gboolean forward_agent;
} RunOptions;

static void
run_options_clear (RunOptions *options)
{
  g_free (options->timeout);
  g_strfreev (options->env);
  g_strfreev (options->env_files);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RunOptions, run_options_clear)

/* KEY with TEXT as a string, or in base64 when it is not UTF-8; KEY_encoding says which. */
static void
add_output (cJSON *object, const char *key, const GString *text)
{
  g_autofree char *encoding_key = g_strconcat (key, "_encoding", NULL);
  gboolean is_text = g_utf8_validate (text->str, (gssize)text->len, NULL);

  if (is_text)
    agb_json_add_string (object, key, text->str);
  else
    {
      g_autofree char *encoded = g_base64_encode ((const guchar *)text->str, text->len);
      agb_json_add_string (object, key, encoded);
    }
  agb_json_add_string (object, encoding_key, is_text ? "utf-8" : "base64");
}

static void
print_collected (const AgbCollected *collected, int status, AgbProgress *phases)
{
  const AgbChildResult *output = &collected->output;
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  add_output (object, "stdout", output->output);
  add_output (object, "stderr", output->errors);
  cJSON_AddNumberToObject (object, "exit_code", status);
  if (output->signal != 0)
    cJSON_AddNumberToObject (object, "signal", output->signal);
  else
    cJSON_AddNullToObject (object, "signal");
  cJSON_AddNumberToObject (object, "duration_ms", (double)collected->duration_ms);
  cJSON_AddBoolToObject (object, "timed_out", collected->timed_out);
  agb_json_add_phases (object, phases);
  agb_print_json (object, FALSE);
}

static gboolean
run_in_guest (AgbContext *ctx, const RunOptions *options, GError **error)
{
  gint64 timeout_ms = AGB_TIMEOUT_NONE;

  if (options->timeout != NULL && !agb_duration_parse (options->timeout, &timeout_ms, error))
    return FALSE;
  const AgbVariables variables = { .named = (const char *const *)options->env,
                                   .files = (const char *const *)options->env_files };
  g_auto (GStrv) env = agb_variables (NULL, &variables, error);
  if (env == NULL)
    return FALSE;
  /* Its own, and quiet: what a command prints is all that is seen of run. */
  g_autoptr (AgbProgress) phases = agb_progress_new (AGB_PROGRESS_QUIET);
  agb_progress_phase (phases, "reaching the guest");
  g_autoptr (AgbEntered) entered = agb_enter_open (ctx->session, ctx->progress, error);
  if (entered == NULL || (options->forward_agent && !agb_enter_check_ssh (entered, error)))
    return FALSE;
  const AgbExecSpec spec = { .argv = (const char *const *)ctx->command,
                             .env = (const char *const *)env,
                             .forward_ssh_agent = options->forward_agent };
  g_autoptr (AgbGuestProcess) process = agb_enter_exec (entered, &spec, error);
  if (process == NULL)
    return FALSE;
  agb_progress_phase (phases, "running the command");
  if (!ctx->json)
    return agb_guest_relay (process, timeout_ms, &ctx->exit_status, error);

  g_auto (AgbCollected) collected = { 0 };
  if (!agb_enter_collect (process, JSON_OUTPUT_LIMIT, timeout_ms, &collected, error))
    return FALSE;
  ctx->exit_status = collected.timed_out ? AGB_ERROR_TIMEOUT : collected.output.status;
  agb_progress_phase (phases, NULL);
  print_collected (&collected, ctx->exit_status, phases);
  return TRUE;
}

static const char *const usage[]
    = { "git agbranch run [<options>] [<session>] -- <command> [<argument>...]", NULL };

static gboolean
run_run (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (RunOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &options.timeout,
      "end the command after that time, with exit status 124", "<duration>" },
    { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.env,
      "set a variable for the command; a name alone takes the host's value", "<name>[=<value>]" },
    { "env-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.env_files,
      "set variables for the command, a line each", "<file>" },
    { "forward-ssh-agent", 0, 0, G_OPTION_ARG_NONE, &options.forward_agent,
      "let the guest use the keys of your ssh agent meanwhile", NULL },
    G_OPTION_ENTRY_NULL,
  };
  GError *problem = NULL;

  if (agb_options_parse (ctx, entries, &argc, &argv, 0, &problem))
    {
      if (ctx->command != NULL && ctx->command[0] != NULL)
        {
          if (run_in_guest (ctx, &options, &problem))
            return TRUE;
        }
      else
        g_set_error_literal (&problem, AGB_ERROR, AGB_ERROR_USAGE,
                             "there is no command after '--'");
    }
  return agb_own_failure (ctx, problem, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "run",
                                .usage = usage,
                                .flags = AGB_VERB_JSON | AGB_VERB_SESSION | AGB_VERB_COMMAND,
                                .run = run_run };

  return agb_main (argc, argv, &verb);
}
