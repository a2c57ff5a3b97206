/* Descriptors and durable files. */
#pragma once

#include <glib.h>

/* Close *FD unless it is -1 and set it to -1, keeping errno. */
void agb_close (int *fd);

/* A descriptor that closes itself: `agb_autofd int fd = -1;` */
#define agb_autofd __attribute__ ((cleanup (agb_close)))

static inline int
agb_steal_fd (int *fd)
{
  int stolen = *fd;
  *fd = -1;
  return stolen;
}

/* Write all LENGTH bytes to a blocking descriptor; FALSE and AGB_ERROR_FILE otherwise, NAME says
 * in the message what was written to. */
gboolean agb_write_all (int fd, const void *data, gsize length, const char *name, GError **error);

/* Replace PATH by CONTENTS: temporary file with an unpredictable name beside it, fsync, rename,
 * fsync of the folder.  MODE as chmod(2).  On an error the old file is as it was and no temporary
 * file is left (AGB_ERROR_FILE). */
gboolean agb_file_replace (const char *path, const void *contents, gsize length, int mode,
                           GError **error);

/* mkdir -p with MODE for what is made. */
gboolean agb_mkdirs (const char *path, int mode, GError **error);

/* fsync of a folder, so that names made or removed in it last. */
gboolean agb_fsync_folder (const char *path, GError **error);

/* Remove PATH and what is below it, never following links; no error when it is not there.
 * PATH's parent must not be writable by a guest. */
gboolean agb_remove_tree (const char *path, GError **error);
