#include "session/agent-log.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, SHOWN = 16 * 1024 * 1024, KEEP_TIMEOUT_MS = 5000 };

static const struct {
  const char *source;
  const char *file;
} files[] = { { "guest", "agent.log" }, { "script", "script.log" } };

const char *
agb_agent_log_file (const char *source)
{
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    if (g_str_equal (files[i].source, source))
      return files[i].file;
  return NULL;
}

/* The file before the last is not followed: it ends where this one begins. */
static const char read_script[]
    = "cd ~/.agbranch/log 2>/dev/null || exit 0\n"
      "test \"$3\" = follow && exec tail -n \"$2\" -F \"$1\" 2>/dev/null\n"
      "cat \"$1.1\" \"$1\" 2>/dev/null | tail -n \"$2\"\n";

/* Hand on the whole lines of TEXT, or all of it at the END or when a line does not end. */
static gboolean
pass_lines (GString *text, gboolean end, AgbLogFunc func, gpointer data)
{
  const char *last = text->len > 0 ? memrchr (text->str, '\n', text->len) : NULL;
  gsize length = last != NULL ? (gsize)(last - text->str) + 1 : 0;

  if (end || text->len - length > CHUNK)
    length = text->len;
  if (length == 0)
    return TRUE;
  g_autoptr (GString) passed = g_string_new_len (text->str, (gssize)length);
  g_string_erase (text, 0, (gssize)length);
  g_string_replace (passed, "\r\n", "\n", 0); /* a terminal ends lines so */
  return func (passed->str, passed->len, data);
}

static gboolean
read_all (AgbGuestProcess *process, gsize limit, gint64 deadline_usec, AgbLogFunc func,
          gpointer data, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[CHUNK];
  gsize total = 0;

  while (limit == 0 || total < limit)
    {
      struct pollfd fds[] = { { .fd = process->stdout_fd, .events = POLLIN },
                              { .fd = agb_interrupt_fd (), .events = POLLIN } };

      int ready = poll (fds, G_N_ELEMENTS (fds), agb_deadline_left_ms (deadline_usec));
      if (ready < 0 && errno != EINTR)
        return agb_error_set_errno (error, errno, "wait for", "the guest");
      if (ready == 0)
        {
          g_set_error_literal (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "the guest does not answer");
          return FALSE;
        }
      if (agb_interrupted (error))
        return FALSE;
      ssize_t length = read (process->stdout_fd, buffer, sizeof buffer);
      if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        break;
      g_string_append_len (text, buffer, MAX (length, 0));
      total += (gsize)MAX (length, 0);
      if (!pass_lines (text, FALSE, func, data))
        return TRUE;
    }
  pass_lines (text, TRUE, func, data);
  return TRUE;
}

gboolean
agb_agent_log (AgbEnv *env, const AgbSession *session, const char *source, guint lines,
               gboolean follow, AgbLogFunc func, gpointer data, gboolean *ret_reached,
               GError **error)
{
  g_autofree char *count = lines > 0 ? g_strdup_printf ("%u", lines) : g_strdup ("+1");
  const char *argv[]
      = { "sh", "-c", read_script, "sh", agb_agent_log_file (source), count, follow ? "follow" : "",
          NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, NULL);
  g_autoptr (AgbGuestProcess) process
      = runtime != NULL ? agb_guest_exec (runtime, session->vm_name, &spec, NULL) : NULL;

  *ret_reached = process != NULL;
  if (process == NULL)
    return TRUE;
  agb_close (&process->stdin_fd);
  return read_all (process, follow ? 0 : SHOWN, agb_deadline_in (-1), func, data, error);
}

static gboolean
append (const char *text, gsize length, gpointer data)
{
  g_string_append_len (data, text, (gssize)length);
  return TRUE;
}

void
agb_agent_log_keep (AgbEnv *env, const AgbSession *session)
{
  guint64 limit = agb_settings_size (env->settings, "agbranch.limits.logBytes");
  g_autofree char *bytes = g_strdup_printf ("%" G_GUINT64_FORMAT, limit);
  const char *argv[] = { "sh",
                         "-c",
                         "cd ~/.agbranch/log 2>/dev/null && cat \"$1.1\" \"$1\" 2>/dev/null"
                         " | tail -c \"$2\"",
                         "sh",
                         agb_agent_log_file ("guest"),
                         bytes,
                         NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, NULL);
  g_autoptr (AgbGuestProcess) process
      = runtime != NULL ? agb_guest_exec (runtime, session->vm_name, &spec, NULL) : NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  if (process == NULL || limit == 0)
    return;
  agb_close (&process->stdin_fd);
  if (!read_all (process, limit, agb_deadline_in (KEEP_TIMEOUT_MS), append, text, NULL)
      || text->len == 0)
    return;
  /* A guest may send more than it was asked for. */
  if (text->len > limit)
    g_string_erase (text, 0, (gssize)(text->len - limit));
  g_autofree char *path = agb_state_path (NULL, "logs", session->name, "guest.log", NULL);
  if (path != NULL)
    agb_file_replace (path, text->str, text->len, 0600, NULL);
}
