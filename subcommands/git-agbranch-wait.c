/* wait: until sessions are idle, wait for the user, are done, have a new commit, are stopped. */
#include "core/error.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "core/time.h"
#include "session/wait.h"

#include <stdio.h>

static void
print_reached (const AgbWaitReached *reached, gpointer data)
{
  const AgbContext *ctx = data;
  const char *what = agb_wait_for_word (reached->what);

  if (ctx->json)
    {
      g_autoptr (cJSON) object = cJSON_CreateObject ();
      agb_json_add_string (object, "session", reached->session);
      agb_json_add_string (object, "for", what);
      if (reached->exit_status >= 0)
        cJSON_AddNumberToObject (object, "exit_status", reached->exit_status);
      else
        cJSON_AddNullToObject (object, "exit_status");
      agb_json_add_string (object, "oid", reached->oid);
      agb_print_json (object, TRUE);
      return;
    }
  if (ctx->quiet)
    return;
  if (reached->oid != NULL)
    agb_print ("%s: %s %s\n", reached->session, what, reached->oid);
  else if (reached->exit_status >= 0)
    agb_print ("%s: %s with status %d\n", reached->session, what, reached->exit_status);
  else
    agb_print ("%s: %s\n", reached->session, what);
  fflush (stdout);
}

/* The names of the sessions, NULL-ended; the caller frees the array and nothing else. */
static const char **
session_names (AgbContext *ctx, const AgbSession *session, int argc, char **argv, GError **error)
{
  g_autofree const char **names = g_new0 (const char *, (gsize)argc + 1);

  names[0] = session->name;
  for (int i = 1; i < argc; i++)
    {
      if (ctx->session == NULL || !agb_session_name_check (argv[i], error))
        return NULL;
      names[i] = argv[i];
    }
  return g_steal_pointer (&names);
}

static const char *const usage[] = {
  "git agbranch wait [--for=<what>] [--any | --all] [--timeout=<time>] [<session>...]",
  NULL,
};

static gboolean
run_wait (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_autofree char *what = NULL, *timeout = NULL, *quiet = NULL;
  gboolean any = FALSE, all = FALSE;
  AgbWaitSpec spec = { .timeout_ms = -1, .quiet_ms = 10 * 1000, .what = AGB_WAIT_EXIT };
  const GOptionEntry entries[] = {
    { "for", 0, 0, G_OPTION_ARG_STRING, &what,
      "idle, waiting, done, exit (the default), commit, stopped", "<what>" },
    { "any", 0, 0, G_OPTION_ARG_NONE, &any, "one of the sessions is enough", NULL },
    { "all", 0, 0, G_OPTION_ARG_NONE, &all, "every one of them (the default)", NULL },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &timeout, "give up after this time, with exit 124",
      "<time>" },
    { "quiet-for", 0, 0, G_OPTION_ARG_STRING, &quiet, "how long without output is idle (10s)",
      "<time>" },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, -1, error))
    return FALSE;
  if (any && all)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "--any and --all exclude each other");
      return FALSE;
    }
  if ((what != NULL && !agb_wait_for_parse (what, &spec.what, error))
      || (timeout != NULL && !agb_duration_parse (timeout, &spec.timeout_ms, error))
      || (quiet != NULL && !agb_duration_parse (quiet, &spec.quiet_ms, error)))
    return FALSE;

  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_READ_ONLY, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbSession) session = agb_env_session (env, ctx->session, TRUE, error);
  if (session == NULL)
    return FALSE;
  g_autofree const char **names = session_names (ctx, session, argc, argv, error);
  if (names == NULL)
    return FALSE;
  spec.sessions = names;
  spec.any = any;
  return agb_wait (env, &spec, print_reached, ctx, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "wait", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_wait
  };

  return agb_main (argc, argv, &verb);
}
