#include "guest/bwrap/bwrap.h"

#include "core/child.h"
#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/agent.h"
#include "guest/bwrap/cgroup.h"
#include "guest/bwrap/disk.h"
#include "guest/bwrap/folder.h"
#include "guest/bwrap/limits.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
  BUSY_WAIT_MS = 60 * 1000,
  START_TIMEOUT_MS = 30 * 1000,
  STOP_GRACE_MS = 1000,
  KILL_TIMEOUT_MS = 20 * 1000,
};

static const char *
root_of (AgbRuntime *runtime)
{
  return ((AgbBwrapRuntime *)runtime)->state_root;
}

static gboolean
check_vm_name (const char *vm_name, GError **error)
{
  if (*vm_name != '\0' && *vm_name != '.' && strchr (vm_name, '/') == NULL)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "'%s' is not the name of a guest", vm_name);
  return FALSE;
}

static AgbLock *
take_busy_lock (AgbRuntime *runtime, const char *vm_name, const char *operation, GError **error)
{
  g_autofree char *path = agb_bwrap_path (root_of (runtime), vm_name, "busy");

  return agb_lock_take (path, operation, BUSY_WAIT_MS, error);
}

static gboolean
folder_exists (AgbRuntime *runtime, const char *vm_name)
{
  g_autofree char *path = agb_bwrap_path (root_of (runtime), vm_name, NULL);

  return g_file_test (path, G_FILE_TEST_IS_DIR);
}

/* --- create --- */

static void
spec_fill (AgbBwrapSpec *ret, const AgbGuestSpec *spec)
{
  *ret = (AgbBwrapSpec){
    .key = g_strdup_printf ("%s.%" G_GINT64_FORMAT, spec->session, spec->attempt),
    .session = g_strdup (spec->session),
    .vm_name = g_strdup (spec->vm_name),
    .sandbox = spec->sandbox,
    .cpus = spec->cpus,
    .memory_bytes = spec->memory_bytes,
    .disk_bytes = spec->disk_bytes,
    .limits_wanted = spec->limits_wanted,
    .pids = spec->pids > 0 ? spec->pids : AGB_BWRAP_PIDS,
    .network = g_strdup (spec->network != NULL ? spec->network : "none"),
    .image = g_strdup (spec->image),
    .object_dirs
    = spec->object_dirs != NULL ? g_strdupv ((char **)spec->object_dirs) : g_new0 (char *, 1),
  };
}

static gboolean
make_home (AgbRuntime *runtime, const AgbBwrapSpec *spec, GError **error)
{
  g_autofree char *workspace = agb_bwrap_workspace (spec);
  const char *below_home = workspace + strlen (AGB_GUEST_HOME "/");
  g_autofree char *home = agb_bwrap_path (root_of (runtime), spec->vm_name, "home");
  g_autofree char *whole = g_build_filename (home, below_home, NULL);

  if (!agb_mkdirs (whole, 0755, error))
    return FALSE;
  if (spec->uid == 0)
    return TRUE;
  g_autofree char *parent = g_path_get_dirname (whole);
  const char *const made[] = { home, parent, whole };
  for (gsize i = 0; i < G_N_ELEMENTS (made); i++)
    if (lchown (made[i], spec->uid, spec->uid) != 0)
      return agb_error_set_errno (error, errno, "give to the guest", made[i]);
  return !spec->own_disk || agb_bwrap_disk_make (spec, root_of (runtime), error);
}

static gboolean
check_image (const AgbGuestSpec *spec, GError **error)
{
  g_autofree char *usr = spec->image != NULL ? g_build_filename (spec->image, "usr", NULL) : NULL;

  if (usr == NULL || (g_path_is_absolute (usr) && g_file_test (usr, G_FILE_TEST_IS_DIR)))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "image '%s' is not a folder with a usr/ in it",
               spec->image);
  agb_error_hint (error, "name the absolute path of a root file system, or leave --image out");
  return FALSE;
}

