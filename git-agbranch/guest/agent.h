/* Agents: profiles (claude-code, codex, gemini, opencode, aider) or any command, run in the agent window. */
#pragma once

#include "guest/runtime.h"
#include "guest/tmux.h"
#include "store/catalog.h"

typedef struct {
  const char *name;                /* "claude-code"; CONTRACTS: `claude` = `claude-code` */
  const char *alias;               /* "claude" or NULL */
  const char *label;               /* "Claude Code" */
  const char *const *argv;         /* permissive inside the sandbox: the boundary is the guest */
  const char *prompt_option;       /* option before the prompt, NULL: as last operand */
  const char *const *env;          /* set for it, "IS_SANDBOX=1" */
  const char *prepare;             /* asset that runs in the guest before it, NULL: none */
  const char *install;             /* the command that installs it */
  const char *const *required_env; /* one of these must be set for it to work, NULL: none */
} AgbAgentProfile;

/* By name or alias; NULL and AGB_ERROR_USER with the list of names. */
const AgbAgentProfile *agb_agent_profile (const char *name, GError **error);
/* The table, ended by an entry without a name. */
const AgbAgentProfile *agb_agent_profiles (void);

/* The command of PROFILE with PROMPT (NULL: none) and EXTRA arguments; caller frees with g_strfreev. */
char **agb_agent_command (const AgbAgentProfile *profile, const char *prompt,
                          const char *const *extra);

/* Run COMMAND in the agent window of SESSION with ENV ("NAME=value", never stored) on top of the
 * profile's (PROFILE NULL: any command), SCRIPT (NULL: none) before it (guest/tmux.h).
 * AGB_ERROR_RUNTIME when its program is not in the guest, with a hint.  TRUE with a status of the
 * script that is not 0: it did not start. */
gboolean agb_agent_start (AgbRuntime *runtime, const AgbSession *session,
                          const AgbAgentProfile *profile, const char *const *command,
                          const char *const *env, AgbTmuxScript *script, GError **error);
