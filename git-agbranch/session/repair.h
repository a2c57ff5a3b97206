/* repair: journal, refs, catalog and runtime made to agree.  One run converges, a second one finds
 * nothing to do; what only the user can decide is `blocked`. */
#pragma once

#include "session/env.h"

typedef struct {
  char *session;
  char *lifecycle_state; /* afterwards */
  const char *action;    /* noop, restart, finish_destroy, resumed, rolled_back, rebuilt, blocked */
  char *detail;          /* one line, escaped; never NULL */
} AgbRepair;
void agb_repair_free (AgbRepair *repair);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbRepair, agb_repair_free)

/* Open the environment for repair.  A damaged catalog is moved away when ALL (its new place in
 * *ret_aside, freed by the caller, NULL otherwise) and a new one begun. */
AgbEnv *agb_repair_open (gboolean all, AgbProgress *progress, char **ret_aside, GError **error);

/* Repair session NAME (NULL: the one of this repository).  What cannot be repaired is no error but
 * the action "blocked". */
AgbRepair *agb_repair_session (AgbEnv *env, const char *name, GError **error);

/* Every session that is not closed, and every guest that the catalog does not know: of the repository
 * of env, or a sandbox session, it comes back as a row.  An array of AgbRepair (free function set). */
GPtrArray *agb_repair_all (AgbEnv *env, GError **error);
