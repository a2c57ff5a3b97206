/* Environment variables of the host that a process in a guest gets. */
#pragma once

#include "core/progress.h"
#include "guest/agent.h"
#include "store/settings.h"

/* "NAME=value" for what agbranch.env (SETTINGS NULL: not looked at) and NAMED ("NAME=value", or
 * "NAME": the host's value) name and the host has set.  NULL and AGB_ERROR_USER for what is no name.
 * The caller frees with g_strfreev. */
char **agb_agent_env (AgbSettings *settings, const char *const *named, GError **error);

/* A note when PROFILE (NULL: nothing) needs one of several variables and ENV, as above, has none of
 * them.  Its agent is started all the same: a guest may have its own settings. */
void agb_note_missing_env (AgbProgress *progress, const AgbAgentProfile *profile,
                           const char *const *env);
