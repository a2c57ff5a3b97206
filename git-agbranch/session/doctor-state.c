#include "session/doctor.h"

#include "core/error.h"
#include "session/base.h"
#include "session/migrate.h"
#include "session/place.h"
#include "session/upkeep.h"

#include <string.h>

typedef struct {
  AgbDoctor *doctor;
  AgbEnv *env;
  GHashTable *sessions; /* name -> AgbSession */
  const char *runtime;  /* the one whose guests are looked at */
  GHashTable *guests;   /* vm_names that the runtime has */
  GString *orphans;
  GHashTable *strays; /* sessions that only refs know */
} State;

static gboolean
is_live (const AgbSession *session)
{
  return g_strcmp0 (session->lifecycle_state, "closed") != 0;
}

static const AgbSession *
session_of_guest (State *state, const char *vm_name)
{
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, state->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    if (g_strcmp0 (((AgbSession *)session)->vm_name, vm_name) == 0)
      return session;
  return NULL;
}

/* Killed, or switched off with the host: repair starts it. */
static void
report_ended (State *state, const AgbSession *session, AgbGuestState guest)
{
  if ((guest != AGB_GUEST_STOPPED && guest != AGB_GUEST_FAILED)
      || g_strcmp0 (session->lifecycle_state, "running") != 0 || agb_upkeep_is_busy (session->name))
    return;
  g_autofree char *fix = g_strdup_printf ("git agbranch repair %s", session->name);
  agb_doctor_add (state->doctor, AGB_FINDING_PROBLEM, "guests", fix,
                  "the guest of session '%s' has ended without a stop (%s)", session->name,
                  agb_guest_state_word (guest));
}

static void
look_at_guest (const char *vm_name, const char *key, AgbGuestState guest, gpointer data)
{
  State *state = data;
  const AgbSession *session = session_of_guest (state, vm_name);

  (void)key;
  /* A session without its guest is told as one. */
  if (guest == AGB_GUEST_LOST && session != NULL && is_live (session))
    return;
  g_hash_table_add (state->guests, g_strdup (vm_name));
  if (session == NULL || !is_live (session))
    g_string_append_printf (state->orphans, "%s%s", state->orphans->len > 0 ? ", " : "", vm_name);
  else
    report_ended (state, session, guest);
}

/* Operations that make the guest, or take it away: there need not be one meanwhile. */
static gboolean
may_lack_guest (const AgbSession *session)
{
  static const char *const states[]
      = { "preparing_base", "cloning", "starting", "destroying", "closed", NULL };

  return session->lifecycle_state != NULL && g_strv_contains (states, session->lifecycle_state)
         && agb_upkeep_is_busy (session->name);
}

static void
report_missing_guests (State *state)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, state->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const AgbSession *session = value;

      if (!is_live (session) || g_strcmp0 (session->runtime, state->runtime) != 0
          || session->vm_name == NULL || g_hash_table_contains (state->guests, session->vm_name)
          || may_lack_guest (session))
        continue;
      g_autofree char *fix = g_strdup_printf ("git agbranch repair %s", session->name);
      agb_doctor_add (state->doctor, AGB_FINDING_PROBLEM, "guests", fix,
                      "session '%s' (%s) has no guest '%s'", session->name,
                      session->lifecycle_state, session->vm_name);
    }
}

static gboolean
has_live_session (State *state, const char *runtime)
{
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, state->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    if (is_live (session) && g_strcmp0 (((AgbSession *)session)->runtime, runtime) == 0)
      return TRUE;
  return FALSE;
}

static void
check_guests (State *state, const char *name, const char *what)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgbRuntime) runtime = agb_runtime_new (name, state->env->settings, &error);

  if (runtime == NULL || !runtime->klass->probe (runtime, &error))
    {
      /* Only a fault when there are sessions that need it. */
      if (has_live_session (state, name))
        agb_doctor_add_error (state->doctor, AGB_FINDING_PROBLEM, "guests", error);
      return;
    }
  state->runtime = name;
  state->guests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  state->orphans = g_string_new ("");
  if (!runtime->klass->list (runtime, look_at_guest, state, &error))
    agb_doctor_add_error (state->doctor, AGB_FINDING_PROBLEM, "guests", error);
  else
    {
      if (state->orphans->len > 0)
        agb_doctor_add (state->doctor, AGB_FINDING_PROBLEM, "orphans", "git agbranch repair --all",
                        "orphaned %s: %s", what, state->orphans->str);
      report_missing_guests (state);
    }
  g_clear_pointer (&state->guests, g_hash_table_unref);
  g_string_free (g_steal_pointer (&state->orphans), TRUE);
}

