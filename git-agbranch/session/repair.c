#include "session/repair.h"

#include "core/error.h"
#include "core/escape.h"
#include "gate/reftx.h"
#include "session/close.h"
#include "session/open.h"
#include "session/rebuild.h"
#include "session/recover.h"
#include "session/start.h"
#include "session/upkeep.h"

#include <string.h>

void
agb_repair_free (AgbRepair *repair)
{
  g_free (repair->session);
  g_free (repair->lifecycle_state);
  g_free (repair->detail);
  g_free (repair);
}

static AgbRepair *G_GNUC_PRINTF (4, 5)
    outcome (AgbEnv *env, const char *name, const char *action, const char *format, ...)
{
  AgbRepair *repair = g_new0 (AgbRepair, 1);
  g_autoptr (AgbSession) session = agb_catalog_get_session (env->catalog, name, NULL);
  va_list args;

  va_start (args, format);
  g_autofree char *detail = g_strdup_vprintf (format, args);
  va_end (args);
  repair->session = g_strdup (name);
  repair->lifecycle_state = g_strdup (session != NULL ? session->lifecycle_state : "closed");
  repair->action = action;
  repair->detail = agb_escape (detail, -1);
  if (session != NULL && !g_str_equal (action, "noop"))
    agb_catalog_add_event (env->catalog, name, "info", "repaired", NULL, "%s: %s", action, detail);
  return repair;
}

/* An error that leaves the session as it is becomes its outcome. */
static AgbRepair *
blocked (AgbEnv *env, const char *name, const GError *problem)
{
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  agb_error_split (problem, &message, &hint);
  return outcome (env, name, "blocked", "%s%s%s", message, hint != NULL ? "; " : "",
                  hint != NULL ? hint : "");
}

static gboolean
set_state (AgbEnv *env, const char *name, const char *state, GError **error)
{
  return agb_catalog_update_session (env->catalog, name, error, "lifecycle_state", state, NULL);
}

/* An operator has set the state by hand, or a close lost its journal.  What the guest still has is
 * rescued as in a discard. */
static AgbRepair *
finish_destroy (AgbEnv *env, const char *name, GError **error)
{
  g_autoptr (AgbHeld) held = agb_hold (env, name, "repair", TRUE, error);
  g_auto (AgbCloseOutcome) closed = { 0 };

  if (held == NULL || !agb_session_close (held, TRUE, &closed, error))
    return NULL;
  return outcome (env, name, "finish_destroy", "the guest is gone%s%s",
                  closed.rescue.ref != NULL ? ", its work is in " : "",
                  closed.rescue.ref != NULL ? closed.rescue.ref : "");
}

/* A session ref that was deleted by hand comes back at the last commit that was accepted. */
static gboolean
restore_refs (AgbEnv *env, const AgbSession *session, gboolean *ret_restored, GError **error)
{
  g_autoptr (AgbRepo) repo = agb_env_session_repo (env, session, TRUE, error);
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();

  g_autofree char *base = NULL;
  g_autofree char *head = NULL;
  if (repo == NULL || !agb_repo_find_ref (repo, session->session_ref_base, &base, error)
      || !agb_repo_find_ref (repo, session->session_ref_head, &head, error))
    return FALSE;
  g_autofree char *last = head == NULL ? agb_rebuild_last_head (env, session) : NULL;
  if (base == NULL)
    agb_ref_updates_add (updates, session->session_ref_base, NULL, session->base_oid);
  if (head == NULL)
    agb_ref_updates_add (updates, session->session_ref_head, NULL, last);
  *ret_restored = agb_ref_updates_length (updates) > 0;
  return !*ret_restored || agb_ref_updates_apply (repo, updates, "agbranch: repair", error);
}

/* The guest is not there any more: only the user can say that the session may go. */
static AgbRepair *
guest_gone (AgbEnv *env, const AgbSession *session, const AgbGuestStatus *status, GError **error)
{
  static const char *const half_made[]
      = { "preparing_base", "cloning", "starting", "seeding", NULL };

  if (status->state == AGB_GUEST_UNREACHABLE)
    return outcome (env, session->name, "blocked", "the runtime does not answer: %s",
                    status->reason != NULL ? status->reason : "no reason given");
  if (session->last_started_at == NULL && g_strv_contains (half_made, session->lifecycle_state))
    return agb_open_undo (env, session, NULL, error)
               ? outcome (env, session->name, "rolled_back", "it was never opened to the end")
               : NULL;
  if (g_strcmp0 (session->lifecycle_state, "error") != 0
      && !set_state (env, session->name, "error", error))
    return NULL;
  return outcome (env, session->name, "blocked",
                  "its guest is %s; end it: git agbranch close %s --discard",
                  agb_guest_state_word (status->state), session->name);
}

