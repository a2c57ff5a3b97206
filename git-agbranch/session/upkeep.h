/* What doctor reports and gc removes: the left-overs of killed commands, found the same way by
 * both. */
#pragma once

#include "session/env.h"

/* The rows of all sessions, closed ones too, by name (AgbSession, owned by the table). */
GHashTable *agb_upkeep_sessions (AgbEnv *env, GError **error);

/* The repositories of all sessions and the one of the working directory: git_common_dir, each
 * once, sorted (free function set).  Some may be gone. */
GPtrArray *agb_upkeep_repositories (AgbEnv *env, GHashTable *sessions);

/* TRUE when a living process holds the lock of session NAME. */
gboolean agb_upkeep_is_busy (const char *name);

/* Quarantines of the gate in COMMON_DIR that no sync can be using: no session of that repository is
 * busy, or the folder is older than a day.  Absolute paths (free function set). */
GPtrArray *agb_upkeep_quarantines (GHashTable *sessions, const char *common_dir);

/* Temporary files of interrupted writes in the state root that are older than an hour. */
GPtrArray *agb_upkeep_temporary_files (void);

/* What is certain to be left by killed commands goes at once, in all repositories and staging folders: the
 * locks of quarantines and sessions tell.  Part of `repair --all`. */
gboolean agb_upkeep_sweep (AgbEnv *env, GError **error);

/* The session name in REF below PREFIX ("refs/agbranch/sync/"), or NULL; the caller frees. */
char *agb_upkeep_ref_session (const char *ref, const char *prefix);

/* Seconds since the last change of PATH, -1 when it is not there. */
gint64 agb_upkeep_age (const char *path);
