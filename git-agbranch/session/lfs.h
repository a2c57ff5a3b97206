/* Git LFS: the contents behind the pointers of a repository, in and out of a session.
 *
 * Contents are named by their SHA-256, so what a guest sends is taken only when it is what the pointer
 * names.  No LFS server is ever asked. */
#pragma once

#include "gate/gate.h"
#include "session/held.h"

/* Send the LFS objects that BASE of SESSION needs and the host has to the clone, which is there, and check
 * the files out when the guest has git-lfs.  No effect in a repository that does not use LFS. */
gboolean agb_lfs_seed (AgbRuntime *runtime, const AgbSession *session, AgbRepo *repo,
                       AgbSettings *settings, AgbProgress *progress, GError **error);

/* After agb_gate_check: bring the LFS objects of new pointers, which the host has not, from the guest of
 * HELD into the host's LFS store (at most agbranch.limits.export bytes).  Each that cannot be had is a
 * finding "lfs-missing: PATH" of GATE. */
gboolean agb_lfs_bring (AgbHeld *held, AgbGate *gate, GError **error);
