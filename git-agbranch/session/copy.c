#include "session/copy.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "session/place.h"
#include "store/repo.h"
#include "store/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRONG_INPUT = 64, TAR_CHANGED = 1, LAST_LINE_MAX = 4096 };

/* Copy FROM to TO, called NAME, until the end of FROM; an interrupt ends it. */
static gboolean
copy_stream (int from, int to, const char *name, GError **error)
{
  char buffer[65536];

  g_unix_set_fd_nonblocking (to, FALSE, NULL);
  for (;;)
    {
      struct pollfd fds[]
          = { { .fd = from, .events = POLLIN }, { .fd = agb_interrupt_fd (), .events = POLLIN } };

      if (poll (fds, G_N_ELEMENTS (fds), -1) < 0 && errno != EINTR)
        return agb_error_set_errno (error, errno, "poll", "stream");
      if (agb_interrupted (error))
        return FALSE;
      ssize_t length = read (from, buffer, sizeof buffer);
      if (length == 0)
        return TRUE;
      if (length < 0 && errno != EAGAIN && errno != EINTR)
        return agb_error_set_errno (error, errno, "read", "stream");
      if (length > 0 && !agb_write_all (to, buffer, (gsize)length, name, error))
        return FALSE;
    }
}

/* Start ACTION of copy.sh on PATH (absolute in the guest); OPTION, TOP and INTO may be NULL. */
static AgbGuestProcess *
start_copy (AgbEntered *entered, const char *action, const char *path, const char *option,
            const char *top, const char *into, GError **error)
{
  g_autofree char *text = agb_asset_read ("guest/copy.sh", error);
  if (text == NULL)
    return NULL;

  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  const char *argv[]
      = { "sh", "-c", text, "copy.sh", action, parent, name, option, top, into, NULL };
  const AgbExecSpec spec = { .argv = argv, .cwd = "/" };

  if (g_str_equal (path, "/"))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER, "'/' of the guest cannot be copied");
      return NULL;
    }
  return agb_enter_exec (entered, &spec, error);
}

/* The end of PROCESS, whose output has been read: its last line of stderr is the reason. */
static gboolean
finish_copy (AgbGuestProcess *process, const char *what, int accepted_status, GError **error)
{
  char text[LAST_LINE_MAX + 1] = "";
  int status = 0;

  if (!agb_guest_process_wait (process, agb_deadline_in (AGB_TIMEOUT_GIT), &status, error))
    return FALSE;
  if (status == 0 || status == accepted_status)
    return TRUE;
  ssize_t length = -1;
  if (process->stderr_fd >= 0)
    {
      g_unix_set_fd_nonblocking (process->stderr_fd, TRUE, NULL);
      length = read (process->stderr_fd, text, LAST_LINE_MAX);
    }
  text[MAX (length, 0)] = '\0';
  g_autofree char *reason = agb_escape (g_strstrip (text), -1);
  if (status == WRONG_INPUT)
    g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "%s: in the guest %s", what, reason);
  else
    g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "%s: the guest failed with status %d: %s",
                 what, status, reason);
  if (g_str_has_suffix (reason, "' exists"))
    agb_error_hint (error, "replace it with --force");
  else if (g_str_has_suffix (reason, "is a folder"))
    agb_error_hint (error, "copy a folder with -r");
  return FALSE;
}

/* What the guest says when it sent nothing is worth more than "empty archive". */
static gboolean
unpack_from (AgbGuestProcess *process, const char *folder, const char *top,
             const AgbUnpackLimits *limits, AgbUnpackCount *ret, GError **error)
{
  g_autoptr (GError) refused = NULL;

  if (agb_unpack (process->stdout_fd, folder, top, limits, AGB_TIMEOUT_LONG, ret, &refused))
    return finish_copy (process, "cannot copy", TAR_CHANGED, error);
  if (strstr (refused->message, "empty archive") != NULL
      && !finish_copy (process, "cannot copy", 0, error))
    return FALSE;
  g_propagate_error (error, g_steal_pointer (&refused));
  return FALSE;
}

static gboolean
read_limits (AgbUnpackLimits *ret, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbRepo) repo = agb_repo_open_optional (FALSE, &problem);
  g_autoptr (AgbSettings) settings = problem == NULL ? agb_settings_load (repo, &problem) : NULL;

  if (settings == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  ret->bytes = agb_settings_size (settings, "agbranch.limits.export");
  ret->entries = (guint64)agb_settings_int (settings, "agbranch.limits.exportFiles");
  return TRUE;
}

