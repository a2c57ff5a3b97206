#include "guest/lima/machine.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/json.h"
#include "core/paths.h"
#include "core/time.h"
#include "core/trace.h"
#include "guest/lima/exec.h"
#include "guest/lima/record.h"
#include "guest/lima/ssh.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  STOP_TIMEOUT_MS = 3 * 60 * 1000,
  FORCE_TIMEOUT_MS = 60 * 1000,
  APPLY_TIMEOUT_MS = 60 * 1000,
  DEGRADED_WAIT_MS = 30 * 1000,
  WARM_TIMEOUT_MS = 60 * 1000,
  GONE_TIMEOUT_MS = 10 * 1000,
  IMAGE_TIMEOUT_MS = 30 * 60 * 1000,
};

#define START_LOG "agbranch-start.log"

static gboolean
start_failed (const char *instance, const char *log, GError **error)
{
  g_autofree char *message = agb_lima_last_message (log);

  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot start instance '%s'%s%s", instance,
               *message != '\0' ? ": " : "", message);
  agb_error_hint (error, "its console is in: %s",
                  "the instance's serial.log (git agbranch logs --source kernel)");
  return FALSE;
}

/* After a failed or interrupted start: what runs half-way is worse than nothing. */
static void
stop_quietly (const AgbLima *lima, const char *instance)
{
  agb_interrupt_shield ();
  agb_lima_stop (lima, instance, TRUE, NULL);
  agb_interrupt_unshield ();
}

/* Lima calls a machine degraded when its own guest agent does not run: it forwards ports, which we do
 * not want.  What counts is that it runs and answers. */
static gboolean
is_usable_though_degraded (const AgbLima *lima, const char *instance, const char *log)
{
  static const char *const argv[] = { "true", NULL };
  g_autofree char *message = agb_lima_last_message (log);
  g_autoptr (AgbLimaInstance) found = NULL;
  g_auto (AgbChildResult) result = { 0 };

  if (!g_str_has_prefix (message, "degraded"))
    return FALSE;
  found = agb_lima_find (lima, instance, NULL);
  return found != NULL && strcmp (found->status, "Running") == 0
         && agb_lima_ssh_first (lima, instance, argv, NULL, 0, agb_deadline_in (DEGRADED_WAIT_MS),
                                &result, NULL)
         && result.status == 0;
}

gboolean
agb_lima_cold_start (const AgbLima *lima, const char *instance, gint64 timeout_ms, GError **error)
{
  g_autofree char *log = agb_lima_path (lima, instance, START_LOG);
  g_autofree char *limit = g_strdup_printf ("--timeout=%ds", (int)(timeout_ms / 1000));
  g_auto (AgbChild) child = { .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  int status = 0;

  if (!agb_fault_point ("lima: start", error)
      || !agb_limactl_start (lima, NULL, log, &child, error, "start", limit, instance, NULL))
    return FALSE;
  /* limactl's own limit comes first, so that its message is seen. */
  gboolean ended
      = agb_child_wait (&child, agb_deadline_in (timeout_ms + 30 * 1000), &status, error);
  if (ended && (status == 0 || is_usable_though_degraded (lima, instance, log)))
    return TRUE;
  if (ended)
    start_failed (instance, log, error);
  stop_quietly (lima, instance);
  return FALSE;
}

/* Wait until FILE is in the folder of INSTANCE (Lima makes it), or CHILD ends, or DEADLINE. */
static gboolean
wait_for_file (const AgbLima *lima, const char *instance, const char *file, const AgbChild *child,
               gint64 deadline, GError **error)
{
  g_autofree char *folder = agb_lima_path (lima, instance, NULL);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  agb_autofd int watch = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);

  if (watch < 0 || inotify_add_watch (watch, folder, IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
    return agb_error_set_errno (error, errno, "watch", folder);
  for (;;)
    {
      char events[4096];
      struct stat status;
      struct pollfd fds[3] = { { .fd = watch, .events = POLLIN },
                               { .fd = child->pidfd, .events = POLLIN },
                               { .fd = agb_interrupt_fd (), .events = POLLIN } };

      while (read (watch, events, sizeof events) > 0)
        ;
      if (stat (path, &status) == 0 && (S_ISSOCK (status.st_mode) || status.st_size > 0))
        return TRUE;
      int ready = poll (fds, 3, agb_deadline_left_ms (deadline));
      if (agb_interrupted (error))
        return FALSE;
      if (ready == 0 || fds[1].revents != 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "instance '%s' does not start: no '%s'",
                       instance, file);
          return FALSE;
        }
    }
}

/* Lima tells "no such snapshot" in words only, and leaves the machine paused then. */
static gboolean
apply_state (const AgbLima *lima, const char *instance, GError **error)
{
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_limactl_run (lima, APPLY_TIMEOUT_MS, &result, error, "snapshot", "apply", instance,
                        "--tag", AGB_LIMA_WARM_TAG, NULL))
    return FALSE;
  if (result.status == 0 && strstr (result.errors->str, "Error") == NULL
      && strstr (result.output->str, "Error") == NULL)
    return TRUE;
  g_autofree char *text = agb_escape (g_strchomp (result.errors->str), -1);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "cannot restore the saved state of instance '%s': %s", instance, text);
  return FALSE;
}

