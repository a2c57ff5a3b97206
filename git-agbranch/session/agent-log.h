/* What the agent's window printed ("guest") and the script before it ("script"): kept in the guest
 * (lima/guest/tmux.sh), read through its exec, never as a file of the host, since the guest can make
 * anything of it. */
#pragma once

#include "session/logs.h"

/* Keep the last agbranch.limits.logBytes of "guest" as logs/SESSION/guest.log, before the guest ends.  A guest
 * that does not answer in five seconds, or has no log, leaves the file as it was; nothing is an error,
 * since no stop or close waits for a log. */
void agb_agent_log_keep (AgbEnv *env, const AgbSession *session);

/* The name of SOURCE's file in the guest's ~/.agbranch/log; NULL: not one of these two.  Static. */
const char *agb_agent_log_file (const char *source);

/* Call FUNC with the last LINES lines of SOURCE (0: all that is kept, at most 16 MiB), whole lines a call, and with
 * FOLLOW with what comes, until FUNC returns FALSE, the guest ends, or an interrupt comes.  FALSE in
 * *RET_REACHED, without error, when the guest cannot be asked: it does not run. */
gboolean agb_agent_log (AgbEnv *env, const AgbSession *session, const char *source, guint lines,
                        gboolean follow, AgbLogFunc func, gpointer data, gboolean *ret_reached,
                        GError **error);
