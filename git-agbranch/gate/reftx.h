/* One ref transaction with old values, recovered when it was killed half-way.
 *
 * `git update-ref --stdin` is all or nothing for errors and races, but a kill inside its commit
 * leaves some refs moved, in queue order, and *.lock files (PROTOTYPES 5).  So the caller journals
 * the updates first (agb_ref_updates_to_json), and agb_ref_updates_recover finishes forward. */
#pragma once

#include "core/json.h"
#include "core/process.h"
#include "store/repo.h"

typedef struct {
  char *ref;
  char *old_oid; /* NULL: must not exist */
  char *new_oid; /* NULL: delete */
} AgbRefUpdate;

typedef struct AgbRefUpdates AgbRefUpdates;
AgbRefUpdates *agb_ref_updates_new (void);
void agb_ref_updates_free (AgbRefUpdates *updates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbRefUpdates, agb_ref_updates_free)
/* In the order of commit: the ref that users look at goes last. */
void agb_ref_updates_add (AgbRefUpdates *updates, const char *ref, const char *old_oid,
                          const char *new_oid);
guint agb_ref_updates_length (const AgbRefUpdates *updates);
const AgbRefUpdate *agb_ref_updates_get (const AgbRefUpdates *updates, guint index);
cJSON *agb_ref_updates_to_json (const AgbRefUpdates *updates);
AgbRefUpdates *agb_ref_updates_from_json (const cJSON *array, GError **error);

/* Apply all, durable (core.fsync) when it returns TRUE ("commit: ok" was read).  A ref that is not at
 * its old value: AGB_ERROR_ACTION, names the ref, nothing moved. MESSAGE goes to the reflogs. */
gboolean agb_ref_updates_apply (AgbRepo *repo, const AgbRefUpdates *updates, const char *message,
                                GError **error);

/* After OWNER (dead, from the journal) was killed: remove only lock files of these refs whose content
 * is ours, then move every ref that is still at its old value to the new one.  A ref at neither is
 * AGB_ERROR_ACTION and names it; the others are left alone then. A second call changes nothing. */
gboolean agb_ref_updates_recover (AgbRepo *repo, const AgbRefUpdates *updates,
                                  const AgbProcessId *owner, const char *message, GError **error);
