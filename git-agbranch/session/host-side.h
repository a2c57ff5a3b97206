/* What open does in the host's repository before there is a guest.  Work tree, index and HEAD of the
 * host are never written. */
#pragma once

#include "core/progress.h"
#include "store/repo.h"

/* In a partial clone: fetch what the tree of COMMIT needs, with the user's own settings, since nothing
 * behind the gate may fetch.  No effect elsewhere. */
gboolean agb_fetch_promised (AgbRepo *repo, const char *commit, AgbProgress *progress,
                             GError **error);

/* A commit on top of HEAD (hex) with the changed and untracked (not ignored) files of the host's work
 * tree, in *RET_COMMIT (freed by the caller); HEAD itself when nothing is changed. */
gboolean agb_commit_changes (AgbRepo *repo, const char *head, char **ret_commit, GError **error);

/* The paths of GIVEN below the work tree, NULL-ended; with MUST one that is not there, or lies
 * elsewhere, is AGB_ERROR_USER, else it is left out.  Freed with g_strfreev; NULL on an error. */
char **agb_paths_to_copy (AgbRepo *repo, const char *const *given, gboolean must, GError **error);
