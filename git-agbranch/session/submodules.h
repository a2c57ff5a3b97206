/* Submodules of a session: made in the guest at their recorded commits from the repositories that the
 * host has of them, and saved when the session is closed.
 *
 * A sync brings commits of the superproject only.  What was done inside of a submodule stays in the
 * guest until the close, which puts it on a rescue ref of the submodule's own repository; where the host has
 * none, since the agent added the submodule or cloned something into its workspace, on one of the
 * session's repository. */
#pragma once

#include "session/rescue.h"

typedef struct {
  char *path;    /* from the top of the outermost work tree */
  char *name;    /* in the .gitmodules of the one it lies in */
  char *git_dir; /* its repository on the host; NULL: not there, or without the commit */
  char *oid;     /* recorded commit */
} AgbSubmodule;

/* The submodules of COMMIT, those inside of others too, outer ones first (AgbSubmodule).  NULL only on
 * an error. */
GPtrArray *agb_submodules_of (AgbRepo *repo, const char *commit, GError **error);

/* For options_json of the session: what agb_submodules_rescue needs; the caller owns it. */
cJSON *agb_submodules_to_json (GPtrArray *submodules);

/* Make SUBMODULES in the clone of SESSION, which is there, with their LFS objects; those that the host has
 * not are left empty, with one note for all. */
gboolean agb_submodules_seed (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                              GPtrArray *submodules, AgbProgress *progress, GError **error);

/* Save what the running guest of HELD has in its submodules and other repositories of its workspace, and
 * their repositories on the host have not: refs/agbranch/rescue/<session>/<n>, a note for each.  What the
 * gate refuses is in a bundle; what cannot be had at all is AGB_ERROR_SYNC, and with DISCARD a warning.
 * JOURNAL: as in agb_rescue_save, with "git_dir" while it is a submodule's repository that changes. */
gboolean agb_submodules_rescue (AgbHeld *held, AgbJournal *journal, gboolean discard,
                                GError **error);

/* Call FUNC with the repository of each submodule in TEXT, the options_json of a session. */
typedef gboolean (*AgbSubmoduleFunc) (const char *git_dir, gpointer data, GError **error);
gboolean agb_submodules_foreach (const char *text, AgbSubmoduleFunc func, gpointer data,
                                 GError **error);
