#include "session/enter.h"

#include "core/error.h"
#include "core/time.h"
#include "guest/tmux.h"
#include "session/start.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USED_STAMP_SECONDS = 60 };

AgbEntered *
agb_enter_open (const char *name, AgbProgress *progress, GError **error)
{
  g_autoptr (AgbEntered) entered = g_new0 (AgbEntered, 1);

  entered->env = agb_env_open (name != NULL ? AGB_ENV_CATALOG_ONLY : 0, NULL, progress, error);
  if (entered->env == NULL)
    return NULL;
  entered->session = agb_env_session (entered->env, name, FALSE, error);
  if (entered->session == NULL)
    return NULL;
  entered->runtime = agb_env_session_runtime (entered->env, entered->session, error);
  return entered->runtime != NULL ? g_steal_pointer (&entered) : NULL;
}

void
agb_entered_free (AgbEntered *entered)
{
  g_clear_pointer (&entered->runtime, agb_runtime_free);
  g_clear_pointer (&entered->session, agb_session_free);
  g_clear_pointer (&entered->env, agb_env_free);
  g_free (entered);
}

gboolean
agb_enter_with_settings (AgbEntered *entered, GError **error)
{
  if (entered->env->settings != NULL)
    return TRUE;
  AgbEnv *env = agb_env_open (0, NULL, entered->env->progress, error);
  if (env == NULL)
    return FALSE;
  AgbRuntime *runtime = agb_env_session_runtime (env, entered->session, error);
  if (runtime == NULL)
    {
      agb_env_free (env);
      return FALSE;
    }
  agb_runtime_free (entered->runtime);
  agb_env_free (entered->env);
  entered->runtime = runtime;
  entered->env = env;
  return TRUE;
}

gboolean
agb_enter_wake (AgbEntered *entered, GError **error)
{
  return agb_enter_with_settings (entered, error)
         && agb_session_need_running (entered->env, entered->session, entered->runtime, error);
}

/* TRUE when the catalog says that the guest runs. */
static gboolean
believed_running (const AgbSession *session)
{
  static const char *const states[] = { "running", "syncing", "staging", "applying", NULL };

  return session->lifecycle_state != NULL && g_strv_contains (states, session->lifecycle_state);
}

/* last_used_at is for people and for time limits of hours: a write a command would cost more than the
 * command. */
static void
stamp_used (AgbEntered *entered)
{
  const AgbSession *session = entered->session;
  g_autofree char *now = agb_time_now ();
  gint64 last = session->last_used_at != NULL ? agb_time_parse (session->last_used_at) : -1;

  if (last < 0 || agb_time_parse (now) - last >= USED_STAMP_SECONDS)
    agb_catalog_update_session (entered->env->catalog, session->name, NULL, "last_used_at", now,
                                NULL);
}

AgbGuestProcess *
agb_enter_exec (AgbEntered *entered, const AgbExecSpec *spec, GError **error)
{
  const AgbSession *session = entered->session;
  AgbExecSpec whole = *spec;
  AgbGuestProcess *process = NULL;

  if (whole.cwd == NULL)
    whole.cwd = session->guest_workspace_path;
  if (believed_running (session))
    process = agb_guest_exec (entered->runtime, session->vm_name, &whole, NULL);
  if (process == NULL)
    {
      if (!agb_enter_wake (entered, error))
        return NULL;
      process = agb_guest_exec (entered->runtime, session->vm_name, &whole, error);
    }
  if (process != NULL)
    stamp_used (entered);
  return process;
}

/* TERM as far as guests know it: what is newer than their terminfo would leave the screen a mess. */
static const char *
guest_term (void)
{
  static const char *const known[] = { "xterm", "xterm-256color", "screen", "screen-256color",
                                       "tmux",  "tmux-256color",  "linux",  "vt100",
                                       "vt220", "rxvt",           "dumb",   NULL };
  const char *term = g_getenv ("TERM");

  return term != NULL && g_strv_contains (known, term) ? term : NULL;
}