/* Lima's host agent takes ssh from the PATH (sshocker's ssh.SSHConfig.Binary): one that puts its first
 * connection off. */
static gboolean
put_off_host_agent (const AgbLima *lima, const char *instance, char ***envp, GError **error)
{
  g_autofree char *first = agb_lima_path (lima, instance, "agbranch-first");
  g_autofree char *assets = agb_assets_path ();
  g_autofree char *folder = g_build_filename (assets, "host", NULL);
  const char *path = g_environ_getenv (*envp, "PATH");

  if (!lima->tcg)
    return TRUE;
  if (!g_file_set_contents (first, "", 0, error))
    return FALSE;
  g_autofree char *with_ours
      = g_strdup_printf ("%s:%s", folder, path != NULL ? path : "/usr/bin:/bin");
  *envp = g_environ_setenv (*envp, "AGBRANCH_FIRST", first, TRUE);
  *envp = g_environ_setenv (*envp, "PATH", with_ours, TRUE);
  return TRUE;
}

gboolean
agb_lima_warm_start (const AgbLima *lima, const char *instance, AgbChild *ret_start, GError **error)
{
  g_auto (GStrv) envp = g_strdupv (lima->envp);
  g_autofree char *log = agb_lima_path (lima, instance, START_LOG);
  g_autofree char *config = agb_lima_path (lima, instance, "ssh.config");
  gint64 deadline = agb_deadline_in (WARM_TIMEOUT_MS);
  g_auto (AgbChild) child = { .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };

  /* The clone has the base's: the port in it is another machine's. */
  if (unlink (config) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", config);
  if (!put_off_host_agent (lima, instance, &envp, error)
      || !agb_fault_point ("lima: start warm", error)
      || !agb_limactl_start (lima, envp, log, &child, error, "start", "--timeout=2m", instance,
                             NULL))
    return FALSE;
  if (wait_for_file (lima, instance, "qmp.sock", &child, deadline, error)
      && apply_state (lima, instance, error)
      && wait_for_file (lima, instance, "ssh.config", &child, deadline, error))
    {
      *ret_start = child;
      child = (AgbChild){ .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
      return TRUE;
    }
  agb_interrupt_shield ();
  agb_child_clear (&child);
  agb_interrupt_unshield ();
  stop_quietly (lima, instance);
  return FALSE;
}

/* What is in every command line of INSTANCE's processes: its folder as Lima calls it (dirnames.LimaDir follows
 * links). */
static char *
folder_in_arguments (const AgbLima *lima, const char *instance)
{
  g_autofree char *home = realpath (lima->home, NULL);

  return g_strconcat (home != NULL ? home : lima->home, "/", instance, "/", NULL);
}

/* Whether PID runs QEMU or a host agent of the instance in FOLDER. */
static gboolean
is_process_of (pid_t pid, const char *folder)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", (int)pid);
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, NULL))
    return FALSE;
  for (gsize i = 0; i + 1 < length; i++)
    if (text[i] == '\0')
      text[i] = ' ';
  return length > 0 && strstr (text, folder) != NULL
         && (strstr (text, "qemu") != NULL || strstr (text, "hostagent") != NULL);
}

