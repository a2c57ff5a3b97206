/* What goes to stdout: a human table, JSON, or NUL-ended fields. */
#pragma once

#include <glib.h>

#include "core/json.h"
#include "core/progress.h"

/* One JSON value on stdout and a newline; a stream of events uses ONE_LINE. */
void agb_print_json (const cJSON *value, gboolean one_line);

/* "phases" in the JSON of a verb: [{"name":…,"ms":…}], those of PROGRESS so far. */
void agb_json_add_phases (cJSON *object, AgbProgress *progress);

/* printf to stdout; the text is ours, every guest string in it has gone through agb_escape. */
void agb_print (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* The end of output: FALSE and AGB_ERROR_FILE when stdout could not take it all (full disk); a
 * closed pipe is not an error.  agb_main calls it. */
gboolean agb_print_flush (GError **error);

/* A table of escaped cells.  On a terminal it fits the width ($COLUMNS or the window): the columns
 * marked as flexible are cut.  In a pipe nothing is cut. */
typedef struct AgbTable AgbTable;
/* HEADERS is NULL-ended; a header that begins with '*' may be cut, with '>' is right-aligned. */
AgbTable *agb_table_new (const char *const *headers);
/* As many cells as headers, NULL as "-"; each is escaped here. */
void agb_table_add (AgbTable *table, const char *const *cells);
void agb_table_print (AgbTable *table);
void agb_table_free (AgbTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbTable, agb_table_free)

/* Columns of the terminal on stdout, or 0 when it is none. */
int agb_terminal_width (void);

/* TRUE when colour may be used on FD: a terminal, no NO_COLOR, TERM not dumb, and
 * color.agbranch / color.ui (as MODE: "auto", "always", "never", NULL) allow it. */
gboolean agb_use_color (int fd, const char *mode);
