#include "subcommands/top-screen.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct AgbScreen {
  struct termios before;
  int size_fd; /* signalfd of SIGWINCH */
  sigset_t mask_before;
  gboolean inside;
  gboolean color; /* reverse video for the marked line; the '>' is there always */
  GString *frame; /* written at once, so that nothing flickers */
};

static void
write_text (const char *text, gsize length)
{
  agb_write_all (STDOUT_FILENO, text, length, "the terminal", NULL);
}

void
agb_screen_enter (AgbScreen *screen)
{
  static const char enter[] = "\033[?1049h\033[?25l";
  struct termios raw = screen->before;

  if (screen->inside)
    return;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  tcsetattr (STDIN_FILENO, TCSADRAIN, &raw);
  write_text (enter, strlen (enter));
  screen->inside = TRUE;
}

void
agb_screen_leave (AgbScreen *screen)
{
  static const char leave[] = "\033[?25h\033[?1049l";

  if (!screen->inside)
    return;
  write_text (leave, strlen (leave));
  tcsetattr (STDIN_FILENO, TCSADRAIN, &screen->before);
  screen->inside = FALSE;
}

/* What KEY has, NULL: nothing.  The caller frees. */
static char *
ask_git (const char *key)
{
  const char *const argv[] = { "git", "config", "--get", key, NULL };
  const AgbChildSpec spec = { .argv = argv, .timeout_ms = AGB_TIMEOUT_QUICK };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_child_run (&spec, &result, NULL) || result.status != 0)
    return NULL;
  return g_strchomp (g_strdup (result.output->str));
}

/* color.agbranch, else color.ui, as git reads them: "always" counts whatever the terminal says it is. */
static gboolean
use_color (void)
{
  static const char *const off[] = { "never", "false", "no", "off", "0", NULL };
  g_autofree char *mode = ask_git ("color.agbranch");

  if (mode == NULL)
    mode = ask_git ("color.ui");
  for (const char *const *word = off; mode != NULL && *word != NULL; word++)
    if (g_ascii_strcasecmp (mode, *word) == 0)
      return FALSE;
  return agb_use_color (STDOUT_FILENO, mode);
}

AgbScreen *
agb_screen_new (GError **error)
{
  sigset_t size_change;

  if (!isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER, "top needs a terminal");
      agb_error_hint (error, "for a list in a pipe: git agbranch ps");
      return NULL;
    }
  AgbScreen *screen = g_new0 (AgbScreen, 1);
  sigemptyset (&size_change);
  sigaddset (&size_change, SIGWINCH);
  sigprocmask (SIG_BLOCK, &size_change, &screen->mask_before);
  screen->size_fd = signalfd (-1, &size_change, SFD_CLOEXEC | SFD_NONBLOCK);
  screen->frame = g_string_new (NULL);
  screen->color = use_color ();
  tcgetattr (STDIN_FILENO, &screen->before);
  agb_screen_enter (screen);
  return screen;
}

void
agb_screen_free (AgbScreen *screen)
{
  agb_screen_leave (screen);
  sigprocmask (SIG_SETMASK, &screen->mask_before, NULL);
  agb_close (&screen->size_fd);
  g_string_free (screen->frame, TRUE);
  g_free (screen);
}

static struct winsize
window_size (void)
{
  struct winsize size = { 0 };

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
  return size;
}

int
agb_screen_rows (AgbScreen *screen)
{
  (void)screen;
  return window_size ().ws_row;
}

int
agb_screen_columns (AgbScreen *screen)
{
  (void)screen;
  return window_size ().ws_col;
}

void
agb_screen_fill_fds (AgbScreen *screen, GPollFD fds[AGB_SCREEN_FDS])
{
  fds[0] = (GPollFD){ .fd = STDIN_FILENO, .events = G_IO_IN };
  fds[1] = (GPollFD){ .fd = screen->size_fd, .events = G_IO_IN };
}

