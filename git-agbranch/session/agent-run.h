/* The agent of a session: started after `open`, stopped, resumed. */
#pragma once

#include "guest/agent.h"
#include "session/held.h"
#include "session/runtime-script.h"
#include "session/variables.h"

typedef struct {
  const AgbAgentProfile *profile; /* NULL: EXTRA is the whole command */
  const char *prompt;             /* NULL: none */
  const char *const *extra;       /* arguments of the profile's command; NULL: none */
  const AgbVariables *variables;  /* what the agent gets */
  GPtrArray *imports;             /* agb_provider_choose; NULL: none */
  const AgbAsk *ask;              /* about the runtime script; NULL: nobody can be asked */
} AgbAgentRequest;

/* Start an agent in the session's agent window, its guest first when it does not run, and write
 * down what it is.  AGB_ERROR_ACTION when one lives there already.  The command is kept without the
 * prompt, for a resume; variables are kept nowhere.  RET_SCRIPT says what became of the runtime
 * script; its errors are those of agb_runtime_script_start_agent. */
gboolean agb_session_agent_start (AgbHeld *held, const AgbAgentRequest *request,
                                  AgbRuntimeScript *ret_script, GError **error);

/* Start the agent that was there before, without a prompt; FALSE in *RET_STARTED when there was none or
 * it lives.  ASK and RET_SCRIPT as above. */
gboolean agb_session_agent_resume (AgbHeld *held, const AgbAsk *ask, gboolean *ret_started,
                                   AgbRuntimeScript *ret_script, GError **error);

/* The same when agbranch.resumeAgent asks for it, for the guest was started for something else: what keeps
 * the agent from starting, but for an interruption, is no error but *RET_PROBLEM (NULL: nothing did), a
 * message with its hint (agb_error_split).  The caller frees. */
gboolean agb_session_agent_resume_as_set (AgbHeld *held, const AgbAsk *ask, gboolean *ret_started,
                                          AgbRuntimeScript *ret_script, GError **ret_problem,
                                          GError **error);

/* End the agent and its window.  *RET_WAS_THERE FALSE: there was none. */
gboolean agb_session_agent_stop (AgbHeld *held, gboolean *ret_was_there, GError **error);

/* TEXT, the contents of the file in "@FILE", or stdin for "-": what --prompt takes.  NULL and AGB_ERROR_USER
 * when it cannot be read or is empty; the caller frees. */
char *agb_agent_prompt (const char *argument, GError **error);
