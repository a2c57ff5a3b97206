/* close: the end of a session.
 *
 *   (final sync, or rescue) → destroy the guest → prove that it is gone → session refs → closed
 *
 * From the step "destroy" on it is always finished forward; before it, the session stays open. */
#pragma once

#include "session/rescue.h"
#include "session/sync.h"

#define AGB_CLOSE_STEP_DESTROY "destroy"

typedef struct {
  AgbSyncOutcome sync; /* of close --sync; blocked: nothing was destroyed */
  AgbRescue rescue;
} AgbCloseOutcome;
void agb_close_outcome_clear (AgbCloseOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbCloseOutcome, agb_close_outcome_clear)

/* Close the session of HELD.  With DISCARD its work goes to a rescue ref first, as far as the guest
 * still answers; otherwise it is synced, and what the review branch does not reach is rescued. */
gboolean agb_session_close (AgbHeld *held, gboolean discard, AgbCloseOutcome *ret, GError **error);

/* The steps from "destroy" on, each of which may have happened already.  For recovery. */
gboolean agb_close_finish (AgbEnv *env, const AgbSession *session, AgbJournal *journal,
                           GError **error);
