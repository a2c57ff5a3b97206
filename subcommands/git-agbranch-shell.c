/* shell: a login shell in a session's workspace, on this terminal.  It ends with the terminal. */
#include "core/main.h"
#include "core/output.h"
#include "session/enter.h"

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

static const char *const usage[] = { "git agbranch shell [--json] [<session>]", NULL };

static gboolean
run_shell (AgbContext *ctx, int argc, char **argv, GError **error)
{
  static const char *const shell[]
      = { "sh", "-c", "exec \"${SHELL:-$(command -v bash || echo sh)}\" -l", NULL };

  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEntered) entered = agb_enter_open (ctx->session, ctx->progress, error);
  if (entered == NULL)
    return FALSE;
  if (!ctx->json)
    return agb_enter_terminal (entered, shell, &ctx->exit_status, error);
  print_json (entered);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "shell", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_shell
  };

  return agb_main (argc, argv, &verb);
}
