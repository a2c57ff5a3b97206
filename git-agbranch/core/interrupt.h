/* SIGINT, SIGTERM and SIGHUP as a descriptor that every wait watches.
 *
 * A signal never ends the program by itself: the wait that is under way ends with
 * AGB_ERROR_INTERRUPTED, the verb leaves a clean state (journal, locks, children), and the exit
 * code is 4. */
#pragma once

#include <glib.h>

/* Install the handlers.  Called once, by agb_main. */
void agb_interrupt_init (void);

/* A descriptor that polls readable from the first signal on (never read it), or -1 before
 * agb_interrupt_init and while shielded. */
int agb_interrupt_fd (void);

/* TRUE and sets AGB_ERROR_INTERRUPTED when a signal has come and no shield is up. */
gboolean agb_interrupted (GError **error);

/* For a verb that only follows, whose normal end a signal is (exit 0): clears *ERROR and is TRUE when it
 * is AGB_ERROR_INTERRUPTED. */
gboolean agb_interrupt_ends_following (GError **error);

/* The signal that came, or 0. */
int agb_interrupt_signal (void);

/* While at least one shield is up, waits do not end for a signal: for cleaning up after one, and
 * for the few steps that must not be cut in two.  Nests. */
void agb_interrupt_shield (void);
void agb_interrupt_unshield (void);
