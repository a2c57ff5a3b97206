/* The outcome of a sync, as the verbs sync and close print it. */
#pragma once

#include "core/main.h"
#include "session/sync.h"

/* Print OUTCOME (one JSON object with --json) and set ctx->exit_status: 3 when blocked. */
void agb_report_sync (AgbContext *ctx, const AgbSession *session, const AgbSyncOutcome *outcome);
/* The lines for people only. */
void agb_print_sync (const AgbSession *session, const AgbSyncOutcome *outcome);
