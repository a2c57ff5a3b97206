/* What every session call works with: catalog, settings, repository, runtime, locks. */
#pragma once

#include "core/lock.h"
#include "core/progress.h"
#include "guest/runtime.h"
#include "store/catalog.h"
#include "store/repo.h"
#include "store/settings.h"

typedef struct {
  AgbCatalog *catalog;
  AgbRepo *repo;         /* of the working directory; NULL outside any, or not asked for */
  AgbSettings *settings; /* NULL with AGB_ENV_CATALOG_ONLY */
  AgbProgress *progress; /* the caller's */

  GPtrArray *locked; /* private: names of the sessions that this process has locked */
} AgbEnv;

typedef enum {
  AGB_ENV_READ_ONLY = 1 << 0,    /* the verb changes nothing */
  AGB_ENV_CATALOG_ONLY = 1 << 1, /* neither repository nor settings: fast */
  AGB_ENV_NEEDS_REPO = 1 << 2,   /* outside a repository is an error */
} AgbEnvFlags;

/* Open for the working directory, or REPO_PATH when not NULL. */
AgbEnv *agb_env_open (AgbEnvFlags flags, const char *repo_path, AgbProgress *progress,
                      GError **error);
void agb_env_free (AgbEnv *env);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbEnv, agb_env_free)

/* The session called NAME; NULL: the one live session of this repository (AGB_ERROR_USER when there
 * is none, or more than one: they are listed in the hint).  A closed session is AGB_ERROR_USER unless
 * ALLOW_CLOSED. */
AgbSession *agb_env_session (AgbEnv *env, const char *name, gboolean allow_closed, GError **error);

/* The repository that SESSION belongs to (env->repo when it is that one, else opened from its
 * git_common_dir); the caller frees.  NULL and AGB_ERROR_USER when it is gone, or for a sandbox session. */
AgbRepo *agb_env_session_repo (AgbEnv *env, const AgbSession *session, gboolean for_writing,
                               GError **error);

/* The same where a session without a usable repository has to be dealt with too: *RET_REPO is NULL for
 * a sandbox session and for a repository that is gone.  FALSE for other errors, an interrupt for one. */
gboolean agb_env_session_repo_if_there (AgbEnv *env, const AgbSession *session, AgbRepo **ret_repo,
                                        GError **error);

/* The runtime that SESSION was made with. The caller frees. */
AgbRuntime *agb_env_session_runtime (AgbEnv *env, const AgbSession *session, GError **error);

/* The lock locks/NAME.lock for OPERATION; waits at most agbranch.lockTimeout.  The catalog row shows
 * lock_owner_pid and lock_operation meanwhile; agb_env_free clears them.  An unfinished operation of
 * a dead process is finished or undone first (session/recover.h). */
AgbLock *agb_env_lock (AgbEnv *env, const char *name, const char *operation, GError **error);

/* The same without recovery, for `repair`, which reports what it recovers. */
AgbLock *agb_env_lock_only (AgbEnv *env, const char *name, const char *operation, GError **error);

/* The settings that hold for REPO: those of env when it is env's repository.  The caller frees
 * *RET_OWNED (NULL when nothing had to be loaded). */
AgbSettings *agb_env_repo_settings (AgbEnv *env, AgbRepo *repo, AgbSettings **ret_owned,
                                    GError **error);

/* TRUE for a row whose guest may still be there. */
gboolean agb_session_is_live (const AgbSession *session);
gboolean agb_session_is_sandbox (const AgbSession *session);

/* "<session>.<attempt>"; the caller frees. */
char *agb_session_key (const AgbSession *session);
