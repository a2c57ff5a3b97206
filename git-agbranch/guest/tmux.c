#include "guest/tmux.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "guest/home.h"
#include "guest/transport.h"

#include <string.h>

enum { ACTION_TIMEOUT_MS = 30 * 1000, STATE_TIMEOUT_MS = 5 * 1000 };

/* Run ACTION of tmux.sh; a status other than 0 is AGB_ERROR_RUNTIME with the last line of stderr.
 * TIMEOUT_MS 0: as long as such an action usually may take.  ret_output (may be NULL): the caller
 * frees. */
static gboolean
tmux_action_in (AgbRuntime *runtime, const AgbSession *session, const char *action,
                const char *window, const char *extra, const GString *input, gint64 timeout_ms,
                char **ret_output, GError **error)
{
  const char *args[]
      = { action, session->name, session->guest_workspace_path, window, extra, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_guest_script (runtime, session->vm_name, "guest/tmux.sh", args, NULL,
                         input != NULL ? input->str : NULL, input != NULL ? input->len : 0,
                         timeout_ms != 0                 ? timeout_ms
                         : g_str_equal (action, "state") ? STATE_TIMEOUT_MS
                                                         : ACTION_TIMEOUT_MS,
                         &result, error))
    return FALSE;
  if (result.status != 0)
    {
      const char *text = g_strchomp (result.errors->str);
      const char *last_line = strrchr (text, '\n');
      g_autofree char *reason = agb_escape (last_line != NULL ? last_line + 1 : text, -1);

      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "tmux in session '%s' failed to %s (status %d)%s%s", session->name, action,
                   result.status, *reason != '\0' ? ": " : "", reason);
      return FALSE;
    }
  if (ret_output != NULL)
    *ret_output = g_string_free (g_steal_pointer (&result.output), FALSE);
  return TRUE;
}

static gboolean
tmux_action (AgbRuntime *runtime, const AgbSession *session, const char *action, const char *window,
             const char *extra, const GString *input, char **ret_output, GError **error)
{
  return tmux_action_in (runtime, session, action, window, extra, input, 0, ret_output, error);
}

gboolean
agb_tmux_start (AgbRuntime *runtime, const AgbSession *session, GError **error)
{
  return tmux_action (runtime, session, "start", AGB_SHELL_WINDOW, NULL, NULL, NULL, error);
}

/* "live", "dead" with *ret_status, "missing"; NULL and an error when the guest does not answer. */
static const char *
ask_state (AgbRuntime *runtime, const AgbSession *session, const char *window, int *ret_status,
           GError **error)
{
  g_autofree char *answer = NULL;

  if (!tmux_action (runtime, session, "state", window, NULL, NULL, &answer, error))
    return NULL;
  if (g_str_has_prefix (answer, "live"))
    return "live";
  if (!g_str_has_prefix (answer, "dead "))
    return "missing";
  *ret_status = (int)(g_ascii_strtoull (answer + strlen ("dead "), NULL, 10) & 0xff);
  return "dead";
}

const char *
agb_tmux_window_state (AgbRuntime *runtime, const AgbSession *session, const char *window)
{
  int status = 0;
  const char *state = ask_state (runtime, session, window, &status, NULL);

  return state != NULL ? state : "unknown";
}

gboolean
agb_tmux_window_status (AgbRuntime *runtime, const AgbSession *session, const char *window,
                        int *ret_status, GError **error)
{
  const char *state = ask_state (runtime, session, window, ret_status, error);

  return state != NULL && g_str_equal (state, "dead");
}

/* KIND and TEXT as one line of what tmux.sh reads: everything but plain characters as \0ooo. */
static void
append_line (GString *input, char kind, const char *text)
{
  g_string_append_c (input, kind);
  for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
    if (g_ascii_isalnum (*c) || strchr (" _-+=./:,@", *c) != NULL)
      g_string_append_c (input, (char)*c);
    else
      g_string_append_printf (input, "\\0%03o", *c);
  g_string_append_c (input, '\n');
}

/* "script STATUS" and a line of its output. */
static gboolean
parse_script_answer (const AgbSession *session, const char *answer, AgbTmuxScript *script,
                     GError **error)
{
  const char *line_end = strchr (answer, '\n');

  if (!g_str_has_prefix (answer, "script ") || line_end == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "session '%s' does not say how the script ended", session->name);
      return FALSE;
    }
  script->missing = g_str_has_prefix (answer, "script missing\n");
  script->status = (int)(g_ascii_strtoull (answer + strlen ("script "), NULL, 10) & 0xff);
  script->last_line = g_strdup (line_end + 1);
  g_strchomp (script->last_line);
  return TRUE;
}

