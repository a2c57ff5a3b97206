/* Progress and notes of long work.  Library code reports, the sink decides what is shown: a bar with
 * phase and time on a terminal, a line a phase otherwise, nothing with -q.  All of it on stderr. */
#pragma once

#include <glib.h>

typedef struct AgbProgress AgbProgress;

typedef enum {
  AGB_PROGRESS_QUIET,
  AGB_PROGRESS_LINES,
  AGB_PROGRESS_BAR,
} AgbProgressStyle;

AgbProgress *agb_progress_new (AgbProgressStyle style);
void agb_progress_free (AgbProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbProgress, agb_progress_free)

/* A new phase begins ("seeding the workspace"); the one before it is over.  NULL ends the last.
 * PROGRESS may be NULL in all of these. */
void agb_progress_phase (AgbProgress *progress, const char *phase);

/* How far the phase is; TOTAL 0: unknown.  Bytes or objects, as UNIT ("bytes", "objects") says. */
void agb_progress_update (AgbProgress *progress, guint64 done, guint64 total, const char *unit);

/* One line for the user that is no error ("note: …"), also without a terminal; not with -q. */
void agb_progress_note (AgbProgress *progress, const char *format, ...) G_GNUC_PRINTF (2, 3);
void agb_progress_warn (AgbProgress *progress, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* The phases so far with their milliseconds, for `--json`: calls
 * FUNC for each in order. */
typedef void (*AgbProgressFunc) (const char *phase, double ms, gpointer data);
void agb_progress_foreach (AgbProgress *progress, AgbProgressFunc func, gpointer data);
