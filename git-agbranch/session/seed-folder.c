#include "session/seed-folder.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/io.h"
#include "core/names.h"
#include "core/time.h"
#include "guest/transport.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 500 };

typedef struct {
  struct archive *archive; /* NULL: count only */
  guint64 limit;           /* 0: none */
  guint64 files;
  guint64 bytes;
  AgbProgress *progress;
} Seeding;

static gboolean
archive_failed (Seeding *seeding, const char *path, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot send '%s' to the guest: %s", path,
               archive_error_string (seeding->archive));
  return FALSE;
}

static gboolean
count (Seeding *seeding, const struct stat *status, GError **error)
{
  if (S_ISDIR (status->st_mode))
    return TRUE;
  seeding->files++;
  if (S_ISREG (status->st_mode))
    seeding->bytes += (guint64)status->st_size;
  if (seeding->limit == 0 || seeding->bytes <= seeding->limit)
    return TRUE;
  g_autofree char *limit = agb_size_format (seeding->limit);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "the folder to copy in is larger than %s", limit);
  agb_error_hint (error, "allow more: git config agbranch.limits.seed <size>");
  return FALSE;
}

static gboolean
send_contents (Seeding *seeding, int fd, const char *path, GError **error)
{
  char buffer[64 * 1024];

  for (;;)
    {
      ssize_t length = read (fd, buffer, sizeof buffer);
      if (length < 0)
        return agb_error_set_errno (error, errno, "read", path);
      if (length == 0)
        return TRUE;
      if (archive_write_data (seeding->archive, buffer, (gsize)length) < 0)
        return archive_failed (seeding, path, error);
      agb_progress_update (seeding->progress, seeding->bytes, 0, "bytes");
    }
}

/* One member: its header, and the contents of a regular file (FD). */
static gboolean
send_member (Seeding *seeding, const char *path, const struct stat *status, int fd,
             const char *target, GError **error)
{
  struct archive_entry *entry = archive_entry_new ();

  archive_entry_set_pathname (entry, path);
  archive_entry_copy_stat (entry, status);
  archive_entry_set_nlink (entry, 1);
  if (target != NULL)
    archive_entry_set_symlink (entry, target);
  gboolean sent = archive_write_header (seeding->archive, entry) == ARCHIVE_OK
                  || archive_failed (seeding, path, error);
  archive_entry_free (entry);
  return sent && (fd < 0 || send_contents (seeding, fd, path, error));
}

static gboolean walk (Seeding *seeding, int folder, const char *path, guint depth, GError **error);

static gboolean
visit_link (Seeding *seeding, int folder, const char *name, const char *path,
            const struct stat *status, GError **error)
{
  char target[4096];
  ssize_t length = readlinkat (folder, name, target, sizeof target - 1);

  if (length < 0)
    return agb_error_set_errno (error, errno, "read link", path);
  target[length] = '\0';
  return send_member (seeding, path, status, -1, target, error);
}

/* What NAME is was read from the descriptor itself, so that it cannot turn into a link meanwhile. */
static gboolean
visit (Seeding *seeding, int folder, const char *name, const char *path, guint depth,
       GError **error)
{
  struct stat status;
  agb_autofd int fd = -1;

  if (fstatat (folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return agb_error_set_errno (error, errno, "look at", path);
  if (!S_ISREG (status.st_mode) && !S_ISDIR (status.st_mode) && !S_ISLNK (status.st_mode))
    return TRUE;
  if (!S_ISLNK (status.st_mode))
    {
      fd = openat (folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (fd < 0 || fstat (fd, &status) != 0)
        return agb_error_set_errno (error, errno, "open", path);
    }
  if (!count (seeding, &status, error))
    return FALSE;
  if (seeding->archive != NULL && S_ISLNK (status.st_mode))
    return visit_link (seeding, folder, name, path, &status, error);
  if (seeding->archive != NULL
      && !send_member (seeding, path, &status, S_ISREG (status.st_mode) ? fd : -1, NULL, error))
    return FALSE;
  return !S_ISDIR (status.st_mode) || walk (seeding, fd, path, depth + 1, error);
}

static gboolean
walk (Seeding *seeding, int folder, const char *path, guint depth, GError **error)
{
  agb_autofd int own = fcntl (folder, F_DUPFD_CLOEXEC, 0);
  DIR *names = own >= 0 ? fdopendir (own) : NULL;
  gboolean walked = TRUE;

  if (names == NULL)
    return agb_error_set_errno (error, errno, "read folder", path);
  agb_steal_fd (&own);
  if (depth > DEPTH_MAX)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' lies more than %d folders deep", path,
                   DEPTH_MAX);
      walked = FALSE;
    }
  for (struct dirent *entry = readdir (names); walked && entry != NULL; entry = readdir (names))
    {
      if (g_str_equal (entry->d_name, ".") || g_str_equal (entry->d_name, ".."))
        continue;
      g_autofree char *below
          = *path != '\0' ? g_build_filename (path, entry->d_name, NULL) : g_strdup (entry->d_name);
      walked = visit (seeding, folder, entry->d_name, below, depth, error);
    }
  closedir (names);
  return walked;
}

static int
open_folder (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "cannot copy in '%s': %s", path,
                 g_strerror (errno));
  return fd;
}