static void
check_runtime (State *state)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgbRuntime) runtime = agb_runtime_new (
      agb_settings_string (state->env->settings, "agbranch.runtime"), state->env->settings, &error);

  if (runtime == NULL || !runtime->klass->probe (runtime, &error))
    agb_doctor_add_error (state->doctor, AGB_FINDING_PROBLEM, "runtime", error);
  else
    agb_doctor_add (state->doctor, AGB_FINDING_OK, "runtime", NULL, "new sessions run in %s (%s)",
                    runtime->klass->name,
                    runtime->klass->flags & AGB_RUNTIME_IS_VM ? "a virtual machine"
                                                              : "a namespace sandbox");
}

/* The base that sessions of this runtime start from. */
static void
check_base (State *state)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *hint = NULL;
  AgbSettings *settings = state->env->settings;
  g_autoptr (AgbRuntime) runtime
      = agb_runtime_new (agb_settings_string (settings, "agbranch.runtime"), settings, NULL);

  if (runtime == NULL || (runtime->klass->flags & AGB_RUNTIME_HAS_BASE) == 0)
    return;
  cJSON *base = agb_session_base_show (settings, agb_settings_string (settings, "agbranch.image"),
                                       NULL, &hint, &error);
  if (base == NULL)
    {
      agb_doctor_add_error (state->doctor, AGB_FINDING_PROBLEM, "base", error);
      return;
    }
  state->doctor->prepared_base = base;
  const char *name = cJSON_GetObjectItemCaseSensitive (base, "name")->valuestring;
  const char *status = cJSON_GetObjectItemCaseSensitive (base, "status")->valuestring;
  const cJSON *problem = cJSON_GetObjectItemCaseSensitive (base, "problem");
  static const char *const harmless[] = { "ready", "preparing", NULL };
  static const char *const notes[] = { "missing", "stale", NULL };
  AgbFindingLevel level = g_strv_contains (harmless, status) ? AGB_FINDING_OK
                          : g_strv_contains (notes, status)  ? AGB_FINDING_NOTE
                                                             : AGB_FINDING_PROBLEM;
  agb_doctor_add (state->doctor, level, "base", hint, "base '%s' is %s%s%s", name, status,
                  cJSON_IsString (problem) ? ": " : "",
                  cJSON_IsString (problem) ? problem->valuestring : "");
}

static void
check_session_refs (State *state, AgbRepo *repo, const AgbSession *session)
{
  const char *const refs[] = { session->session_ref_base, session->session_ref_head };

  for (gsize i = 0; i < G_N_ELEMENTS (refs); i++)
    {
      g_autofree char *oid = refs[i] != NULL ? agb_repo_read_ref (repo, refs[i]) : NULL;
      if (oid != NULL || refs[i] == NULL)
        continue;
      g_autofree char *fix = g_strdup_printf ("git agbranch repair %s", session->name);
      agb_doctor_add (state->doctor, AGB_FINDING_PROBLEM, "refs", fix, "session '%s' has no ref %s",
                      session->name, refs[i]);
    }
}

static gboolean
look_at_session_ref (const char *ref, const char *oid, gpointer data)
{
  State *state = data;
  g_autofree char *name = agb_upkeep_ref_session (ref, "refs/agbranch/sessions/");

  (void)oid;
  if (name != NULL && !g_hash_table_contains (state->sessions, name))
    g_hash_table_add (state->strays, g_steal_pointer (&name));
  return TRUE;
}

static void
report_stray_refs (State *state, const char *common_dir)
{
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, state->strays);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    agb_doctor_add (state->doctor, AGB_FINDING_PROBLEM, "refs", "git agbranch repair --all",
                    "%s has refs of '%s', which the catalog does not know", common_dir,
                    (const char *)name);
}

static void
check_quarantines (State *state, const char *common_dir)
{
  g_autoptr (GPtrArray) left = agb_upkeep_quarantines (state->sessions, common_dir);

  for (guint i = 0; i < left->len; i++)
    agb_doctor_add (state->doctor, AGB_FINDING_WARNING, "quarantine", "git agbranch gc",
                    "left by an interrupted sync: %s", (char *)g_ptr_array_index (left, i));
}

