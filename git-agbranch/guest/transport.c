#include "guest/transport.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/stream.h"

#include <string.h>

enum {
  DEFAULT_LIMIT = 64 * 1024 * 1024,
  STDERR_KEPT = 64 * 1024,
};

void
agb_guest_process_free (AgbGuestProcess *process)
{
  if (process == NULL)
    return;
  agb_close (&process->stdin_fd);
  agb_close (&process->stdout_fd);
  agb_close (&process->stderr_fd);
  process->klass->free (process);
}

AgbGuestProcess *
agb_guest_exec (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec, GError **error)
{
  if (agb_interrupted (error))
    return NULL;
  return runtime->klass->exec (runtime, vm_name, spec, error);
}

gboolean
agb_guest_process_wait (AgbGuestProcess *process, gint64 deadline_usec, int *ret_status,
                        GError **error)
{
  struct pollfd ended = { .fd = process->klass->wait_fd (process), .events = POLLIN };

  return agb_guest_poll (&ended, 1, deadline_usec, error)
         && process->klass->finish (process, ret_status, error);
}

/* Capture: what is sent and what has come. */
typedef struct {
  const char *input;
  gsize input_left;
  gsize limit;
  AgbChildResult result;
} Capture;

static gboolean
take_output (AgbGuestProcess *process, Capture *capture, AgbGuestEnd *end, GError **error)
{
  agb_guest_end_count (end, 0, agb_guest_read (&process->stdout_fd, capture->result.output));
  if (capture->result.output->len <= capture->limit)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "the guest sent more than %" G_GSIZE_FORMAT " bytes", capture->limit);
  return FALSE;
}

static void
take_errors (AgbGuestProcess *process, GString *errors, AgbGuestEnd *end)
{
  agb_guest_end_count (end, 1, agb_guest_read (&process->stderr_fd, errors));
  if (errors->len > STDERR_KEPT)
    g_string_erase (errors, 0, (gssize)(errors->len - STDERR_KEPT));
}

static void
give_input (AgbGuestProcess *process, Capture *capture)
{
  gssize written = agb_guest_write (&process->stdin_fd, capture->input, capture->input_left);

  capture->input += written;
  capture->input_left -= (gsize)written;
  if (capture->input_left == 0)
    agb_close (&process->stdin_fd);
}

static gboolean
capture_all (AgbGuestProcess *process, Capture *capture, gint64 deadline, GError **error)
{
  AgbGuestEnd end = { .deadline_usec = deadline };

  if (capture->input_left == 0)
    agb_close (&process->stdin_fd);
  while (!agb_guest_end_reached (&end, process))
    {
      struct pollfd fds[4] = { { .fd = process->stdin_fd, .events = POLLOUT },
                               { .fd = process->stdout_fd, .events = POLLIN },
                               { .fd = process->stderr_fd, .events = POLLIN },
                               { .fd = agb_guest_end_fd (&end, process), .events = POLLIN } };

      if (!agb_guest_end_poll (&end, fds, 4, error))
        return FALSE;
      if (fds[0].revents != 0)
        give_input (process, capture);
      if (fds[1].revents != 0 && !take_output (process, capture, &end, error))
        return FALSE;
      if (fds[2].revents != 0)
        take_errors (process, capture->result.errors, &end);
      if (fds[3].revents != 0 && !agb_guest_end_note (&end, process, error))
        return FALSE;
    }
  capture->result.status = end.status;
  capture->result.signal = end.status > 128 ? end.status - 128 : 0;
  return TRUE;
}

gboolean
agb_guest_capture (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec,
                   const void *input, gsize input_length, gsize limit, gint64 timeout_ms,
                   AgbChildResult *ret, GError **error)
{
  gint64 deadline = agb_deadline_in (timeout_ms != 0 ? timeout_ms : AGB_TIMEOUT_QUICK);
  g_autoptr (AgbGuestProcess) process = agb_guest_exec (runtime, vm_name, spec, error);

  if (process == NULL)
    return FALSE;
  Capture capture = {
    .input = input,
    .input_left = input_length,
    .limit = limit != 0 ? limit : DEFAULT_LIMIT,
    .result = { .output = g_string_new (NULL), .errors = g_string_new (NULL) },
  };
  if (!capture_all (process, &capture, deadline, error))
    {
      agb_child_result_clear (&capture.result);
      return FALSE;
    }
  *ret = capture.result;
  return TRUE;
}

/* argv of `sh -c TEXT NAME ARGS…`; the strings belong to the arguments given. */
static GPtrArray *
script_argv (const char *text, const char *script, const char *const *args)
{
  GPtrArray *argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (char *)"sh");
  g_ptr_array_add (argv, (char *)"-c");
  g_ptr_array_add (argv, (char *)text);
  g_ptr_array_add (argv, (char *)script);
  for (; args != NULL && *args != NULL; args++)
    g_ptr_array_add (argv, (char *)*args);
  g_ptr_array_add (argv, NULL);
  return argv;
}

gboolean
agb_guest_script (AgbRuntime *runtime, const char *vm_name, const char *script,
                  const char *const *args, const char *cwd, const void *input, gsize input_length,
                  gint64 timeout_ms, AgbChildResult *ret, GError **error)
{
  g_autofree char *text = agb_asset_read (script, error);

  if (text == NULL)
    return FALSE;
  g_autoptr (GPtrArray) argv = script_argv (text, script, args);
  AgbExecSpec spec = { .argv = (const char *const *)argv->pdata, .cwd = cwd };
  return agb_guest_capture (runtime, vm_name, &spec, input, input_length, 0, timeout_ms, ret,
                            error);
}

AgbGuestProcess *
agb_guest_script_start (AgbRuntime *runtime, const char *vm_name, const char *script,
                        const char *const *args, const char *cwd, GError **error)
{
  g_autofree char *text = agb_asset_read (script, error);

  if (text == NULL)
    return NULL;
  g_autoptr (GPtrArray) argv = script_argv (text, script, args);
  AgbExecSpec spec = { .argv = (const char *const *)argv->pdata, .cwd = cwd };
  return agb_guest_exec (runtime, vm_name, &spec, error);
}
