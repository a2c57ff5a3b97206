/* The system call filter of a sandbox. */
#pragma once

#include <glib.h>

/* A descriptor (close-on-exec) from which the filter can be read as a BPF program, for
 * bwrap --seccomp.  PINNED: the processors of the sandbox are its limit.  -1 and AGB_ERROR_RUNTIME
 * otherwise. */
int agb_bwrap_seccomp_fd (gboolean pinned, GError **error);
