/* Time as the catalog and JSON write it, and deadlines on the monotonic clock. */
#pragma once

#include <glib.h>

/* Now as RFC 3339 UTC with microseconds, "2026-01-31T12:00:00.123456Z": sorts as text.
 * AGBRANCH_TEST_NOW (RFC 3339), when set, is used instead.  The caller frees. */
char *agb_time_now (void);

/* TEXT (RFC 3339) as seconds since the epoch, or -1. */
gint64 agb_time_parse (const char *text);

/* TEXT without the fraction of its second, for people; "-" when it is NULL or not a time.  The caller
 * frees. */
char *agb_time_shown (const char *text);

/* "3s", "5m", "2h", "4d" since TEXT, for tables; "-" when TEXT is NULL or not a time.
 * The caller frees. */
char *agb_time_age (const char *text);

/* A monotonic deadline (microseconds, g_get_monotonic_time) TIMEOUT_MS from now; -1 = none. */
gint64 agb_deadline_in (gint64 timeout_ms);

/* What is left until DEADLINE_USEC for poll(2): milliseconds rounded up, 0 when over, -1 = none. */
int agb_deadline_left_ms (gint64 deadline_usec);

/* "90", "90s", "5m", "2h", "1d" as milliseconds; FALSE and AGB_ERROR_USER otherwise. */
gboolean agb_duration_parse (const char *text, gint64 *ret_ms, GError **error);
