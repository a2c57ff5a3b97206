#include "guest/stream.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
  READ_SIZE = 64 * 1024,
  GRACE_MS = 200,
};

gboolean
agb_guest_poll (struct pollfd *fds, nfds_t count, gint64 deadline_usec, GError **error)
{
  struct pollfd watched[9];

  g_assert (count < G_N_ELEMENTS (watched));
  for (;;)
    {
      memcpy (watched, fds, count * sizeof *fds);
      watched[count] = (struct pollfd){ .fd = agb_interrupt_fd (), .events = POLLIN };
      int ready = poll (watched, count + 1, agb_deadline_left_ms (deadline_usec));
      if (agb_interrupted (error))
        return FALSE;
      if (ready < 0 && errno == EINTR)
        continue;
      if (ready < 0)
        return agb_error_set_errno (error, errno, "wait for", "guest");
      if (ready == 0)
        {
          g_set_error_literal (error, AGB_ERROR, AGB_ERROR_TIMEOUT,
                               "the command in the guest did not end in time");
          return FALSE;
        }
      memcpy (fds, watched, count * sizeof *fds);
      return TRUE;
    }
}

gsize
agb_guest_read (int *fd, GString *text)
{
  gsize before = text->len;

  g_string_set_size (text, before + READ_SIZE);
  ssize_t length = read (*fd, text->str + before, READ_SIZE);
  if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
    agb_close (fd);
  g_string_set_size (text, before + (gsize)MAX (length, 0));
  return (gsize)MAX (length, 0);
}

gssize
agb_guest_write (int *fd, const char *bytes, gsize length)
{
  ssize_t written = write (*fd, bytes, length);

  if (written < 0 && errno != EAGAIN && errno != EINTR)
    agb_close (fd);
  return MAX (written, 0);
}

int
agb_guest_end_fd (AgbGuestEnd *end, AgbGuestProcess *process)
{
  return end->ended ? -1 : process->klass->wait_fd (process);
}

/* Bytes that are still to be read before a stream is let go. */
static gint64
bytes_to_come (const AgbGuestProcess *process, int fd)
{
  int waiting = 0;

  if (fd < 0)
    return 0;
  if (process->klass->streams_end)
    return G_MAXINT64;
  return ioctl (fd, FIONREAD, &waiting) == 0 ? waiting : 0;
}

gboolean
agb_guest_end_note (AgbGuestEnd *end, AgbGuestProcess *process, GError **error)
{
  if (!process->klass->finish (process, &end->status, error))
    return FALSE;
  end->ended = TRUE;
  end->grace_usec = agb_deadline_in (GRACE_MS);
  end->must_read[0] = bytes_to_come (process, process->stdout_fd);
  end->must_read[1] = bytes_to_come (process, process->stderr_fd);
  return TRUE;
}

void
agb_guest_end_count (AgbGuestEnd *end, int stream, gsize bytes)
{
  if (end->ended)
    end->must_read[stream] -= (gint64)bytes;
}

/* Whether only the grace is waited for. */
static gboolean
is_in_grace (const AgbGuestEnd *end)
{
  return end->ended && end->must_read[0] <= 0 && end->must_read[1] <= 0;
}

gboolean
agb_guest_end_poll (AgbGuestEnd *end, struct pollfd *fds, nfds_t count, GError **error)
{
  gint64 deadline = end->deadline_usec;

  if (!is_in_grace (end))
    return agb_guest_poll (fds, count, deadline, error);
  if (deadline < 0 || end->grace_usec < deadline)
    deadline = end->grace_usec;
  g_autoptr (GError) timeout = NULL;
  if (agb_guest_poll (fds, count, deadline, &timeout))
    return TRUE;
  if (g_error_matches (timeout, AGB_ERROR, AGB_ERROR_TIMEOUT)
      && agb_deadline_left_ms (end->grace_usec) == 0)
    {
      for (nfds_t i = 0; i < count; i++)
        fds[i].revents = 0;
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&timeout));
  return FALSE;
}

gboolean
agb_guest_end_reached (AgbGuestEnd *end, AgbGuestProcess *process)
{
  if (!end->ended)
    return FALSE;
  if ((process->stdout_fd >= 0 || process->stderr_fd >= 0)
      && !(is_in_grace (end) && agb_deadline_left_ms (end->grace_usec) == 0))
    return FALSE;
  agb_close (&process->stdin_fd);
  agb_close (&process->stdout_fd);
  agb_close (&process->stderr_fd);
  return TRUE;
}