static gboolean
bwrap_create (AgbRuntime *runtime, const AgbGuestSpec *wanted, AgbProgress *progress,
              GError **error)
{
  g_auto (AgbBwrapSpec) spec = { 0 };
  g_auto (AgbBwrapSpec) found_spec = { 0 };
  gboolean found;

  (void)progress;
  if (!check_vm_name (wanted->vm_name, error) || !check_image (wanted, error))
    return FALSE;
  spec_fill (&spec, wanted);
  g_autofree char *folder = agb_bwrap_path (root_of (runtime), spec.vm_name, NULL);
  if (!agb_fault_point ("bwrap: make session folder", error) || !agb_mkdirs (folder, 0700, error))
    return FALSE;
  g_autoptr (AgbLock) busy = take_busy_lock (runtime, spec.vm_name, "create", error);
  if (busy == NULL
      || !agb_bwrap_spec_load (root_of (runtime), spec.vm_name, &found_spec, &found, error))
    return FALSE;
  if (found && !g_str_equal (found_spec.key, spec.key))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' belongs to '%s', not to '%s'",
                   spec.vm_name, found_spec.key, spec.key);
      return FALSE;
    }
  if (found)
    return make_home (runtime, &found_spec, error);
  spec.own_disk = wanted->disk_wanted && spec.disk_bytes > 0 && agb_bwrap_disk_missing () == NULL;
  if (geteuid () == 0 && !agb_bwrap_guest_uid (spec.vm_name, &spec.uid, error))
    return FALSE;
  return agb_fault_point ("bwrap: write spec", error)
         && agb_bwrap_spec_save (root_of (runtime), &spec, error)
         && make_home (runtime, &spec, error);
}

/* --- state --- */

static gboolean
keeper_of (AgbRuntime *runtime, const char *vm_name, AgbProcessId *ret_keeper)
{
  g_autofree char *path = agb_bwrap_path (root_of (runtime), vm_name, "lock");
  g_autofree char *operation = NULL;

  return agb_lock_peek (path, ret_keeper, &operation);
}

/* The sandbox's pid 1 outlives its keeper by the moment that the kernel needs to end the rest. */
static gboolean
guest_of (AgbRuntime *runtime, const char *vm_name, AgbProcessId *ret_guest)
{
  g_autofree char *line = agb_bwrap_read (root_of (runtime), vm_name, "guest");

  return agb_process_parse (line, ret_guest) && agb_process_alive (ret_guest);
}

static AgbGuestState
state_of (AgbRuntime *runtime, const char *vm_name)
{
  AgbProcessId id;
  g_autofree char *sock = agb_bwrap_path (root_of (runtime), vm_name, "sock");
  g_autofree char *spec = agb_bwrap_path (root_of (runtime), vm_name, "spec.json");

  if (keeper_of (runtime, vm_name, &id))
    return g_file_test (sock, G_FILE_TEST_EXISTS) ? AGB_GUEST_RUNNING : AGB_GUEST_STARTING;
  if (guest_of (runtime, vm_name, &id))
    return AGB_GUEST_STOPPING;
  if (g_file_test (spec, G_FILE_TEST_EXISTS))
    return AGB_GUEST_STOPPED;
  return folder_exists (runtime, vm_name) ? AGB_GUEST_FAILED : AGB_GUEST_ABSENT;
}

static const char *
limit_word (const char *word)
{
  static const char *const words[] = { "enforced", "advisory" };

  for (gsize i = 0; word != NULL && i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (word, words[i]))
      return words[i];
  return "none";
}

static void
fill_limits (AgbRuntime *runtime, const char *vm_name, AgbGuestStatus *status)
{
  g_autofree char *line = agb_bwrap_read (root_of (runtime), vm_name, "limits");
  g_auto (GStrv) words = g_strsplit (line != NULL ? line : "", " ", -1);
  guint count = g_strv_length (words);

  status->cpu_limit = limit_word (count > 0 ? words[0] : NULL);
  status->memory_limit = limit_word (count > 1 ? words[1] : NULL);
  status->pids_limit = limit_word (count > 2 ? words[2] : NULL);
  status->disk_limit = limit_word (count > 3 ? words[3] : NULL);
}

static gboolean
bwrap_status (AgbRuntime *runtime, const char *vm_name, AgbGuestStatus *ret, GError **error)
{
  g_auto (AgbBwrapSpec) spec = { 0 };
  AgbGuestStatus status = { .vm_type = g_strdup ("bwrap") };
  gboolean found = FALSE;
  g_autoptr (GError) damage = NULL;
  struct utsname machine;

  if (!check_vm_name (vm_name, error))
    return FALSE;
  status.state = state_of (runtime, vm_name);
  if (uname (&machine) == 0)
    status.arch = g_strdup (machine.machine);
  if (!agb_bwrap_spec_load (root_of (runtime), vm_name, &spec, &found, &damage))
    {
      status.state = AGB_GUEST_FAILED;
      status.reason = g_strdup (damage->message);
    }
  else if (status.state == AGB_GUEST_FAILED)
    status.reason = g_strdup ("half-made: its description was never written");
  status.cpus = spec.cpus;
  status.memory_bytes = spec.memory_bytes;
  status.disk_bytes = spec.disk_bytes;
  fill_limits (runtime, vm_name, &status);
  *ret = status;
  return TRUE;
}

