/* What the verbs that start an agent ask the user: what of the host it may have, and whether the
 * project's script may run. */
#pragma once

#include "core/main.h"
#include "session/provider.h"
#include "session/runtime-script.h"

/* How to ask about the runtime script, filled into STORAGE; NULL when nobody can be asked. */
const AgbAsk *agb_script_ask (AgbContext *ctx, AgbAsk *storage);

/* The files of PROFILE's provider (NULL: any command) that go into the guest, for NAMES of --import
 * (NULL: none was given): an array for agb_provider_import.
 *
 * Credentials that are named have to be confirmed, or by YES; AGB_ERROR_ACTION when they are not.
 * Without NAMES the user is asked about settings on a terminal, those that SESSION (NULL: a new one)
 * has already aside; elsewhere nothing is taken. */
GPtrArray *agb_choose_imports (AgbContext *ctx, const AgbAgentProfile *profile,
                               const char *const *names, gboolean yes, const AgbSession *session,
                               GError **error);
