/* The Lima runtime: a session's guest is a clone of a base (guest/lima/base.h). */
#pragma once

#include "guest/runtime.h"

/* Whether "auto" takes Lima: a limactl that is new enough, and we are not root. */
gboolean agb_lima_is_preferred (void);

/* Why the guest VM_NAME was started without the base's saved state; NULL: it was not.  The caller
 * frees. */
char *agb_lima_cold_reason (const char *vm_name);