/* However it ended: what waits for the script no more must not start the program later. */
static gboolean
run_with_script (AgbRuntime *runtime, const AgbSession *session, const char *window,
                 const GString *input, AgbTmuxScript *script, GError **error)
{
  g_autofree char *answer = NULL;
  gboolean understood = FALSE;

  if (tmux_action_in (runtime, session, "run", window, "script", input, script->timeout_ms, &answer,
                      error)
      && parse_script_answer (session, answer, script, error))
    understood = TRUE;
  if (understood && script->status == 0 && !script->missing)
    return TRUE;
  agb_interrupt_shield ();
  tmux_action (runtime, session, "abort", window, NULL, NULL, NULL, NULL);
  agb_interrupt_unshield ();
  return understood;
}

gboolean
agb_tmux_run (AgbRuntime *runtime, const AgbSession *session, const char *window,
              const char *const *argv, const char *const *env, const char *prepare,
              AgbTmuxScript *script, GError **error)
{
  g_autoptr (GString) input = g_string_new (NULL);

  if (prepare != NULL)
    append_line (input, 'p', prepare);
  if (script != NULL)
    append_line (input, 's', script->text);
  for (; env != NULL && *env != NULL; env++)
    append_line (input, 'e', *env);
  for (; *argv != NULL; argv++)
    append_line (input, 'a', *argv);
  if (script != NULL)
    return run_with_script (runtime, session, window, input, script, error);
  return tmux_action (runtime, session, "run", window, NULL, input, NULL, error);
}

gboolean
agb_tmux_kill_window (AgbRuntime *runtime, const AgbSession *session, const char *window,
                      GError **error)
{
  return tmux_action (runtime, session, "kill", window, NULL, NULL, NULL, error);
}

/* Each client gets a tmux session of its own in the group of the first one: it can look at another
 * window than the others, and is gone with the client. */
char **
agb_tmux_attach_argv (const AgbSession *session, const char *window, gboolean read_only)
{
  g_autofree char *name = g_strdup (session->name);
  g_autofree char *home = agb_guest_home (session);
  const char *flags = read_only ? "read-only,ignore-size" : "";
  GPtrArray *argv = g_ptr_array_new ();

  g_strdelimit (name, ".", '_'); /* tmux takes no dot in a name */
  g_ptr_array_add (argv, g_strdup ("tmux"));
  if (g_get_charset (NULL))
    g_ptr_array_add (argv, g_strdup ("-u"));
  g_ptr_array_add (argv, g_strdup ("-S"));
  g_ptr_array_add (argv, g_strdup_printf ("%s/.agbranch/tmux/%s.sock", home, session->name));
  g_ptr_array_add (argv, g_strdup ("new-session"));
  g_ptr_array_add (argv, g_strdup ("-f"));
  g_ptr_array_add (argv, g_strdup (flags));
  g_ptr_array_add (argv, g_strdup ("-t"));
  g_ptr_array_add (argv, g_strdup_printf ("=%s", name));
  g_ptr_array_add (argv, g_strdup (";"));
  g_ptr_array_add (argv, g_strdup ("set-option"));
  g_ptr_array_add (argv, g_strdup ("destroy-unattached"));
  g_ptr_array_add (argv, g_strdup ("on"));
  g_ptr_array_add (argv, g_strdup (";"));
  g_ptr_array_add (argv, g_strdup ("select-window"));
  g_ptr_array_add (argv, g_strdup ("-t"));
  g_ptr_array_add (argv, g_strdup_printf (":=%s", window));
  g_ptr_array_add (argv, NULL);
  return (char **)g_ptr_array_free (argv, FALSE);
}

/* The last LINES lines of TEXT without the empty ones that fill the screen below them. */
static char *
tail_of (char *text, guint lines)
{
  g_strchomp (text);
  char *start = text + strlen (text);

  while (start > text && (start[-1] != '\n' || --lines > 0))
    start--;
  return g_strdup (start);
}

char *
agb_tmux_capture (AgbRuntime *runtime, const AgbSession *session, const char *window, guint lines,
                  GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *history = g_strdup_printf ("%u", lines);

  if (!tmux_action (runtime, session, "capture", window, history, NULL, &text, error))
    return NULL;
  return tail_of (text, MAX (lines, 1));
}
