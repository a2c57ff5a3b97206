/* Drives the bwrap runtime by command line, for tests below the verbs:
 *
 *   guest-tool create SESSION [key=value …]   attempt network memory cpus disk
 *                                            own_disk pids object_dir sandbox
 *   guest-tool start|stop|kill|status SESSION
 *   guest-tool destroy SESSION KEY
 *   guest-tool list
 *   guest-tool exec [--tty] [--cwd DIR] [--env N=V] [--timeout MS] SESSION COMMAND…
 *   guest-tool capture SESSION COMMAND…       stdin is read to its end first */
#include "core/error.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/progress.h"
#include "guest/runtime.h"
#include "guest/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static gboolean
create (AgbRuntime *runtime, const char *session, const char *vm_name, char **options,
        GError **error)
{
  g_autoptr (GPtrArray) dirs = g_ptr_array_new ();
  AgbGuestSpec spec = { .session = session,
                        .vm_name = vm_name,
                        .attempt = 1,
                        .cpus = 2,
                        .memory_bytes = 512 << 20,
                        .network = "none" };

  for (; *options != NULL; options++)
    {
      char *value = strchr (*options, '=');
      if (value == NULL)
        return FALSE;
      *value++ = '\0';
      if (g_str_equal (*options, "attempt"))
        spec.attempt = g_ascii_strtoll (value, NULL, 10);
      else if (g_str_equal (*options, "network"))
        spec.network = value;
      else if (g_str_equal (*options, "image"))
        spec.image = value;
      else if (g_str_equal (*options, "cpus"))
        spec.cpus = g_ascii_strtoll (value, NULL, 10), spec.limits_wanted = TRUE;
      else if (g_str_equal (*options, "sandbox"))
        spec.sandbox = g_str_equal (value, "1");
      else if (g_str_equal (*options, "object_dir"))
        g_ptr_array_add (dirs, value);
      else if (g_str_equal (*options, "memory"))
        {
          spec.limits_wanted = TRUE;
          if (!agb_size_parse (value, 1 << 20, &spec.memory_bytes, error))
            return FALSE;
        }
      else if (g_str_equal (*options, "pids"))
        spec.pids = g_ascii_strtoll (value, NULL, 10);
      else if (g_str_equal (*options, "own_disk"))
        spec.disk_wanted = g_str_equal (value, "1");
      else if (g_str_equal (*options, "disk")
               && !agb_size_parse (value, 1 << 20, &spec.disk_bytes, error))
        return FALSE;
    }
  g_ptr_array_add (dirs, NULL);
  spec.object_dirs = (const char *const *)dirs->pdata;
  g_autoptr (AgbProgress) progress = agb_progress_new (AGB_PROGRESS_LINES);
  return runtime->klass->create (runtime, &spec, progress, error);
}

static void
print_guest (const char *vm_name, const char *key, AgbGuestState state, gpointer data)
{
  (void)data;
  printf ("%s %s %s\n", vm_name, key, agb_guest_state_word (state));
}

static gboolean
print_status (AgbRuntime *runtime, const char *vm_name, GError **error)
{
  g_auto (AgbGuestStatus) status = { 0 };

  if (!runtime->klass->status (runtime, vm_name, &status, error))
    return FALSE;
  printf ("%s cpu=%s memory=%s pids=%s disk=%s%s%s\n", agb_guest_state_word (status.state),
          status.cpu_limit, status.memory_limit, status.pids_limit, status.disk_limit,
          status.reason != NULL ? " " : "", status.reason != NULL ? status.reason : "");
  return TRUE;
}

