#include "core/progress.h"

#include "core/escape.h"
#include "core/trace.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
  REDRAW_USEC = 100 * 1000,
  QUICK_PHASE_USEC = 200 * 1000, /* a phase shorter than this leaves no line of its own */
};

typedef struct {
  char *name;
  gint64 usec;
} Phase;

struct AgbProgress {
  AgbProgressStyle style;
  GArray *phases; /* Phase */
  gint64 phase_began;
  gint64 drawn_at;
  gboolean line_open;
};

static void
phase_clear (gpointer data)
{
  g_free (((Phase *)data)->name);
}

AgbProgress *
agb_progress_new (AgbProgressStyle style)
{
  AgbProgress *progress = g_new0 (AgbProgress, 1);

  progress->style = style;
  progress->phases = g_array_new (FALSE, TRUE, sizeof (Phase));
  g_array_set_clear_func (progress->phases, phase_clear);
  return progress;
}

static Phase *
current_phase (AgbProgress *progress)
{
  if (progress->phases->len == 0)
    return NULL;
  Phase *last = &g_array_index (progress->phases, Phase, progress->phases->len - 1);
  return last->usec < 0 ? last : NULL;
}

static void
wipe_line (AgbProgress *progress)
{
  if (progress->line_open)
    fputs ("\r\033[K", stderr);
  progress->line_open = FALSE;
}

static void
end_phase (AgbProgress *progress)
{
  Phase *phase = current_phase (progress);

  if (phase == NULL)
    return;
  phase->usec = g_get_monotonic_time () - progress->phase_began;
  wipe_line (progress);
  if (progress->style == AGB_PROGRESS_BAR && phase->usec >= QUICK_PHASE_USEC)
    fprintf (stderr, "%-46s %7.1fs\n", phase->name, (double)phase->usec / G_USEC_PER_SEC);
  agb_profile (phase->name, phase->usec);
}

void
agb_progress_free (AgbProgress *progress)
{
  end_phase (progress);
  g_array_unref (progress->phases);
  g_free (progress);
}

static void
draw (AgbProgress *progress, const char *detail)
{
  Phase *phase = current_phase (progress);
  gint64 now = g_get_monotonic_time ();
  struct winsize size;
  int width = ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;

  if (phase == NULL)
    return;
  g_autofree char *line
      = g_strdup_printf ("%-40s %5.1fs %s", phase->name,
                         (double)(now - progress->phase_began) / G_USEC_PER_SEC, detail);
  g_autofree char *fitted = agb_fit (line, width - 1);
  fprintf (stderr, "\r%s\033[K", fitted);
  fflush (stderr);
  progress->drawn_at = now;
  progress->line_open = TRUE;
}

void
agb_progress_phase (AgbProgress *progress, const char *name)
{
  if (progress == NULL)
    return;
  end_phase (progress);
  if (name == NULL)
    return;

  Phase phase = { .name = g_strdup (name), .usec = -1 };
  g_array_append_val (progress->phases, phase);
  progress->phase_began = g_get_monotonic_time ();
  if (progress->style == AGB_PROGRESS_LINES)
    fprintf (stderr, "%s\n", name);
  else if (progress->style == AGB_PROGRESS_BAR)
    draw (progress, "");
}

void
agb_progress_update (AgbProgress *progress, guint64 done, guint64 total, const char *unit)
{
  if (progress == NULL || progress->style != AGB_PROGRESS_BAR
      || g_get_monotonic_time () - progress->drawn_at < REDRAW_USEC)
    return;

  gboolean bytes = g_str_equal (unit, "bytes");
  g_autofree char *amount = bytes ? g_format_size_full (done, G_FORMAT_SIZE_IEC_UNITS)
                                  : g_strdup_printf ("%" G_GUINT64_FORMAT " %s", done, unit);
  g_autofree char *detail
      = total > 0
            ? g_strdup_printf ("%3d%% %s", (int)(100.0 * (double)done / (double)total), amount)
            : g_strdup (amount);
  draw (progress, detail);
}

static void say (AgbProgress *progress, const char *prefix, const char *format, va_list args)
    G_GNUC_PRINTF (3, 0);

static void
say (AgbProgress *progress, const char *prefix, const char *format, va_list args)
{
  if (progress == NULL || progress->style == AGB_PROGRESS_QUIET)
    return;
  g_autofree char *text = g_strdup_vprintf (format, args);
  wipe_line (progress);
  fprintf (stderr, "%s: %s\n", prefix, text);
}

void
agb_progress_note (AgbProgress *progress, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  say (progress, "note", format, args);
  va_end (args);
}

void
agb_progress_warn (AgbProgress *progress, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  say (progress, "warning", format, args);
  va_end (args);
}

void
agb_progress_foreach (AgbProgress *progress, AgbProgressFunc func, gpointer data)
{
  for (guint i = 0; i < progress->phases->len; i++)
    {
      Phase *phase = &g_array_index (progress->phases, Phase, i);
      gint64 usec
          = phase->usec >= 0 ? phase->usec : g_get_monotonic_time () - progress->phase_began;
      func (phase->name, (double)usec / 1000, data);
    }
}