static int
decode_key (const char *bytes, gsize length)
{
  if (length >= 3 && bytes[0] == '\033' && (bytes[1] == '[' || bytes[1] == 'O'))
    return bytes[2] == 'A' ? AGB_KEY_UP : bytes[2] == 'B' ? AGB_KEY_DOWN : AGB_KEY_NONE;
  if (bytes[0] == 'k')
    return AGB_KEY_UP;
  if (bytes[0] == 'j')
    return AGB_KEY_DOWN;
  if (bytes[0] == '\r' || bytes[0] == '\n')
    return AGB_KEY_ENTER;
  return (unsigned char)bytes[0] < 0x80 ? bytes[0] : AGB_KEY_NONE;
}

int
agb_screen_read_key (AgbScreen *screen, const GPollFD fds[AGB_SCREEN_FDS])
{
  char bytes[sizeof (struct signalfd_siginfo)];

  if (fds[1].revents != 0 && read (screen->size_fd, bytes, sizeof bytes) < 0)
    return AGB_KEY_NONE;
  if (fds[0].revents == 0)
    return AGB_KEY_NONE;
  ssize_t length = read (STDIN_FILENO, bytes, 1);
  /* The rest of an arrow key comes in one piece with its beginning; other keys wait for their turn. */
  struct pollfd more = { .fd = STDIN_FILENO, .events = POLLIN };
  if (length == 1 && bytes[0] == '\033' && poll (&more, 1, 0) > 0)
    {
      ssize_t rest = read (STDIN_FILENO, bytes + 1, 2);
      length += MAX (rest, 0);
    }
  return length <= 0 ? AGB_KEY_END : decode_key (bytes, (gsize)length);
}

void
agb_screen_begin (AgbScreen *screen)
{
  g_string_assign (screen->frame, "\033[H");
}

void
agb_screen_line (AgbScreen *screen, int row, const char *text, gboolean marked)
{
  g_autofree char *shown = agb_fit (text, agb_screen_columns (screen));
  gboolean reverse = marked && screen->color;

  g_string_append_printf (screen->frame, "\033[%d;1H%s%s%s\033[K", row + 1,
                          reverse ? "\033[7m" : "", shown, reverse ? "\033[0m" : "");
}

void
agb_screen_end (AgbScreen *screen)
{
  g_string_append (screen->frame, "\033[J");
  write_text (screen->frame->str, screen->frame->len);
}

static void
wait_for_key (const AgbScreen *screen)
{
  static const char question[] = "-- press a key --", gone[] = "\r\033[K";
  struct termios raw = screen->before;
  struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                           { .fd = agb_interrupt_fd (), .events = POLLIN } };
  char key[8];

  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  tcsetattr (STDIN_FILENO, TCSADRAIN, &raw);
  write_text (question, strlen (question));
  if (poll (fds, 2, -1) > 0 && fds[0].revents != 0 && read (STDIN_FILENO, key, sizeof key) < 0)
    errno = 0; /* a terminal that is gone is seen by the next read */
  write_text (gone, strlen (gone));
  tcsetattr (STDIN_FILENO, TCSADRAIN, &screen->before);
}

/* In our own process group, the terminal's: agb_child_start would put it in the background. */
static void
become (const AgbScreen *screen, const char *const *argv, const char *folder)
{
  static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    signal (signals[i], SIG_DFL);
  sigprocmask (SIG_SETMASK, &screen->mask_before, NULL);
  if (folder == NULL || chdir (folder) == 0)
    execvp (argv[0], (char *const *)argv);
  fprintf (stderr, "fatal: cannot run '%s': %s\n", argv[0], strerror (errno));
  _exit (127);
}

int
agb_screen_run (AgbScreen *screen, const char *const *argv, const char *folder, gboolean pause)
{
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  int status = 0;

  agb_screen_leave (screen);
  /* Ctrl-C is for the program that runs now. */
  sigaction (SIGINT, &ignore, &before);
  pid_t pid = fork ();
  if (pid == 0)
    become (screen, argv, folder);
  while (pid > 0 && waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  sigaction (SIGINT, &before, NULL);
  if (pause)
    wait_for_key (screen);
  agb_screen_enter (screen);
  return pid > 0 && WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}
