#include "core/output.h"

#include "core/error.h"
#include "core/escape.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NARROWEST_COLUMN = 8 };

struct AgbTable {
  guint columns;
  char **headers;
  GPtrArray *cells; /* char *, row by row */
};

void
agb_print_json (const cJSON *value, gboolean one_line)
{
  g_autofree char *text = agb_json_print (value, !one_line);

  puts (text);
  if (one_line)
    fflush (stdout);
}

void
agb_print (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vprintf (format, args);
  va_end (args);
}

gboolean
agb_print_flush (GError **error)
{
  struct pollfd reader = { .fd = STDOUT_FILENO, .events = POLLOUT };

  errno = 0;
  if ((fflush (stdout) == 0 && ferror (stdout) == 0) || errno == EPIPE)
    return TRUE;
  /* An earlier write failed, and its reason is gone: did the reader go? */
  if (errno == 0 && poll (&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0)
    return TRUE;
  return agb_error_set_errno (error, errno != 0 ? errno : EIO, "write to", "standard output");
}

/* A terminal, or a pager (core/pager.h) in front of it. */
static gboolean
is_terminal (int fd)
{
  return isatty (fd)
         || (fd == STDOUT_FILENO && g_strcmp0 (g_getenv ("GIT_PAGER_IN_USE"), "true") == 0);
}

int
agb_terminal_width (void)
{
  struct winsize size;

  if (!is_terminal (STDOUT_FILENO))
    return 0;
  const char *columns = g_getenv ("COLUMNS");
  if (columns != NULL && g_ascii_strtoull (columns, NULL, 10) > 0)
    return (int)MIN (g_ascii_strtoull (columns, NULL, 10), 10000);
  for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
    if (ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
      return size.ws_col;
  return 80;
}

gboolean
agb_use_color (int fd, const char *mode)
{
  const char *no_color = g_getenv ("NO_COLOR");
  const char *term = g_getenv ("TERM");

  if (mode != NULL && (g_str_equal (mode, "always")))
    return TRUE;
  if (mode != NULL && (g_str_equal (mode, "never") || g_str_equal (mode, "false")))
    return FALSE;
  return is_terminal (fd) && (no_color == NULL || *no_color == '\0') && term != NULL
         && !g_str_equal (term, "dumb");
}

AgbTable *
agb_table_new (const char *const *headers)
{
  AgbTable *table = g_new0 (AgbTable, 1);

  table->headers = g_strdupv ((char **)headers);
  table->columns = g_strv_length (table->headers);
  table->cells = g_ptr_array_new_with_free_func (g_free);
  return table;
}

void
agb_table_add (AgbTable *table, const char *const *cells)
{
  for (guint i = 0; i < table->columns; i++)
    g_ptr_array_add (table->cells, agb_escape (cells[i] != NULL ? cells[i] : "-", -1));
}

void
agb_table_free (AgbTable *table)
{
  g_strfreev (table->headers);
  g_ptr_array_unref (table->cells);
  g_free (table);
}

static const char *
header_text (const AgbTable *table, guint column)
{
  const char *header = table->headers[column];

  return header + (*header == '*' || *header == '>');
}

/* Take columns away from the widest flexible one until the row fits. */
static void
shrink (const AgbTable *table, int *widths, int available)
{
  for (;;)
    {
      int total = 2 * ((int)table->columns - 1);
      int widest = -1;

      for (guint i = 0; i < table->columns; i++)
        {
          total += widths[i];
          if (table->headers[i][0] == '*' && widths[i] > NARROWEST_COLUMN
              && (widest < 0 || widths[i] > widths[widest]))
            widest = (int)i;
        }
      if (total <= available || widest < 0)
        return;
      widths[widest]--;
    }
}

static void
print_padding (int columns)
{
  while (columns-- > 0)
    putchar (' ');
}

static void
print_cell (const char *text, int width, gboolean right, gboolean last)
{
  g_autofree char *cut = NULL;
  int used = agb_display_width (text);

  if (used > width)
    {
      text = cut = agb_fit (text, width);
      used = agb_display_width (text);
    }
  if (right)
    print_padding (width - used);
  fputs (text, stdout);
  if (!right && !last)
    print_padding (width - used);
  fputs (last ? "\n" : "  ", stdout);
}

void
agb_table_print (AgbTable *table)
{
  g_autofree int *widths = g_new0 (int, table->columns);
  int terminal = agb_terminal_width ();

  for (guint i = 0; i < table->columns; i++)
    widths[i] = agb_display_width (header_text (table, i));
  for (guint i = 0; i < table->cells->len; i++)
    {
      int *width = &widths[i % table->columns];
      *width = MAX (*width, agb_display_width (g_ptr_array_index (table->cells, i)));
    }
  if (terminal > 0)
    shrink (table, widths, terminal);

  for (guint i = 0; i < table->columns; i++)
    print_cell (header_text (table, i), widths[i], table->headers[i][0] == '>',
                i + 1 == table->columns);
  for (guint i = 0; i < table->cells->len; i++)
    {
      guint column = i % table->columns;
      print_cell (g_ptr_array_index (table->cells, i), widths[column],
                  table->headers[column][0] == '>', column + 1 == table->columns);
    }
}
