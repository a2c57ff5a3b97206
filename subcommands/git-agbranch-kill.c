/* kill: end a session's guest at once, without asking it.  Its files stay, `start` brings it back. */
#include "core/main.h"
#include "core/output.h"
#include "session/held.h"
#include "session/stop.h"

/* With --force nobody is waited for, so there is no lock: for a session whose command hangs. */
static AgbSession *
kill_unlocked (AgbEnv *env, const char *name, GError **error)
{
  g_autoptr (AgbSession) session = agb_env_session (env, name, FALSE, error);
  g_autoptr (AgbRuntime) runtime
      = session != NULL ? agb_env_session_runtime (env, session, error) : NULL;

  if (runtime == NULL
      || !agb_session_stop (env, session, runtime, AGB_STOP_KILL | AGB_STOP_UNLOCKED, error))
    return NULL;
  return g_steal_pointer (&session);
}

static AgbSession *
kill_locked (AgbEnv *env, const char *name, GError **error)
{
  g_autoptr (AgbHeld) held = agb_hold (env, name, "kill", TRUE, error);

  if (held == NULL || !agb_session_stop (env, held->session, held->runtime, AGB_STOP_KILL, error))
    return NULL;
  return g_steal_pointer (&held->session);
}

static void
print_killed (AgbContext *ctx, const AgbSession *session, gboolean force)
{
  if (!ctx->json)
    {
      agb_print ("session '%s' was killed\n", session->name);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "vm_name", session->vm_name);
  cJSON_AddBoolToObject (object, "force", force);
  agb_json_add_string (object, "lifecycle_state", session->lifecycle_state);
  agb_print_json (object, FALSE);
}

static const char *const usage[] = { "git agbranch kill [--force] [--json] [<session>]", NULL };

static gboolean
run_kill (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "also while another command works on the session",
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbSession) session
      = force ? kill_unlocked (env, ctx->session, error) : kill_locked (env, ctx->session, error);
  if (session == NULL)
    return FALSE;
  print_killed (ctx, session, force);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "kill", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_kill
  };

  return agb_main (argc, argv, &verb);
}
