#include "session/migrate.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/names.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char event_kind[] = "migrated";

static void
migration_free (gpointer data)
{
  AgbMigration *migration = data;

  g_free (migration->session);
  g_free (migration->lifecycle_state);
  g_free (migration->detail);
  g_free (migration);
}

void
agb_migration_report_clear (AgbMigrationReport *report)
{
  g_free (report->backup);
  g_clear_pointer (&report->migrations, g_ptr_array_unref);
}

/* Ours have a network and a size since they were made; those that `repair` found again a size. */
gboolean
agb_session_is_foreign (const AgbSession *session)
{
  return session->network == NULL && session->cpus == 0 && session->memory_bytes == 0;
}

static void G_GNUC_PRINTF (4, 5) add (AgbMigrationReport *report, const AgbSession *session,
                                      const char *action, const char *format, ...)
{
  AgbMigration *migration = g_new0 (AgbMigration, 1);
  va_list args;

  va_start (args, format);
  g_autofree char *detail = g_strdup_vprintf (format, args);
  va_end (args);
  migration->session = g_strdup (session->name);
  migration->lifecycle_state = g_strdup (session->lifecycle_state);
  migration->action = action;
  migration->detail = agb_escape (detail, -1);
  g_ptr_array_add (report->migrations, migration);
}

/* Not our locks are what the old program takes: its process is known by its pid alone. */
static gboolean
old_program_works (const AgbSession *session)
{
  pid_t pid = (pid_t)session->lock_owner_pid;

  return pid > 0 && pid != getpid () && (kill (pid, 0) == 0 || errno == EPERM);
}

static void
set_text (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

/* Where its refs really are: the old program knew the work tree only, which may be a linked one. */
static gboolean
fill_repo (AgbSession *session, GError **error)
{
  const char *root
      = session->host_git_root != NULL ? session->host_git_root : session->host_context_path;
  g_autoptr (AgbRepo) repo = root != NULL ? agb_repo_open (root, FALSE, error) : NULL;

  if (root == NULL)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER, "its row names no repository");
  if (repo == NULL)
    return FALSE;
  set_text (&session->git_common_dir, agb_repo_common_dir (repo));
  if (session->session_ref_base != NULL)
    {
      g_autofree char *oid = agb_repo_read_ref (repo, session->session_ref_base);
      set_text (&session->base_oid, oid);
    }
  if (session->base_oid == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "its base ref '%s' is not in '%s'",
                   session->session_ref_base != NULL ? session->session_ref_base : "(none)", root);
      return FALSE;
    }
  return TRUE;
}

/* *RET_ADOPTED FALSE: there is no guest of that name any more. */
static gboolean
adopt_guest (AgbEnv *env, AgbSession *session, gboolean *ret_adopted, GError **error)
{
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, error);
  g_autofree char *key = agb_session_key (session);
  g_auto (AgbGuestStatus) status = { 0 };

  *ret_adopted = FALSE;
  if (runtime == NULL || !runtime->klass->status (runtime, session->vm_name, &status, error))
    return FALSE;
  if (status.state == AGB_GUEST_UNREACHABLE)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the runtime does not answer: %s",
                   status.reason != NULL ? status.reason : "no reason given");
      return FALSE;
    }
  if (status.state == AGB_GUEST_ABSENT || status.state == AGB_GUEST_LOST)
    return TRUE;
  session->cpus = status.cpus;
  session->memory_bytes = (gint64)status.memory_bytes;
  session->disk_bytes = (gint64)status.disk_bytes;
  if (runtime->klass->adopt != NULL
      && !runtime->klass->adopt (runtime, session->vm_name, key, session->name, error))
    return FALSE;
  *ret_adopted = TRUE;
  return TRUE;
}

/* The network of the old program was everything: saying less would be a lie. */
static gboolean
carry_over (AgbEnv *env, AgbSession *session, gboolean *ret_adopted, GError **error)
{
  gboolean live = agb_session_is_live (session);

  *ret_adopted = FALSE;
  if (session->runtime == NULL)
    session->runtime = g_strdup ("lima");
  session->attempt = MAX (session->attempt, 1);
  /* A closed session needs neither: its repository may be gone. */
  if (live
      && ((!agb_session_is_sandbox (session) && !fill_repo (session, error))
          || !adopt_guest (env, session, ret_adopted, error)))
    return FALSE;
  set_text (&session->network, "open");
  return agb_fault_point ("migrate: a row", error)
         && agb_catalog_save_session (env->catalog, session, error)
         && agb_catalog_add_event (env->catalog, session->name, "info", event_kind, error,
                                   "carried over from agbranch 0.1%s",
                                   *ret_adopted ? ", with its guest" : "");
}

static gboolean
migrate_session (AgbEnv *env, AgbSession *session, AgbMigrationReport *report, GError **error)
{
  g_autoptr (GError) problem = NULL;
  gboolean adopted = FALSE;

  if (!agb_session_name_check (session->name, &problem))
    {
      add (report, session, "blocked", "%s", problem->message);
      return TRUE;
    }
  if (old_program_works (session))
    {
      add (report, session, "blocked",
           "process %" G_GINT64_FORMAT " works on it (%s): wait for its end",
           session->lock_owner_pid,
           session->lock_operation != NULL ? session->lock_operation : "unknown");
      return TRUE;
    }
  g_autoptr (AgbLock) lock = agb_env_lock_only (env, session->name, "migrate", &problem);
  if (lock != NULL)
    {
      session->lock_owner_pid = 0;
      g_clear_pointer (&session->lock_operation, g_free);
    }
  if (lock != NULL && carry_over (env, session, &adopted, &problem))
    {
      add (report, session, adopted ? "adopted" : "carried",
           adopted                         ? "its guest '%s' is ours now"
           : agb_session_is_live (session) ? "its guest '%s' is gone; see: git agbranch repair"
                                           : "closed; its guest '%s' is gone",
           session->vm_name);
      return TRUE;
    }
  if (problem->domain == AGB_ERROR && problem->code != AGB_ERROR_USER
      && problem->code != AGB_ERROR_RUNTIME)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  g_autofree char *message = NULL;
  agb_error_split (problem, &message, NULL);
  add (report, session, "blocked", "%s", message);
  return TRUE;
}

static gboolean
see_event (const AgbEvent *event, gpointer data)
{
  gboolean *seen = data;

  *seen = *seen || g_strcmp0 (event->kind, event_kind) == 0;
  return !*seen;
}

gboolean
agb_migrate (AgbEnv *env, AgbMigrationReport *ret, GError **error)
{
  const AgbSessionFilter filter = { .include_closed = TRUE };
  g_autoptr (GPtrArray) sessions = agb_catalog_list_sessions (env->catalog, &filter, error);
  gboolean before = FALSE;

  ret->migrations = g_ptr_array_new_with_free_func (migration_free);
  if (sessions == NULL
      || !agb_catalog_foreach_event (env->catalog, NULL, 0, NULL, 0, see_event, &before, error))
    return FALSE;
  for (guint i = 0; i < sessions->len; i++)
    {
      AgbSession *session = g_ptr_array_index (sessions, i);

      if (!agb_session_is_foreign (session))
        continue;
      if (ret->backup == NULL && !agb_catalog_back_up (env->catalog, &ret->backup, error))
        return FALSE;
      ret->wrote_since = before;
      if (!migrate_session (env, session, ret, error))
        return FALSE;
    }
  return TRUE;
}
