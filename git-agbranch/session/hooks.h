/* The git hooks that a user can have in a repository (`git agbranch hooks`): guards against accidents
 * with our refs.  The scripts lie in share/git-agbranch/hooks; a hook that was there before ours goes on
 * beside it as NAME.before-agbranch, which ours calls. */
#pragma once

#include <glib.h>

#include "core/progress.h"
#include "store/catalog.h"
#include "store/repo.h"

typedef struct {
  const char *name; /* "pre-push" */
  char *path;       /* where git looks for it */
  const char
      *state; /* "installed", "outdated" (ours, another text), "missing", "other" (not ours) */
  gboolean chained; /* one that was there before is called by ours */
} AgbHook;

/* An array of AgbHook (free function set), in a fixed order.  The folder is the one that git uses,
 * core.hooksPath respected. */
GPtrArray *agb_hooks_status (AgbRepo *repo, GError **error);

/* Put all of them there.  A repeat changes nothing; ours with another text is replaced.  There is no
 * moment at which a hook that was there is not called.  AGB_ERROR_USER when both a hook of another
 * program and a NAME.before-agbranch are there; those before it in the order are installed then. */
gboolean agb_hooks_install (AgbRepo *repo, AgbProgress *progress, GError **error);

/* Take ours away, put back what was there before.  A hook that is not ours stays, and a note says so when
 * that left one from before ours behind.  A repeat is ok. */
gboolean agb_hooks_remove (AgbRepo *repo, AgbProgress *progress, GError **error);

/* What the hook NAME does, with the INPUT that git gave it: FALSE and AGB_ERROR_USER with a hint when
 * git must not go on. */
gboolean agb_hooks_run (AgbRepo *repo, AgbCatalog *catalog, const char *name, const char *input,
                        AgbProgress *progress, GError **error);