/* Lima takes whoever lives under the number in a pid file for its own, and `stop --force` kills it
 * (store.ReadPIDFile, instance.StopForcibly).  After a boot of the host that may be anybody: such a file goes. */
static void
forget_foreign_pids (const AgbLima *lima, const char *instance)
{
  g_autofree char *below = folder_in_arguments (lima, instance);
  g_autofree char *folder = agb_lima_path (lima, instance, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  /* Where there is no /proc nobody can be told from another. */
  if (dir == NULL || !g_file_test ("/proc/self/cmdline", G_FILE_TEST_EXISTS))
    return;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *text = NULL;
      guint64 pid = 0;

      if (g_str_has_suffix (name, ".pid") && g_file_get_contents (path, &text, NULL, NULL)
          && g_ascii_string_to_unsigned (g_strstrip (text), 10, 1, G_MAXINT32, &pid, NULL)
          && !is_process_of ((pid_t)pid, below) && unlink (path) == 0)
        agb_trace ("lima: %s of '%s' was another process", name, instance);
    }
}

/* The processes of an instance whose folder may be gone: an instance directory removed by hand leaves
 * them running.  KILL them with SIGNAL (0: only count). */
static guint
signal_processes (const char *below, int signal_number)
{
  g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
  const char *name;
  guint count = 0;

  while (proc != NULL && (name = g_dir_read_name (proc)) != NULL)
    {
      pid_t pid = (pid_t)g_ascii_strtoll (name, NULL, 10);
      if (pid <= 0 || pid == getpid () || !is_process_of (pid, below))
        continue;
      if (signal_number == 0 || kill (pid, signal_number) == 0)
        count++;
    }
  return count;
}

static gboolean
end_processes (const AgbLima *lima, const char *instance, GError **error)
{
  g_autofree char *below = folder_in_arguments (lima, instance);
  gint64 deadline = agb_deadline_in (GONE_TIMEOUT_MS);

  while (signal_processes (below, SIGKILL) > 0)
    {
      if (agb_deadline_left_ms (deadline) == 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                       "a process of the machine in '%s' does not end", below);
          return FALSE;
        }
      /* They are no children of ours and may be many. */
      g_usleep (50 * 1000);
    }
  return TRUE;
}