static AgbRepair *
restart (AgbEnv *env, AgbSession *session, AgbRuntime *runtime, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (agb_session_start (env, session, runtime, NULL, &problem))
    return outcome (env, session->name, "restart", "the guest had ended and was started again");
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  if (!set_state (env, session->name, "stopped", error))
    return NULL;
  return blocked (env, session->name, problem);
}

/* Catalog against guest, when no operation is unfinished. */
static AgbRepair *
compare_with_guest (AgbEnv *env, AgbSession *session, gboolean restored, GError **error)
{
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, error);
  g_auto (AgbGuestStatus) status = { 0 };
  const char *state = session->lifecycle_state;

  if (runtime == NULL || !runtime->klass->status (runtime, session->vm_name, &status, error))
    return NULL;
  if (status.state == AGB_GUEST_ABSENT || status.state == AGB_GUEST_LOST
      || status.state == AGB_GUEST_UNREACHABLE)
    return guest_gone (env, session, &status, error);

  gboolean runs = status.state == AGB_GUEST_RUNNING;
  if (!runs && g_strcmp0 (state, "running") == 0)
    return restart (env, session, runtime, error);
  const char *word = runs ? "running" : "stopped";
  if (g_strcmp0 (state, word) != 0)
    {
      if (!set_state (env, session->name, word, error))
        return NULL;
      return outcome (env, session->name, "resumed", "the catalog said %s, the guest is %s", state,
                      agb_guest_state_word (status.state));
    }
  if (restored)
    return outcome (env, session->name, "rebuilt", "its session refs were missing");
  return outcome (env, session->name, "noop", "nothing to do");
}

/* A guest that outlived the close of its session, or a row that somebody closed by hand: what the guest
 * has is rescued before it goes, so the close begins anew (*RET_DESTROY). */
static AgbRepair *
repair_closed (AgbEnv *env, const AgbSession *session, gboolean *ret_destroy, GError **error)
{
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, error);
  g_auto (AgbGuestStatus) status = { 0 };
  gboolean restored = FALSE;

  if (runtime == NULL || !runtime->klass->status (runtime, session->vm_name, &status, error))
    return NULL;
  if (status.state == AGB_GUEST_ABSENT)
    return outcome (env, session->name, "noop", "it is closed");
  /* A repository that is gone keeps no guest. */
  if (!agb_session_is_sandbox (session))
    restore_refs (env, session, &restored, NULL);
  *ret_destroy = set_state (env, session->name, "destroying", error);
  return NULL;
}

static AgbRepair *
repair_locked (AgbEnv *env, const char *name, gboolean *ret_destroy, GError **error)
{
  AgbRecovery recovery = AGB_RECOVER_NOTHING;
  gboolean restored = FALSE;

  if (!agb_recover_unfinished (env, name, &recovery, error))
    return NULL;
  if (recovery == AGB_RECOVER_RESUMED)
    return outcome (env, name, "resumed", "an unfinished operation was finished");
  if (recovery == AGB_RECOVER_ROLLED_BACK)
    return outcome (env, name, "rolled_back", "an unfinished operation was taken back");

  g_autoptr (AgbSession) session = agb_catalog_get_session (env->catalog, name, error);
  if (session == NULL)
    return NULL;
  if (!agb_session_is_live (session))
    return repair_closed (env, session, ret_destroy, error);
  *ret_destroy = g_strcmp0 (session->lifecycle_state, "destroying") == 0;
  if (*ret_destroy)
    return NULL;
  if (!agb_session_is_sandbox (session) && !restore_refs (env, session, &restored, error))
    return NULL;
  return compare_with_guest (env, session, restored, error);
}

static AgbRepair *
repair_name (AgbEnv *env, const char *name, GError **error)
{
  gboolean must_destroy = FALSE;
  AgbRepair *repair;

  {
    g_autoptr (AgbLock) lock = agb_env_lock_only (env, name, "repair", error);
    if (lock == NULL)
      return NULL;
    repair = repair_locked (env, name, &must_destroy, error);
  }
  return must_destroy ? finish_destroy (env, name, error) : repair;
}

