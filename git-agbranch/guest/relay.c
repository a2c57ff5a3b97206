/* Bytes between our own terminal or streams and a process in a guest. */
#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"
#include "guest/stream.h"
#include "guest/termfilter.h"
#include "guest/transport.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum {
  INPUT_SIZE = 64 * 1024,
  /* What a pipe or terminal that polls writable takes without blocking (pipe(7), PIPE_BUF). */
  SURE_WRITE = 4096,
};

/* One of our own output streams and what waits for it. */
typedef struct {
  int fd; /* -1: nobody reads it any more */
  gsize chunk;
  GString *waiting;
  gsize written; /* of waiting */
} Sink;

typedef struct {
  AgbGuestProcess *process;
  gboolean tty;
  AgbGuestEnd end;
  AgbTermFilter *filter; /* NULL without a tty */
  gboolean filter_finished;
  GString *raw;   /* guest bytes before the filter */
  GString *input; /* ours, for the guest */
  gsize input_sent;
  gboolean input_ended;
  Sink out, err;
  int signals; /* signalfd */
  struct termios settings;
  gboolean is_raw;
} Relay;

static void
sink_init (Sink *sink, int fd)
{
  struct stat info;

  /* A file takes any amount at once. */
  *sink
      = (Sink){ .fd = fd,
                .chunk = fstat (fd, &info) == 0 && S_ISREG (info.st_mode) ? INPUT_SIZE : SURE_WRITE,
                .waiting = g_string_new (NULL) };
}

static gboolean
sink_is_empty (const Sink *sink)
{
  return sink->written == sink->waiting->len;
}

static void
sink_write (Sink *sink)
{
  gsize length = MIN (sink->waiting->len - sink->written, sink->chunk);
  ssize_t written = write (sink->fd, sink->waiting->str + sink->written, length);

  if (written > 0)
    sink->written += (gsize)written;
  else if (written < 0 && errno != EAGAIN && errno != EINTR)
    {
      sink->fd = -1; /* ours stays open: it is not ours to close */
      sink->written = sink->waiting->len;
    }
  if (sink_is_empty (sink))
    {
      g_string_truncate (sink->waiting, 0);
      sink->written = 0;
    }
}

/* --- our terminal --- */

static void
terminal_size (guint16 *ret_rows, guint16 *ret_columns)
{
  struct winsize size = { 0 };

  *ret_rows = *ret_columns = 0;
  for (int fd = 0; fd < 3; fd++)
    if (ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_row != 0)
      {
        *ret_rows = size.ws_row;
        *ret_columns = size.ws_col;
        return;
      }
}

static void
pass_size (Relay *relay)
{
  guint16 rows, columns;

  terminal_size (&rows, &columns);
  if (rows != 0)
    relay->process->klass->resize (relay->process, rows, columns);
}

static void
make_raw (Relay *relay)
{
  struct termios raw;

  if (!relay->tty || tcgetattr (STDIN_FILENO, &relay->settings) != 0)
    return;
  raw = relay->settings;
  cfmakeraw (&raw);
  relay->is_raw = tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void
restore (Relay *relay)
{
  if (relay->is_raw)
    tcsetattr (STDIN_FILENO, TCSADRAIN, &relay->settings);
  relay->is_raw = FALSE;
}

/* --- signals --- */

static void
signals_of_interest (sigset_t *ret)
{
  sigemptyset (ret);
  sigaddset (ret, SIGWINCH);
  sigaddset (ret, SIGINT);
  sigaddset (ret, SIGTERM);
  sigaddset (ret, SIGHUP);
}

/* SIGHUP, and with a terminal also SIGTERM, end the relay: the person has gone. Everything else is the
 * guest's. */
static gboolean
take_signal (Relay *relay, GError **error)
{
  struct signalfd_siginfo info;

  if (read (relay->signals, &info, sizeof info) != sizeof info)
    return TRUE;
  int number = (int)info.ssi_signo;
  if (number == SIGWINCH)
    pass_size (relay);
  else if (number == SIGHUP || (relay->tty && number == SIGTERM))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_INTERRUPTED, "interrupted by %s",
                   number == SIGHUP ? "SIGHUP" : "SIGTERM");
      return FALSE;
    }
  else
    relay->process->klass->signal (relay->process, number);
  return TRUE;
}

/* --- bytes --- */

static void
read_input (Relay *relay)
{
  g_string_set_size (relay->input, INPUT_SIZE);
  ssize_t length = read (STDIN_FILENO, relay->input->str, INPUT_SIZE);
  /* EIO: a terminal that has hung up, or that is another's now. */
  if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
    relay->input_ended = TRUE;
  g_string_set_size (relay->input, (gsize)MAX (length, 0));
  relay->input_sent = 0;
}

static void
send_input (Relay *relay)
{
  gssize sent = agb_guest_write (&relay->process->stdin_fd, relay->input->str + relay->input_sent,
                                 relay->input->len - relay->input_sent);

  relay->input_sent += (gsize)sent;
}

