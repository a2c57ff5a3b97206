/* Running git in the quarantine, with its output taken piece by piece. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
  PIECE = 64 * 1024,
  RECORD_MAX = 1024 * 1024,
  ERRORS_KEPT = 16 * 1024,
};

char *
gate_last_line (const char *errors)
{
  g_autofree char *text = g_strchomp (g_strdup (errors));
  const char *line = strrchr (text, '\n');

  line = line != NULL ? line + 1 : text;
  if (g_str_has_prefix (line, "fatal: "))
    line += strlen ("fatal: ");
  return agb_escape (line, -1);
}

char *
gate_last_words (const AgbChildResult *result)
{
  g_autofree char *line = gate_last_line (result->errors->str);

  if (*line != '\0')
    return g_steal_pointer (&line);
  return result->signal != 0 ? g_strdup_printf ("git was ended by signal %d", result->signal)
                             : g_strdup_printf ("git ended with status %d", result->status);
}

gboolean
gate_refuse (GError **error, const char *rule, const char *subject, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *why = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *name = subject != NULL ? agb_escape (subject, -1) : NULL;

  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: %s: %s%s%s%s", rule,
               name != NULL ? "'" : "", name != NULL ? name : "", name != NULL ? "' " : "", why);
  agb_error_hint (error, "if this is wanted: git config --add agbranch.allow '%s%s%s'", rule,
                  name != NULL ? ":" : "", name != NULL ? name : "");
  return FALSE;
}

gboolean
gate_git_run_spec (AgbGate *gate, const char *what, const char *const *args,
                   const AgbChildSpec *spec, AgbChildResult *ret, GError **error)
{
  g_auto (GStrv) argv = gate_git_argv (gate, args, error);
  g_autofree char *empty = gate_quarantine_path (gate, "empty");
  g_auto (AgbChildResult) result = { 0 };
  AgbChildSpec own = *spec;

  if (argv == NULL)
    return FALSE;
  own.argv = (const char *const *)argv;
  own.cwd = empty;
  if (own.envp == NULL)
    own.envp = gate->envp;
  if (own.timeout_ms == 0)
    own.timeout_ms = gate->limits.ms;
  if (!agb_child_run (&own, &result, error))
    return gate_timed_out (gate, what, error);
  if (!gate_git_started (result.status, result.errors, error))
    return FALSE;
  *ret = result;
  result = (AgbChildResult){ 0 };
  return TRUE;
}

gboolean
gate_git_run (AgbGate *gate, const char *const *args, const void *input, gsize input_length,
              gsize limit, AgbChildResult *ret, GError **error)
{
  const AgbChildSpec spec
      = { .input = input, .input_length = input_length, .capture_limit = limit };

  return gate_git_run_spec (gate, args[0], args, &spec, ret, error);
}

gboolean
gate_timed_out (AgbGate *gate, const char *what, GError **error)
{
  if (error == NULL || !g_error_matches (*error, AGB_ERROR, AGB_ERROR_TIMEOUT))
    return FALSE;
  g_clear_error (error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
               "refused: agbranch.limits.seconds: %s did not end within %" G_GINT64_FORMAT
               " seconds",
               what, gate->limits.ms / 1000);
  agb_error_hint (error, "if this is wanted: git config agbranch.limits.seconds <larger>");
  return FALSE;
}

/* Wait for FDS (closed ones are -1) or the signal descriptor. */
static gboolean
wait_for (struct pollfd fds[static 4], gint64 deadline, GError **error)
{
  fds[3] = (struct pollfd){ .fd = agb_interrupt_fd (), .events = POLLIN };
  int ready = poll (fds, 4, agb_deadline_left_ms (deadline));

  if (agb_interrupted (error))
    return FALSE;
  if (ready < 0 && errno != EINTR)
    return agb_error_set_errno (error, errno, "poll", "git");
  if (ready == 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "git did not end in time");
      return FALSE;
    }
  if (ready < 0)
    for (int i = 0; i < 3; i++)
      fds[i].revents = 0;
  return TRUE;
}

static void
feed (int *fd, const GString *input, gsize *fed)
{
  ssize_t written = write (*fd, input->str + *fed, input->len - *fed);

  if (written > 0)
    *fed += (gsize)written;
  if (*fed == input->len || (written < 0 && errno != EAGAIN && errno != EINTR))
    agb_close (fd);
}

