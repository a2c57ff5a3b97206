/* The tmux server inside the guest: windows `shell` and `agent` of one tmux session that is named after
 * the agbranch session, on the socket ~/.agbranch/tmux/<s>.sock.  The client runs in the guest too
 * (SECURITY, row 10); only bytes reach the host's terminal. */
#pragma once

#include "guest/runtime.h"
#include "store/catalog.h"

#define AGB_SHELL_WINDOW "shell"
#define AGB_AGENT_WINDOW "agent"

/* Start the server with its shell window in the session's workspace; a repeat is ok. */
gboolean agb_tmux_start (AgbRuntime *runtime, const AgbSession *session, GError **error);

/* "live", "dead" (its program has ended), "missing", or "unknown" when the guest does not answer.
 * Static strings. */
const char *agb_tmux_window_state (AgbRuntime *runtime, const AgbSession *session,
                                   const char *window);

/* A shell script that runs before the program of a window: sourced in the login shell that becomes the
 * program, in the session's workspace, without input, its output in ~/.agbranch/log/script.log.  What it
 * leaves running outlives the window. */
typedef struct {
  const char *text;
  gint64 timeout_ms;
  int status;       /* out: its exit status; not 0: the program was not run */
  gboolean missing; /* out: the script was fine, but the program is not there */
  char *last_line;  /* out: of its output, hostile; the caller frees */
} AgbTmuxScript;

/* Make (or make again) WINDOW running ARGV with a login environment and ENV on top; it stays as
 * "dead" when the program ends, and its exit status can be asked for.  PREPARE (NULL: none) is a shell
 * script that runs before, with ENV.  With SCRIPT (NULL: none) it waits for that; when it failed or the
 * program is missing, there is neither window nor anything that the script has started, and TRUE. */
gboolean agb_tmux_run (AgbRuntime *runtime, const AgbSession *session, const char *window,
                       const char *const *argv, const char *const *env, const char *prepare,
                       AgbTmuxScript *script, GError **error);
/* The exit status of a dead window; FALSE without error: it lives or is missing. */
gboolean agb_tmux_window_status (AgbRuntime *runtime, const AgbSession *session, const char *window,
                                 int *ret_status, GError **error);
/* End WINDOW's program, what that has started, and the window; no error when it is missing. */
gboolean agb_tmux_kill_window (AgbRuntime *runtime, const AgbSession *session, const char *window,
                               GError **error);
/* argv of the client that attaches to WINDOW (READ_ONLY: keys do nothing), for an exec with a tty.
 * The caller frees with g_strfreev. */
char **agb_tmux_attach_argv (const AgbSession *session, const char *window, gboolean read_only);
/* The last LINES lines of WINDOW as plain text; the caller frees. Hostile text. */
char *agb_tmux_capture (AgbRuntime *runtime, const AgbSession *session, const char *window,
                        guint lines, GError **error);
