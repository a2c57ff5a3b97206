/* Environment variables that a process in a guest gets. */
#pragma once

#include "core/progress.h"
#include "guest/agent.h"
#include "store/settings.h"

/* What a command names, --env and --env-file; both NULL-ended, NULL: none. */
typedef struct {
  const char *const *named; /* "NAME=value", or "NAME": the host's value */
  const char *const *files; /* lines of the same, empty ones and those that begin with '#' aside */
} AgbVariables;

/* "NAME=value" for what agbranch.env names and the host has set (SETTINGS NULL: not looked at), then for
 * FILES, then for NAMED (VARIABLES NULL: neither): of two of one name the later counts.  NULL and
 * AGB_ERROR_USER for what is no name, a name without a value that is not set here, a file that cannot
 * be read.  The caller frees with g_strfreev. */
char **agb_variables (AgbSettings *settings, const AgbVariables *variables, GError **error);

/* A note when PROFILE (NULL: nothing) needs one of several variables and ENV, as above, has none of
 * them.  Its agent is started all the same: a guest may have its own settings. */
void agb_note_missing_env (AgbProgress *progress, const AgbAgentProfile *profile,
                           const char *const *env);
