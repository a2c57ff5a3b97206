/* top: all open sessions on the whole screen, kept up to date, with keys to work on one. */
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/main.h"
#include "core/names.h"
#include "core/paths.h"
#include "core/time.h"
#include "session/columns.h"
#include "session/overview.h"
#include "subcommands/top-screen.h"

#include <string.h>

enum {
  AGE_EVERY_MS = 10 * 1000, /* the ages grow without an event */
  FRAME_MS = 100, /* a guest that says something all the time is drawn ten times a second */
  HEAD_LINES = 2,
  FOOT_LINES = 2,
};

typedef struct {
  AgbEnv *env;
  AgbScreen *screen;
  AgbOverview *overview;
  char *selected;   /* a name: the rows around it come and go */
  char *message;    /* above the keys; NULL: none */
  gboolean closing; /* the next key says how to close the selected one */
  gboolean output;  /* the last lines of each agent are shown */
  guint first;      /* the row at the top */
} Top;

static AgbOverviewRow *
get_row (Top *top, guint index)
{
  return g_ptr_array_index (agb_overview_rows (top->overview), index);
}

static guint
count_rows (Top *top)
{
  return agb_overview_rows (top->overview)->len;
}

static guint
selected_index (Top *top)
{
  for (guint i = 0; i < count_rows (top); i++)
    if (g_strcmp0 (get_row (top, i)->session->name, top->selected) == 0)
      return i;
  return 0;
}

static void
select_row (Top *top, guint index)
{
  if (count_rows (top) == 0)
    return;
  index = MIN (index, count_rows (top) - 1);
  g_free (top->selected);
  top->selected = g_strdup (get_row (top, index)->session->name);
}

static void set_message (Top *top, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
set_message (Top *top, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_free (top->message);
  top->message = g_strdup_vprintf (format, args);
  va_end (args);
}

/* TEXT escaped, cut and filled up to WIDTH columns. */
static void
add_cell (GString *line, const char *text, int width, gboolean right)
{
  g_autofree char *escaped = agb_escape (text != NULL ? text : "-", -1);
  g_autofree char *shown = agb_fit (escaped, width);
  int padding = width - agb_display_width (shown);

  g_string_append_printf (line, "%*s%s%*s ", right ? padding : 0, "", shown, right ? 0 : padding,
                          "");
}

/* "claude idle", "sh ended" */
static char *
agent_text (const AgbOverviewRow *row)
{
  g_autofree char *label = agb_session_agent_label (row->session);
  const char *doing = row->said != NULL ? row->said : "";

  if (g_str_equal (row->agent, "missing") || label == NULL)
    return NULL;
  if (g_str_equal (row->agent, "dead"))
    doing = "ended";
  else if (g_str_equal (row->agent, "unknown"))
    doing = "?";
  /* Its other name, so that what it does has room. */
  const char *shown = g_str_equal (label, "claude-code") ? "claude" : label;
  return g_strdup_printf ("%s%s%s", shown, *doing != '\0' ? " " : "", doing);
}

/* At most four columns: 812K, 3.4G */
static char *
size_text (gint64 bytes)
{
  static const char units[] = "KMGTPE";
  double value = (double)bytes / 1024;
  const char *unit = units;

  if (bytes < 0)
    return NULL;
  for (; value >= 999.5 && unit[1] != '\0'; unit++)
    value /= 1024;
  return g_strdup_printf (value < 9.95 && unit > units ? "%.1f%c" : "%.0f%c", value, *unit);
}

static char *
percent_text (gint64 percent)
{
  if (percent < 0)
    return NULL;
  return g_strdup_printf (percent < 1000 ? "%d%%" : "%d", (int)MIN (percent, 9999));
}

typedef struct {
  const char *header;
  int width;      /* on 80 columns */
  int most;       /* on a wider terminal */
  gboolean right; /* a number */
} Column;

enum { NAME, STATE, SYNC, AGENT, AHEAD, FILES, CONFLICTS, CPU, MEMORY, DISK, AGE, COLUMNS };

/* The widths and a space each, but for the last, are 79; the mark of the chosen one is before them. */
static const Column columns[COLUMNS] = {
  [NAME] = { "NAME", 12, 48, FALSE },   [STATE] = { "STATE", 7, 14, FALSE },
  [SYNC] = { "SYNC", 7, 9, FALSE },     [AGENT] = { "AGENT", 13, 24, FALSE },
  [AHEAD] = { "AHEAD", 5, 5, TRUE },    [FILES] = { "FILES", 5, 5, TRUE },
  [CONFLICTS] = { "CONF", 4, 4, TRUE }, [CPU] = { "CPU", 4, 4, TRUE },
  [MEMORY] = { "MEM", 4, 4, TRUE },     [DISK] = { "DISK", 4, 4, TRUE },
  [AGE] = { "AGE", 4, 4, TRUE },
};

/* What WIDTH has more than 80 goes to the columns of words, one after the other. */
static char *
line_text (const char *mark, const char *const cells[COLUMNS], int width)
{
  GString *line = g_string_new (mark);
  int spare = MAX (width - 80, 0);

  for (int i = 0; i < COLUMNS; i++)
    {
      int more = MIN (spare, columns[i].most - columns[i].width);
      add_cell (line, cells[i], columns[i].width + more, columns[i].right);
      spare -= more;
    }
  g_string_truncate (line, line->len - 1);
  return g_string_free (line, FALSE);
}

static char *
number_text (gint64 value)
{
  return value >= 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, value) : NULL;
}

