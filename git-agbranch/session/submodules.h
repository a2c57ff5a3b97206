/* Submodules of a session: made in the guest at their recorded commits from the repositories that the
 * host has of them, and saved when the session is closed.
 *
 * A sync brings commits of the superproject only.  What was done inside of a submodule stays in the
 * guest until the close, which puts it on a rescue ref of the submodule's own repository. */
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

/* Make SUBMODULES in the clone of SESSION, which is there; those that the host has not are left
 * empty, with one note for all. */
gboolean agb_submodules_seed (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                              GPtrArray *submodules, AgbProgress *progress, GError **error);

/* Save what the running guest of HELD has in its submodules and their repositories on the host have
 * not: refs/agbranch/rescue/<session>/<n> there, a note for each. */
gboolean agb_submodules_rescue (AgbHeld *held, GError **error);
