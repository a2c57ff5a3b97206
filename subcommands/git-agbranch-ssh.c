/* ssh: become ssh into a session's guest, for runtimes that have it. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "core/trace.h"
#include "session/enter.h"
#include "subcommands/own-failure.h"

#include <errno.h>
#include <unistd.h>

static void
print_json (AgbEntered *entered, const char *config_file, const char *host_alias)
{
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  agb_json_add_string (object, "session", entered->session->name);
  agb_json_add_string (object, "host_alias", host_alias);
  agb_json_add_string (object, "ssh_config_file", config_file);
  agb_print_json (object, FALSE);
}

/* The remote side runs one text in a shell (ssh(1)), so each word of COMMAND is quoted. */
static gboolean
become_ssh (const char *config_file, const char *host_alias, gboolean forward_agent, char **command,
            GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (argv, g_strdup ("ssh"));
  g_ptr_array_add (argv, g_strdup ("-F"));
  g_ptr_array_add (argv, g_strdup (config_file));
  g_ptr_array_add (argv, g_strdup (forward_agent ? "-A" : "-a"));
  /* The connection that is open was made without the agent: this one is made for it. */
  if (forward_agent)
    g_ptr_array_add (argv, g_strdup ("-oControlPath=none"));
  g_ptr_array_add (argv, g_strdup ("--"));
  g_ptr_array_add (argv, g_strdup (host_alias));
  for (; command != NULL && *command != NULL; command++)
    g_ptr_array_add (argv, g_shell_quote (*command));
  g_ptr_array_add (argv, NULL);

  agb_trace_child ((const char *const *)argv->pdata, NULL);
  execvp ("ssh", (char **)argv->pdata);
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot run 'ssh': %s", g_strerror (errno));
  return FALSE;
}

static gboolean
enter (AgbContext *ctx, gboolean forward_agent, GError **error)
{
  g_autofree char *config_file = NULL;
  g_autofree char *host_alias = NULL;

  g_autoptr (AgbEntered) entered = agb_enter_open (ctx->session, ctx->progress, error);
  if (entered == NULL || !agb_enter_ssh (entered, &config_file, &host_alias, error))
    return FALSE;
  if (ctx->json)
    {
      print_json (entered, config_file, host_alias);
      return TRUE;
    }
  if (!agb_enter_wake (entered, error))
    return FALSE;
  g_clear_pointer (&ctx->progress, agb_progress_free);
  return become_ssh (config_file, host_alias, forward_agent, ctx->command, error);
}

static const char *const usage[] = {
  "git agbranch ssh [--forward-ssh-agent] [<session>] [-- <command> [<argument>...]]",
  "git agbranch ssh --json [<session>]",
  NULL,
};

static gboolean
run_ssh (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean forward_agent = FALSE;
  const GOptionEntry entries[] = {
    { "forward-ssh-agent", 0, 0, G_OPTION_ARG_NONE, &forward_agent,
      "let the guest use the keys of your ssh agent while connected", NULL },
    G_OPTION_ENTRY_NULL,
  };
  GError *problem = NULL;

  if (agb_options_parse (ctx, entries, &argc, &argv, 0, &problem)
      && enter (ctx, forward_agent, &problem))
    return TRUE;
  if (ctx->json) /* nothing of the guest's could be meant */
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  return agb_own_failure (ctx, problem, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "ssh",
                                .usage = usage,
                                .flags = AGB_VERB_JSON | AGB_VERB_SESSION | AGB_VERB_COMMAND,
                                .run = run_ssh };

  return agb_main (argc, argv, &verb);
}