gboolean
agb_lima_stop (const AgbLima *lima, const char *instance, gboolean force, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbLimaInstance) before = NULL;

  forget_foreign_pids (lima, instance);
  before = agb_lima_find (lima, instance, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (before == NULL || strcmp (before->status, "Stopped") == 0)
    return TRUE;
  if (!agb_fault_point ("lima: stop", error))
    return FALSE;
  agb_lima_exec_forget (lima, instance);
  if (!force && strcmp (before->status, "Running") == 0
      && agb_limactl (lima, STOP_TIMEOUT_MS, NULL, &problem, "stop", instance, NULL))
    return TRUE;
  if (problem != NULL && g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return agb_limactl (lima, FORCE_TIMEOUT_MS, NULL, error, "stop", "--force", instance, NULL);
}

gboolean
agb_lima_delete (const AgbLima *lima, const char *instance, GError **error)
{
  g_autofree char *folder = agb_lima_path (lima, instance, NULL);
  g_autoptr (GError) problem = NULL;

  if (!agb_fault_point ("lima: delete", error))
    return FALSE;
  agb_lima_exec_forget (lima, instance);
  forget_foreign_pids (lima, instance);
  if (agb_lima_exists (lima, instance)
      && !agb_limactl (lima, FORCE_TIMEOUT_MS, NULL, &problem, "delete", "--force", instance, NULL)
      && g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  /* What Lima could not take away itself (half a folder, a machine it does not know): we do. */
  if (!end_processes (lima, instance, error))
    return FALSE;
  if (!agb_lima_exists (lima, instance))
    return TRUE;
  g_autofree char *protected_file = g_build_filename (folder, "protected", NULL);
  if (g_file_test (protected_file, G_FILE_TEST_EXISTS))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return agb_remove_tree (folder, error);
}

gboolean
agb_lima_can_overlay (const AgbLima *lima, const AgbLimaInstance *instance)
{
  g_autofree char *tool = g_find_program_in_path ("qemu-img");
  g_autofree char *disk = agb_lima_path (lima, instance->name, "disk");

  return tool != NULL && g_strcmp0 (instance->vm_type, "qemu") == 0
         && g_file_test (disk, G_FILE_TEST_IS_REGULAR);
}

static gboolean
qemu_img (char **ret_output, GError **error, const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  va_list args;

  g_ptr_array_add (argv, (gpointer) "qemu-img");
  va_start (args, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (args, const char *))
    g_ptr_array_add (argv, (gpointer)arg);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  AgbChildSpec spec = { .argv = (const char *const *)argv->pdata, .timeout_ms = IMAGE_TIMEOUT_MS };
  if (agb_child_check (&spec, ret_output, error))
    return TRUE;
  if (g_error_matches (*error, AGB_ERROR, AGB_ERROR_CHILD))
    (*error)->code = AGB_ERROR_RUNTIME;
  return FALSE;
}

gboolean
agb_lima_new_overlay (const AgbLima *lima, const char *instance, const char *image,
                      gint64 disk_bytes, GError **error)
{
  g_autofree char *disk = agb_lima_path (lima, instance, "disk");
  g_autofree char *made = agb_lima_path (lima, instance, "disk.new");
  g_autofree char *backing = agb_lima_record_path (lima->home, "images", image);
  g_autofree char *size = g_strdup_printf ("%" G_GINT64_FORMAT, disk_bytes);

  if (!qemu_img (NULL, error, "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", made,
                 size, NULL)
      || !agb_fault_point ("lima: put overlay", error))
    return FALSE;
  if (rename (made, disk) != 0)
    return agb_error_set_errno (error, errno, "rename", made);
  return TRUE;
}

/* Whether DISK stands on another file. */
static gboolean
has_backing (const char *disk, gboolean *ret, GError **error)
{
  g_autofree char *output = NULL;

  if (!qemu_img (&output, error, "info", "--output=json", disk, NULL))
    return FALSE;
  g_autoptr (cJSON) info
      = agb_json_parse (output, strlen (output), "qemu-img info", AGB_ERROR_RUNTIME, error);
  if (info == NULL)
    return FALSE;
  *ret = cJSON_HasObjectItem (info, "backing-filename");
  return TRUE;
}

gboolean
agb_lima_seal_disk (const AgbLima *lima, const char *instance, const char *image, gint64 disk_bytes,
                    GError **error)
{
  g_autofree char *disk = agb_lima_path (lima, instance, "disk");
  g_autofree char *folder = agb_lima_record_path (lima->home, "images", NULL);
  g_autofree char *sealed = g_build_filename (folder, image, NULL);
  gboolean backed = FALSE;

  if (!agb_mkdirs (folder, 0700, error) || !has_backing (disk, &backed, error)
      || !agb_fault_point ("lima: seal image", error))
    return FALSE;
  if (backed)
    {
      if (!qemu_img (NULL, error, "convert", "-O", "qcow2", disk, sealed, NULL))
        return FALSE;
    }
  else if (rename (disk, sealed) != 0)
    return agb_error_set_errno (error, errno, "rename", disk);
  if (chmod (sealed, 0400) != 0)
    return agb_error_set_errno (error, errno, "protect", sealed);
  return agb_lima_new_overlay (lima, instance, image, disk_bytes, error);
}

/* `sudo sh -c TEXT NAME ARGS…` */
static GPtrArray *
root_argv (const char *name, const char *text, const char *const *args)
{
  GPtrArray *argv = g_ptr_array_new ();
  const char *const words[] = { "sudo", "-n", "sh", "-c", text, name };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (argv, (gpointer)words[i]);
  for (; args != NULL && *args != NULL; args++)
    g_ptr_array_add (argv, (gpointer)*args);
  g_ptr_array_add (argv, NULL);
  return argv;
}

gboolean
agb_lima_root_script (const AgbLima *lima, const char *instance, const char *name, const char *text,
                      const char *const *args, gint64 timeout_ms, AgbChildResult *ret,
                      GError **error)
{
  g_autoptr (GPtrArray) argv = root_argv (name, text, args);

  return agb_lima_ssh_once (lima, instance, (const char *const *)argv->pdata, NULL, 0, timeout_ms,
                            ret, error);
}

gboolean
agb_lima_hold_standby (const AgbLima *lima, const char *instance, gint64 timeout_ms, GError **error)
{
  g_autofree char *text = agb_asset_read ("guest/standby.sh", error);
  g_autofree char *standby = text != NULL ? agb_asset_read ("guest/standby.pl", error) : NULL;
  const char *args[] = { "hold", standby, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (standby == NULL
      || !agb_lima_root_script (lima, instance, "standby.sh", text, args, timeout_ms, &result,
                                error))
    return FALSE;
  if (result.status == 0)
    return TRUE;
  g_autofree char *reason = agb_escape (g_strchomp (result.errors->str), -1);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot leave a process in guest '%s': %s",
               instance, reason);
  return FALSE;
}

/* What standby.pl says last: "done", or "failed: " and why. */
static gboolean
check_answer (const char *instance, const char *program, const AgbChildResult *result,
              GError **error)
{
  const char *failed = strstr (result->output->str, "failed: ");
  const char *said = failed != NULL ? failed + strlen ("failed: ") : result->errors->str;

  if (result->status == 0 && failed == NULL && g_str_has_suffix (result->output->str, "done\n"))
    return TRUE;
  g_autofree char *text = g_strdup (said);
  g_autofree char *reason = agb_escape (g_strchomp (text), -1);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "%s in guest '%s': %s", program, instance,
               *reason != '\0' ? reason : "it ended without an answer");
  return FALSE;
}

gboolean
agb_lima_ask_standby (const AgbLima *lima, const char *instance, const char *program,
                      const GString *request, gint64 timeout_ms, char **ret_output, GError **error)
{
  g_autofree char *text = agb_asset_read ("guest/standby.sh", error);
  g_autofree char *standby = text != NULL ? agb_asset_read ("guest/standby.pl", error) : NULL;
  g_autofree char *file = g_strconcat ("guest/", program, NULL);
  g_autofree char *body = standby != NULL ? agb_asset_read (file, error) : NULL;
  const char *argv[] = { "sh", "-c", text, "standby.sh", "ask", standby, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (body == NULL)
    return FALSE;
  g_autoptr (GString) input = g_string_new (body);
  g_string_append_c (input, '\0');
  g_string_append_len (input, request->str, (gssize)request->len);
  if (!agb_lima_ssh_first (lima, instance, argv, input->str, input->len,
                           agb_deadline_in (timeout_ms), &result, error)
      || !check_answer (instance, program, &result, error))
    return FALSE;
  *ret_output = g_strdup (result.output->str);
  return TRUE;
}