static char *
row_text (const AgbOverviewRow *row, gboolean selected, int width)
{
  g_autofree char *agent = agent_text (row);
  g_autofree char *ahead = number_text (row->ahead);
  g_autofree char *changed = number_text (row->changed);
  g_autofree char *conflicts = number_text (row->conflicts);
  g_autofree char *cpu = percent_text (row->cpu_percent);
  g_autofree char *memory = size_text (row->memory_bytes);
  g_autofree char *disk = size_text (row->disk_bytes);
  g_autofree char *age = agb_time_age (row->session->created_at);
  const char *const cells[COLUMNS] = {
    [NAME] = row->session->name,
    [STATE] = row->session->lifecycle_state,
    [SYNC] = row->session->sync_state,
    [AGENT] = agent,
    [AHEAD] = ahead,
    [FILES] = changed,
    [CONFLICTS] = conflicts,
    [CPU] = cpu,
    [MEMORY] = memory,
    [DISK] = disk,
    [AGE] = age,
  };

  return line_text (selected ? ">" : " ", cells, width);
}

static char *
header_text (int width)
{
  const char *cells[COLUMNS];

  for (int i = 0; i < COLUMNS; i++)
    cells[i] = columns[i].header;
  return line_text (" ", cells, width);
}

static int
draw_output (Top *top, const AgbOverviewRow *row, int line, int last_line)
{
  g_auto (GStrv) lines = g_strsplit (row->output != NULL ? row->output : "", "\n", 4);

  for (guint i = 0; lines[i] != NULL && i < 3 && line <= last_line; i++)
    {
      g_autofree char *escaped = agb_escape (lines[i], -1);
      g_autofree char *shown = g_strconcat ("    | ", escaped, NULL);
      if (*lines[i] != '\0')
        agb_screen_line (top->screen, line++, shown, FALSE);
    }
  return line;
}

static void
draw_rows (Top *top, int last_line)
{
  guint selected = selected_index (top);
  int line = HEAD_LINES;
  int lines_a_row = top->output ? 4 : 1;
  guint room = (guint)MAX ((last_line - line + 1) / lines_a_row, 1);

  if (selected < top->first)
    top->first = selected;
  if (selected >= top->first + room)
    top->first = selected - room + 1;
  for (guint i = top->first; i < count_rows (top) && line <= last_line; i++)
    {
      const AgbOverviewRow *row = get_row (top, i);
      g_autofree char *text = row_text (row, i == selected, agb_screen_columns (top->screen));

      agb_screen_line (top->screen, line++, text, i == selected);
      if (top->output)
        line = draw_output (top, row, line, last_line);
    }
  if (count_rows (top) == 0)
    agb_screen_line (top->screen, line++, " no session; open one: git agbranch open <session>",
                     FALSE);
  while (line <= last_line)
    agb_screen_line (top->screen, line++, "", FALSE);
}

static void
draw (Top *top)
{
  int rows = agb_screen_rows (top->screen);
  g_autofree char *header = header_text (agb_screen_columns (top->screen));
  g_autofree char *title = g_strdup_printf ("git agbranch top: %u session%s", count_rows (top),
                                            count_rows (top) == 1 ? "" : "s");

  agb_screen_begin (top->screen);
  agb_screen_line (top->screen, 0, title, FALSE);
  agb_screen_line (top->screen, 1, header, FALSE);
  draw_rows (top, rows - FOOT_LINES - 1);
  agb_screen_line (top->screen, rows - 2, top->message != NULL ? top->message : "", FALSE);
  agb_screen_line (top->screen, rows - 1,
                   "q quit  up/down choose  enter attach  s sync  d diff  c close  l last lines",
                   FALSE);
  agb_screen_end (top->screen);
}