/* --- start --- */

/* The keeper's report: notes, then "ready" or an error. */
static gboolean
read_report (const char *text, AgbProgress *progress, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, "note "))
      agb_progress_note (progress, "%s", *line + strlen ("note "));
    else if (g_str_equal (*line, "ready"))
      return TRUE;
    else if (g_str_has_prefix (*line, "error "))
      {
        g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME, *line + strlen ("error "));
        return FALSE;
      }
  g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the sandbox's keeper ended early");
  return FALSE;
}

static gboolean kill_sandbox (AgbRuntime *runtime, const char *vm_name, GError **error);

/* In a control group of its own where systemd gives one; when it does not after all, without. */
static gboolean
run_keeper (const char *vm_name, const char *const *argv, AgbChildResult *ret, GError **error)
{
  g_autofree char *description = g_strconcat ("git agbranch: sandbox ", vm_name, NULL);
  g_auto (GStrv) env = NULL;
  g_auto (GStrv) scope = agb_cgroup_scope (description, argv, &env);
  g_auto (AgbChildResult) result = { 0 };
  AgbChildSpec child = { .argv = scope != NULL ? (const char *const *)scope : argv,
                         .envp = env,
                         .timeout_ms = START_TIMEOUT_MS };

  if (!agb_child_run (&child, &result, error))
    return FALSE;
  if (scope != NULL && result.output->len == 0)
    {
      child.argv = argv;
      child.envp = NULL;
      return agb_child_run (&child, ret, error);
    }
  *ret = result;
  result = (AgbChildResult){ 0 };
  return TRUE;
}

static gboolean
start_keeper (AgbRuntime *runtime, const char *vm_name, AgbProgress *progress, GError **error)
{
  g_autofree char *exec_path = agb_exec_path ();
  g_autofree char *program = g_build_filename (exec_path, "agbranch-keeper", NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_auto (AgbChildResult) result = { 0 };

  g_ptr_array_add (argv, program);
  g_ptr_array_add (argv, (char *)root_of (runtime));
  g_ptr_array_add (argv, (char *)vm_name);
  for (char **name = ((AgbBwrapRuntime *)runtime)->programs; *name != NULL; name++)
    g_ptr_array_add (argv, *name);
  g_ptr_array_add (argv, NULL);

  if (!agb_fault_point ("bwrap: start keeper", error))
    return FALSE;
  if (!run_keeper (vm_name, (const char *const *)argv->pdata, &result, error))
    {
      /* It has detached and goes on by itself. */
      kill_sandbox (runtime, vm_name, NULL);
      return FALSE;
    }
  if (read_report (result.output->str, progress, error))
    return TRUE;
  kill_sandbox (runtime, vm_name, NULL);
  return FALSE;
}

static gboolean
bwrap_start (AgbRuntime *runtime, const char *vm_name, AgbProgress *progress, GError **error)
{
  if (!check_vm_name (vm_name, error))
    return FALSE;
  if (!folder_exists (runtime, vm_name))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "there is no guest '%s'", vm_name);
      return FALSE;
    }
  g_autoptr (AgbLock) busy = take_busy_lock (runtime, vm_name, "start", error);
  if (busy == NULL)
    return FALSE;
  AgbGuestState state = state_of (runtime, vm_name);
  if (state == AGB_GUEST_RUNNING)
    return TRUE;
  /* What is left of an earlier run (its starter was killed, or its keeper) goes first. */
  if (state != AGB_GUEST_STOPPED && !kill_sandbox (runtime, vm_name, error))
    return FALSE;
  return agb_bwrap_disk_wait (root_of (runtime), vm_name, error)
         && start_keeper (runtime, vm_name, progress, error);
}

/* --- stop --- */

/* Wait until exactly this process has ended. */
static gboolean
wait_for_end (const AgbProcessId *id, gint64 deadline, GError **error)
{
  agb_autofd int pidfd = (int)syscall (SYS_pidfd_open, id->pid, 0);
  struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

  /* Asked again after the descriptor is open: now the number cannot become another's. */
  while (pidfd >= 0 && agb_process_alive (id))
    {
      int ready = poll (&poll_fd, 1, agb_deadline_left_ms (deadline));

      if (ready < 0 && errno == EINTR)
        continue;
      if (ready == 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "process %d does not end",
                       (int)id->pid);
          return FALSE;
        }
    }
  return TRUE;
}

