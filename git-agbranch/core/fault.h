/* Fault points: one before every durable effect (a write, rename, ref update, catalog commit,
 * start or end of a guest).
 *
 * AGB_FAIL_AT=N:error makes the Nth point that the process reaches fail with AGB_ERROR_FILE,
 * N:kill ends the process there by SIGKILL; N:term sends it SIGTERM.  AGB_FAIL_LIST=FILE appends the
 * name of every point that is reached, so that a test can count them first. */
#pragma once

#include <glib.h>

/* NAME says what is about to happen, "catalog: insert session".  FALSE: the test wants a failure
 * here, and *ERROR is set. */
gboolean agb_fault_point (const char *name, GError **error);
