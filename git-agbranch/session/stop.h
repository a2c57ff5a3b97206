/* Stopping a session's guest.  The session stays: `start`, and all that enters it, brings it back. */
#pragma once

#include "session/env.h"

typedef enum {
  AGB_STOP_KILL = 1 << 0,     /* end it without asking it first */
  AGB_STOP_UNLOCKED = 1 << 1, /* the caller could not get the lock: nothing is journaled */
} AgbStopFlags;

/* End SESSION's guest; a repeat is ok.  The caller holds the lock.  Killed half-way: recovery asks the
 * runtime what became of it. */
gboolean agb_session_stop (AgbEnv *env, AgbSession *session, AgbRuntime *runtime,
                           AgbStopFlags flags, GError **error);
