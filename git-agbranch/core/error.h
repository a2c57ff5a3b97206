/* One error domain for the whole suite.
 *
 * The code of an error is the exit code of the program that reports it
 * (exit code table: Documentation/git-agbranch.adoc).  Library functions set
 * errors and return; only subcommands/ print them.  Message style: lower
 * case, what failed, on what, why; no full stop.
 */
#pragma once

#include <glib.h>

#define AGB_ERROR (agb_error_quark ())

typedef enum {
  AGB_ERROR_USER = 1,        /* user input or configuration */
  AGB_ERROR_INTERNAL = 2,    /* a defect of ours */
  AGB_ERROR_ACTION = 3,      /* the user has to decide: blocked sync, missing confirmation */
  AGB_ERROR_INTERRUPTED = 4, /* ended by a signal */
  AGB_ERROR_CATALOG = 5,
  AGB_ERROR_RUNTIME = 6, /* Lima, bwrap */
  AGB_ERROR_CHILD = 7,   /* a child program could not be run, or failed unexpectedly */
  AGB_ERROR_FILE = 8,
  AGB_ERROR_SYNC = 9, /* the gate refused */
  AGB_ERROR_TIMEOUT = 124,
  AGB_ERROR_USAGE = 129,
} AgbError;

GQuark agb_error_quark (void);

/* The word for CODE in JSON (`error.kind`): user, internal, action_required, interrupted,
 * catalog, runtime, child, file, sync, timeout, usage.  Static. */
const char *agb_error_kind (int code);

/* Give *ERROR (set, or NULL: then nothing happens) the one `hint:` line that tells the user which
 * command to run.  A second call replaces the first hint. */
void agb_error_hint (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* The two parts of an error: the message without its hint, and the hint or NULL.
 * The caller frees both. */
void agb_error_split (const GError *error, char **ret_message, char **ret_hint);

/* Set a file error (AGB_ERROR_FILE) "cannot ACTION 'PATH': strerror (errno)". ACTION is a verb
 * ("open", "rename").  Returns FALSE so that callers can return it. */
gboolean agb_error_set_errno (GError **error, int errnum, const char *action, const char *path);

/* Turn an error of another domain (GLib, GIO) in *ERROR into CODE of ours, keeping its text behind
 * PREFIX ("cannot read 'x': ").  An error that is ours already keeps its code. */
void agb_error_adopt (GError **error, AgbError code, const char *prefix, ...) G_GNUC_PRINTF (3, 4);
