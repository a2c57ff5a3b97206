/* open and launch: from a name to a running session.
 *
 *   lock → journal → row → guest → clone (or seeded folder) → session refs → tmux → agent → running
 *
 * What fails or is interrupted on the way is undone; what is killed is undone by the next command on
 * that name, unless the agent may have run already: then it is finished (session/recover.h).  A runtime
 * script that fails undoes nothing: the session runs, without its agent. */
#pragma once

#include "core/json.h"
#include "guest/agent.h"
#include "session/env.h"
#include "session/runtime-script.h"

typedef struct {
  const char *name;
  gboolean sandbox;    /* launch: no repository */
  const char *base;    /* git revision, NULL: HEAD */
  const char *image;   /* NULL: the default */
  const char *runtime; /* NULL: agbranch.runtime */
  const char *network; /* NULL: agbranch.network */
  gint64 cpus;         /* 0: the setting, likewise below */
  guint64 memory_bytes;
  guint64 disk_bytes;
  gboolean no_browser;            /* take the base's browser out of the agents' configuration */
  gboolean with_changes;          /* start from the work tree as it is, not from HEAD */
  const char *const *copy;        /* ignored files of the work tree to bring along, NULL: none */
  const char *seed_dir;           /* launch: the folder to copy in, NULL: none */
  const AgbAgentProfile *profile; /* NULL: no profile */
  const char *prompt;
  const char *const
      *command; /* agent window's command instead of the profile's; or its extra arguments */
  const char *const *agent_env; /* "NAME=value", handed to the agent and stored nowhere */
  GPtrArray *imports;           /* files of the provider (session/provider.h), NULL: none */
  const AgbAsk *ask;            /* about the runtime script; NULL: nobody can be asked */
} AgbOpenRequest;

typedef struct {
  AgbSession *session;
  gboolean host_dirty;
  guint64 seeded_files;
  guint64 seeded_bytes;
  AgbRuntimeScript script;
} AgbOpenResult;
void agb_open_result_clear (AgbOpenResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbOpenResult, agb_open_result_clear)

/* Open the session; env was opened with AGB_ENV_NEEDS_REPO unless it is a sandbox session.
 * AGB_ERROR_USER for a name that is taken or a review branch of that name, a missing identity, an
 * unknown base: nothing was made then.  Errors of the runtime script
 * (agb_runtime_script_start_agent): the session runs. */
gboolean agb_session_open (AgbEnv *env, const AgbOpenRequest *request, AgbOpenResult *ret,
                           GError **error);

/* From this step on the agent may have worked: an open that was killed there is finished. */
#define AGB_OPEN_STEP_AGENT "agent"

/* Take back what an open of SESSION made: guest, session refs, row (closed).  DATA is the journal's.
 * A repeat is ok. */
gboolean agb_open_undo (AgbEnv *env, const AgbSession *session, const cJSON *data, GError **error);

/* A repository address as `git clone` takes it ("https://…", "host:path"), not a path. */
gboolean agb_is_repository_url (const char *text);

/* Keep a bare clone of URL in the state root and fetch into it when it is there already; *RET_PATH
 * (freed by the caller) is its folder. */
gboolean agb_open_clone (const char *url, AgbProgress *progress, char **ret_path, GError **error);
