#include "session/held.h"

static gboolean
open_repo (AgbHeld *held, gboolean may_be_gone, GError **error)
{
  held->settings = held->env->settings;
  if (agb_session_is_sandbox (held->session))
    return TRUE;
  if (!may_be_gone)
    held->repo = agb_env_session_repo (held->env, held->session, TRUE, error);
  else if (!agb_env_session_repo_if_there (held->env, held->session, &held->repo, error))
    return FALSE;
  if (held->repo == NULL)
    return may_be_gone;
  held->settings = agb_env_repo_settings (held->env, held->repo, &held->own_settings, error);
  return held->settings != NULL;
}

AgbHeld *
agb_hold (AgbEnv *env, const char *name, const char *operation, gboolean repo_may_be_gone,
          GError **error)
{
  g_autoptr (AgbSession) named = agb_env_session (env, name, FALSE, error);
  g_autoptr (AgbHeld) held = g_new0 (AgbHeld, 1);

  held->env = env;
  if (named == NULL)
    return NULL;
  held->lock = agb_env_lock (env, named->name, operation, error);
  if (held->lock == NULL)
    return NULL;
  /* Whoever had the lock before us, or the recovery, may have changed it. */
  held->session = agb_env_session (env, named->name, FALSE, error);
  if (held->session == NULL || !open_repo (held, repo_may_be_gone, error))
    return NULL;
  held->runtime = agb_env_session_runtime (env, held->session, error);
  if (held->runtime == NULL)
    return NULL;
  return g_steal_pointer (&held);
}

void
agb_held_free (AgbHeld *held)
{
  g_clear_pointer (&held->runtime, agb_runtime_free);
  g_clear_pointer (&held->own_settings, agb_settings_free);
  g_clear_pointer (&held->repo, agb_repo_free);
  g_clear_pointer (&held->session, agb_session_free);
  g_clear_pointer (&held->lock, agb_lock_release);
  g_free (held);
}