/* What stands in the way of one session is said of that session. */
static AgbRepair *
repair_or_block (AgbEnv *env, const char *name, GError **error)
{
  g_autoptr (GError) problem = NULL;
  AgbRepair *repair = repair_name (env, name, &problem);

  if (repair != NULL)
    return repair;
  if (problem->domain == AGB_ERROR
      && (problem->code == AGB_ERROR_INTERRUPTED || problem->code == AGB_ERROR_CATALOG))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  return blocked (env, name, problem);
}

AgbRepair *
agb_repair_session (AgbEnv *env, const char *name, GError **error)
{
  g_autoptr (AgbSession) session = agb_env_session (env, name, TRUE, error);

  return session != NULL ? repair_or_block (env, session->name, error) : NULL;
}

AgbEnv *
agb_repair_open (gboolean all, AgbProgress *progress, char **ret_aside, GError **error)
{
  g_autoptr (GError) problem = NULL;
  AgbEnv *env = agb_env_open (0, NULL, progress, &problem);

  *ret_aside = NULL;
  if (env != NULL && agb_catalog_check (env->catalog, &problem))
    return env;
  /* The hint of a damaged catalog is this very command; other troubles of it are not cured so. */
  if (!all || !g_error_matches (problem, AGB_ERROR, AGB_ERROR_CATALOG)
      || strstr (problem->message, "repair --all") == NULL)
    {
      g_clear_pointer (&env, agb_env_free);
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  g_clear_pointer (&env, agb_env_free);
  return agb_catalog_set_aside (ret_aside, error) ? agb_env_open (0, NULL, progress, error) : NULL;
}

static gboolean
see_operation (const AgbOperation *operation, gpointer data)
{
  g_hash_table_add (data, g_strdup (operation->session_name));
  return TRUE;
}

static gboolean
see_session (const AgbSession *session, gpointer data)
{
  g_hash_table_add (data, g_strdup (session->name));
  return TRUE;
}

static int
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The keys of SET in order; they stay the set's. */
static GPtrArray *
sorted_keys (GHashTable *set)
{
  GPtrArray *sorted = g_ptr_array_new ();
  GHashTableIter iterator;
  gpointer key;

  g_hash_table_iter_init (&iterator, set);
  while (g_hash_table_iter_next (&iterator, &key, NULL))
    g_ptr_array_add (sorted, key);
  g_ptr_array_sort (sorted, by_text);
  return sorted;
}

static AgbRepair *
unknown_guest (const char *vm_name)
{
  AgbRepair *repair = g_new0 (AgbRepair, 1);

  repair->session = g_strdup (vm_name + strlen ("agbranch-"));
  repair->lifecycle_state = g_strdup ("error");
  repair->action = "blocked";
  repair->detail = g_strdup_printf (
      "guest %s belongs to no session that is known here; run this in its repository", vm_name);
  return repair;
}

static GHashTable *
new_set (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

GPtrArray *
agb_repair_all (AgbEnv *env, GError **error)
{
  g_autoptr (GPtrArray) repairs = g_ptr_array_new_with_free_func ((GDestroyNotify)agb_repair_free);
  g_autoptr (GHashTable) names = new_set (); /* rows that are not closed, operations, left-overs */
  g_autoptr (GHashTable) rebuilt = new_set ();
  g_autoptr (GHashTable) unknown = new_set ();
  AgbSessionFilter filter = { 0 };

  if (!agb_catalog_foreach_operation (env->catalog, see_operation, names, error)
      || !agb_rebuild_rows (env, rebuilt, names, unknown, error)
      || !agb_catalog_foreach_session (env->catalog, &filter, see_session, names, error))
    return NULL;

  g_autoptr (GPtrArray) sorted = sorted_keys (names);
  for (guint i = 0; i < sorted->len; i++)
    {
      const char *name = g_ptr_array_index (sorted, i);
      AgbRepair *repair = repair_or_block (env, name, error);
      if (repair == NULL)
        return NULL;
      if (g_hash_table_contains (rebuilt, name) && !g_str_equal (repair->action, "blocked"))
        {
          repair->action = "rebuilt";
          g_free (repair->detail);
          repair->detail = g_strdup ("its row was missing from the catalog");
        }
      g_ptr_array_add (repairs, repair);
    }
  if (!agb_upkeep_sweep (env, error))
    return NULL;
  g_autoptr (GPtrArray) handles = sorted_keys (unknown);
  for (guint i = 0; i < handles->len; i++)
    g_ptr_array_add (repairs, unknown_guest (g_ptr_array_index (handles, i)));
  return g_steal_pointer (&repairs);
}
