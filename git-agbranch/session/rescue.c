#include "session/rescue.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/paths.h"
#include "gate/gate.h"
#include "session/clone.h"
#include "session/lfs.h"
#include "session/sync.h"

#include <string.h>

static const char rescue_prefix[] = "refs/agbranch/rescue/";

void
agb_rescue_clear (AgbRescue *rescue)
{
  g_free (rescue->oid);
  g_free (rescue->ref);
  g_free (rescue->bundle_path);
  g_free (rescue->problem);
  *rescue = (AgbRescue){ 0 };
}

/* TRUE when the host's session head reaches OID already. */
static gboolean
is_on_host (AgbHeld *held, const char *oid, const char *head)
{
  gboolean reached = FALSE;

  return strcmp (oid, head) == 0
         || (agb_repo_is_ancestor (held->repo, oid, head, &reached, NULL) && reached);
}

static gboolean
receive (AgbHeld *held, AgbGate *gate, const char *oid, const char *const *haves, GError **error)
{
  g_autoptr (AgbGuestProcess) process
      = agb_clone_pack_start (held->runtime, held->session, oid, haves, error);

  return process != NULL && agb_gate_receive (gate, process->stdout_fd, error)
         && agb_clone_pack_end (process, error) && agb_gate_check (gate, error)
         && agb_lfs_bring (held, gate, error);
}

static gboolean
accept (AgbRepo *repo, AgbJournal *journal, AgbGate *gate, const char *ref, const char *oid,
        GError **error)
{
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  const char *keep = agb_gate_keep_path (gate);

  agb_ref_updates_add (updates, ref, NULL, oid);
  agb_journal_set (journal, "keep", keep);
  if (!agb_journal_step (journal, "rescue-accept", error) || !agb_gate_accept (gate, error))
    return FALSE;
  agb_journal_set_value (journal, "refs", agb_ref_updates_to_json (updates));
  if (!agb_journal_step (journal, "rescue-refs", error)
      || !agb_ref_updates_apply (repo, updates, "agbranch: rescue", error))
    return FALSE;
  agb_gate_finish (gate);
  return TRUE;
}

/* The file for rescue NUMBER; those of submodules have numbers of their own. */
static char *
staged_file (AgbHeld *held, gint64 number, gboolean own, GError **error)
{
  g_autofree char *sum
      = g_compute_checksum_for_string (G_CHECKSUM_SHA256, held->session->guest_workspace_path, -1);
  g_autofree char *file
      = own ? g_strdup_printf ("rescue-%" G_GINT64_FORMAT ".bundle", number)
            : g_strdup_printf ("rescue-%.8s-%" G_GINT64_FORMAT ".bundle", sum, number);

  return agb_state_path (error, "staging", held->session->name, file, NULL);
}

/* A refusal by the gate does not keep the user from closing: the bundle that was staged while reading
 * is what remains. */
static gboolean
keep_bundle (AgbRescue *ret, const char *bundle, GError **problem, GError **error)
{
  g_autofree char *hint = NULL;

  if (!g_error_matches (*problem, AGB_ERROR, AGB_ERROR_SYNC))
    {
      g_propagate_error (error, g_steal_pointer (problem));
      return FALSE;
    }
  agb_error_split (*problem, &ret->problem, &hint);
  if (g_file_test (bundle, G_FILE_TEST_EXISTS))
    ret->bundle_path = g_strdup (bundle);
  return TRUE;
}

static gboolean
bring (AgbHeld *held, gboolean own, AgbJournal *journal, const char *oid, const char *head,
       AgbRescue *ret, GError **error)
{
  gint64 number = agb_next_ref_number (held, "rescue");
  g_autofree char *ref
      = g_strdup_printf ("%s%s/%" G_GINT64_FORMAT, rescue_prefix, held->session->name, number);
  g_autofree char *staged = staged_file (held, number, own, error);
  const char *haves[] = { held->session->base_oid, head, NULL };
  AgbGateRequest request = { .session = held->session->name,
                             .base_oid = held->session->base_oid,
                             .old_oid = head,
                             .new_oid = oid,
                             .review_ref = ref,
                             .staged_path = staged };
  g_autoptr (GError) problem = NULL;

  if (staged == NULL)
    return FALSE;
  g_autoptr (AgbGate) gate
      = agb_gate_new (held->repo, held->settings, &request, held->env->progress, error);
  if (gate == NULL)
    return FALSE;
  if (!receive (held, gate, oid, haves, &problem))
    return keep_bundle (ret, staged, &problem, error);
  agb_interrupt_shield ();
  gboolean accepted = accept (held->repo, journal, gate, ref, oid, error);
  agb_interrupt_unshield ();
  if (!accepted)
    return FALSE;
  ret->oid = g_strdup (oid);
  ret->ref = g_steal_pointer (&ref);
  return TRUE;
}

