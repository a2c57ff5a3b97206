/* Unpacking what a guest sends as tar (SECURITY, row 17).
 *
 * The archive is read and written by a helper process (unpack-main.c) that gave its rights away
 * first: it can write below one folder only, run nothing, reach no network, and has a limit on
 * memory.  Where the kernel has no Landlock (before 5.13) the path rules and libarchive's secure
 * flags stand alone. */
#pragma once

#include <glib.h>

typedef struct {
  guint64 bytes;        /* contents of all files, as their size says (a hole counts) */
  guint64 entries;      /* files, folders and links */
  gboolean skip_unsafe; /* leave an entry out that breaks a rule, unless it is TOP or a limit */
} AgbUnpackLimits;

typedef struct {
  guint64 bytes;
  guint64 entries;
  guint64 skipped;
  GPtrArray
      *skipped_paths; /* char *, escaped; with the rule at the same place in skipped_rules; the */
  GPtrArray *skipped_rules; /* first 1000 of them */
} AgbUnpackCount;
void agb_unpack_count_clear (AgbUnpackCount *count);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbUnpackCount, agb_unpack_count_clear)

/* Read a tar stream from FD (stays the caller's) to its end and unpack it in FOLDER, which is empty
 * and nobody else's.  Every entry must be TOP or lie below it.  Modes lose set-uid, set-gid and
 * sticky bits and what the umask takes; owners, ACLs and extended attributes are not taken over; times
 * are.  Nothing is synced to disk.
 *
 * AGB_ERROR_SYNC names the entry and the rule it broke: an absolute path, `..`, another top, a link
 * that leaves TOP or that another entry goes through, a device, fifo or socket, a name twice, `.git`,
 * control characters, a path over 4096 bytes or 64 levels, a broken archive, a limit.  AGB_ERROR_FILE:
 * the disk.  After an error FOLDER holds a part: the caller removes it. */
gboolean agb_unpack (int fd, const char *folder, const char *top, const AgbUnpackLimits *limits,
                     gint64 timeout_ms, AgbUnpackCount *ret, GError **error);