/* One of our own verbs on the selected session. */
static void
run_verb (Top *top, const char *verb, const char *option, const char *second, gboolean pause)
{
  g_autofree char *folder = agb_exec_path ();
  g_autofree char *name = g_strconcat ("git-agbranch-", verb, NULL);
  g_autofree char *program = g_build_filename (folder, name, NULL);
  const char *argv[] = { program, "--session", top->selected, option, second, NULL };

  int status = agb_screen_run (top->screen, argv, NULL, pause);
  if (status != 0)
    set_message (top, "%s of %s ended with status %d", verb, top->selected, status);
  else
    set_message (top, "%s of %s: done", verb, top->selected);
}

/* What was accepted of the session, by git and its pager; no program that the branch could name. */
static void
show_diff (Top *top, const AgbSession *session)
{
  g_autofree char *range = g_strdup_printf (
      "%s..%s", session->base_oid != NULL ? session->base_oid : "", session->session_ref_head);
  const char *argv[]
      = { "git", "--paginate", "diff", "--no-ext-diff", "--no-textconv", "--end-of-options",
          range, "--",         NULL };

  if (session->git_common_dir == NULL || session->base_oid == NULL)
    {
      set_message (top, "%s has no repository", session->name);
      return;
    }
  if (g_strcmp0 (session->sync_state, "pending") == 0)
    set_message (top, "what is not synced yet is not in the diff");
  agb_screen_run (top->screen, argv, session->git_common_dir, TRUE);
}

static void
close_selected (Top *top, int key)
{
  top->closing = FALSE;
  if (key == 's')
    run_verb (top, "close", "--sync", "--yes", TRUE);
  else if (key == 'd')
    run_verb (top, "close", "--discard", "--yes", TRUE);
  else
    set_message (top, "%s stays open", top->selected);
}

/* FALSE: quit. */
static gboolean
handle_key (Top *top, int key)
{
  guint index = selected_index (top);

  if (key == AGB_KEY_NONE)
    return TRUE;
  if (key == 'q' || key == AGB_KEY_END)
    return FALSE;
  g_clear_pointer (&top->message, g_free);
  if (key == 'l')
    top->output = !top->output;
  if (count_rows (top) == 0)
    return TRUE;
  select_row (top, index); /* it may be gone since the last key */
  if (top->closing)
    close_selected (top, key);
  else if (key == AGB_KEY_UP && index > 0)
    select_row (top, index - 1);
  else if (key == AGB_KEY_DOWN)
    select_row (top, index + 1);
  else if (key == AGB_KEY_ENTER)
    run_verb (top, "attach", NULL, NULL, FALSE);
  else if (key == 's')
    run_verb (top, "sync", NULL, NULL, TRUE);
  else if (key == 'd')
    show_diff (top, get_row (top, index)->session);
  else if (key == 'c')
    {
      top->closing = TRUE;
      set_message (top, "close %s: s sync first, d discard, any other key: no", top->selected);
    }
  return TRUE;
}

static gboolean
loop (Top *top, GError **error)
{
  gint64 drawn = 0;
  gboolean go_on = TRUE;

  while (go_on)
    {
      GPollFD fds[AGB_SCREEN_FDS];
      gint64 next = drawn + FRAME_MS * 1000;
      gboolean early = g_get_monotonic_time () < next;

      if (!early)
        {
          select_row (top, selected_index (top));
          draw (top);
          drawn = g_get_monotonic_time ();
        }
      agb_screen_fill_fds (top->screen, fds);
      if (!agb_overview_wait (top->overview, fds, AGB_SCREEN_FDS,
                              early ? next : agb_deadline_in (AGE_EVERY_MS), error))
        return FALSE;
      int key = agb_screen_read_key (top->screen, fds);
      if (key != AGB_KEY_NONE || fds[1].revents != 0)
        drawn = 0; /* a key is answered at once */
      go_on = handle_key (top, key);
    }
  return TRUE;
}

static const char *const usage[] = { "git agbranch top", NULL };

static gboolean
run_top (AgbContext *ctx, int argc, char **argv, GError **error)
{
  Top top = { 0 };

  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_READ_ONLY, NULL, NULL, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbOverview) overview = agb_overview_new (env, error);
  g_autoptr (AgbScreen) screen = overview != NULL ? agb_screen_new (error) : NULL;
  if (screen == NULL)
    return FALSE;
  top = (Top){ .env = env, .screen = screen, .overview = overview };
  gboolean done = loop (&top, error);
  g_free (top.selected);
  g_free (top.message);
  return done || agb_interrupt_ends_following (error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "top", .usage = usage, .run = run_top };

  return agb_main (argc, argv, &verb);
}
