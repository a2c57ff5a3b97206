#include "session/env.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/paths.h"
#include "session/recover.h"

#include <unistd.h>

/* The repository of the working directory.  Most verbs work by session name outside any; one that
 * changes something still hears why the repository it is called in cannot be used. */
static gboolean
open_repo (AgbEnv *env, AgbEnvFlags flags, const char *path, GError **error)
{
  gboolean for_writing = (flags & AGB_ENV_READ_ONLY) == 0;
  g_autoptr (GError) problem = NULL;

  if (path != NULL || (flags & AGB_ENV_NEEDS_REPO) != 0)
    {
      env->repo = agb_repo_open (path, for_writing, error);
      return env->repo != NULL;
    }
  env->repo = agb_repo_open_optional (for_writing, &problem);
  if (problem == NULL || !for_writing)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

AgbEnv *
agb_env_open (AgbEnvFlags flags, const char *repo_path, AgbProgress *progress, GError **error)
{
  g_autoptr (AgbEnv) env = g_new0 (AgbEnv, 1);

  env->progress = progress;
  env->locked = g_ptr_array_new_with_free_func (g_free);
  if ((flags & AGB_ENV_CATALOG_ONLY) == 0)
    {
      if (!open_repo (env, flags, repo_path, error))
        return NULL;
      env->settings = agb_settings_load (env->repo, error);
      if (env->settings == NULL)
        return NULL;
    }
  env->catalog = agb_catalog_open (flags & AGB_ENV_READ_ONLY ? AGB_CATALOG_READ_ONLY : 0, error);
  return env->catalog != NULL ? g_steal_pointer (&env) : NULL;
}

/* The columns lock_owner_pid and lock_operation are for readers of the catalog only; the lock itself
 * is the kernel's, so a failure here harms nobody. */
static void
show_lock (AgbEnv *env, const char *name, const char *operation)
{
  g_autofree char *pid = operation != NULL ? g_strdup_printf ("%d", (int)getpid ()) : NULL;

  agb_catalog_update_session (env->catalog, name, NULL, "lock_owner_pid", pid, "lock_operation",
                              operation, NULL);
}

static void
hide_own_locks (AgbEnv *env)
{
  for (guint i = 0; i < env->locked->len; i++)
    {
      const char *name = g_ptr_array_index (env->locked, i);
      g_autoptr (AgbSession) session = agb_catalog_get_session (env->catalog, name, NULL);

      /* The next one may hold the lock and have written itself in already. */
      if (session != NULL && session->lock_owner_pid == getpid ())
        show_lock (env, name, NULL);
    }
}

void
agb_env_free (AgbEnv *env)
{
  if (env->catalog != NULL)
    {
      hide_own_locks (env);
      agb_catalog_close (env->catalog);
    }
  g_clear_pointer (&env->locked, g_ptr_array_unref);
  g_clear_pointer (&env->settings, agb_settings_free);
  g_clear_pointer (&env->repo, agb_repo_free);
  g_free (env);
}

gboolean
agb_session_is_live (const AgbSession *session)
{
  return g_strcmp0 (session->lifecycle_state, "closed") != 0;
}

gboolean
agb_session_is_sandbox (const AgbSession *session)
{
  return g_strcmp0 (session->session_mode, "sandbox") == 0;
}

static AgbSession *
only_session (AgbEnv *env, GError **error)
{
  AgbSessionFilter filter = { 0 };

  if (env->repo == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                           "no session is named, and this is not a git repository");
      agb_error_hint (error, "name the session; git agbranch ps lists them");
      return NULL;
    }
  filter.git_common_dir = agb_repo_common_dir (env->repo);
  g_autoptr (GPtrArray) sessions = agb_catalog_list_sessions (env->catalog, &filter, error);
  if (sessions == NULL)
    return NULL;
  if (sessions->len == 1)
    return agb_catalog_get_session (env->catalog,
                                    ((AgbSession *)g_ptr_array_index (sessions, 0))->name, error);
  if (sessions->len == 0)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                           "no session is named, and this repository has none");
      agb_error_hint (error, "open one: git agbranch open <session>");
      return NULL;
    }

  g_autoptr (GString) names = g_string_new (NULL);
  for (guint i = 0; i < sessions->len; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "",
                            ((AgbSession *)g_ptr_array_index (sessions, i))->name);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "no session is named, and this repository has %u",
               sessions->len);
  agb_error_hint (error, "name one of: %s", names->str);
  return NULL;
}

