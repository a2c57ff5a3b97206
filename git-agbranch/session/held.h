/* A session whose lock we hold, with all that work on it needs. */
#pragma once

#include "session/env.h"

typedef struct {
  AgbEnv *env;
  AgbLock *lock;
  AgbSession *session; /* as it was read under the lock */
  AgbRuntime *runtime;
  AgbRepo *repo;         /* NULL for a sandbox session, or when it is gone and may be */
  AgbSettings *settings; /* those of repo; without one those of env */

  AgbSettings *own_settings; /* private */
} AgbHeld;

/* Lock NAME (NULL: the one session of this repository) for OPERATION and open what belongs to it.
 * An unfinished operation has been recovered when this returns.  With REPO_MAY_BE_GONE a repository
 * that cannot be opened is left NULL. */
AgbHeld *agb_hold (AgbEnv *env, const char *name, const char *operation, gboolean repo_may_be_gone,
                   GError **error);
void agb_held_free (AgbHeld *held);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbHeld, agb_held_free)
