/* The host's repository: found and read by git, written only by `git update-ref --stdin`
 * (gate/reftx.h).
 *
 * Not through libgit2: 1.5 refuses sha256 and reftable, does not see replace refs, GIT_CONFIG_GLOBAL
 * and shallow borders as git does, and costs 10 ms before its first answer (TLS libraries), where a
 * git process costs 2.  A verb that opens no repository pays for neither.
 *
 * The work tree, the index and HEAD of the host are never written. */
#pragma once

#include <glib.h>

#include "core/child.h"

typedef struct AgbRepo AgbRepo;

/* Find the repository of PATH (NULL: the working directory and GIT_DIR, GIT_WORK_TREE, … of the
 * environment).  Then removes the variables of `git rev-parse --local-env-vars` from our
 * environment, but for GIT_CONFIG_PARAMETERS and GIT_CONFIG_COUNT which settings.h has read, so that
 * no child that works elsewhere inherits them.
 *
 * AGB_ERROR_USER with a hint: not a repository; owned by another user and not in safe.directory;
 * run by root through sudo in another user's repository; an unsupported format; a branch called
 * "agbranch".  NULL path inside GIT_QUARANTINE_PATH is refused when FOR_WRITING. */
AgbRepo *agb_repo_open (const char *path, gboolean for_writing, GError **error);
/* As agb_repo_open with a NULL path, but outside any repository is NULL without an error. */
AgbRepo *agb_repo_open_optional (gboolean for_writing, GError **error);
void agb_repo_free (AgbRepo *repo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbRepo, agb_repo_free)

const char *agb_repo_git_dir (AgbRepo *repo);       /* absolute, of this work tree */
const char *agb_repo_common_dir (AgbRepo *repo);    /* absolute, where refs and objects are */
const char *agb_repo_work_tree (AgbRepo *repo);     /* absolute, NULL: bare */
const char *agb_repo_object_format (AgbRepo *repo); /* sha1, sha256 */
gsize agb_repo_oid_length (AgbRepo *repo);          /* 40 or 64 */
gboolean agb_repo_is_shallow (AgbRepo *repo);
gboolean agb_repo_is_partial (AgbRepo *repo); /* a promisor remote */

/* The object folders that together hold everything: the repository's own first, then its
 * alternates, recursively and without doubles (gitrepository-layout(5)).  NULL-ended, caller frees. */
char **agb_repo_object_dirs (AgbRepo *repo, GError **error);

/* REV (git-revision syntax, NULL: HEAD) peeled to a commit, in full hex; caller frees.
 * AGB_ERROR_USER when there is none; an unborn HEAD has its own message and hint. */
char *agb_repo_resolve_commit (AgbRepo *repo, const char *rev, GError **error);

/* The full name of the branch HEAD is on, or NULL when detached; caller frees. */
char *agb_repo_head_ref (AgbRepo *repo);

/* The value of a ref in full hex into *ret_oid, NULL when it is not there; caller frees.  One that is
 * there and cannot be read is AGB_ERROR_CHILD: whoever changes something must not take it for absent. */
gboolean agb_repo_find_ref (AgbRepo *repo, const char *ref, char **ret_oid, GError **error);

/* The same for those that only look: NULL for whatever reason. */
char *agb_repo_read_ref (AgbRepo *repo, const char *ref);

/* The refs below PREFIX ("refs/agbranch/sync/x/"), sorted as names: calls FUNC until FALSE. */
typedef gboolean (*AgbRefFunc) (const char *ref, const char *oid, gpointer data);
gboolean agb_repo_foreach_ref (AgbRepo *repo, const char *prefix, AgbRefFunc func, gpointer data,
                               GError **error);

/* TRUE in *ret when ANCESTOR is DESCENDANT or reachable from it.  By git: grafts, replace refs and
 * shallow borders as the gate sees them (GIT_NO_REPLACE_OBJECTS). */
gboolean agb_repo_is_ancestor (AgbRepo *repo, const char *ancestor, const char *descendant,
                               gboolean *ret, GError **error);

/* How many commits TO has that FROM has not. */
gboolean agb_repo_count_commits (AgbRepo *repo, const char *from, const char *to, guint *ret,
                                 GError **error);

/* How many files would conflict if the commits OURS and THEIRS were merged, 0: none.  No program of the
 * host's settings runs for it (merge drivers, filters), nothing is written into the repository.
 * AGB_ERROR_CHILD when git cannot tell: no common history, objects that are not here. */
gboolean agb_repo_count_conflicts (AgbRepo *repo, const char *ours, const char *theirs, gint64 *ret,
                                   GError **error);

/* TRUE in *ret_dirty when `git status --porcelain` would print anything; *ret_untracked likewise for
 * untracked files (either may be NULL).  Runs on the host's own work tree only, by git, with
 * optional locks off. */
gboolean agb_repo_is_dirty (AgbRepo *repo, gboolean *ret_dirty, guint *ret_untracked,
                            GError **error);

/* The work tree that has REF checked out, or NULL; caller frees. */
char *agb_repo_checked_out_at (AgbRepo *repo, const char *ref);

/* Fill SPEC->envp style environment for plumbing on this repository: GIT_DIR explicit, no config of
 * user and system, no replace objects, no terminal prompt, no protocol (SECURITY, row 2).
 * NULL-ended, caller frees with g_strfreev. */
char **agb_repo_plumbing_env (AgbRepo *repo);

/* The user's own view of the user's own repository: global excludes, filters and settings count; only
 * the lock on the index is left out.  Never for what a guest wrote.  As above for freeing. */
char **agb_repo_user_env (AgbRepo *repo);

/* Run `git ARGS…` with the plumbing environment (agb_child_check).  Extra variables "NAME=value" in EXTRA_ENV
 * (NULL: none). */
gboolean agb_repo_git (AgbRepo *repo, const char *const *args, const char *const *extra_env,
                       char **ret_output, GError **error);
