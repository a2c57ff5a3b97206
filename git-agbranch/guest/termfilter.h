/* What a guest may send to the host's terminal (SECURITY, row 18).
 *
 * Passed on: text, C0 controls, cursor movement, colours, modes of the screen (alternate screen,
 * bracketed paste, mouse, cursor), scrolling, character sets, titles of at most 256 bytes with their
 * text cleaned, links (OSC 8).  Dropped: whatever makes the terminal answer (DA, DSR, DECRQM, DECRQSS,
 * XTGETTCAP, window reports, colour queries) since the answer would be typed into the guest or, after
 * the guest's end, into the user's shell; the clipboard (OSC 52); notifications and files (OSC 9, 777,
 * 1337); every DCS, APC, PM and SOS string; media copy; C1 controls in their 8-bit form. */
#pragma once

#include <glib.h>

typedef struct AgbTermFilter AgbTermFilter;

AgbTermFilter *agb_term_filter_new (void);
void agb_term_filter_free (AgbTermFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbTermFilter, agb_term_filter_free)

/* Append to OUTPUT what may pass of LENGTH bytes.  Sequences may be cut anywhere between two calls;
 * at most 4 KiB are held back.  Bytes that are not UTF-8 become U+FFFD. */
void agb_term_filter_push (AgbTermFilter *filter, const char *bytes, gsize length, GString *output);

/* Append what sets the modes back that the guest has switched on (alternate screen, mouse, bracketed
 * paste, hidden cursor, keypad, colours), for the end of the guest's stream. */
void agb_term_filter_finish (AgbTermFilter *filter, GString *output);