static void
read_output (Relay *relay, int stream)
{
  Sink *sink = stream == 0 ? &relay->out : &relay->err;
  int *fd = stream == 0 ? &relay->process->stdout_fd : &relay->process->stderr_fd;
  GString *target = relay->filter != NULL ? relay->raw : sink->waiting;

  agb_guest_end_count (&relay->end, stream, agb_guest_read (fd, target));
  if (relay->filter == NULL)
    return;
  agb_term_filter_push (relay->filter, relay->raw->str, relay->raw->len, sink->waiting);
  g_string_truncate (relay->raw, 0);
}

/* Where our reader has gone, the guest's writer is to learn it as in any pipe. */
static void
pass_on_ends (Relay *relay)
{
  gboolean input_is_sent = relay->input_sent == relay->input->len;

  if (relay->input_ended && input_is_sent)
    agb_close (&relay->process->stdin_fd);
  if (relay->out.fd < 0)
    agb_close (&relay->process->stdout_fd);
  if (relay->err.fd < 0)
    agb_close (&relay->process->stderr_fd);
}

static void
finish_filter (Relay *relay)
{
  if (relay->filter != NULL && !relay->filter_finished && relay->out.fd >= 0)
    agb_term_filter_finish (relay->filter, relay->out.waiting);
  relay->filter_finished = TRUE;
}

/* TRUE when nothing is left to do. */
static gboolean
is_over (Relay *relay)
{
  if (!sink_is_empty (&relay->out) || !sink_is_empty (&relay->err)
      || !agb_guest_end_reached (&relay->end, relay->process))
    return FALSE;
  finish_filter (relay);
  return sink_is_empty (&relay->out);
}

static gboolean
relay_step (Relay *relay, GError **error)
{
  AgbGuestProcess *process = relay->process;
  gboolean input_is_sent = relay->input_sent == relay->input->len;
  gboolean wants_input = input_is_sent && !relay->input_ended && process->stdin_fd >= 0;
  struct pollfd fds[8] = {
    { .fd = agb_guest_end_fd (&relay->end, process), .events = POLLIN },
    { .fd = relay->signals, .events = POLLIN },
    { .fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN },
    { .fd = input_is_sent ? -1 : process->stdin_fd, .events = POLLOUT },
    { .fd = sink_is_empty (&relay->out) ? process->stdout_fd : -1, .events = POLLIN },
    { .fd = sink_is_empty (&relay->err) ? process->stderr_fd : -1, .events = POLLIN },
    { .fd = sink_is_empty (&relay->out) ? -1 : relay->out.fd, .events = POLLOUT },
    { .fd = sink_is_empty (&relay->err) ? -1 : relay->err.fd, .events = POLLOUT },
  };

  if (!agb_guest_end_poll (&relay->end, fds, G_N_ELEMENTS (fds), error))
    return FALSE;
  if (fds[1].revents != 0 && !take_signal (relay, error))
    return FALSE;
  if (fds[2].revents != 0)
    read_input (relay);
  if (fds[3].revents != 0)
    send_input (relay);
  if (fds[4].revents != 0)
    read_output (relay, 0);
  if (fds[5].revents != 0)
    read_output (relay, 1);
  if (fds[6].revents != 0)
    sink_write (&relay->out);
  if (fds[7].revents != 0)
    sink_write (&relay->err);
  pass_on_ends (relay);
  return fds[0].revents == 0 || agb_guest_end_note (&relay->end, process, error);
}

static void
relay_clear (Relay *relay)
{
  /* Also when it was cut off: the user's terminal must not stay in the guest's modes. */
  if (relay->filter != NULL)
    {
      g_string_truncate (relay->out.waiting, relay->out.written);
      finish_filter (relay);
      /* A terminal that is stopped (Ctrl-S) is not waited for long. */
      struct pollfd room = { .fd = relay->out.fd, .events = POLLOUT };
      while (relay->out.fd >= 0 && !sink_is_empty (&relay->out) && poll (&room, 1, 500) > 0)
        sink_write (&relay->out);
    }
  restore (relay);
  agb_close (&relay->signals);
  g_clear_pointer (&relay->filter, agb_term_filter_free);
  g_string_free (relay->raw, TRUE);
  g_string_free (relay->input, TRUE);
  g_string_free (relay->out.waiting, TRUE);
  g_string_free (relay->err.waiting, TRUE);
}

gboolean
agb_guest_relay (AgbGuestProcess *process, gint64 timeout_ms, int *ret_status, GError **error)
{
  Relay relay = {
    .process = process,
    .tty = process->stderr_fd < 0,
    .end = { .deadline_usec = agb_deadline_in (timeout_ms != 0 ? timeout_ms : AGB_TIMEOUT_NONE) },
    .raw = g_string_new (NULL),
    .input = g_string_new (NULL),
    .signals = -1,
  };
  sigset_t wanted, before;

  sink_init (&relay.out, STDOUT_FILENO);
  sink_init (&relay.err, STDERR_FILENO);
  relay.filter = relay.tty ? agb_term_filter_new () : NULL;
  signals_of_interest (&wanted);
  sigprocmask (SIG_BLOCK, &wanted, &before);
  relay.signals = signalfd (-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  make_raw (&relay);
  if (relay.tty)
    pass_size (&relay);

  gboolean ok = TRUE;
  while (ok && !is_over (&relay))
    ok = relay_step (&relay, error);
  if (ok)
    *ret_status = relay.end.status;
  relay_clear (&relay);
  sigprocmask (SIG_SETMASK, &before, NULL);
  return ok;
}
