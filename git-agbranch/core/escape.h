/* The one place where text that a guest may have written is made harmless for a terminal. */
#pragma once

#include <glib.h>

/* TEXT (LENGTH bytes, -1: to its NUL) with every C0 and C1 control, DEL, bidirectional control,
 * zero-width and other format character, line separator and byte that is not UTF-8 written as
 * \n, \t, \xHH or \u{HHHH}; a backslash stays itself.  The result is one line.  The caller frees. */
char *agb_escape (const char *text, gssize length);

/* The same, but newlines and tabs stay: for text of several lines (patches, logs). */
char *agb_escape_lines (const char *text, gssize length);

/* TEXT with the credentials of every URL in it as "<redacted>", as git traces them: all of what stands
 * before the "@" for http and https, where it may be a token, else what follows the user.  The caller frees. */
char *agb_hide_credentials (const char *text);

/* TRUE for printable ASCII only: nothing to escape, a column a byte.  Most text is, and tables have
 * thousands of cells. */
gboolean agb_is_plain (const char *text, gsize length);

/* Columns that TEXT (escaped, UTF-8) takes on a terminal; wide characters count two. */
int agb_display_width (const char *text);

/* TEXT cut to WIDTH columns, the last one "…" where something was cut.  The caller frees. */
char *agb_fit (const char *text, int width);
