/* sync: the guest's commits onto the review branch.
 *
 *   state of the clone → thin pack into the gate's quarantine (and staged as a bundle) → reasons to
 *   block → checks, pre-sync hook → objects in → ONE ref transaction {sync/<n>, head, review branch}
 *
 * It only ever moves forward.  Blocked means that nothing moved and all work is staged. */
#pragma once

#include "session/held.h"

typedef struct {
  gboolean include_dirty;   /* commit the guest's changes first, as the user's choice */
  const char *export_patch; /* absolute path of the patch to write, NULL: none */
} AgbSyncOptions;

typedef struct {
  gboolean blocked;
  const char *reason; /* blocked: guest_dirty, guest_off_branch, guest_rewritten, host_moved,
                         checked_out; NULL otherwise */
  char *message;      /* one line, escaped */
  char *hint;         /* the command that continues */
  char *staged_path;  /* never NULL after success or a block */
  char *patch_path;   /* NULL: none was asked for, or there was nothing to write */
  char *old_oid;
  char *new_oid; /* = old_oid: nothing to sync */
  gint64 number; /* n of refs/agbranch/sync/<s>/<n>, 0: nothing was accepted */
  guint commits;
  char **findings; /* escaped, NULL-ended; NULL: none */
} AgbSyncOutcome;
void agb_sync_outcome_clear (AgbSyncOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbSyncOutcome, agb_sync_outcome_clear)

/* Sync the session of HELD, starting its guest when it is stopped.  A block is no error: see
 * ret->blocked.  AGB_ERROR_SYNC when the gate refuses, AGB_ERROR_USER for a sandbox session. */
gboolean agb_session_sync (AgbHeld *held, const AgbSyncOptions *options, AgbSyncOutcome *ret,
                           GError **error);

/* The next free N of the refs KIND ("sync", "rescue") of SESSION: numbers go on after a close. */
gint64 agb_next_ref_number (AgbHeld *held, const char *kind);
