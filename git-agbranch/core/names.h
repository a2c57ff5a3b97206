/* Names and sizes that users type, checked once at the edge. */
#pragma once

#include <glib.h>

enum {
  AGB_SESSION_NAME_MAX = 48, /* Lima: instance folder + socket name must fit 104 bytes */
};

/* A session name: [a-z0-9][a-z0-9._-]*, at most 48 characters, valid in refs/heads/agbranch/NAME
 * (git-check-ref-format(1)), none of the reserved words, not only digits.  FALSE and
 * AGB_ERROR_USER that says which rule is broken. */
gboolean agb_session_name_check (const char *name, GError **error);

/* "2GiB", "2G", "512M", "64KiB", "100B"; a bare number counts UNIT bytes (1 << 30: GiB).
 * FALSE and AGB_ERROR_USER otherwise, also for 0 and what does not fit in 63 bits. */
gboolean agb_size_parse (const char *text, guint64 unit, guint64 *ret_bytes, GError **error);

/* BYTES as "2 GiB", "512 MiB".  The caller frees. */
char *agb_size_format (guint64 bytes);

/* TRUE for 40 or 64 lower-case hex digits. */
gboolean agb_is_oid (const char *text);

/* The candidate (NULL-ended list) nearest to WORD by edit distance, or NULL when none is near. */
const char *agb_nearest (const char *word, const char *const *candidates);
