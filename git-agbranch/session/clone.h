/* The session's clone in the guest, spoken to by the guest scripts (lima/guest/): making it, its
 * state, its packs, saving what is not committed.  All that it says is a claim of the guest. */
#pragma once

#include "guest/transport.h"
#include "store/catalog.h"
#include "store/repo.h"
#include "store/settings.h"

/* The host object folders that a guest of RUNTIME may borrow under SETTINGS, NULL-ended; NULL
 * without error when objects are copied.  The caller frees with g_strfreev. */
gboolean agb_clone_borrowed_dirs (AgbRuntime *runtime, AgbRepo *repo, AgbSettings *settings,
                                  char ***ret_dirs, GError **error);

/* Make the clone of SESSION: its base, the review branch checked out, the user's identity.  BORROWED
 * host object folders are in the guest as /run/o/N; 0: the objects are sent, but for those that the
 * guest's image has (`seeded` of the runtime).  Repeating it begins anew. */
gboolean agb_clone_seed (AgbRuntime *runtime, const AgbSession *session, AgbRepo *repo,
                         AgbSettings *settings, guint borrowed, GError **error);

/* Write a pack with all that OID reaches, without what HAVE (NULL: nothing) reaches, to the stdin of
 * PROCESS and close that. */
gboolean agb_clone_send (AgbRepo *repo, const char *oid, const char *have, AgbGuestProcess *process,
                         GError **error);

/* FALSE and AGB_ERROR_USER with a hint when the host has no identity for the clone's commits. */
gboolean agb_clone_check_identity (AgbSettings *settings, GError **error);

typedef struct {
  char *head;   /* NULL: HEAD has no commit */
  char *branch; /* full ref as the guest wrote it (hostile), NULL: detached */
  guint dirty;
  guint untracked;
  gboolean pending; /* a merge, rebase or the like is under way */
} AgbCloneState;
void agb_clone_state_clear (AgbCloneState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbCloneState, agb_clone_state_clear)

/* AGB_ERROR_RUNTIME when it does not answer as it should, AGB_ERROR_TIMEOUT when not in TIMEOUT_MS.
 * OID_LENGTH as agb_repo_oid_length. */
gboolean agb_clone_state (AgbRuntime *runtime, const AgbSession *session, gsize oid_length,
                          gint64 timeout_ms, AgbCloneState *ret, GError **error);

/* Parse what state.sh printed (TEXT with a NUL after its LENGTH bytes); FALSE, and *ret untouched,
 * unless it has exactly the agreed form. */
gboolean agb_clone_state_parse (const char *text, gsize length, gsize oid_length,
                                AgbCloneState *ret);

typedef enum {
  AGB_SAVE_SIDE,   /* a commit beside the branch from which all work is reachable */
  AGB_SAVE_BRANCH, /* an ordinary commit of the work tree on the branch */
} AgbSaveMode;

/* Commit what is not committed; the id in *RET_OID (freed by the caller) is HEAD's when there was
 * nothing.  HAVES: commits that the host has already. */
gboolean agb_clone_save (AgbRuntime *runtime, const AgbSession *session, gsize oid_length,
                         AgbSaveMode mode, const char *subject, const char *const *haves,
                         char **ret_oid, GError **error);

/* Start sending a thin pack of NEW without what the HAVES reach; read process->stdout_fd to its end,
 * then agb_clone_pack_end. */
AgbGuestProcess *agb_clone_pack_start (AgbRuntime *runtime, const AgbSession *session,
                                       const char *new_oid, const char *const *haves,
                                       GError **error);
gboolean agb_clone_pack_end (AgbGuestProcess *process, GError **error);
