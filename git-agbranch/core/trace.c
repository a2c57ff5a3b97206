#include "core/trace.h"

#include "core/escape.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int
trace_fd (void)
{
  static int fd = -2;

  if (fd != -2)
    return fd;
  const char *value = g_getenv ("AGBRANCH_TRACE");
  if (value == NULL || *value == '\0' || g_str_equal (value, "0"))
    fd = -1;
  else if (g_path_is_absolute (value))
    fd = open (value, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  else
    fd = STDERR_FILENO;
  return fd;
}

static void
write_line (int fd, const char *text)
{
  g_autofree char *line = g_strdup_printf ("trace: %s\n", text);

  /* One write a line, so that lines of several processes do not mix; a lost line is no error. */
  if (write (fd, line, strlen (line)) < 0)
    return;
}

void
agb_trace (const char *format, ...)
{
  if (trace_fd () < 0)
    return;

  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  write_line (trace_fd (), text);
}

void
agb_trace_child (const char *const *argv, const char *cwd)
{
  if (trace_fd () < 0)
    return;

  g_autoptr (GString) line = g_string_new ("run:");
  for (; *argv != NULL; argv++)
    {
      g_autofree char *hidden = agb_hide_credentials (*argv);
      g_autofree char *quoted = g_shell_quote (hidden);
      g_autofree char *escaped = agb_escape (quoted, -1);
      g_string_append_printf (line, " %s", escaped);
    }
  if (cwd != NULL)
    g_string_append_printf (line, " (in %s)", cwd);
  write_line (trace_fd (), line->str);
}

void
agb_trace_child_end (const char *program, int status, gint64 usec)
{
  agb_trace ("end: %s status=%d ms=%.1f", program, status, (double)usec / 1000);
}

void
agb_profile (const char *phase, gint64 usec)
{
  if (g_strcmp0 (g_getenv ("AGBRANCH_PROFILE"), "1") != 0)
    return;
  g_autofree char *line = g_strdup_printf ("profile: %s %.1f ms", phase, (double)usec / 1000);
  write_line (STDERR_FILENO, line);
}
