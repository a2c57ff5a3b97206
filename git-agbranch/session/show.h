/* Everything that is known about one session: the catalog's row, the guest as it is now, what
 * arrived on the host. */
#pragma once

#include "session/env.h"
#include "session/runtime-script.h"

typedef struct {
  AgbGuestStatus guest;     /* state AGB_GUEST_UNREACHABLE when the runtime cannot be asked */
  const char *shell_window; /* live, dead, missing, unknown */
  const char *agent_window;
  const char *agent;     /* agent, shell-only, unknown */
  char *ssh_config_file; /* NULL: no ssh */
  char *ssh_host_alias;
  char *head_oid;       /* of the session head, NULL: none, or the repository is gone */
  gint64 commits_ahead; /* of the base; -1: not known */
  gint64 conflicts;     /* session/conflicts.h; -1 for a closed session too */
  gboolean has_sync;    /* last_sync is set */
  AgbSyncRun last_sync;
  gboolean has_operation; /* operation is set: unfinished, or running now */
  AgbOperation operation;
  AgbRuntimeScript script; /* as it would be taken by the next start of an agent */
} AgbSessionView;
void agb_session_view_clear (AgbSessionView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbSessionView, agb_session_view_clear)

/* Fill *VIEW (zeroed by the caller).  What cannot be had is "unknown", not an error: a guest or
 * repository that does not answer must not keep the rest from being shown.  Only a broken catalog
 * fails. */
gboolean agb_session_view_load (AgbEnv *env, const AgbSession *session, AgbSessionView *view,
                                GError **error);

/* The object of `show --json` (CONTRACTS); the caller frees with cJSON_Delete. */
cJSON *agb_session_view_to_json (const AgbSession *session, const AgbSessionView *view);
