/* What this host gives to virtual machines: KVM that boots, and free memory. */
#pragma once

#include <glib.h>

/* Whether QEMU (a command line, as the shell splits it; NULL: the one of this processor) boots with
 * DEVICE, "/dev/kvm": a few bytes of code are run up to long mode, within ten seconds.  That the
 * device is there and may be opened says little: a nested one may have it and boot nothing.
 * FALSE: *RET_REASON says in one line why not, and *RET_FIX (NULL: none) is a command that helps; the
 * caller frees both. */
gboolean agb_kvm_check (const char *device, const char *qemu, char **ret_reason, char **ret_fix);

/* The same from memory: asked once for each boot of the host, QEMU and rights on the device; the
 * answer lies in HOME/_agbranch/kvm.  *RET_REASON (may be NULL) as above. */
gboolean agb_kvm_works (const char *home, const char *qemu, char **ret_reason);

/* Linux's estimate of the memory that can be had without swapping; 0: unknown. */
guint64 agb_host_free_memory (void);

/* FALSE and AGB_ERROR_RUNTIME, with the size that fits in the hint, when a machine of BYTES does not fit
 * into the memory that is free.  */
gboolean agb_lima_check_memory (guint64 bytes, GError **error);
