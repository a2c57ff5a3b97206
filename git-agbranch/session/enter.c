#include "session/enter.h"

#include "core/error.h"
#include "core/json.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/home.h"
#include "guest/tmux.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USED_STAMP_SECONDS = 60 };

/* What `start --json` said went wrong, as our own error. */
static gboolean
set_start_error (const AgbChildResult *result, GError **error)
{
  g_autoptr (cJSON) object = cJSON_Parse (result->output->str);
  const cJSON *told = cJSON_GetObjectItemCaseSensitive (object, "error");
  const char *message = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (told, "message"));
  const char *hint = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (told, "hint"));

  if (message == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "'git agbranch start' failed with status %d",
                   result->status);
      return FALSE;
    }
  g_set_error_literal (error, AGB_ERROR, result->status, message);
  if (hint != NULL)
    agb_error_hint (error, "%s", hint);
  return FALSE;
}

/* Run `git agbranch start` for NAME (NULL: that of this repository); with ONLY_NAME it starts nothing.
 * That an agent did not come back is a warning.  ret_name: the caller frees. */
static gboolean
run_start (const char *name, gboolean only_name, AgbProgress *progress, char **ret_name,
           GError **error)
{
  g_autofree char *exec_path = agb_exec_path ();
  g_autofree char *program = g_build_filename (exec_path, "git-agbranch-start", NULL);
  const char *argv[6] = { program, "--json", "--quiet" };
  const AgbChildSpec spec
      = { .argv = argv, .stderr_fd = STDERR_FILENO, .timeout_ms = AGB_TIMEOUT_LONG };
  g_auto (AgbChildResult) result = { 0 };
  gsize count = 3;

  if (only_name)
    argv[count++] = "--only-name";
  if (name != NULL)
    argv[count++] = name;
  if (!agb_child_run (&spec, &result, error))
    return FALSE;
  if (result.status != 0)
    return set_start_error (&result, error);
  g_autoptr (cJSON) object = agb_json_parse (result.output->str, result.output->len,
                                             "git agbranch start", AGB_ERROR_INTERNAL, error);
  const char *found = object != NULL ? agb_json_get_string (object, "session", "git agbranch start",
                                                            AGB_ERROR_INTERNAL, error)
                                     : NULL;
  const char *problem
      = cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "agent_problem"));
  if (problem != NULL)
    agb_progress_warn (progress, "the agent was not started again: %s", problem);
  if (found != NULL && ret_name != NULL)
    *ret_name = g_strdup (found);
  return found != NULL;
}

