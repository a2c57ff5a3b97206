/* Bringing a session's guest to running. */
#pragma once

#include "session/env.h"

/* Start SESSION's guest when it does not run: guest, tmux server with its shell window, row and
 * event.  The caller holds its lock.  *RET_STARTED (may be NULL): whether anything had to be done.
 * AGB_ERROR_RUNTIME with a hint when its guest is gone. */
gboolean agb_session_start (AgbEnv *env, AgbSession *session, AgbRuntime *runtime,
                            gboolean *ret_started, GError **error);

/* The same for callers that hold no lock: it is taken only when the guest does not run. */
gboolean agb_session_need_running (AgbEnv *env, AgbSession *session, AgbRuntime *runtime,
                                   GError **error);
