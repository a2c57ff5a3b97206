/* Locks between our processes: open file description locks (fcntl(2), F_OFD_SETLK), which end with
 * the process whatever kills it, so that there is no stale lock to break. */
#pragma once

#include <glib.h>

#include "core/process.h"

typedef struct AgbLock AgbLock;

/* Take the lock file PATH (made when missing, mode 0600), waiting at most WAIT_MS (-1: as long as
 * it takes, 0: not at all).  OPERATION ("sync") and our process identity are written into it for
 * agb_lock_peek.  Held by another: AGB_ERROR_USER "session is busy: PID runs OPERATION";
 * an interrupt ends the wait.  The lock file is not removed.  A file that another
 * process removed (agb_lock_remove) while this one waited is made anew. */
AgbLock *agb_lock_take (const char *path, const char *operation, gint64 wait_ms, GError **error);
void agb_lock_release (AgbLock *lock);
/* Remove the file PATH of LOCK, which is held, and release it. */
void agb_lock_remove (AgbLock *lock, const char *path);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbLock, agb_lock_release)

/* Who holds PATH now.  FALSE when nobody does.  ret_operation: the caller frees. */
gboolean agb_lock_peek (const char *path, AgbProcessId *ret_owner, char **ret_operation);
