/* Whether what was accepted of a session would merge into the branch that it was opened from. */
#pragma once

#include "session/env.h"

/* Remembers repositories, and the answer for each pair of commits. */
typedef struct AgbConflicts AgbConflicts;

AgbConflicts *agb_conflicts_new (AgbEnv *env);
void agb_conflicts_free (AgbConflicts *conflicts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbConflicts, agb_conflicts_free)

/* How many files would conflict when the review branch of SESSION is merged into the branch named when
 * it was opened (else the one that was checked out then).  -1: there is no such branch, nothing was
 * synced yet, or git cannot tell.  Costs a git process when both are where they were. */
gint64 agb_conflicts_count (AgbConflicts *conflicts, const AgbSession *session);
