/* A tar stream of a guest, unpacked under rules (session/unpack.h says which). */
#pragma once

#include <glib.h>

typedef struct AgbArchive AgbArchive;

/* An entry was left out: its PATH, escaped, and the RULE that it broke. */
typedef void (*AgbArchiveSkipFunc) (const char *path, const char *rule, AgbArchive *archive);

struct AgbArchive {
  const char *top;         /* the only name at the root */
  guint64 byte_limit;      /* of all files together */
  guint64 entry_limit;     /* with what is left out */
  int root_fd;             /* of the working directory, O_PATH */
  AgbArchiveSkipFunc skip; /* NULL: an entry that breaks a rule is an error */

  /* so far */
  guint64 bytes;
  guint64 entries;
  guint64 skipped;
};

/* Read plain tar from FD to its end and unpack it in the working directory.  AGB_ERROR_SYNC for what
 * the guest did wrong, AGB_ERROR_FILE for the disk; a part is unpacked then. */
gboolean agb_archive_unpack (AgbArchive *archive, int fd, GError **error);