static gboolean
read_session (AgbEntered *entered, const char *name, GError **error)
{
  AgbSession *session = agb_catalog_get_session (entered->catalog, name, error);

  if (session == NULL)
    return FALSE;
  g_clear_pointer (&entered->session, agb_session_free);
  entered->session = session;
  if (g_strcmp0 (session->lifecycle_state, "closed") != 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' is closed", name);
  agb_error_hint (error, "make it anew: git agbranch %s %s",
                  g_strcmp0 (session->session_mode, "sandbox") == 0 ? "launch" : "open", name);
  return FALSE;
}

AgbEntered *
agb_enter_open (const char *name, AgbProgress *progress, GError **error)
{
  g_autoptr (AgbEntered) entered = g_new0 (AgbEntered, 1);
  g_autofree char *found = g_strdup (name);

  entered->progress = progress;
  if (name == NULL && !run_start (NULL, TRUE, progress, &found, error))
    return NULL;
  entered->catalog = agb_catalog_open (0, error);
  if (entered->catalog == NULL || !read_session (entered, found, error))
    return NULL;
  const char *runtime = entered->session->runtime;
  entered->runtime = agb_runtime_new (runtime != NULL ? runtime : "auto", NULL, error);
  return entered->runtime != NULL ? g_steal_pointer (&entered) : NULL;
}

void
agb_entered_free (AgbEntered *entered)
{
  g_clear_pointer (&entered->runtime, agb_runtime_free);
  g_clear_pointer (&entered->session, agb_session_free);
  g_clear_pointer (&entered->catalog, agb_catalog_close);
  g_free (entered);
}

/* TRUE when the catalog says that the guest runs. */
static gboolean
believed_running (const AgbSession *session)
{
  static const char *const states[] = { "running", "syncing", "staging", "applying", NULL };

  return session->lifecycle_state != NULL && g_strv_contains (states, session->lifecycle_state);
}

static gboolean
start (AgbEntered *entered, GError **error)
{
  g_autofree char *name = g_strdup (entered->session->name);

  agb_progress_phase (entered->progress, "starting the session");
  gboolean started = run_start (name, FALSE, entered->progress, NULL, error)
                     && read_session (entered, name, error);
  agb_progress_phase (entered->progress, NULL);
  return started;
}

gboolean
agb_enter_wake (AgbEntered *entered, GError **error)
{
  return believed_running (entered->session) || start (entered, error);
}

/* last_used_at is for people and for time limits of hours: a write a command would cost more than the
 * command. */
static void
stamp_used (AgbEntered *entered)
{
  const AgbSession *session = entered->session;
  g_autofree char *now = agb_time_now ();
  gint64 last = session->last_used_at != NULL ? agb_time_parse (session->last_used_at) : -1;

  /* Also when the clock was ahead. */
  if (last < 0 || ABS (agb_time_parse (now) - last) >= USED_STAMP_SECONDS)
    agb_catalog_update_session (entered->catalog, session->name, NULL, "last_used_at", now, NULL);
}

AgbGuestProcess *
agb_enter_exec (AgbEntered *entered, const AgbExecSpec *spec, GError **error)
{
  AgbExecSpec whole = *spec;
  g_autoptr (GError) problem = NULL;
  AgbGuestProcess *process = NULL;

  if (whole.cwd == NULL)
    whole.cwd = entered->session->guest_workspace_path;
  g_autofree char *kept_cwd = g_strdup (whole.cwd); /* a start reads the row anew */
  whole.cwd = kept_cwd;
  if (believed_running (entered->session))
    process = agb_guest_exec (entered->runtime, entered->session->vm_name, &whole, &problem);
  /* What no start mends stays as it is. */
  if (problem != NULL && !g_error_matches (problem, AGB_ERROR, AGB_ERROR_RUNTIME))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  if (process == NULL)
    {
      if (!start (entered, error))
        return NULL;
      process = agb_guest_exec (entered->runtime, entered->session->vm_name, &whole, error);
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
agb_enter_terminal (AgbEntered *entered, const AgbExecSpec *spec, int *ret_status, GError **error)
{
  AgbExecSpec whole = *spec;
  struct winsize size = { .ws_row = 24, .ws_col = 80 };

  if (!agb_enter_check_terminal (entered, error))
    return FALSE;
  ioctl (STDIN_FILENO, TIOCGWINSZ, &size);
  whole.tty = TRUE;
  whole.term = guest_term ();
  whole.rows = MAX (size.ws_row, 1);
  whole.columns = MAX (size.ws_col, 1);
  g_autoptr (AgbGuestProcess) process = agb_enter_exec (entered, &whole, error);
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

static const char *
choose_window (AgbEntered *entered, const char *named, const char **ret_state)
{
  const AgbSession *session = entered->session;
  const char *window = named != NULL ? named : AGB_AGENT_WINDOW;

  *ret_state = agb_tmux_window_state (entered->runtime, session, window);
  if (named != NULL || g_str_equal (*ret_state, "live") || g_str_equal (*ret_state, "unknown"))
    return window;
  *ret_state = agb_tmux_window_state (entered->runtime, session, AGB_SHELL_WINDOW);
  return AGB_SHELL_WINDOW;
}

const char *
agb_enter_window (AgbEntered *entered, const char *named, gboolean may_start, GError **error)
{
  static const char *const windows[] = { AGB_SHELL_WINDOW, AGB_AGENT_WINDOW, NULL };
  const char *state = "unknown";
  const char *window = NULL;

  if (named != NULL && !g_strv_contains (windows, named))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "no window '%s': there are shell and agent",
                   named);
      return NULL;
    }
  if (believed_running (entered->session))
    window = choose_window (entered, named, &state);
  if (g_str_equal (state, "unknown") && may_start)
    {
      if (!start (entered, error))
        return NULL;
      window = choose_window (entered, named, &state);
    }
  if (g_str_equal (state, "live") || g_str_equal (state, "dead"))
    return g_str_equal (window, AGB_SHELL_WINDOW) ? AGB_SHELL_WINDOW : AGB_AGENT_WINDOW;
  if (g_str_equal (state, "missing"))
    no_window (entered->session, window, error);
  else
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the guest of session '%s' does not answer",
                   entered->session->name);
      agb_error_hint (error, "start it: git agbranch start %s", entered->session->name);
    }
  return NULL;
}

gboolean
agb_enter_check_ssh (AgbEntered *entered, GError **error)
{
  const struct AgbRuntimeClass *klass = entered->runtime->klass;

  if ((klass->flags & AGB_RUNTIME_HAS_SSH) != 0 && klass->ssh != NULL)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "session '%s' has no ssh: the %s runtime needs none", entered->session->name,
               klass->name);
  agb_error_hint (error, "enter it with: git agbranch shell %s", entered->session->name);
  return FALSE;
}

gboolean
agb_enter_ssh (AgbEntered *entered, char **ret_config_file, char **ret_host_alias, GError **error)
{
  const struct AgbRuntimeClass *klass = entered->runtime->klass;

  if (!agb_enter_check_ssh (entered, error))
    return FALSE;
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
  g_autofree char *guest_home = agb_guest_home (session);
  g_autofree char *joined = g_strconcat (guest_home, "/", below_home, NULL);
  return g_canonicalize_filename (joined, "/");
}
