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

/* A program that is not ours, which reads bytes of a guest. */
typedef struct {
  const char *const *argv; /* NULL-ended; argv[0] has a slash */
  const char *folder;      /* files are made and written below it only */
  const char *const
      *readable;          /* NULL-ended: files, and folders with all below them, that it reads (and
                                * starts itself from); what is not there counts as not named */
  gboolean changes_modes; /* it may use chmod(2), which Landlock does not keep in a folder */
} AgbConfinedProgram;

/* Become PROGRAM, which may read files (beside those of READABLE the libraries and programs of the
 * system), make files below FOLDER, and start threads.  It cannot start a process or become another program,
 * open a socket, send a signal, trace, or map memory that is written and executed; every such call is ENOSYS,
 * which is how a C library knows to do without.  It dies with its parent and leaves no core file.
 *
 * Where files may be is Landlock's business as above.  That it becomes no other program needs a kernel
 * that lets a process listen to its own filter: before Linux 5.6, and where somebody else listens already (in some
 * containers), it may become another one, with no more rights than it has.
 *
 * Does not return but with AGB_ERROR_CHILD: the kernel refuses a part, or PROGRAM cannot be run. */
void agb_confine_exec (const AgbConfinedProgram *program, GError **error);
