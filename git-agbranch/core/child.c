#include "core/child.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"
#include "core/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  DEFAULT_CAPTURE_LIMIT = 64 * 1024 * 1024,
  STDERR_KEPT = 64 * 1024,
  TERM_GRACE_MS = 2000,
};

extern char **environ;

void
agb_child_result_clear (AgbChildResult *result)
{
  if (result->output != NULL)
    g_string_free (g_steal_pointer (&result->output), TRUE);
  if (result->errors != NULL)
    g_string_free (g_steal_pointer (&result->errors), TRUE);
}

/* Index 0 is the child's end, 1 is ours. */
typedef struct {
  int fds[2];
} StreamPair;

static void
stream_pair_clear (StreamPair *pair)
{
  agb_close (&pair->fds[0]);
  agb_close (&pair->fds[1]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (StreamPair, stream_pair_clear)

static gboolean
open_stream (int wanted_fd, gboolean is_input, gboolean as_pipe, StreamPair *ret, GError **error)
{
  if (wanted_fd > 0)
    {
      ret->fds[0] = fcntl (wanted_fd, F_DUPFD_CLOEXEC, 3);
      if (ret->fds[0] < 0)
        return agb_error_set_errno (error, errno, "duplicate", "descriptor");
      return TRUE;
    }
  if (!as_pipe)
    {
      ret->fds[0] = open ("/dev/null", O_RDWR | O_CLOEXEC);
      if (ret->fds[0] < 0)
        return agb_error_set_errno (error, errno, "open", "/dev/null");
      return TRUE;
    }

  int ends[2];
  if (!g_unix_open_pipe (ends, FD_CLOEXEC, error))
    {
      agb_error_adopt (error, AGB_ERROR_CHILD, "cannot make a pipe: ");
      return FALSE;
    }
  ret->fds[0] = ends[is_input ? 0 : 1];
  ret->fds[1] = ends[is_input ? 1 : 0];
  g_unix_set_fd_nonblocking (ret->fds[1], TRUE, NULL);
  return TRUE;
}

gboolean
agb_child_start (const AgbChildSpec *spec, gboolean pipe_stdin, AgbChild *ret, GError **error)
{
  g_auto (StreamPair) in = { { -1, -1 } };
  g_auto (StreamPair) out = { { -1, -1 } };
  g_auto (StreamPair) err = { { -1, -1 } };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t signals;
  pid_t pid;

  if (!open_stream (spec->stdin_fd, TRUE, pipe_stdin, &in, error)
      || !open_stream (spec->stdout_fd, FALSE, TRUE, &out, error)
      || !open_stream (spec->stderr_fd, FALSE, TRUE, &err, error))
    return FALSE;

  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_adddup2 (&actions, in.fds[0], 0);
  posix_spawn_file_actions_adddup2 (&actions, out.fds[0], 1);
  posix_spawn_file_actions_adddup2 (&actions, err.fds[0], 2);
  posix_spawn_file_actions_addclosefrom_np (&actions, 3);
  if (spec->cwd != NULL)
    posix_spawn_file_actions_addchdir_np (&actions, spec->cwd);

  posix_spawnattr_init (&attributes);
  sigemptyset (&signals);
  posix_spawnattr_setsigmask (&attributes, &signals);
  for (int i = 1; i < 32; i++)
    if (i != SIGKILL && i != SIGSTOP)
      sigaddset (&signals, i);
  posix_spawnattr_setsigdefault (&attributes, &signals);
  posix_spawnattr_setpgroup (&attributes, 0);
  posix_spawnattr_setflags (&attributes,
                            POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  agb_trace_child (spec->argv, spec->cwd);
  int rc = posix_spawnp (&pid, spec->argv[0], &actions, &attributes, (char *const *)spec->argv,
                         spec->envp != NULL ? spec->envp : environ);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  if (rc != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot run '%s': %s", spec->argv[0],
                   g_strerror (rc));
      return FALSE;
    }

  *ret = (AgbChild){
    .pid = pid,
    .pidfd = (int)syscall (SYS_pidfd_open, pid, 0),
    .stdin_fd = agb_steal_fd (&in.fds[1]),
    .stdout_fd = agb_steal_fd (&out.fds[1]),
    .stderr_fd = agb_steal_fd (&err.fds[1]),
  };
  return TRUE;
}

/* Poll FDS until DEADLINE or an interrupt.  FALSE with AGB_ERROR_TIMEOUT or _INTERRUPTED. */
static gboolean
poll_until (struct pollfd *fds, nfds_t count, gint64 deadline_usec, const char *program,
            GError **error)
{
  for (;;)
    {
      struct pollfd watched[5];

      g_assert (count < G_N_ELEMENTS (watched));
      memcpy (watched, fds, count * sizeof *fds);
      watched[count] = (struct pollfd){ .fd = agb_interrupt_fd (), .events = POLLIN };
      int ready = poll (watched, count + 1, agb_deadline_left_ms (deadline_usec));
      if (agb_interrupted (error))
        return FALSE;
      if (ready < 0 && errno != EINTR)
        return agb_error_set_errno (error, errno, "poll", program);
      if (ready == 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "'%s' did not end in time", program);
          return FALSE;
        }
      memcpy (fds, watched, count * sizeof *fds);
      if (ready > 0)
        return TRUE;
    }
}

static int
status_of (int wait_status)
{
  return WIFSIGNALED (wait_status) ? 128 + WTERMSIG (wait_status) : WEXITSTATUS (wait_status);
}

static void
kill_group (AgbChild *child)
{
  struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };

  kill (-child->pid, SIGTERM);
  while (poll (&ended, 1, TERM_GRACE_MS) < 0 && errno == EINTR)
    ;
  kill (-child->pid, SIGKILL);
}