/* Read one piece of *FD into BUFFER; 0 when there is none now, or the end (then *FD is closed). */
static gsize
take (int *fd, char *buffer, gsize size)
{
  ssize_t length = read (*fd, buffer, size);

  if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
    agb_close (fd);
  return length > 0 ? (gsize)length : 0;
}

static gboolean
relay (AgbChild *child, const GString *input, gint64 deadline, GString *errors, GateRecordFunc func,
       gpointer data, GError **error)
{
  g_autofree char *buffer = g_malloc (PIECE);
  gsize fed = 0;

  if (child->stdin_fd >= 0 && input->len == 0)
    agb_close (&child->stdin_fd);
  while (child->stdin_fd >= 0 || child->stdout_fd >= 0 || child->stderr_fd >= 0)
    {
      struct pollfd fds[4] = { { .fd = child->stdin_fd, .events = POLLOUT },
                               { .fd = child->stdout_fd, .events = POLLIN },
                               { .fd = child->stderr_fd, .events = POLLIN } };
      gsize length;

      if (!wait_for (fds, deadline, error))
        return FALSE;
      if (fds[0].revents != 0)
        feed (&child->stdin_fd, input, &fed);
      if (fds[1].revents != 0 && (length = take (&child->stdout_fd, buffer, PIECE)) > 0
          && !func (buffer, length, data, error))
        return FALSE;
      if (fds[2].revents != 0 && (length = take (&child->stderr_fd, buffer, PIECE)) > 0)
        g_string_append_len (errors, buffer, (gssize)length);
      if (errors->len > ERRORS_KEPT)
        g_string_erase (errors, 0, (gssize)(errors->len - ERRORS_KEPT));
    }
  return TRUE;
}

gboolean
gate_git_stream (AgbGate *gate, const char *const *args, const GString *input, GateRecordFunc func,
                 gpointer data, GError **error)
{
  g_auto (GStrv) argv = gate_git_argv (gate, args, error);
  g_autofree char *empty = gate_quarantine_path (gate, "empty");
  const AgbChildSpec spec = { .argv = (const char *const *)argv, .cwd = empty, .envp = gate->envp };
  g_auto (AgbChild) child = { .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  g_autoptr (GString) errors = g_string_new (NULL);
  gint64 deadline = agb_deadline_in (gate->limits.ms);
  int status = 0;

  if (argv == NULL || !agb_child_start (&spec, input != NULL, &child, error))
    return FALSE;
  if (!relay (&child, input, deadline, errors, func, data, error)
      || !agb_child_wait (&child, deadline, &status, error))
    return gate_timed_out (gate, args[0], error);
  if (!gate_git_started (status, errors, error))
    return FALSE;
  if (status != 0)
    {
      const AgbChildResult result
          = { .status = status, .signal = MAX (status - 128, 0), .errors = errors };
      g_autofree char *line = gate_last_words (&result);
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: git %s: %s", args[0], line);
      return FALSE;
    }
  return TRUE;
}

typedef struct {
  GString *rest;
  char delimiter;
  GateRecordFunc func;
  gpointer data;
} Splitter;

static gboolean
split (const char *piece, gsize length, gpointer data, GError **error)
{
  Splitter *splitter = data;
  GString *rest = splitter->rest;
  gsize begin = 0;

  g_string_append_len (rest, piece, (gssize)length);
  for (;;)
    {
      char *end = memchr (rest->str + begin, splitter->delimiter, rest->len - begin);
      if (end == NULL)
        break;
      *end = '\0';
      if (!splitter->func (rest->str + begin, (gsize)(end - rest->str) - begin, splitter->data,
                           error))
        return FALSE;
      begin = (gsize)(end - rest->str) + 1;
    }
  g_string_erase (rest, 0, (gssize)begin);
  if (rest->len <= RECORD_MAX)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
               "refused: path-length: a path is longer than %d bytes", RECORD_MAX);
  return FALSE;
}

gboolean
gate_git_records (AgbGate *gate, const char *const *args, const GString *input, char delimiter,
                  GateRecordFunc func, gpointer data, GError **error)
{
  g_autoptr (GString) rest = g_string_new (NULL);
  Splitter splitter = { rest, delimiter, func, data };

  return gate_git_stream (gate, args, input, split, &splitter, error);
}
