#include "session/rebuild.h"

#include "core/names.h"
#include "core/time.h"
#include "guest/tmux.h"
#include "guest/transport.h"

#include <string.h>

static const char vm_prefix[] = "agbranch-";

typedef struct {
  char *vm_name;
  char *name;
  gint64 attempt;
  AgbGuestState state;
} Found;

static void
found_free (gpointer data)
{
  Found *found = data;

  g_free (found->vm_name);
  g_free (found->name);
  g_free (found);
}

/* KEY is "<session>.<attempt>"; a session name may have dots itself. */
static void
see_guest (const char *vm_name, const char *key, AgbGuestState state, gpointer data)
{
  const char *dot = key != NULL ? strrchr (key, '.') : NULL;
  guint64 attempt = 0;

  if (state == AGB_GUEST_ABSENT || dot == NULL
      || !g_ascii_string_to_unsigned (dot + 1, 10, 1, G_MAXINT32, &attempt, NULL))
    return;
  g_autofree char *name = g_strndup (key, (gsize)(dot - key));
  if (!agb_session_name_check (name, NULL) || !g_str_has_prefix (vm_name, vm_prefix))
    return;
  Found *found = g_new0 (Found, 1);
  found->vm_name = g_strdup (vm_name);
  found->name = g_steal_pointer (&name);
  found->attempt = (gint64)attempt;
  found->state = state;
  g_ptr_array_add (data, found);
}

static AgbSession *
new_row (AgbRuntime *runtime, const Found *found)
{
  AgbSession *session = agb_session_new (found->name);
  g_auto (AgbGuestStatus) status = { 0 };

  session->vm_name = g_strdup (found->vm_name);
  session->attempt = found->attempt;
  session->runtime = g_strdup (runtime->klass->name);
  session->lifecycle_state = g_strdup (found->state == AGB_GUEST_RUNNING ? "running" : "stopped");
  session->sync_state = g_strdup ("pending");
  session->created_at = agb_time_now ();
  session->last_used_at = g_strdup (session->created_at);
  session->last_started_at = g_strdup (session->created_at);
  session->guest_tmux_socket_path
      = g_strdup_printf (AGB_GUEST_HOME "/.agbranch/tmux/%s.sock", found->name);
  session->shell_window_name = g_strdup (AGB_SHELL_WINDOW);
  session->agent_window_name = g_strdup (AGB_AGENT_WINDOW);
  if (runtime->klass->status (runtime, found->vm_name, &status, NULL))
    {
      session->cpus = status.cpus;
      session->memory_bytes = (gint64)status.memory_bytes;
      session->disk_bytes = (gint64)status.disk_bytes;
    }
  return session;
}

/* A repo session: its session refs are in this repository. */
static gboolean
fill_repo (AgbEnv *env, AgbSession *session)
{
  g_autofree char *base_ref = g_strdup_printf ("refs/agbranch/sessions/%s/base", session->name);
  g_autofree char *oid = env->repo != NULL ? agb_repo_read_ref (env->repo, base_ref) : NULL;

  if (oid == NULL)
    return FALSE;
  const char *root = agb_repo_work_tree (env->repo) != NULL ? agb_repo_work_tree (env->repo)
                                                            : agb_repo_git_dir (env->repo);
  session->session_mode = g_strdup ("repo");
  session->repo_sync_mode = g_strdup ("git_native");
  session->host_context_path = g_strdup (root);
  session->host_git_root = g_strdup (root);
  session->git_common_dir = g_strdup (agb_repo_common_dir (env->repo));
  session->guest_workspace_path
      = g_strdup_printf (AGB_GUEST_HOME "/workspaces/%s/repo", session->name);
  session->review_branch = g_strconcat ("agbranch/", session->name, NULL);
  session->session_ref_base = g_steal_pointer (&base_ref);
  session->session_ref_head = g_strdup_printf ("refs/agbranch/sessions/%s/head", session->name);
  session->base_ref = g_strdup (oid);
  session->base_oid = g_steal_pointer (&oid);
  return TRUE;
}