static void
send_signal (const AgbProcessId *id, int signal_number)
{
  agb_autofd int pidfd = (int)syscall (SYS_pidfd_open, id->pid, 0);

  if (pidfd >= 0 && agb_process_alive (id))
    syscall (SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

/* End keeper and sandbox and prove that both are gone.  With its pid 1 the kernel ends every process of
 * the sandbox, before pid 1 itself counts as ended (pid_namespaces(7)). */
static gboolean
kill_sandbox (AgbRuntime *runtime, const char *vm_name, GError **error)
{
  gint64 deadline = agb_deadline_in (KILL_TIMEOUT_MS);
  AgbProcessId keeper, guest;

  if (guest_of (runtime, vm_name, &guest))
    {
      send_signal (&guest, SIGKILL);
      if (!wait_for_end (&guest, deadline, error))
        return FALSE;
    }
  if (!keeper_of (runtime, vm_name, &keeper))
    return TRUE;
  send_signal (&keeper, SIGTERM);
  if (wait_for_end (&keeper, agb_deadline_in (KILL_TIMEOUT_MS / 4), NULL))
    return TRUE;
  send_signal (&keeper, SIGKILL);
  return wait_for_end (&keeper, deadline, error);
}

static gboolean
stop_locked (AgbRuntime *runtime, const char *vm_name, gboolean force, GError **error)
{
  AgbGuestState state = state_of (runtime, vm_name);

  if (state == AGB_GUEST_STOPPED || state == AGB_GUEST_FAILED || state == AGB_GUEST_ABSENT)
    return TRUE;
  if (!agb_fault_point ("bwrap: stop sandbox", error))
    return FALSE;
  if (!force && state == AGB_GUEST_RUNNING)
    agb_bwrap_ask_to_end (root_of (runtime), vm_name, STOP_GRACE_MS);
  return kill_sandbox (runtime, vm_name, error)
         && agb_bwrap_disk_wait (root_of (runtime), vm_name, error);
}

static gboolean
bwrap_stop (AgbRuntime *runtime, const char *vm_name, gboolean force, GError **error)
{
  if (!check_vm_name (vm_name, error))
    return FALSE;
  if (!folder_exists (runtime, vm_name))
    return TRUE;
  g_autoptr (AgbLock) busy = take_busy_lock (runtime, vm_name, "stop", error);
  return busy != NULL && stop_locked (runtime, vm_name, force, error);
}

/* --- destroy, list --- */

/* spec.json goes after the guest's files, so that a destruction that was cut off still shows in list
 * with its key and can be repeated. */
static gboolean
remove_folder (AgbRuntime *runtime, const char *vm_name, GError **error)
{
  g_autofree char *home = agb_bwrap_path (root_of (runtime), vm_name, "home");
  g_autofree char *folder = agb_bwrap_path (root_of (runtime), vm_name, NULL);
  g_autofree char *parent = g_path_get_dirname (folder);

  agb_bwrap_limits_remove (root_of (runtime), vm_name); /* of a killed keeper */
  return agb_bwrap_disk_wait (root_of (runtime), vm_name, error)
         && agb_fault_point ("bwrap: remove home", error) && agb_remove_tree (home, error)
         && agb_fault_point ("bwrap: remove session folder", error)
         && agb_remove_tree (folder, error) && agb_fsync_folder (parent, error);
}

static gboolean
bwrap_destroy (AgbRuntime *runtime, const char *vm_name, const char *key, GError **error)
{
  g_auto (AgbBwrapSpec) spec = { 0 };
  gboolean found;

  if (!check_vm_name (vm_name, error))
    return FALSE;
  if (!folder_exists (runtime, vm_name))
    return TRUE;
  g_autoptr (AgbLock) busy = take_busy_lock (runtime, vm_name, "destroy", error);
  if (busy == NULL || !agb_bwrap_spec_load (root_of (runtime), vm_name, &spec, &found, error))
    return FALSE;
  if (found && !g_str_equal (spec.key, key))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' belongs to '%s', not to '%s'",
                   vm_name, spec.key, key);
      return FALSE;
    }
  return stop_locked (runtime, vm_name, TRUE, error) && remove_folder (runtime, vm_name, error);
}

