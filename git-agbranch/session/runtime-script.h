/* The project's script for its agents: `.agbranch/runtime.sh` of the session's base commit.
 *
 * It is sourced in the agent's login shell before each start of an agent (guest/tmux.h), when it is an
 * executable file there and the user has allowed its very content once: the SHA-256 of it stands in
 * `agbranch.allowedScript`.  The work tree of the host and the files of the guest have no say. */
#pragma once

#include "guest/agent.h"
#include "session/env.h"

#define AGB_RUNTIME_SCRIPT ".agbranch/runtime.sh"

typedef enum {
  AGB_SCRIPT_NONE,
  AGB_SCRIPT_NOT_REGULAR,    /* a link, a folder, a submodule */
  AGB_SCRIPT_NOT_EXECUTABLE, /* mode 100644 */
  AGB_SCRIPT_NOT_TEXT,       /* larger than 256 KiB, or with a NUL in it */
  AGB_SCRIPT_NOT_ALLOWED,
  AGB_SCRIPT_ALLOWED,
  AGB_SCRIPT_RAN,
  AGB_SCRIPT_FAILED,
} AgbScriptState;

typedef struct {
  AgbScriptState state;
  char *base_oid;
  char *text; /* from NOT_ALLOWED on */
  gsize size;
  char *digest; /* "sha256:<hex>", from NOT_ALLOWED on */
} AgbRuntimeScript;
void agb_runtime_script_clear (AgbRuntimeScript *script);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbRuntimeScript, agb_runtime_script_clear)

/* How the user is asked; QUESTION has several lines.  FALSE: an error, or interrupted. */
typedef struct {
  gboolean (*ask) (const char *question, gboolean *ret_yes, gpointer data, GError **error);
  gpointer data;
} AgbAsk;

/* What BASE_OID (NULL: none) has, and whether SETTINGS allow it. */
gboolean agb_runtime_script_load (AgbRepo *repo, AgbSettings *settings, const char *base_oid,
                                  AgbRuntimeScript *ret, GError **error);

/* Load, and ask by ASK (NULL: nobody can be asked) where it is not allowed; what the user allows is
 * written into the repository's configuration.  One that will not run is said in a note, with the
 * command that allows it. */
gboolean agb_runtime_script_settle (AgbRepo *repo, AgbSettings *settings, const char *base_oid,
                                    const AgbAsk *ask, AgbProgress *progress, AgbRuntimeScript *ret,
                                    GError **error);

/* agb_agent_start with SCRIPT when it is allowed, its state RAN or FAILED then, and an event.  A script
 * that fails is AGB_ERROR_CHILD, one that takes longer than agbranch.scriptTimeout AGB_ERROR_TIMEOUT;
 * both with a hint that says that the session is kept, which is up to the caller. */
gboolean agb_runtime_script_start_agent (AgbEnv *env, AgbSettings *settings, AgbRuntime *runtime,
                                         const AgbSession *session, const AgbAgentProfile *profile,
                                         const char *const *command, const char *const *variables,
                                         AgbRuntimeScript *script, GError **error);

/* "runtime_script" in JSON: null, or path, state, digest and bytes. */
void agb_runtime_script_json (cJSON *object, const AgbRuntimeScript *script);
const char *agb_runtime_script_word (AgbScriptState state); /* "not_allowed"; NULL for NONE */