gboolean
agb_copy_out (AgbEntered *entered, const char *from, const char *to, const AgbCopyFlags *flags,
              AgbUnpackCount *ret, GError **error)
{
  g_autofree char *path = agb_enter_path (entered->session, from);
  g_autofree char *top = g_path_get_basename (path);

  AgbUnpackLimits limits = { .skip_unsafe = flags->skip_unsafe };

  if (!read_limits (&limits, error))
    return FALSE;
  g_autoptr (AgbPlace) place = agb_place_new (to, flags->force, error);
  if (place == NULL)
    return FALSE;
  g_autoptr (AgbGuestProcess) process
      = start_copy (entered, "out", path, flags->recursive ? "1" : "0", NULL, NULL, error);
  if (process == NULL)
    return FALSE;
  agb_close (&process->stdin_fd);
  return unpack_from (process, agb_place_folder (place), top, &limits, ret, error)
         && agb_place_move (place, top, error);
}

/* What tar takes along and the guest can make; a link at the top would arrive as one that points nowhere. */
static gboolean
check_source (const char *from, gboolean recursive, GError **error)
{
  struct stat info;
  g_autofree char *link = g_file_read_link (from, NULL);

  if (lstat (from, &info) != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "there is no '%s'", from);
      return FALSE;
    }
  if (stat (from, &info) == 0 && !S_ISREG (info.st_mode) && !S_ISDIR (info.st_mode))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is neither a file nor a folder", from);
      agb_error_hint (error, "for what can be read from it: git agbranch cp - <session>:<path> <%s",
                      from);
      return FALSE;
    }
  if (link != NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is a link", from);
      agb_error_hint (error, "name what it points at: %s", link);
      return FALSE;
    }
  if (!S_ISDIR (info.st_mode) || recursive)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is a folder", from);
  agb_error_hint (error, "copy a folder with -r");
  return FALSE;
}

gboolean
agb_copy_in (AgbEntered *entered, const char *from, const char *to, const AgbCopyFlags *flags,
             GError **error)
{
  if (!check_source (from, flags->recursive, error))
    return FALSE;
  g_autofree char *whole = g_canonicalize_filename (from, NULL);
  g_autofree char *parent = g_path_get_dirname (whole);
  g_autofree char *top = g_path_get_basename (whole);
  g_autofree char *path = agb_enter_path (entered->session, to);
  g_autoptr (AgbGuestProcess) process = start_copy (entered, "in", path, flags->force ? "1" : "0",
                                                    top, flags->into_folder ? "1" : "0", error);
  if (process == NULL)
    return FALSE;

  const char *argv[] = { "tar", "-c", "-f", "-", "-C", parent, "--", top, NULL };
  g_unix_set_fd_nonblocking (process->stdin_fd, FALSE, NULL);
  const AgbChildSpec spec
      = { .argv = argv, .stdout_fd = process->stdin_fd, .timeout_ms = AGB_TIMEOUT_LONG };
  g_autoptr (GError) tar_error = NULL;
  gboolean sent = agb_child_check (&spec, NULL, &tar_error);
  agb_close (&process->stdin_fd);
  /* When the guest refused, tar only saw its pipe close. */
  if (!sent && agb_interrupted (NULL))
    {
      g_propagate_error (error, g_steal_pointer (&tar_error));
      return FALSE;
    }
  if (!finish_copy (process, "cannot copy", 0, error))
    return FALSE;
  if (!sent)
    g_propagate_error (error, g_steal_pointer (&tar_error));
  return sent;
}

gboolean
agb_copy_to_stdout (AgbEntered *entered, const char *from, GError **error)
{
  g_autofree char *path = agb_enter_path (entered->session, from);

  if (isatty (STDOUT_FILENO))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "what a guest wrote is not printed on a terminal as it is");
      agb_error_hint (error, "send it to a file or through a pager: … | less");
      return FALSE;
    }
  g_autoptr (AgbGuestProcess) process = start_copy (entered, "read", path, NULL, NULL, NULL, error);
  if (process == NULL)
    return FALSE;
  agb_close (&process->stdin_fd);
  g_autoptr (GError) problem = NULL;
  if (copy_stream (process->stdout_fd, STDOUT_FILENO, "standard output", &problem))
    return finish_copy (process, "cannot copy", 0, error);
  /* A reader that has seen enough is no error. */
  struct pollfd reader = { .fd = STDOUT_FILENO, .events = POLLOUT };
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_FILE) && poll (&reader, 1, 0) > 0
      && (reader.revents & POLLERR) != 0)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

gboolean
agb_copy_from_stdin (AgbEntered *entered, const char *to, gboolean force, GError **error)
{
  g_autofree char *path = agb_enter_path (entered->session, to);
  g_autoptr (AgbGuestProcess) process
      = start_copy (entered, "write", path, force ? "1" : "0", NULL, NULL, error);

  if (process == NULL)
    return FALSE;
  gboolean sent = copy_stream (STDIN_FILENO, process->stdin_fd, "the guest", NULL);
  agb_close (&process->stdin_fd);
  if (!finish_copy (process, "cannot copy", 0, error))
    return FALSE;
  if (!sent)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_FILE,
                         "standard input could not be read to its end");
  return sent;
}