static void
check_repository (State *state, const char *common_dir)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgbRepo) repo = agb_repo_open (common_dir, FALSE, &error);
  GHashTableIter iter;
  gpointer value;
  gboolean wanted = FALSE;

  g_hash_table_iter_init (&iter, state->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const AgbSession *session = value;
      if (!is_live (session) || g_strcmp0 (session->git_common_dir, common_dir) != 0)
        continue;
      wanted = TRUE;
      /* Until open is through, and while close is under way, refs come and go. */
      if (repo != NULL && !agb_upkeep_is_busy (session->name))
        check_session_refs (state, repo, session);
    }
  if (repo == NULL)
    {
      if (wanted)
        agb_doctor_add_error (state->doctor, AGB_FINDING_PROBLEM, "repository", error);
      return;
    }
  state->strays = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!agb_repo_foreach_ref (repo, "refs/agbranch/sessions/", look_at_session_ref, state, &error))
    agb_doctor_add_error (state->doctor, AGB_FINDING_PROBLEM, "repository", error);
  report_stray_refs (state, common_dir);
  g_clear_pointer (&state->strays, g_hash_table_unref);
  check_quarantines (state, common_dir);
}

static void
check_locks (State *state)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, state->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const AgbSession *session = value;

      if (agb_session_is_foreign (session))
        agb_doctor_add (state->doctor, AGB_FINDING_WARNING, "catalog", "git agbranch migrate",
                        "session '%s' was made by agbranch 0.1 and is not carried over",
                        session->name);
      if (session->lock_owner_pid == 0 || agb_upkeep_is_busy (session->name))
        continue;
      g_autofree char *fix = g_strdup_printf ("git agbranch repair %s", session->name);
      agb_doctor_add (state->doctor, AGB_FINDING_WARNING, "locks", fix,
                      "session '%s' is marked as locked by process %" G_GINT64_FORMAT
                      " (%s), which does not hold the lock",
                      session->name, session->lock_owner_pid,
                      session->lock_operation != NULL ? session->lock_operation : "unknown");
    }
}

static gboolean
look_at_operation (const AgbOperation *operation, gpointer data)
{
  State *state = data;

  if (agb_process_alive (&operation->owner))
    return TRUE;
  g_autofree char *fix = g_strdup_printf ("git agbranch repair %s", operation->session_name);
  agb_doctor_add (state->doctor, AGB_FINDING_PROBLEM, "operations", fix,
                  "%s of session '%s' was cut off at step %s", operation->operation,
                  operation->session_name, operation->step);
  return TRUE;
}

static void
check_copies (State *state)
{
  g_autoptr (GPtrArray) left = agb_place_left ();

  for (guint i = 0; i < left->len; i++)
    if (strstr (g_ptr_array_index (left, i), "/" AGB_COPY_PREFIX) != NULL)
      agb_doctor_add (state->doctor, AGB_FINDING_WARNING, "temporary", "git agbranch gc",
                      "left by an interrupted export: %s", (char *)g_ptr_array_index (left, i));
}

static void
check_temporary_files (State *state)
{
  g_autoptr (GPtrArray) left = agb_upkeep_temporary_files ();

  for (guint i = 0; i < left->len; i++)
    agb_doctor_add (state->doctor, AGB_FINDING_WARNING, "temporary", "git agbranch gc",
                    "left by an interrupted write: %s", (char *)g_ptr_array_index (left, i));
}

void
agb_doctor_check_state (AgbDoctor *doctor, AgbEnv *env)
{
  g_autoptr (GError) error = NULL;
  State state = { .doctor = doctor, .env = env };

  check_runtime (&state);
  if (!agb_catalog_check (env->catalog, &error)
      || (state.sessions = agb_upkeep_sessions (env, &error)) == NULL
      || !agb_catalog_foreach_operation (env->catalog, look_at_operation, &state, &error))
    {
      agb_doctor_add_error (doctor, AGB_FINDING_PROBLEM, "catalog", error);
      g_clear_pointer (&state.sessions, g_hash_table_unref);
      return;
    }
  agb_doctor_add (doctor, AGB_FINDING_OK, "catalog", NULL, "the catalog is sound (%u sessions)",
                  g_hash_table_size (state.sessions));
  check_locks (&state);
  check_base (&state);
  check_guests (&state, "lima", "Lima instances");
  check_guests (&state, "bwrap", "sandboxes");
  g_autoptr (GPtrArray) folders = agb_upkeep_repositories (env, state.sessions);
  for (guint i = 0; i < folders->len; i++)
    check_repository (&state, g_ptr_array_index (folders, i));
  check_temporary_files (&state);
  check_copies (&state);
  g_hash_table_unref (state.sessions);
}