static gboolean
run (AgbRuntime *runtime, char **args, int *ret_status, GError **error)
{
  g_autoptr (GPtrArray) env = g_ptr_array_new ();
  AgbExecSpec spec = { 0 };
  gint64 timeout_ms = -1;

  for (; *args != NULL && g_str_has_prefix (*args, "--"); args++)
    if (g_str_equal (*args, "--tty"))
      spec.tty = TRUE;
    else if (g_str_equal (*args, "--cwd"))
      spec.cwd = *++args;
    else if (g_str_equal (*args, "--env"))
      g_ptr_array_add (env, *++args);
    else if (g_str_equal (*args, "--timeout"))
      timeout_ms = g_ascii_strtoll (*++args, NULL, 10);
  struct winsize size = { 0 };
  for (int fd = 0; spec.tty && fd < 3 && spec.rows == 0; fd++)
    if (ioctl (fd, TIOCGWINSZ, &size) == 0)
      {
        spec.rows = size.ws_row;
        spec.columns = size.ws_col;
      }
  g_ptr_array_add (env, NULL);
  spec.env = (const char *const *)env->pdata;
  g_autofree char *vm_name = g_strconcat ("agbranch-", *args, NULL);
  spec.argv = (const char *const *)args + 1;
  g_autoptr (AgbGuestProcess) process = agb_guest_exec (runtime, vm_name, &spec, error);
  return process != NULL && agb_guest_relay (process, timeout_ms, ret_status, error);
}

static gboolean
capture (AgbRuntime *runtime, const char *vm_name, char **argv, int *ret_status, GError **error)
{
  AgbExecSpec spec = { .argv = (const char *const *)argv };
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GString) input = g_string_new (NULL);
  char buffer[65536];
  ssize_t length;

  while ((length = read (0, buffer, sizeof buffer)) > 0)
    g_string_append_len (input, buffer, length);
  if (!agb_guest_capture (runtime, vm_name, &spec, input->str, input->len, 256 << 20, 60000,
                          &result, error))
    return FALSE;
  fwrite (result.output->str, 1, result.output->len, stdout);
  fwrite (result.errors->str, 1, result.errors->len, stderr);
  *ret_status = result.status;
  return TRUE;
}

static gboolean
act (AgbRuntime *runtime, int argc, char **argv, int *ret_status, GError **error)
{
  const struct AgbRuntimeClass *klass = runtime->klass;
  const char *action = argc > 1 ? argv[1] : "";
  g_autofree char *vm_name = argc > 2 ? g_strconcat ("agbranch-", argv[2], NULL) : NULL;
  g_autoptr (AgbProgress) progress = agb_progress_new (AGB_PROGRESS_LINES);

  if (g_str_equal (action, "list"))
    return klass->list (runtime, print_guest, NULL, error);
  if (g_str_equal (action, "probe"))
    return klass->probe (runtime, error);
  if (argc > 2 && g_str_equal (action, "create"))
    return create (runtime, argv[2], vm_name, argv + 3, error);
  if (argc > 2 && g_str_equal (action, "start"))
    return klass->start (runtime, vm_name, progress, error);
  if (argc > 2 && g_str_equal (action, "stop"))
    return klass->stop (runtime, vm_name, FALSE, error);
  if (argc > 2 && g_str_equal (action, "kill"))
    return klass->stop (runtime, vm_name, TRUE, error);
  if (argc > 2 && g_str_equal (action, "status"))
    return print_status (runtime, vm_name, error);
  if (argc > 3 && g_str_equal (action, "destroy"))
    return klass->destroy (runtime, vm_name, argv[3], error);
  if (argc > 3 && g_str_equal (action, "exec"))
    return run (runtime, argv + 2, ret_status, error);
  if (argc > 3 && g_str_equal (action, "capture"))
    return capture (runtime, vm_name, argv + 3, ret_status, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "unknown action '%s'", action);
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_autoptr (AgbRuntime) runtime = agb_bwrap_runtime_new (NULL);
  g_autoptr (GError) error = NULL;
  int status = 0;

  agb_interrupt_init ();
  if (act (runtime, argc, argv, &status, &error))
    return status;
  fprintf (stderr, "agbranch: %s\n", error != NULL ? error->message : "wrong option");
  return error != NULL ? error->code : AGB_ERROR_USAGE;
}