gboolean
agb_seed_folder_check (const char *path, AgbSettings *settings, GError **error)
{
  Seeding seeding = { .limit = agb_settings_size (settings, "agbranch.limits.seed") };
  agb_autofd int folder = open_folder (path, error);

  return folder >= 0 && walk (&seeding, folder, "", 0, error);
}

/* What is below PATH, or only NAMES (NULL: all) of it, as a tar stream to FD. */
static gboolean
send_files (Seeding *seeding, const char *path, char **names, int fd, GError **error)
{
  agb_autofd int folder = open_folder (path, error);

  if (folder < 0)
    return FALSE;
  seeding->archive = archive_write_new ();
  archive_write_set_format_pax_restricted (seeding->archive);
  gboolean sent = archive_write_open_fd (seeding->archive, fd) == ARCHIVE_OK;
  if (names == NULL)
    sent = sent && walk (seeding, folder, "", 0, error);
  for (; names != NULL && *names != NULL; names++)
    sent = sent && visit (seeding, folder, *names, *names, 0, error);
  sent = sent
         && (archive_write_close (seeding->archive) == ARCHIVE_OK
             || archive_failed (seeding, path, error));
  archive_write_free (seeding->archive);
  return sent;
}

/* Run ARGV in the guest with the tar stream on its stdin. */
static gboolean
send_and_wait (AgbRuntime *runtime, const AgbSession *session, const char *const *argv,
               Seeding *seeding, const char *path, char **names, int *ret_status, GError **error)
{
  AgbExecSpec spec = { .argv = argv };
  g_autoptr (AgbGuestProcess) process = agb_guest_exec (runtime, session->vm_name, &spec, error);

  if (process == NULL)
    return FALSE;
  /* libarchive takes "not now" for an error. */
  g_unix_set_fd_nonblocking (process->stdin_fd, FALSE, NULL);
  if (path != NULL && !send_files (seeding, path, names, process->stdin_fd, error))
    return FALSE;
  agb_close (&process->stdin_fd);
  return agb_guest_process_wait (process, agb_deadline_in (AGB_TIMEOUT_LONG), ret_status, error);
}

static gboolean
stream_to_guest (AgbRuntime *runtime, const AgbSession *session, const char *const *argv,
                 Seeding *seeding, const char *path, char **names, GError **error)
{
  int status = 0;

  if (!send_and_wait (runtime, session, argv, seeding, path, names, &status, error))
    return FALSE;
  if (status == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "cannot unpack the copied files in the guest (status %d)", status);
  return FALSE;
}

gboolean
agb_seed_folder (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                 AgbProgress *progress, guint64 *ret_files, guint64 *ret_bytes, GError **error)
{
  static const char script[]
      = "mkdir -p \"$1\" && cd \"$1\" && { test \"$2\" = 0 || exec tar -xpf -; }";
  const char *argv[] = { "sh",
                         "-c",
                         script,
                         "seed",
                         session->guest_workspace_path,
                         session->seed_host_path != NULL ? "1" : "0",
                         NULL };
  Seeding seeding
      = { .limit = agb_settings_size (settings, "agbranch.limits.seed"), .progress = progress };

  if (!stream_to_guest (runtime, session, argv, &seeding, session->seed_host_path, NULL, error))
    return FALSE;
  *ret_files = seeding.files;
  *ret_bytes = seeding.bytes;
  return TRUE;
}

/* A line of info/exclude that means PATH and nothing else (gitignore(5)). */
static char *
exclude_pattern (const char *path)
{
  GString *pattern = g_string_new ("/");

  for (const char *c = path; *c != '\0'; c++)
    {
      if (strchr ("*?[\\ ", *c) != NULL)
        g_string_append_c (pattern, '\\');
      g_string_append_c (pattern, *c);
    }
  return g_string_free (pattern, FALSE);
}

gboolean
agb_seed_paths (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                const char *root, char **paths, AgbProgress *progress, GError **error)
{
  static const char script[]
      = "cd \"$1\" && shift && tar -xpf - && "
        "printf '%s\\n' \"$@\" >>\"$(git rev-parse --git-path info/exclude)\"";
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  const char *const head[] = { "sh", "-c", script, "copy", session->guest_workspace_path };
  Seeding seeding
      = { .limit = agb_settings_size (settings, "agbranch.limits.seed"), .progress = progress };

  for (gsize i = 0; i < G_N_ELEMENTS (head); i++)
    g_ptr_array_add (argv, g_strdup (head[i]));
  for (char **path = paths; *path != NULL; path++)
    g_ptr_array_add (argv, exclude_pattern (*path));
  g_ptr_array_add (argv, NULL);
  return stream_to_guest (runtime, session, (const char *const *)argv->pdata, &seeding, root, paths,
                          error);
}

gboolean
agb_send_files (AgbRuntime *runtime, const AgbSession *session, const char *const *argv,
                const char *root, char **names, int *ret_status, AgbProgress *progress,
                GError **error)
{
  Seeding seeding = { .progress = progress };

  return send_and_wait (runtime, session, argv, &seeding, root, names, ret_status, error);
}
