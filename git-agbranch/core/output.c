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

typedef struct {
  const char *text; /* escaped; lives in the table's texts */
  int width;        /* columns on a terminal */
} Cell;

struct AgbTable {
  guint columns;
  char **headers;
  GArray *cells; /* Cell, row by row */
  GStringChunk *texts;
};

void
agb_print_json (const cJSON *value, gboolean one_line)
{
  g_autofree char *text = agb_json_print (value, !one_line);

  puts (text);
  if (one_line)
    fflush (stdout);
}

static void
add_phase (const char *phase, double ms, gpointer data)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "name", phase);
  cJSON_AddNumberToObject (object, "ms", ms);
  cJSON_AddItemToArray (data, object);
}

void
agb_json_add_phases (cJSON *object, AgbProgress *progress)
{
  agb_progress_foreach (progress, add_phase, cJSON_AddArrayToObject (object, "phases"));
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
  table->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  table->texts = g_string_chunk_new (4096);
  return table;
}

void
agb_table_add (AgbTable *table, const char *const *cells)
{
  for (guint i = 0; i < table->columns; i++)
    {
      const char *text = cells[i] != NULL ? cells[i] : "-";
      gsize length = strlen (text);
      g_autofree char *escaped = NULL;
      Cell cell = { .width = (int)length };

      if (!agb_is_plain (text, length))
        {
          text = escaped = agb_escape (text, -1);
          length = strlen (escaped);
          cell.width = agb_display_width (escaped);
        }
      cell.text = g_string_chunk_insert_len (table->texts, text, (gssize)length);
      g_array_append_val (table->cells, cell);
    }
}

void
agb_table_free (AgbTable *table)
{
  g_strfreev (table->headers);
  g_array_unref (table->cells);
  g_string_chunk_free (table->texts);
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
add_padding (GString *line, int columns)
{
  for (; columns > 0; columns--)
    g_string_append_c (line, ' ');
}

static void
add_cell (GString *line, const Cell *cell, int width, gboolean right, gboolean last)
{
  g_autofree char *cut = NULL;
  const char *text = cell->text;
  int used = cell->width;

  if (used > width)
    {
      text = cut = agb_fit (text, width);
      used = agb_display_width (text);
    }
  if (right)
    add_padding (line, width - used);
  g_string_append (line, text);
  if (!right && !last)
    add_padding (line, width - used);
  g_string_append (line, last ? "\n" : "  ");
}

void
agb_table_print (AgbTable *table)
{
  g_autofree int *widths = g_new0 (int, table->columns);
  g_autoptr (GString) text = g_string_sized_new (8192);
  int terminal = agb_terminal_width ();

  for (guint i = 0; i < table->columns; i++)
    widths[i] = agb_display_width (header_text (table, i));
  for (guint i = 0; i < table->cells->len; i++)
    {
      int *width = &widths[i % table->columns];
      *width = MAX (*width, g_array_index (table->cells, Cell, i).width);
    }
  if (terminal > 0)
    shrink (table, widths, terminal);

  for (guint i = 0; i < table->columns; i++)
    {
      const char *header = header_text (table, i);
      const Cell cell = { .text = header, .width = agb_display_width (header) };
      add_cell (text, &cell, widths[i], table->headers[i][0] == '>', i + 1 == table->columns);
    }
  for (guint i = 0; i < table->cells->len; i++)
    {
      guint column = i % table->columns;
      add_cell (text, &g_array_index (table->cells, Cell, i), widths[column],
                table->headers[column][0] == '>', column + 1 == table->columns);
    }
  /* In one piece: stdio's own cost a cell would be most of the time of a long table. */
  fwrite (text->str, 1, text->len, stdout);
}
