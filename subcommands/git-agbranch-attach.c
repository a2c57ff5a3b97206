/* attach: look at a window of a session and work in it.  Leaving it (C-b d) ends nothing. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "guest/tmux.h"
#include "session/attach.h"

#include <unistd.h>

static void
print_json (AgbEntered *entered, const char *window)
{
  g_autofree char *config_file = NULL;
  g_autofree char *host_alias = NULL;
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  agb_enter_ssh (entered, &config_file, &host_alias, NULL); /* both are null without ssh */
  agb_json_add_string (object, "session", entered->session->name);
  agb_json_add_string (object, "target", window);
  agb_json_add_string (object, "ssh_config_file", config_file);
  agb_json_add_string (object, "host_alias", host_alias);
  agb_print_json (object, FALSE);
}

static const char *const usage[]
    = { "git agbranch attach [--window <name>] [--read-only] [--json] [<session>]", NULL };

static gboolean
run_attach (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_autofree char *window = NULL;
  gboolean read_only = FALSE;
  const GOptionEntry entries[] = {
    { "window", 0, 0, G_OPTION_ARG_STRING, &window,
      "shell or agent; without it the agent's when it lives", "<name>" },
    { "read-only", 'r', 0, G_OPTION_ARG_NONE, &read_only, "only look: keys do nothing", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEntered) entered = agb_enter_open (ctx->session, ctx->progress, error);
  if (entered == NULL)
    return FALSE;
  if (!ctx->json)
    return agb_attach (entered, window, read_only, &ctx->exit_status, error);

  const char *target = agb_enter_window (entered, window, FALSE, error);
  if (target == NULL)
    return FALSE;
  print_json (entered, target);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "attach", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_attach
  };

  return agb_main (argc, argv, &verb);
}
