#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/json.h"
#include "guest/lima/base-file-private.h"
#include "guest/lima/base-file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1024 * 1024 };

/* An archive that is being written. */
typedef struct {
  int fd;
  GChecksum *sum;
} Target;

static la_ssize_t
write_bytes (struct archive *archive, void *data, const void *bytes, size_t length)
{
  Target *target = data;
  g_autoptr (GError) error = NULL;

  if (agb_interrupted (&error) || !agb_write_all (target->fd, bytes, length, "the archive", &error))
    {
      archive_set_error (archive, error->code == AGB_ERROR_INTERRUPTED ? EINTR : EIO, "%s",
                         error->message);
      return -1;
    }
  g_checksum_update (target->sum, bytes, (gssize)length);
  return (la_ssize_t)length;
}

static gboolean
archive_failed (struct archive *archive, const char *what, const char *path, GError **error)
{
  if (agb_interrupted (error))
    return FALSE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot %s '%s': %s", what, path,
               archive_error_string (archive));
  return FALSE;
}

static char *
file_digest (int fd, const char *path, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guchar *block = g_malloc (BLOCK);
  ssize_t length;

  while ((length = read (fd, block, BLOCK)) > 0)
    {
      if (agb_interrupted (error))
        return NULL;
      g_checksum_update (sum, block, length);
    }
  if (length < 0 || lseek (fd, 0, SEEK_SET) < 0)
    {
      agb_error_set_errno (error, errno, "read", path);
      return NULL;
    }
  return g_strdup (g_checksum_get_string (sum));
}

static gboolean
write_header (struct archive *archive, const char *name, gint64 bytes, const char *path,
              GError **error)
{
  struct archive_entry *entry = archive_entry_new ();

  archive_entry_set_pathname (entry, name);
  archive_entry_set_size (entry, bytes);
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, 0400);
  int status = archive_write_header (archive, entry);
  archive_entry_free (entry);
  return status == ARCHIVE_OK || archive_failed (archive, "write", path, error);
}

static gboolean
write_member (struct archive *archive, const char *name, int fd, gint64 bytes, const char *path,
              GError **error)
{
  g_autofree guchar *block = g_malloc (BLOCK);
  ssize_t length;

  if (!write_header (archive, name, bytes, path, error))
    return FALSE;
  while ((length = read (fd, block, BLOCK)) > 0)
    if (archive_write_data (archive, block, (size_t)length) != length)
      return archive_failed (archive, "write", path, error);
  return length == 0 || agb_error_set_errno (error, errno, "read", name);
}

/* What is exported of one base. */
typedef struct {
  int fds[AGB_BASE_MEMBERS]; /* -1: there is none */
  gint64 bytes[AGB_BASE_MEMBERS];
  char *cmdline;
} Sources;

static void
sources_clear (Sources *sources)
{
  for (int i = 0; i < AGB_BASE_MEMBERS; i++)
    agb_close (&sources->fds[i]);
  g_free (sources->cmdline);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Sources, sources_clear)

static gboolean
open_sources (const AgbLima *lima, const AgbBaseRecord *record, Sources *sources, GError **error)
{
  g_autofree char *cmdline = agb_lima_path (lima, record->name, "kernel.cmdline");

  for (int i = 0; i < AGB_BASE_MEMBERS; i++)
    {
      g_autofree char *path = i == AGB_BASE_IMAGE
                                  ? agb_lima_record_path (lima->home, "images", record->image)
                                  : agb_lima_path (lima, record->name, agb_base_members[i]);
      struct stat status;
      sources->fds[i] = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
      if (sources->fds[i] < 0 && (i == AGB_BASE_IMAGE || errno != ENOENT))
        return agb_error_set_errno (error, errno, "open", path);
      if (sources->fds[i] < 0)
        continue;
      if (fstat (sources->fds[i], &status) != 0)
        return agb_error_set_errno (error, errno, "look at", path);
      sources->bytes[i] = status.st_size;
    }
  if (g_file_get_contents (cmdline, &sources->cmdline, NULL, NULL))
    g_strchomp (sources->cmdline);
  return TRUE;
}

