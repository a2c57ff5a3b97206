/* All open sessions with what their guests say of themselves, kept up to date: for `top`.
 *
 * Each running guest is asked by one process in it (lima/guest/glance.sh) that tells what has changed,
 * so that a guest that hangs keeps nobody waiting.  What guests say is hostile text and no fact. */
#pragma once

#include "session/env.h"

typedef struct {
  AgbSession *session;
  const char *agent;   /* live, dead, missing, unknown; static */
  char *said;          /* what the agent says that it does: idle, …; NULL: nothing */
  gint64 ahead;        /* commits of the guest since the base, -1: unknown */
  gint64 changed;      /* files in its work tree that are not committed, -1: unknown */
  gint64 memory_bytes; /* of the guest's processes without what they share, -1: unknown */
  gint64 disk_bytes;   /* of the files in its workspace, -1: unknown */
  gint64 cpu_percent;  /* of one processor in the last seconds, as the host counts; -1: unknown */
  gint64 conflicts;    /* session/conflicts.h */
  char *output;        /* the last lines of the agent's window, NULL: none; not escaped */

  struct AgbGlance *glance; /* private */
  gboolean branches_known;  /* private: conflicts is of where they were a moment ago */
} AgbOverviewRow;

typedef struct AgbOverview AgbOverview;

AgbOverview *agb_overview_new (AgbEnv *env, GError **error);
void agb_overview_free (AgbOverview *overview);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbOverview, agb_overview_free)

/* AgbOverviewRow, by name; belongs to OVERVIEW and is good until the next wait. */
GPtrArray *agb_overview_rows (AgbOverview *overview);

/* TRUE when every guest that can be asked has answered, with CPU also how much it computes, or is gone. */
gboolean agb_overview_is_known (AgbOverview *overview, gboolean cpu);

/* Wait until something changes or may have (every two seconds), one of FDS is ready (revents are set), or DEADLINE_USEC is over.
 * AGB_ERROR_INTERRUPTED for a signal; AGB_ERROR_CATALOG when the catalog fails. */
gboolean agb_overview_wait (AgbOverview *overview, GPollFD *fds, guint n_fds, gint64 deadline_usec,
                            GError **error);
