#include "session/logs.h"

#include "core/error.h"
#include "core/io.h"
#include "core/paths.h"
#include "session/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

char *
agb_log_path (AgbEnv *env, const AgbSession *session, const char *source)
{
  g_autofree char *root = agb_state_root ();
  g_autofree char *file = g_strconcat (source, ".log", NULL);
  g_autofree char *kept = g_build_filename (root, "logs", session->name, file, NULL);

  /* Ours comes first: what was kept of a guest when it ended. */
  if (g_file_test (kept, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&kept);
  /* A runtime that cannot work here any more still has its logs in the state root. */
  g_autoptr (AgbRuntime) runtime = agb_env_session_runtime (env, session, NULL);
  char *path = NULL;

  if (runtime != NULL && runtime->klass->log_path != NULL)
    path = runtime->klass->log_path (runtime, session->vm_name, source);
  return path != NULL ? path : g_steal_pointer (&kept);
}

/* Open PATH for reading; *RET_FD is -1 when it is not there. */
static gboolean
open_log (const char *path, int *ret_fd, struct stat *ret_status, GError **error)
{
  agb_autofd int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  *ret_fd = -1;
  if (fd < 0 && errno == ENOENT)
    return TRUE;
  if (fd < 0 || fstat (fd, ret_status) != 0)
    return agb_error_set_errno (error, errno, "open", path);
  if (!S_ISREG (ret_status->st_mode))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "log '%s' is not a file", path);
      return FALSE;
    }
  *ret_fd = agb_steal_fd (&fd);
  return TRUE;
}

static gboolean
read_range (int fd, goffset from, goffset to, const char *path, GString *text, GError **error)
{
  char buffer[CHUNK];

  while (from < to)
    {
      ssize_t length = pread (fd, buffer, (gsize)MIN (to - from, CHUNK), from);
      if (length < 0)
        return agb_error_set_errno (error, errno, "read", path);
      if (length == 0)
        break;
      g_string_append_len (text, buffer, length);
      from += length;
    }
  return TRUE;
}

/* Where the last LINES lines of TEXT begin. */
static gsize
last_lines (const GString *text, guint lines)
{
  gsize start = text->len;

  if (start > 0 && text->str[start - 1] == '\n')
    start--;
  while (start > 0)
    {
      if (text->str[start - 1] == '\n' && --lines == 0)
        break;
      start--;
    }
  return start;
}

gboolean
agb_log_read (const char *path, guint lines, gsize limit, char **ret_text, goffset *ret_end,
              GError **error)
{
  struct stat status = { 0 };
  agb_autofd int fd = -1;
  g_autoptr (GString) text = g_string_new ("");

  if (!open_log (path, &fd, &status, error))
    return FALSE;
  if (fd >= 0
      && !read_range (fd, MAX (0, status.st_size - (goffset)limit), status.st_size, path, text,
                      error))
    return FALSE;
  if (lines > 0)
    g_string_erase (text, 0, (gssize)last_lines (text, lines));
  *ret_end = status.st_size;
  *ret_text = g_strdup (text->str);
  return TRUE;
}

/* What is new in PATH since *END. */
static gboolean
pass_new (const char *path, goffset *end, AgbLogFunc func, gpointer data, gboolean *ret_go_on,
          GError **error)
{
  struct stat status = { 0 };
  agb_autofd int fd = -1;
  g_autoptr (GString) text = g_string_new ("");

  if (!open_log (path, &fd, &status, error))
    return FALSE;
  if (fd < 0)
    return TRUE;
  if (status.st_size < *end)
    *end = 0;
  while (*end < status.st_size)
    {
      g_string_truncate (text, 0);
      if (!read_range (fd, *end, MIN (status.st_size, *end + CHUNK), path, text, error))
        return FALSE;
      if (text->len == 0)
        return TRUE;
      *end += (goffset)text->len;
      *ret_go_on = func (text->str, text->len, data);
      if (!*ret_go_on)
        return TRUE;
    }
  return TRUE;
}

gboolean
agb_log_follow (AgbEnv *env, const char *session, const char *path, goffset end, AgbLogFunc func,
                gpointer data, GError **error)
{
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (env->catalog, error);
  g_autofree char *folder = g_path_get_dirname (path);
  gboolean go_on = TRUE;

  if (watcher == NULL || !agb_mkdirs (folder, 0700, error)
      || !agb_watcher_add_path (watcher, folder, error))
    return FALSE;
  while (go_on)
    {
      gboolean over = agb_watch_is_over (env->catalog, session);

      if (!pass_new (path, &end, func, data, &go_on, error))
        return FALSE;
      if (over || !go_on)
        return TRUE;
      if (!agb_watch_wait (watcher, &go_on, error))
        return FALSE;
    }
  return TRUE;
}
