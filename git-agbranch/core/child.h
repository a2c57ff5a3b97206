/* Running child programs: argv arrays, own process group, deadline, capture limits.
 *
 * A child gets no descriptor of ours but its three (everything here is opened close-on-exec, and
 * what was inherited is closed), default signals, and a process group of its own: at the deadline
 * or on an interrupt the whole group gets TERM, and KILL two seconds later. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "core/process.h"

/* How long a kind of child may take before it is taken for hung. */
typedef enum {
  AGB_TIMEOUT_QUICK = 10 * 1000,     /* answers from local state */
  AGB_TIMEOUT_GIT = 10 * 60 * 1000,  /* may read a large repository */
  AGB_TIMEOUT_LONG = 30 * 60 * 1000, /* boots or provisions a machine */
  AGB_TIMEOUT_NONE = -1,             /* ends when its input does, or the user ends it */
} AgbTimeout;

typedef struct {
  const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash */
  const char *cwd;         /* NULL: ours */
  char **envp;             /* the whole environment, NULL: ours */
  gint64 timeout_ms;       /* an AgbTimeout or any number of milliseconds */
  const void *input;       /* bytes for stdin; NULL: /dev/null unless stdin_fd says otherwise */
  gsize input_length;
  int stdin_fd;        /* >= 0 (0 is not possible): passed as stdin, stays the caller's */
  int stdout_fd;       /* likewise; 0: captured */
  int stderr_fd;       /* likewise; 0: captured (its last 64 KiB); 2: our own stderr */
  gsize capture_limit; /* bytes of stdout that are kept, 0: 64 MiB; more is an error */
} AgbChildSpec;

typedef struct {
  int status;      /* exit code, or 128 + signal */
  int signal;      /* the signal that ended it, or 0 */
  GString *output; /* never NULL; also NUL-terminated */
  GString *errors;
} AgbChildResult;

void agb_child_result_clear (AgbChildResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbChildResult, agb_child_result_clear)

/* Run to the end.  FALSE when it could not be started (AGB_ERROR_CHILD), ran out of time
 * (AGB_ERROR_TIMEOUT), printed more than the limit (AGB_ERROR_CHILD) or we were interrupted
 * (AGB_ERROR_INTERRUPTED): then its group is gone and *ret is untouched.  A non-zero exit is not
 * an error here: see status. */
gboolean agb_child_run (const AgbChildSpec *spec, AgbChildResult *ret, GError **error);

/* As agb_child_run, but a non-zero exit is AGB_ERROR_CHILD "PROGRAM failed (status): last line of
 * its stderr".  ret_output (may be NULL) gets stdout; the caller frees. */
gboolean agb_child_check (const AgbChildSpec *spec, char **ret_output, GError **error);

/* A started child, for callers that stream. */
typedef struct {
  pid_t pid;
  int pidfd;     /* polls readable when the child has ended */
  int stdin_fd;  /* our end, or -1; close to end its input */
  int stdout_fd; /* our end, or -1 */
  int stderr_fd; /* our end, or -1 */
} AgbChild;

/* Start; streams whose spec field is 0 become pipes (stdin only when pipe_stdin).  The fields
 * input, timeout_ms and capture_limit are not used. */
gboolean agb_child_start (const AgbChildSpec *spec, gboolean pipe_stdin, AgbChild *ret,
                          GError **error);

/* Wait until DEADLINE (core/time.h) for the end: *ret_status as AgbChildResult.status.  On a
 * deadline or interrupt the group is killed and FALSE returned. */
gboolean agb_child_wait (AgbChild *child, gint64 deadline_usec, int *ret_status, GError **error);

/* Kill the group if the child has not been waited for (TERM, two seconds, KILL), reap it, close
 * what is open.  Safe to call twice. */
void agb_child_clear (AgbChild *child);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbChild, agb_child_clear)