gboolean
agb_child_wait (AgbChild *child, gint64 deadline_usec, int *ret_status, GError **error)
{
  struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
  int wait_status = 0;

  if (!poll_until (&ended, 1, deadline_usec, "child", error))
    {
      agb_child_clear (child);
      return FALSE;
    }
  while (waitpid (child->pid, &wait_status, 0) < 0 && errno == EINTR)
    ;
  child->pid = 0;
  if (ret_status != NULL)
    *ret_status = status_of (wait_status);
  return TRUE;
}

void
agb_child_clear (AgbChild *child)
{
  agb_close (&child->stdin_fd);
  agb_close (&child->stdout_fd);
  agb_close (&child->stderr_fd);
  if (child->pid > 0)
    {
      kill_group (child);
      while (waitpid (child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
      child->pid = 0;
    }
  agb_close (&child->pidfd);
}

/* Read what is there from *FD into TEXT; closes *FD at the end of the stream. */
static void
drain (int *fd, GString *text)
{
  char buffer[65536];
  ssize_t length = read (*fd, buffer, sizeof buffer);

  if (length > 0)
    g_string_append_len (text, buffer, length);
  else if (length == 0 || (errno != EAGAIN && errno != EINTR))
    agb_close (fd);
}

static void
feed (int *fd, const char *input, gsize length, gsize *offset)
{
  ssize_t written = write (*fd, input + *offset, length - *offset);

  if (written > 0)
    *offset += (gsize)written;
  /* A child that does not read all its input (EPIPE) is no error: its status says. */
  if (*offset == length || (written < 0 && errno != EAGAIN && errno != EINTR))
    agb_close (fd);
}

gboolean
agb_child_run (const AgbChildSpec *spec, AgbChildResult *ret, GError **error)
{
  g_auto (AgbChild) child
      = { .pid = 0, .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  g_auto (AgbChildResult) result = { 0 };
  gint64 deadline = agb_deadline_in (spec->timeout_ms != 0 ? spec->timeout_ms : AGB_TIMEOUT_QUICK);
  gsize limit = spec->capture_limit != 0 ? spec->capture_limit : DEFAULT_CAPTURE_LIMIT;
  gsize fed = 0;
  gint64 started = g_get_monotonic_time ();

  if (agb_interrupted (error) || !agb_child_start (spec, spec->input != NULL, &child, error))
    return FALSE;
  result.output = g_string_new (NULL);
  result.errors = g_string_new (NULL);
  if (child.stdin_fd >= 0 && spec->input_length == 0)
    agb_close (&child.stdin_fd);

  while (child.stdin_fd >= 0 || child.stdout_fd >= 0 || child.stderr_fd >= 0)
    {
      struct pollfd fds[3] = { { .fd = child.stdin_fd, .events = POLLOUT },
                               { .fd = child.stdout_fd, .events = POLLIN },
                               { .fd = child.stderr_fd, .events = POLLIN } };

      if (!poll_until (fds, 3, deadline, spec->argv[0], error))
        return FALSE;
      if (fds[0].revents != 0)
        feed (&child.stdin_fd, spec->input, spec->input_length, &fed);
      if (fds[1].revents != 0)
        drain (&child.stdout_fd, result.output);
      if (fds[2].revents != 0)
        drain (&child.stderr_fd, result.errors);
      if (result.output->len > limit)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD,
                       "'%s' printed more than %" G_GSIZE_FORMAT " bytes", spec->argv[0], limit);
          return FALSE;
        }
      if (result.errors->len > STDERR_KEPT)
        g_string_erase (result.errors, 0, (gssize)(result.errors->len - STDERR_KEPT));
    }
  if (!agb_child_wait (&child, deadline, &result.status, error))
    return FALSE;
  result.signal = result.status > 128 ? result.status - 128 : 0;
  agb_trace_child_end (spec->argv[0], result.status, g_get_monotonic_time () - started);

  *ret = result;
  result = (AgbChildResult){ 0 };
  return TRUE;
}

gboolean
agb_child_check (const AgbChildSpec *spec, char **ret_output, GError **error)
{
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_child_run (spec, &result, error))
    return FALSE;
  if (result.status != 0)
    {
      g_strchomp (result.errors->str);
      const char *last_line = strrchr (result.errors->str, '\n');
      const char *subcommand = spec->argv[1] != NULL ? spec->argv[1] : "";

      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "'%s%s%s' failed with status %d%s%s",
                   spec->argv[0], *subcommand != '\0' && *subcommand != '-' ? " " : "",
                   *subcommand != '-' ? subcommand : "", result.status,
                   result.errors->str[0] != '\0' ? ": " : "",
                   last_line != NULL ? last_line + 1 : result.errors->str);
      return FALSE;
    }
  if (ret_output != NULL)
    *ret_output = g_string_free (g_steal_pointer (&result.output), FALSE);
  return TRUE;
}