static gboolean
bwrap_list (AgbRuntime *runtime,
            void (*func) (const char *vm_name, const char *key, AgbGuestState state, gpointer data),
            gpointer data, GError **error)
{
  g_autofree char *path = g_build_filename (root_of (runtime), "bwrap", NULL);
  g_autoptr (GError) open_error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &open_error);
  const char *name;

  if (dir == NULL)
    {
      if (g_error_matches (open_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_FILE, open_error->message);
      return FALSE;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_auto (AgbBwrapSpec) spec = { 0 };
      gboolean found;

      if (!agb_bwrap_spec_load (root_of (runtime), name, &spec, &found, NULL))
        found = FALSE;
      func (name, found ? spec.key : "", found ? state_of (runtime, name) : AGB_GUEST_FAILED, data);
    }
  return TRUE;
}

/* --- the rest --- */

static gboolean
bwrap_probe (AgbRuntime *runtime, GError **error)
{
  g_autofree char *program = g_find_program_in_path ("bwrap");
  const char *argv[]
      = { "bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "true", NULL };
  AgbChildSpec child = { .argv = argv, .timeout_ms = AGB_TIMEOUT_QUICK };
  g_autoptr (GError) reason = NULL;

  (void)runtime;
  if (program == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME, "there is no 'bwrap' in PATH");
      agb_error_hint (error, "install the package bubblewrap");
      return FALSE;
    }
  if (agb_child_check (&child, NULL, &reason))
    return TRUE;
  if (g_error_matches (reason, AGB_ERROR, AGB_ERROR_CHILD))
    {
      reason->code = AGB_ERROR_RUNTIME;
      agb_error_hint (&reason,
                      "allow user namespaces: sysctl kernel.unprivileged_userns_clone "
                      "kernel.apparmor_restrict_unprivileged_userns user.max_user_namespaces");
    }
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}

static char *
bwrap_log_path (AgbRuntime *runtime, const char *vm_name, const char *source)
{
  (void)runtime;
  (void)vm_name;
  (void)source;
  return NULL;
}

static gint64
bwrap_cpu_usec (AgbRuntime *runtime, const char *vm_name)
{
  gint64 usec = agb_bwrap_limits_cpu_usec (root_of (runtime), vm_name);
  AgbProcessId guest;

  if (usec >= 0 || !guest_of (runtime, vm_name, &guest))
    return usec;
  return agb_process_tree_cpu_usec (guest.pid);
}

/* The end of the keeper: the state has no other name for what happens without us. */
static gboolean
bwrap_follow (AgbRuntime *runtime, const char *vm_name, AgbGuestFollow *ret)
{
  AgbProcessId keeper;

  if (!keeper_of (runtime, vm_name, &keeper))
    return FALSE;
  agb_autofd int pidfd = (int)syscall (SYS_pidfd_open, keeper.pid, 0);
  if (pidfd < 0 || !agb_process_alive (&keeper))
    return FALSE;
  ret->fd = agb_steal_fd (&pidfd);
  return TRUE;
}

static void
bwrap_free (AgbRuntime *runtime)
{
  g_free (((AgbBwrapRuntime *)runtime)->state_root);
  g_strfreev (((AgbBwrapRuntime *)runtime)->programs);
  g_free (runtime);
}

static const struct AgbRuntimeClass bwrap_class = {
  .name = "bwrap",
  .flags = AGB_RUNTIME_BORROWS_OBJECTS,
  .create = bwrap_create,
  .start = bwrap_start,
  .stop = bwrap_stop,
  .status = bwrap_status,
  .exec = agb_bwrap_exec,
  .destroy = bwrap_destroy,
  .list = bwrap_list,
  .cpu_usec = bwrap_cpu_usec,
  .follow = bwrap_follow,
  .log_path = bwrap_log_path,
  .probe = bwrap_probe,
  .free = bwrap_free,
};

/* Those of the setting after its last "none"; it is unset: the agents that there are profiles for. */
static char **
host_programs (AgbSettings *settings)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *const *list
      = settings != NULL ? agb_settings_list (settings, "agbranch.bwrap.programs") : NULL;

  if (list != NULL && *list != NULL)
    {
      for (const char *const *name = list; *name != NULL; name++)
        if (g_str_equal (*name, "none"))
          list = name + 1;
      return g_strdupv ((char **)list);
    }
  for (const AgbAgentProfile *profile = agb_agent_profiles (); profile->name != NULL; profile++)
    g_strv_builder_add (builder, profile->argv[0]);
  return g_strv_builder_end (builder);
}

AgbRuntime *
agb_bwrap_runtime_new (AgbSettings *settings)
{
  AgbBwrapRuntime *self = g_new (AgbBwrapRuntime, 1);

  *self = (AgbBwrapRuntime){
    .runtime = { .klass = &bwrap_class },
    .state_root = agb_state_root (),
    .programs = host_programs (settings),
  };
  return &self->runtime;
}