AgbSession *
agb_env_session (AgbEnv *env, const char *name, gboolean allow_closed, GError **error)
{
  g_autoptr (AgbSession) session = name != NULL
                                       ? agb_catalog_get_session (env->catalog, name, error)
                                       : only_session (env, error);

  if (session == NULL)
    return NULL;
  if (!allow_closed && !agb_session_is_live (session))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' is closed", session->name);
      agb_error_hint (error, "make it anew: git agbranch %s %s",
                      agb_session_is_sandbox (session) ? "launch" : "open", session->name);
      return NULL;
    }
  return g_steal_pointer (&session);
}

AgbRepo *
agb_env_session_repo (AgbEnv *env, const AgbSession *session, gboolean for_writing, GError **error)
{
  (void)env;
  if (agb_session_is_sandbox (session) || session->git_common_dir == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "sandbox session '%s' has no repository",
                   session->name);
      agb_error_hint (error,
                      "copy files out: git agbranch export %s --from ~/sandbox/%s --to <dir>",
                      session->name, session->name);
      return NULL;
    }

  /* The work tree it was opened from first: its HEAD is the one that matters.  It may have been a
   * linked work tree that is gone by now. */
  AgbRepo *repo = NULL;
  if (session->host_git_root != NULL && g_file_test (session->host_git_root, G_FILE_TEST_IS_DIR))
    repo = agb_repo_open (session->host_git_root, for_writing, NULL);
  if (repo == NULL)
    repo = agb_repo_open (session->git_common_dir, for_writing, error);
  if (repo == NULL)
    g_prefix_error (error, "the repository of session '%s': ", session->name);
  return repo;
}

gboolean
agb_env_session_repo_if_there (AgbEnv *env, const AgbSession *session, AgbRepo **ret_repo,
                               GError **error)
{
  g_autoptr (GError) problem = NULL;

  *ret_repo = NULL;
  if (agb_session_is_sandbox (session))
    return TRUE;
  *ret_repo = agb_env_session_repo (env, session, TRUE, &problem);
  if (agb_interrupted (error))
    {
      g_clear_pointer (ret_repo, agb_repo_free);
      return FALSE;
    }
  if (*ret_repo != NULL || g_error_matches (problem, AGB_ERROR, AGB_ERROR_USER))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

AgbRuntime *
agb_env_session_runtime (AgbEnv *env, const AgbSession *session, GError **error)
{
  return agb_runtime_new (session->runtime != NULL ? session->runtime : "auto", env->settings,
                          error);
}

AgbSettings *
agb_env_repo_settings (AgbEnv *env, AgbRepo *repo, AgbSettings **ret_owned, GError **error)
{
  *ret_owned = NULL;
  if (env->repo != NULL && g_str_equal (agb_repo_git_dir (env->repo), agb_repo_git_dir (repo)))
    return env->settings;
  *ret_owned = agb_settings_load (repo, error);
  return *ret_owned;
}

AgbLock *
agb_env_lock_only (AgbEnv *env, const char *name, const char *operation, GError **error)
{
  g_autofree char *file = g_strconcat (name, ".lock", NULL);
  g_autofree char *path = agb_state_path (error, "locks", file, NULL);

  if (path == NULL)
    return NULL;
  AgbLock *lock = agb_lock_take (
      path, operation, agb_settings_duration_ms (env->settings, "agbranch.lockTimeout"), error);
  if (lock == NULL)
    return NULL;
  show_lock (env, name, operation);
  g_ptr_array_add (env->locked, g_strdup (name));
  return lock;
}

AgbLock *
agb_env_lock (AgbEnv *env, const char *name, const char *operation, GError **error)
{
  g_autoptr (AgbLock) lock = agb_env_lock_only (env, name, operation, error);

  if (lock == NULL || !agb_recover_unfinished (env, name, NULL, error))
    return NULL;
  return g_steal_pointer (&lock);
}

char *
agb_session_key (const AgbSession *session)
{
  return g_strdup_printf ("%s.%" G_GINT64_FORMAT, session->name, session->attempt);
}
