/* shell: a login shell in a session's workspace, on this terminal.  It ends with the terminal. */
#include "core/main.h"
#include "core/output.h"
#include "session/enter.h"
#include "session/variables.h"

typedef struct {
  char **env;
  char **env_files;
  gboolean forward_agent;
} ShellOptions;

static void
shell_options_clear (ShellOptions *options)
{
  g_strfreev (options->env);
  g_strfreev (options->env_files);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShellOptions, shell_options_clear)

static void
print_json (AgbEntered *entered)
{
  g_autofree char *config_file = NULL;
  g_autofree char *host_alias = NULL;
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  agb_enter_ssh (entered, &config_file, &host_alias, NULL); /* both are null without ssh */
  agb_json_add_string (object, "session", entered->session->name);
  agb_json_add_string (object, "host_alias", host_alias);
  agb_json_add_string (object, "ssh_config_file", config_file);
  agb_json_add_string (object, "workdir", entered->session->guest_workspace_path);
  agb_print_json (object, FALSE);
}

static gboolean
enter (AgbContext *ctx, const ShellOptions *options, GError **error)
{
  static const char *const shell[]
      = { "sh", "-c", "exec \"${SHELL:-$(command -v bash || echo sh)}\" -l", NULL };
  const AgbVariables variables = { .named = (const char *const *)options->env,
                                   .files = (const char *const *)options->env_files };
  g_auto (GStrv) env = agb_variables (NULL, &variables, error);
  g_autoptr (AgbEntered) entered
      = env != NULL ? agb_enter_open (ctx->session, ctx->progress, error) : NULL;

  if (entered == NULL || (options->forward_agent && !agb_enter_check_ssh (entered, error)))
    return FALSE;
  const AgbExecSpec spec = { .argv = shell,
                             .env = (const char *const *)env,
                             .forward_ssh_agent = options->forward_agent };
  if (!ctx->json)
    return agb_enter_terminal (entered, &spec, &ctx->exit_status, error);
  print_json (entered);
  return TRUE;
}

static const char *const usage[] = { "git agbranch shell [<options>] [<session>]", NULL };

static gboolean
run_shell (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (ShellOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.env,
      "set a variable for the shell; a name alone takes the host's value", "<name>[=<value>]" },
    { "env-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.env_files,
      "set variables for the shell, a line each", "<file>" },
    { "forward-ssh-agent", 0, 0, G_OPTION_ARG_NONE, &options.forward_agent,
      "let the guest use the keys of your ssh agent meanwhile", NULL },
    G_OPTION_ENTRY_NULL,
  };

  return agb_options_parse (ctx, entries, &argc, &argv, 0, error) && enter (ctx, &options, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "shell", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_shell
  };

  return agb_main (argc, argv, &verb);
}
