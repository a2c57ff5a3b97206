#include "session/show.h"

#include "guest/lima/lima.h"
#include "guest/tmux.h"
#include "session/columns.h"
#include "session/conflicts.h"

void
agb_session_view_clear (AgbSessionView *view)
{
  agb_guest_status_clear (&view->guest);
  g_clear_pointer (&view->ssh_config_file, g_free);
  g_clear_pointer (&view->ssh_host_alias, g_free);
  g_clear_pointer (&view->head_oid, g_free);
  agb_sync_run_clear (&view->last_sync);
  agb_operation_clear (&view->operation);
  agb_runtime_script_clear (&view->script);
}

static void
look_at_windows (AgbRuntime *runtime, const AgbSession *session, AgbSessionView *view)
{
  view->shell_window = agb_tmux_window_state (runtime, session, AGB_SHELL_WINDOW);
  /* A guest that does not answer once is not asked again. */
  view->agent_window = g_str_equal (view->shell_window, "unknown")
                           ? "unknown"
                           : agb_tmux_window_state (runtime, session, AGB_AGENT_WINDOW);
}

static gboolean
is_closed (const AgbSession *session)
{
  return g_strcmp0 (session->lifecycle_state, "closed") == 0;
}

static void
look_at_guest (AgbEnv *env, const AgbSession *session, AgbSessionView *view)
{
  view->shell_window = view->agent_window = view->agent = "unknown";
  if (is_closed (session))
    {
      view->guest.state = AGB_GUEST_ABSENT;
      view->shell_window = view->agent_window = "missing";
      view->agent = "shell-only";
      return;
    }
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, NULL);
  if (runtime == NULL || !runtime->klass->status (runtime, session->vm_name, &view->guest, NULL))
    {
      view->guest.state = AGB_GUEST_UNREACHABLE;
      return;
    }
  if (runtime->klass->ssh != NULL)
    runtime->klass->ssh (runtime, session->vm_name, &view->ssh_config_file, &view->ssh_host_alias,
                         NULL);
  if (view->guest.state == AGB_GUEST_RUNNING)
    look_at_windows (runtime, session, view);
  else if (view->guest.state == AGB_GUEST_STOPPED || view->guest.state == AGB_GUEST_ABSENT)
    view->shell_window = view->agent_window = "missing";
  if (g_str_equal (view->agent_window, "live"))
    view->agent = "agent";
  else if (!g_str_equal (view->agent_window, "unknown"))
    view->agent = "shell-only";
}

static void
look_at_repo (AgbEnv *env, const AgbSession *session, AgbSessionView *view)
{
  guint count = 0;

  view->commits_ahead = view->conflicts = -1;
  if (g_strcmp0 (session->session_mode, "repo") != 0 || session->session_ref_head == NULL)
    return;
  AgbRepo *repo = agb_env_session_repo (env, session, FALSE, NULL);
  if (repo == NULL)
    return;
  view->head_oid = agb_repo_read_ref (repo, session->session_ref_head);
  if (view->head_oid != NULL && session->base_oid != NULL
      && agb_repo_count_commits (repo, session->base_oid, view->head_oid, &count, NULL))
    view->commits_ahead = count;
  if (!is_closed (session))
    {
      g_autoptr (AgbConflicts) conflicts = agb_conflicts_new (env);
      view->conflicts = agb_conflicts_count (conflicts, session);
    }
  g_autoptr (AgbSettings) own_settings = NULL;
  AgbSettings *settings = agb_env_repo_settings (env, repo, &own_settings, NULL);
  if (settings != NULL)
    agb_runtime_script_load (repo, settings, session->base_oid, &view->script, NULL);
  if (repo != env->repo)
    agb_repo_free (repo);
}

static gboolean
keep_run (const AgbSyncRun *run, gpointer data)
{
  AgbSessionView *view = data;

  view->has_sync = TRUE;
  agb_sync_run_clear (&view->last_sync);
  view->last_sync = (AgbSyncRun){
    .id = run->id,
    .direction = g_strdup (run->direction),
    .result = g_strdup (run->result),
    .started_at = g_strdup (run->started_at),
    .finished_at = g_strdup (run->finished_at),
    .staging_path = g_strdup (run->staging_path),
    .patch_path = g_strdup (run->patch_path),
    .error_text = g_strdup (run->error_text),
    .old_oid = g_strdup (run->old_oid),
    .new_oid = g_strdup (run->new_oid),
    .number = run->number,
  };
  return TRUE;
}

gboolean
agb_session_view_load (AgbEnv *env, const AgbSession *session, AgbSessionView *view, GError **error)
{
  if (!agb_catalog_foreach_sync_run (env->catalog, session->name, 1, keep_run, view, error)
      || !agb_catalog_get_operation (env->catalog, session->name, &view->operation,
                                     &view->has_operation, error))
    return FALSE;
  look_at_repo (env, session, view);
  look_at_guest (env, session, view);
  return TRUE;
}

static void
add_number (cJSON *object, const char *key, gint64 number)
{
  if (number > 0)
    cJSON_AddNumberToObject (object, key, (double)number);
  else
    cJSON_AddNullToObject (object, key);
}

static void
add_count (cJSON *object, const char *key, gint64 count)
{
  if (count >= 0)
    cJSON_AddNumberToObject (object, key, (double)count);
  else
    cJSON_AddNullToObject (object, key);
}

/* What the guest says it has, else what was asked for. */
static gint64
first_known (gint64 guest, gint64 asked)
{
  return guest > 0 ? guest : asked;
}