static cJSON *
describe (const AgbBaseRecord *record, const Sources *sources, GError **error)
{
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  cJSON *files;

  cJSON_AddNumberToObject (object, "format", AGB_BASE_FILE_FORMAT);
  cJSON_AddNumberToObject (object, "api", (double)record->api);
  agb_json_add_string (object, "arch", agb_base_arch ());
  agb_json_add_string (object, "name", record->name);
  agb_json_add_string (object, "flavour", record->flavour);
  agb_json_add_string (object, "fingerprint", record->fingerprint);
  cJSON_AddNumberToObject (object, "cpus", (double)record->cpus);
  cJSON_AddNumberToObject (object, "memory_bytes", (double)record->memory_bytes);
  cJSON_AddNumberToObject (object, "disk_bytes", (double)record->disk_bytes);
  agb_json_add_string (object, "started_at", record->started_at);
  agb_json_add_string (object, "prepared_at", record->prepared_at);
  agb_json_add_string (object, "versions_json", record->versions_json);
  agb_json_add_string (object, "agents_json", record->agents_json);
  agb_json_add_string (object, "cmdline", sources->cmdline);
  files = cJSON_AddObjectToObject (object, "files");
  for (int i = 0; i < AGB_BASE_MEMBERS; i++)
    {
      if (sources->fds[i] < 0)
        continue;
      g_autofree char *digest = file_digest (sources->fds[i], agb_base_members[i], error);
      if (digest == NULL)
        return NULL;
      cJSON *file = cJSON_AddObjectToObject (files, agb_base_members[i]);
      cJSON_AddNumberToObject (file, "bytes", (double)sources->bytes[i]);
      agb_json_add_string (file, "sha256", digest);
    }
  return g_steal_pointer (&object);
}

static gboolean
write_archive (Target *target, const cJSON *manifest, const Sources *sources, const char *path,
               GError **error)
{
  struct archive *archive = archive_write_new ();
  g_autofree char *text = agb_json_print (manifest, TRUE);
  gsize length = strlen (text);
  gboolean done;

  archive_write_set_format_pax_restricted (archive);
  if (archive_write_add_filter_zstd (archive) == ARCHIVE_OK)
    archive_write_set_filter_option (archive, NULL, "compression-level", "3");
  archive_write_set_bytes_in_last_block (archive, 1);
  done = archive_write_open (archive, target, NULL, write_bytes, NULL) == ARCHIVE_OK
         || archive_failed (archive, "write", path, error);
  done = done && write_header (archive, AGB_BASE_MANIFEST, (gint64)length, path, error)
         && (archive_write_data (archive, text, length) == (la_ssize_t)length
             || archive_failed (archive, "write", path, error));
  for (int i = 0; done && i < AGB_BASE_MEMBERS; i++)
    done = sources->fds[i] < 0
           || write_member (archive, agb_base_members[i], sources->fds[i], sources->bytes[i], path,
                            error);
  done = done
         && (archive_write_close (archive) == ARCHIVE_OK
             || archive_failed (archive, "write", path, error));
  archive_write_free (archive);
  return done;
}

/* A file in the folder of PATH that has no name yet, so that a kill leaves nothing; where the file system
 * cannot, one with the name *RET_NAME. */
static int
open_target (const char *path, char **ret_name, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = -1;

#ifdef O_TMPFILE
  fd = open (folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0)
    return fd;
#endif
  char *name = g_strconcat (path, ".XXXXXX", NULL);
  fd = g_mkstemp_full (name, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      agb_error_set_errno (error, errno, "write", path);
      g_free (name);
      return -1;
    }
  *ret_name = name;
  return fd;
}

static gboolean
put_in_place (int fd, char **name, const char *path, gboolean force, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *proc = g_strdup_printf ("/proc/self/fd/%d", fd);

  if (fsync (fd) != 0)
    return agb_error_set_errno (error, errno, "write", path);
  if (!agb_fault_point ("base: put exported file", error))
    return FALSE;
  if (*name == NULL && linkat (AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
    return agb_fsync_folder (folder, error);
  if (*name == NULL)
    {
      if (errno != EEXIST || !force)
        return agb_error_set_errno (error, errno, "write", path);
      *name = g_strdup_printf ("%s.%d", path, (int)getpid ());
      if (linkat (AT_FDCWD, proc, AT_FDCWD, *name, AT_SYMLINK_FOLLOW) != 0)
        return agb_error_set_errno (error, errno, "write", *name);
    }
  if (rename (*name, path) != 0)
    return agb_error_set_errno (error, errno, "write", path);
  return agb_fsync_folder (folder, error);
}

gboolean
agb_base_file_write (const AgbLima *lima, const AgbBaseRecord *record, const char *path,
                     gboolean force, char **ret_digest, GError **error)
{
  g_auto (Sources) sources = { .fds = { -1, -1, -1 } };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (cJSON) manifest = NULL;
  g_autofree char *name = NULL;

  if (!force && g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' exists", path);
      agb_error_hint (error, "replace it with --force, or choose another place");
      return FALSE;
    }
  if (!open_sources (lima, record, &sources, error))
    return FALSE;
  manifest = describe (record, &sources, error);
  if (manifest == NULL)
    return FALSE;
  agb_autofd int fd = open_target (path, &name, error);
  Target target = { .fd = fd, .sum = sum };
  if (fd < 0)
    return FALSE;
  if (!write_archive (&target, manifest, &sources, path, error)
      || !put_in_place (fd, &name, path, force, error))
    {
      if (name != NULL)
        unlink (name);
      return FALSE;
    }
  *ret_digest = g_strconcat ("sha256:", g_checksum_get_string (sum), NULL);
  return TRUE;
}
