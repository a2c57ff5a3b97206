/* Rows for guests that the catalog does not know: from the runtimes' own lists, the session refs of
 * this repository, and what the guest itself has. */
#pragma once

#include "session/env.h"

/* Look at every guest of every runtime that works here.
 *
 * REBUILT (set of names): the ones that got a row.  LEFT (set): closed sessions whose guest is still
 * there.  UNKNOWN (set of handles): guests of which nobody here knows the repository.  All own their
 * keys. */
gboolean agb_rebuild_rows (AgbEnv *env, GHashTable *rebuilt, GHashTable *left, GHashTable *unknown,
                           GError **error);

/* The last commit of SESSION that was accepted, as the list of syncs says; its base when there was
 * none.  The caller frees. */
char *agb_rebuild_last_head (AgbEnv *env, const AgbSession *session);
