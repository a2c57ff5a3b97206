/* How `run` and `ssh`, whose exit status is the guest command's, tell their own failures apart. */
#pragma once

#include "core/main.h"

/* Say ERROR as "agbranch: message" on stderr, with --json as an object on stdout whose exit_code is
 * null, and set the exit status.  Returns FALSE, for `return`: nothing is left to say.  A usage error is
 * handed on to agb_main. */
gboolean agb_own_failure (AgbContext *ctx, GError *problem, GError **error);
