/* agb_enter_collect: our stdin to a guest's process, its output kept. */
#include "session/enter.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 65536, GRACE_MS = 2000 };

void
agb_collected_clear (AgbCollected *collected)
{
  agb_child_result_clear (&collected->output);
}

typedef struct {
  AgbGuestProcess *process;
  gboolean input_over;
  char input[CHUNK];
  gsize input_length, input_offset;
  gsize limit;
  gint64 deadline;
  int kills; /* signals sent after the deadline */
} Collecting;

/* At the deadline TERM, later KILL; then the wait goes on until the end that follows. */
static void
next_kill (Collecting *collecting)
{
  AgbGuestProcess *process = collecting->process;

  process->klass->signal (process, collecting->kills++ == 0 ? SIGTERM : SIGKILL);
  collecting->deadline = agb_deadline_in (GRACE_MS);
}

static void
read_input (Collecting *collecting)
{
  ssize_t length = read (STDIN_FILENO, collecting->input, CHUNK);

  if (length < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  collecting->input_length = length > 0 ? (gsize)length : 0;
  collecting->input_offset = 0;
  if (length <= 0)
    collecting->input_over = TRUE;
}

static void
write_input (Collecting *collecting)
{
  int fd = collecting->process->stdin_fd;
  ssize_t length = write (fd, collecting->input + collecting->input_offset,
                          collecting->input_length - collecting->input_offset);

  if (length < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (length < 0) /* a command that does not want its input is no error */
    {
      collecting->input_over = TRUE;
      collecting->input_length = collecting->input_offset = 0;
      return;
    }
  collecting->input_offset += (gsize)length;
}

/* Read what is there; FALSE only when it is more than the limit. */
static gboolean
drain (int *fd, GString *text, gsize limit, GError **error)
{
  char buffer[CHUNK];
  ssize_t length;

  while (*fd >= 0 && (length = read (*fd, buffer, sizeof buffer)) != -1)
    {
      if (length == 0)
        agb_close (fd);
      else
        g_string_append_len (text, buffer, length);
      if (text->len > limit)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                       "the command printed more than %" G_GSIZE_FORMAT " bytes", limit);
          agb_error_hint (error, "leave out --json, or write to a file and fetch it with "
                                 "git agbranch cp");
          return FALSE;
        }
    }
  if (*fd >= 0 && errno != EAGAIN && errno != EINTR)
    agb_close (fd);
  return TRUE;
}

/* One round of poll; *RET_ENDED when the process has ended. */
static gboolean
turn (Collecting *collecting, AgbChildResult *result, gboolean *ret_ended, GError **error)
{
  AgbGuestProcess *process = collecting->process;
  gboolean pending = collecting->input_offset < collecting->input_length;

  if (collecting->input_over && !pending)
    agb_close (&process->stdin_fd);
  struct pollfd fds[] = {
    { .fd = process->klass->wait_fd (process), .events = POLLIN },
    { .fd = agb_interrupt_fd (), .events = POLLIN },
    { .fd = process->stdout_fd, .events = POLLIN },
    { .fd = process->stderr_fd, .events = POLLIN },
    { .fd = collecting->input_over || pending ? -1 : STDIN_FILENO, .events = POLLIN },
    { .fd = pending ? process->stdin_fd : -1, .events = POLLOUT },
  };
  int ready = poll (fds, G_N_ELEMENTS (fds), agb_deadline_left_ms (collecting->deadline));

  if (agb_interrupted (error))
    return FALSE;
  if (ready == 0)
    next_kill (collecting);
  if (ready > 0 && fds[4].revents != 0)
    read_input (collecting);
  if (ready > 0 && fds[5].revents != 0)
    write_input (collecting);
  *ret_ended = ready > 0 && fds[0].revents != 0;
  return drain (&process->stdout_fd, result->output, collecting->limit, error)
         && drain (&process->stderr_fd, result->errors, collecting->limit, error);
}

gboolean
agb_enter_collect (AgbGuestProcess *process, gsize limit, gint64 timeout_ms, AgbCollected *ret,
                   GError **error)
{
  g_auto (AgbCollected) collected = { 0 };
  g_autofree Collecting *collecting = g_new0 (Collecting, 1);
  gint64 started = g_get_monotonic_time ();
  gboolean ended = FALSE;

  collecting->process = process;
  collecting->limit = limit;
  collecting->deadline = agb_deadline_in (timeout_ms);
  collected.output.output = g_string_new (NULL);
  collected.output.errors = g_string_new (NULL);
  for (int *fd = &process->stdin_fd; fd <= &process->stderr_fd; fd++)
    if (*fd >= 0)
      g_unix_set_fd_nonblocking (*fd, TRUE, NULL);

  /* What a child in the background still prints later is not waited for. */
  while (!ended)
    if (!turn (collecting, &collected.output, &ended, error))
      return FALSE;
  if (!process->klass->finish (process, &collected.output.status, error)
      || !drain (&process->stdout_fd, collected.output.output, limit, error)
      || !drain (&process->stderr_fd, collected.output.errors, limit, error))
    return FALSE;
  collected.output.signal = collected.output.status > 128 ? collected.output.status - 128 : 0;
  collected.timed_out = collecting->kills > 0;
  collected.duration_ms = (g_get_monotonic_time () - started) / 1000;

  *ret = collected;
  collected = (AgbCollected){ 0 };
  return TRUE;
}
