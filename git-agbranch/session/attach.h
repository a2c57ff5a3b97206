/* A window of a session on our terminal. */
#pragma once

#include "session/enter.h"

/* Attach to WINDOW (NULL: the agent's when it lives, else the shell's), starting a stopped session
 * first, until the user detaches or the window ends.  AGB_ERROR_USER without a terminal, or when the
 * window is missing, with the command that makes it. */
gboolean agb_attach (AgbEntered *entered, const char *window, gboolean read_only, int *ret_status,
                     GError **error);

/* The same for verbs that start an agent: nothing to be done without a terminal, or when WANTED is
 * FALSE. */
gboolean agb_attach_agent (const char *session, gboolean wanted, AgbProgress *progress,
                           int *ret_status, GError **error);