/* A sandbox session: only its guest can tell, by the folder that it works in. */
static gboolean
fill_sandbox (AgbRuntime *runtime, AgbSession *session)
{
  g_autofree char *path = g_strconcat (AGB_GUEST_HOME "/sandbox/", session->name, NULL);
  const char *argv[] = { "test", "-d", path, NULL };
  AgbExecSpec spec = { .argv = argv };
  g_auto (AgbChildResult) result = { 0 };

  if (!runtime->klass->start (runtime, session->vm_name, NULL, NULL)
      || !agb_guest_capture (runtime, session->vm_name, &spec, NULL, 0, 4096, AGB_TIMEOUT_QUICK,
                             &result, NULL)
      || result.status != 0)
    return FALSE;
  g_free (session->lifecycle_state);
  session->lifecycle_state = g_strdup ("running");
  session->session_mode = g_strdup ("sandbox");
  session->guest_workspace_path = g_steal_pointer (&path);
  session->host_context_path = g_get_current_dir ();
  return TRUE;
}

typedef struct {
  AgbEnv *env;
  GHashTable *rebuilt;
  GHashTable *left;
  GHashTable *unknown;
} Rebuild;

static gboolean
consider (Rebuild *rebuild, AgbRuntime *runtime, const Found *found, GError **error)
{
  AgbCatalog *catalog = rebuild->env->catalog;
  g_autoptr (AgbSession) known = agb_catalog_get_session (catalog, found->name, NULL);

  if (known != NULL)
    {
      if (!agb_session_is_live (known) && known->attempt == found->attempt)
        g_hash_table_add (rebuild->left, g_strdup (found->name));
      else if (known->attempt != found->attempt)
        g_hash_table_add (rebuild->unknown, g_strdup (found->vm_name));
      return TRUE;
    }
  g_autoptr (AgbSession) session = new_row (runtime, found);
  if (!fill_repo (rebuild->env, session) && !fill_sandbox (runtime, session))
    {
      g_hash_table_add (rebuild->unknown, g_strdup (found->vm_name));
      return TRUE;
    }
  if (!agb_catalog_insert_session (catalog, session, error))
    return FALSE;
  g_hash_table_add (rebuild->rebuilt, g_strdup (found->name));
  return TRUE;
}

gboolean
agb_rebuild_rows (AgbEnv *env, GHashTable *rebuilt, GHashTable *left, GHashTable *unknown,
                  GError **error)
{
  static const char *const names[] = { "bwrap", "lima" };
  Rebuild rebuild = { env, rebuilt, left, unknown };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AgbRuntime) runtime = agb_runtime_new (names[i], env->settings, NULL);
      g_autoptr (GPtrArray) guests = g_ptr_array_new_with_free_func (found_free);

      /* One that does not work here has no guests that could be asked. */
      if (runtime == NULL || !runtime->klass->list (runtime, see_guest, guests, NULL))
        continue;
      for (guint g = 0; g < guests->len; g++)
        if (!consider (&rebuild, runtime, g_ptr_array_index (guests, g), error))
          return FALSE;
    }
  return TRUE;
}

typedef struct {
  const AgbSession *session;
  char *oid;
  gint64 id;
} LastRun;

static gboolean
see_run (const AgbSyncRun *run, gpointer data)
{
  LastRun *last = data;

  /* Earlier sessions of that name have their runs in the list too. */
  if (run->id > last->id && g_strcmp0 (run->result, "synced") == 0 && run->new_oid != NULL
      && g_strcmp0 (run->started_at, last->session->created_at) >= 0)
    {
      g_free (last->oid);
      last->oid = g_strdup (run->new_oid);
      last->id = run->id;
    }
  return TRUE;
}

char *
agb_rebuild_last_head (AgbEnv *env, const AgbSession *session)
{
  LastRun last = { .session = session };

  agb_catalog_foreach_sync_run (env->catalog, session->name, 0, see_run, &last, NULL);
  return last.oid != NULL ? last.oid : g_strdup (session->base_oid);
}
