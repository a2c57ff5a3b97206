/* The warm image of a repository: a base with the objects of one commit of it in ~/.agbranch/objects.git, so
 * that a session is sent only what is new.  It is an instance beside its base, "BASE-<hash of the
 * repository's folder>", whose image is a layer on that of the base; it goes when the base is made anew. */
#pragma once

#include "core/progress.h"
#include "guest/lima/base.h"
#include "guest/runtime.h"

typedef struct {
  const AgbBaseRecord *base; /* prepared, with an image */
  const char *repo;          /* the common folder of the repository */
  const char *format;        /* of its objects: sha1, sha256 */
  const char *oid;           /* the commit */
  /* Write a pack with all that the commit reaches to PROCESS->stdin_fd and close it. */
  gboolean (*send) (AgbGuestProcess *process, gpointer data, GError **error);
  gpointer data;
  gint64 timeout_ms;
  gboolean warm; /* save a running state too */
} AgbBaseRepoSpec;

/* Make it, in place of an older one; *RET (freed by the caller) is its record.  After an error an older
 * one is as it was.  The caller holds the lock on building. */
gboolean agb_base_repo_build (const AgbLima *lima, AgbSettings *settings,
                              const AgbBaseRepoSpec *spec, AgbProgress *progress,
                              AgbBaseRecord **ret, GError **error);

/* The one that BASE as it is now has for REPO, when sessions can be made from it; NULL: there is none.
 * The caller frees. */
AgbBaseRecord *agb_base_repo_find (const AgbLima *lima, const AgbBaseRecord *base,
                                   const char *repo);

/* Names of those whose base has another image now, or whose repository is gone: no session is made from them
 * any more.  NULL-ended; the caller frees. */
char **agb_base_repo_old (const char *home);
/* Remove the one NAME; its image stays as long as something stands on it (agb_lima_images_collect). */
gboolean agb_base_repo_drop (const AgbLima *lima, const char *name, GError **error);
