/* Giving rights away for good, in a process that is about to read bytes of a guest. */
#pragma once

#include <glib.h>

typedef struct {
  int folder_fd;        /* O_PATH: files are made and written below it only.  -1: no file at all */
  guint64 file_bytes;   /* of the largest file */
  guint64 memory_bytes; /* of the address space */
} AgbConfinement;

/* From now on, and for no way back, the process may use only the system calls of a short list; every
 * other one is EPERM.  It cannot run or start anything, open a socket, send a signal, or map memory
 * that can be executed.
 *
 * Without a folder it reads descriptor 0, writes 1 and 2, and has no other descriptor.  With one it
 * opens files, which Landlock keeps below that folder; where the kernel has no Landlock (before 5.13)
 * the caller's own rules on paths stand alone.  It dies with its parent.
 *
 * AGB_ERROR_CHILD when the kernel refuses a part: nothing may be read then.  Under AddressSanitizer
 * the limit on memory is left out, since its shadow is larger than any. */
gboolean agb_confine (const AgbConfinement *confinement, GError **error);