gboolean
agb_rescue_save (AgbHeld *held, const char *place, AgbJournal *journal, AgbRescue *ret,
                 GError **error)
{
  g_autofree char *shown = place != NULL ? agb_escape (place, -1) : NULL;
  g_autofree char *head = NULL;
  g_autofree char *oid = NULL;
  g_autofree char *subject = NULL;

  if (!agb_repo_find_ref (held->repo, held->session->session_ref_head, &head, error))
    return FALSE;
  if (head == NULL)
    head = g_strdup (held->session->base_oid);
  subject = g_strdup_printf ("Work of session %s%s%s that was not synced", held->session->name,
                             shown != NULL ? " in " : "", shown != NULL ? shown : "");
  const char *haves[] = { held->session->base_oid, head, NULL };
  if (!agb_journal_step (journal, "rescue", error)
      || !agb_clone_save (held->runtime, held->session, agb_repo_oid_length (held->repo),
                          AGB_SAVE_SIDE, subject, haves, &oid, error))
    return FALSE;
  return is_on_host (held, oid, head)
         || bring (held, place == NULL, journal, oid, head, ret, error);
}

gboolean
agb_rescue_foreach (AgbRepo *repo, const char *session, AgbRefFunc func, gpointer data,
                    GError **error)
{
  g_autofree char *prefix = session != NULL ? g_strconcat (rescue_prefix, session, "/", NULL)
                                            : g_strdup (rescue_prefix);

  return agb_repo_foreach_ref (repo, prefix, func, data, error);
}

typedef struct {
  guint64 number;
  char *ref;
} Last;

static gboolean
see_rescue (const char *ref, const char *oid, gpointer data)
{
  Last *last = data;
  const char *number = strrchr (ref, '/');
  guint64 value = number != NULL ? g_ascii_strtoull (number + 1, NULL, 10) : 0;

  (void)oid;
  if (value > last->number)
    {
      g_free (last->ref);
      *last = (Last){ .number = value, .ref = g_strdup (ref) };
    }
  return TRUE;
}

char *
agb_rescue_find (AgbRepo *repo, const char *name, GError **error)
{
  Last last = { 0 };

  if (strchr (name, '/') != NULL)
    {
      g_autofree char *ref = g_strconcat (rescue_prefix, name, NULL);
      g_autofree char *oid = agb_repo_read_ref (repo, ref);
      if (oid != NULL)
        return g_steal_pointer (&ref);
    }
  else if (!agb_rescue_foreach (repo, name, see_rescue, &last, error))
    return NULL;
  if (last.ref != NULL)
    return last.ref;
  g_autofree char *shown = agb_escape (name, -1);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "nothing is rescued of '%s' in this repository",
               shown);
  agb_error_hint (error, "git agbranch rescue list");
  return NULL;
}

gboolean
agb_rescue_restore (AgbRepo *repo, const char *ref, const char *branch, GError **error)
{
  g_autofree char *full = g_strconcat ("refs/heads/", branch, NULL);
  g_autofree char *oid = agb_repo_read_ref (repo, ref);
  g_autofree char *taken = agb_repo_read_ref (repo, full);
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  const char *check[] = { "check-ref-format", "--branch", branch, NULL };

  if (!agb_repo_git (repo, check, NULL, NULL, NULL) || *branch == '-')
    {
      g_autofree char *shown = agb_escape (branch, -1);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a valid branch name", shown);
      return FALSE;
    }
  if (taken != NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "branch '%s' exists already", branch);
      agb_error_hint (error, "choose another: --branch <name>");
      return FALSE;
    }
  agb_ref_updates_add (updates, full, NULL, oid);
  return agb_ref_updates_apply (repo, updates, "agbranch: rescue restore", error);
}