static void
add_vm (cJSON *runtime, const AgbSession *session, const AgbSessionView *view)
{
  const AgbGuestStatus *guest = &view->guest;
  cJSON *vm = cJSON_AddObjectToObject (runtime, "vm");

  agb_json_add_string (vm, "status", agb_guest_state_word (guest->state));
  agb_json_add_string (vm, "ssh", view->ssh_host_alias);
  agb_json_add_string (vm, "ssh_config_file", view->ssh_config_file);
  agb_json_add_string (vm, "vm_type", guest->vm_type != NULL ? guest->vm_type : session->runtime);
  agb_json_add_string (vm, "arch", guest->arch);
  add_number (vm, "cpus", first_known (guest->cpus, session->cpus));
  add_number (vm, "memory", first_known ((gint64)guest->memory_bytes, session->memory_bytes));
  add_number (vm, "disk", first_known ((gint64)guest->disk_bytes, session->disk_bytes));
  agb_json_add_string (vm, "reason", guest->reason);
  g_autofree char *cold
      = g_strcmp0 (session->runtime, "lima") == 0 ? agb_lima_cold_reason (session->vm_name) : NULL;
  agb_json_add_string (vm, "cold_start", cold);
  cJSON *limits = cJSON_AddObjectToObject (vm, "limits");
  agb_json_add_string (limits, "cpu", guest->cpu_limit);
  agb_json_add_string (limits, "memory", guest->memory_limit);
  agb_json_add_string (limits, "pids", guest->pids_limit);
  agb_json_add_string (limits, "disk", guest->disk_limit);
}

static void
add_window (cJSON *guest, const char *key, const char *name, const char *state)
{
  cJSON *window = cJSON_AddObjectToObject (guest, key);

  agb_json_add_string (window, "name", name);
  agb_json_add_string (window, "state", state);
}

static void
add_runtime (cJSON *object, const AgbSession *session, const AgbSessionView *view)
{
  cJSON *runtime = cJSON_AddObjectToObject (object, "runtime");

  agb_json_add_string (runtime, "name", session->runtime);
  add_vm (runtime, session, view);
  cJSON *guest = cJSON_AddObjectToObject (runtime, "guest");
  agb_json_add_string (guest, "agent", view->agent);
  add_window (guest, "shell_window", session->shell_window_name, view->shell_window);
  add_window (guest, "agent_window", session->agent_window_name, view->agent_window);
}

static void
add_last_sync (cJSON *object, const AgbSessionView *view)
{
  if (!view->has_sync)
    {
      cJSON_AddNullToObject (object, "last_sync");
      return;
    }
  cJSON *sync = cJSON_AddObjectToObject (object, "last_sync");
  agb_json_add_string (sync, "result", view->last_sync.result);
  agb_json_add_string (sync, "started_at", view->last_sync.started_at);
  agb_json_add_string (sync, "finished_at", view->last_sync.finished_at);
  agb_json_add_string (sync, "staging_path", view->last_sync.staging_path);
  agb_json_add_string (sync, "error_text", view->last_sync.error_text);
  cJSON_AddNumberToObject (sync, "number", (double)view->last_sync.number);
}

static void
add_operation (cJSON *object, const AgbSessionView *view)
{
  if (!view->has_operation)
    {
      cJSON_AddNullToObject (object, "operation");
      return;
    }
  cJSON *operation = cJSON_AddObjectToObject (object, "operation");
  agb_json_add_string (operation, "operation", view->operation.operation);
  agb_json_add_string (operation, "step", view->operation.step);
  agb_json_add_string (operation, "started_at", view->operation.started_at);
  cJSON_AddNumberToObject (operation, "pid", view->operation.owner.pid);
  cJSON_AddBoolToObject (operation, "alive", agb_process_alive (&view->operation.owner));
}

/* The row's list of files as an array, whatever is in the column. */
static void
add_provider_files (cJSON *object, const AgbSession *session)
{
  cJSON *files = session->imported_provider_files_json != NULL
                     ? cJSON_Parse (session->imported_provider_files_json)
                     : NULL;

  if (!cJSON_IsArray (files))
    {
      cJSON_Delete (files);
      files = cJSON_CreateArray ();
    }
  cJSON_AddItemToObject (object, "imported_provider_files", files);
}

static void
add_guest_programs (cJSON *object, const AgbSession *session)
{
  cJSON *agent = cJSON_AddObjectToObject (object, "agent");
  cJSON *tmux = cJSON_AddObjectToObject (object, "tmux");

  agb_json_add_string (agent, "preset", session->agent_launch_preset);
  agb_json_add_string (agent, "provider", session->provider_kind);
  agb_json_add_string (agent, "window", session->agent_window_name);
  agb_json_add_string (tmux, "socket", session->guest_tmux_socket_path);
  agb_json_add_string (tmux, "shell_window", session->shell_window_name);
  agb_json_add_string (tmux, "agent_window", session->agent_window_name);
}

cJSON *
agb_session_view_to_json (const AgbSession *session, const AgbSessionView *view)
{
  cJSON *object = agb_session_to_json (session);

  agb_json_add_string (object, "session_ref_base", session->session_ref_base);
  agb_json_add_string (object, "session_ref_head", session->session_ref_head);
  agb_json_add_string (object, "image", session->image);
  add_provider_files (object, session);
  agb_runtime_script_json (object, &view->script);
  add_guest_programs (object, session);
  agb_json_add_string (object, "head_oid", view->head_oid);
  add_count (object, "commits_ahead", view->commits_ahead);
  add_count (object, "conflicts", view->conflicts);
  add_last_sync (object, view);
  add_operation (object, view);
  add_runtime (object, session, view);
  return object;
}
