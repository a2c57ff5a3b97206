/* AGBRANCH_TRACE: one line an event on stderr (value 1 or 2), or appended to the file that an
 * absolute path names.  Secrets are never in an argv of ours, so argv can be shown. */
#pragma once

#include <glib.h>

void agb_trace (const char *format, ...) G_GNUC_PRINTF (1, 2);
void agb_trace_child (const char *const *argv, const char *cwd);
void agb_trace_child_end (const char *program, int status, gint64 usec);

/* AGBRANCH_PROFILE=1: that PHASE took USEC, on stderr as well. */
void agb_profile (const char *phase, gint64 usec);
