/* Rescue refs, refs/agbranch/rescue/<session>/<n>: all work of a guest that nothing else on the host
 * holds, saved before the guest is destroyed. */
#pragma once

#include "session/held.h"
#include "session/journal.h"

typedef struct {
  char *oid; /* the saving commit, NULL: there was nothing to save, or it could not be */
  char *ref; /* where it is, NULL: nowhere */
  char *
      bundle_path; /* the gate refused it as refs: it is kept in this bundle only; NULL otherwise */
  char *problem;   /* why it is not in a ref, escaped; NULL: no problem */
} AgbRescue;
void agb_rescue_clear (AgbRescue *rescue);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbRescue, agb_rescue_clear)

/* Save what the running guest of HELD has and the host has not: uncommitted and untracked files,
 * unsynced commits, other branches, stashes.  Steps "rescue", "rescue-accept" and "rescue-refs" of
 * JOURNAL.  What the gate refuses stays as a bundle, see RET; other errors are errors.
 * PLACE: the path of a repository in the workspace that HELD names, see session/submodules.h; NULL: the
 * session's own. */
gboolean agb_rescue_save (AgbHeld *held, const char *place, AgbJournal *journal, AgbRescue *ret,
                          GError **error);

/* Calls FUNC for each rescue ref of REPO (of SESSION only, unless NULL). */
gboolean agb_rescue_foreach (AgbRepo *repo, const char *session, AgbRefFunc func, gpointer data,
                             GError **error);

/* The rescue ref that NAME ("<session>/<n>", or "<session>": its last one) means; the caller frees.
 * AGB_ERROR_USER when there is none. */
char *agb_rescue_find (AgbRepo *repo, const char *name, GError **error);

/* Make BRANCH (a new name) at rescue REF.  AGB_ERROR_USER when the branch exists. */
gboolean agb_rescue_restore (AgbRepo *repo, const char *ref, const char *branch, GError **error);
