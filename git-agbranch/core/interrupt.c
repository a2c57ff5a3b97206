#include "core/interrupt.h"

#include "core/error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int interrupt_pipe[2] = { -1, -1 };
static volatile sig_atomic_t interrupt_signal;
static int shields;

static void
on_signal (int signal_number)
{
  int saved_errno = errno;

  interrupt_signal = signal_number;
  /* The pipe may be full of earlier signals: then it is readable already. */
  if (write (interrupt_pipe[1], "", 1) < 0)
    errno = saved_errno;
  errno = saved_errno;
}

void
agb_interrupt_init (void)
{
  static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

  if (interrupt_pipe[0] >= 0 || !g_unix_open_pipe (interrupt_pipe, FD_CLOEXEC, NULL))
    return;
  g_unix_set_fd_nonblocking (interrupt_pipe[0], TRUE, NULL);
  g_unix_set_fd_nonblocking (interrupt_pipe[1], TRUE, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      struct sigaction previous;

      /* What nohup or a script set to be ignored stays ignored. */
      if (sigaction (signals[i], NULL, &previous) == 0 && previous.sa_handler == SIG_IGN)
        continue;
      struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
      sigemptyset (&action.sa_mask);
      sigaction (signals[i], &action, NULL);
    }
  /* A closed pipe on stdout is an error of write, not the end of a half-done operation. */
  signal (SIGPIPE, SIG_IGN);
}

int
agb_interrupt_fd (void)
{
  return shields > 0 ? -1 : interrupt_pipe[0];
}

int
agb_interrupt_signal (void)
{
  return interrupt_signal;
}

gboolean
agb_interrupted (GError **error)
{
  if (interrupt_signal == 0 || shields > 0)
    return FALSE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_INTERRUPTED, "interrupted by %s",
               interrupt_signal == SIGINT    ? "SIGINT"
               : interrupt_signal == SIGTERM ? "SIGTERM"
                                             : "SIGHUP");
  return TRUE;
}

gboolean
agb_interrupt_ends_following (GError **error)
{
  if (!g_error_matches (*error, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    return FALSE;
  g_clear_error (error);
  return TRUE;
}

void
agb_interrupt_shield (void)
{
  shields++;
}

void
agb_interrupt_unshield (void)
{
  g_return_if_fail (shields > 0);
  shields--;
}