gboolean
agb_enter_check_terminal (AgbEntered *entered, GError **error)
{
  if (isatty (STDIN_FILENO) && isatty (STDOUT_FILENO))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' can be entered from a terminal only",
               entered->session->name);
  agb_error_hint (error, "run a single command: git agbranch run %s -- <command>",
                  entered->session->name);
  return FALSE;
}

gboolean
agb_enter_terminal (AgbEntered *entered, const char *const *argv, int *ret_status, GError **error)
{
  struct winsize size = { .ws_row = 24, .ws_col = 80 };

  if (!agb_enter_check_terminal (entered, error))
    return FALSE;
  ioctl (STDIN_FILENO, TIOCGWINSZ, &size);
  const AgbExecSpec spec = { .argv = argv,
                             .tty = TRUE,
                             .term = guest_term (),
                             .rows = MAX (size.ws_row, 1),
                             .columns = MAX (size.ws_col, 1) };
  g_autoptr (AgbGuestProcess) process = agb_enter_exec (entered, &spec, error);
  return process != NULL && agb_guest_relay (process, AGB_TIMEOUT_NONE, ret_status, error);
}

static gboolean
no_window (const AgbSession *session, const char *window, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' has no %s window", session->name,
               window);
  if (g_str_equal (window, AGB_AGENT_WINDOW))
    agb_error_hint (error, "make it: git agbranch agent start %s --provider <profile>",
                    session->name);
  else
    agb_error_hint (error, "make it: git agbranch start %s", session->name);
  return FALSE;
}

const char *
agb_enter_window (AgbEntered *entered, const char *named, GError **error)
{
  const AgbSession *session = entered->session;
  const char *window = named != NULL && g_str_equal (named, AGB_SHELL_WINDOW) ? AGB_SHELL_WINDOW
                                                                              : AGB_AGENT_WINDOW;

  if (named != NULL && !g_str_equal (named, window))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "no window '%s': there are shell and agent",
                   named);
      return NULL;
    }
  const char *state = agb_tmux_window_state (entered->runtime, session, window);
  if (named == NULL && !g_str_equal (state, "live"))
    {
      window = AGB_SHELL_WINDOW;
      state = agb_tmux_window_state (entered->runtime, session, window);
    }
  if (g_str_equal (state, "unknown"))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the guest of session '%s' does not answer",
                   session->name);
      agb_error_hint (error, "start it anew: git agbranch kill %s && git agbranch start %s",
                      session->name, session->name);
      return NULL;
    }
  if (g_str_equal (state, "missing"))
    {
      no_window (session, window, error);
      return NULL;
    }
  return window;
}

gboolean
agb_enter_ssh (AgbEntered *entered, char **ret_config_file, char **ret_host_alias, GError **error)
{
  const struct AgbRuntimeClass *klass = entered->runtime->klass;

  if ((klass->flags & AGB_RUNTIME_HAS_SSH) == 0 || klass->ssh == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "session '%s' has no ssh: the %s runtime needs none", entered->session->name,
                   klass->name);
      agb_error_hint (error, "enter it with: git agbranch shell %s", entered->session->name);
      return FALSE;
    }
  return klass->ssh (entered->runtime, entered->session->vm_name, ret_config_file, ret_host_alias,
                     error);
}

char *
agb_enter_path (const AgbSession *session, const char *path)
{
  const char *home = g_get_home_dir ();
  gsize length = home != NULL ? strlen (home) : 0;
  const char *below_home = NULL;

  if (g_str_equal (path, "~") || g_str_has_prefix (path, "~/"))
    below_home = path + 1;
  else if (length > 1 && strncmp (path, home, length) == 0
           && (path[length] == '/' || path[length] == '\0'))
    below_home = path + length;
  if (below_home == NULL)
    return g_canonicalize_filename (path, session->guest_workspace_path);
  g_autofree char *joined = g_strconcat (AGB_GUEST_HOME, "/", below_home, NULL);
  return g_canonicalize_filename (joined, "/");
}
