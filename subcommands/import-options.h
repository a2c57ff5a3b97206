/* --import and --yes: what a verb that starts an agent gives it of the host's files. */
#pragma once

#include "core/main.h"
#include "guest/agent.h"

/* The files that NAMES (session/provider.h) mean for PROFILE; credentials among them are confirmed, by YES or
 * on the terminal.  NULL and AGB_ERROR_USER for an unknown name or a missing file, AGB_ERROR_ACTION when
 * it was not confirmed.  The caller frees. */
GPtrArray *agb_choose_imports (AgbContext *ctx, const AgbAgentProfile *profile,
                               const char *const *names, gboolean yes, GError **error);
