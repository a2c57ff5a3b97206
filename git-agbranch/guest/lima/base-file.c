#include "guest/lima/base-file.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/json.h"
#include "guest/lima/base-file-private.h"
#include "guest/lima/base.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { BLOCK = 1024 * 1024, MANIFEST_LIMIT = 1024 * 1024, QCOW2_HEADER = 104 };

const char *const agb_base_members[AGB_BASE_MEMBERS] = { "image.qcow2", "kernel", "initrd" };

void
agb_base_file_free (AgbBaseFile *file)
{
  if (file == NULL)
    return;
  agb_base_record_free (file->record);
  g_free (file->arch);
  g_free (file->cmdline);
  g_free (file->image);
  g_free (file->kernel);
  g_free (file->initrd);
  g_free (file);
}

const char *
agb_base_arch (void)
{
  static struct utsname name;

  if (uname (&name) != 0)
    return "x86_64";
  return g_str_equal (name.machine, "arm64") ? "aarch64" : name.machine;
}

/* An archive that is being read. */
typedef struct {
  const char *path;
  int fd;
  GChecksum *sum;
  guchar *block;
} Source;

static la_ssize_t
read_bytes (struct archive *archive, void *data, const void **ret_bytes)
{
  Source *source = data;
  ssize_t length = read (source->fd, source->block, BLOCK);

  if (length < 0)
    archive_set_error (archive, errno, "%s", g_strerror (errno));
  else
    g_checksum_update (source->sum, source->block, length);
  *ret_bytes = source->block;
  return length;
}

static gboolean
no_base (const Source *source, const char *why, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is no exported base: %s", source->path, why);
  agb_error_hint (error, "make one with: git agbranch base export <file>");
  return FALSE;
}

static gboolean
read_failed (const Source *source, struct archive *archive, GError **error)
{
  const char *why = archive_error_string (archive);

  return no_base (source, why != NULL ? why : "it ends too early", error);
}

/* Where AgbBaseRecord keeps what base.json says; the rest of a record is the importer's own. */
static gboolean
parse_manifest (const Source *source, const char *text, gsize length, AgbBaseFile *file,
                cJSON **ret_files, GError **error)
{
  g_autoptr (cJSON) object
      = agb_json_parse (text, length, AGB_BASE_MANIFEST, AGB_ERROR_USER, error);
  AgbBaseRecord *record = file->record = g_new0 (AgbBaseRecord, 1);
  const struct {
    const char *key;
    char **place;
  } texts[] = { { "arch", &file->arch },
                { "name", &record->name },
                { "flavour", &record->flavour },
                { "fingerprint", &record->fingerprint },
                { "started_at", &record->started_at },
                { "prepared_at", &record->prepared_at },
                { "versions_json", &record->versions_json },
                { "agents_json", &record->agents_json } };
  const struct {
    const char *key;
    gint64 *place;
  } numbers[] = { { "api", &record->api },
                  { "cpus", &record->cpus },
                  { "memory_bytes", &record->memory_bytes },
                  { "disk_bytes", &record->disk_bytes } };
  gint64 format = 0;

  if (object == NULL
      || !agb_json_get_int64 (object, "format", AGB_BASE_MANIFEST, AGB_ERROR_USER, &format, error))
    return FALSE;
  if (format != AGB_BASE_FILE_FORMAT)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "'%s' has form %d of an exported base, this program reads form %d", source->path,
                   (int)format, AGB_BASE_FILE_FORMAT);
      return FALSE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      const char *value
          = agb_json_get_string (object, texts[i].key, AGB_BASE_MANIFEST, AGB_ERROR_USER, error);
      if (value == NULL)
        return FALSE;
      *texts[i].place = g_strdup (value);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!agb_json_get_int64 (object, numbers[i].key, AGB_BASE_MANIFEST, AGB_ERROR_USER,
                             numbers[i].place, error))
      return FALSE;
  const cJSON *cmdline = cJSON_GetObjectItemCaseSensitive (object, "cmdline");
  if (cJSON_IsString (cmdline))
    file->cmdline = g_strdup (cmdline->valuestring);
  *ret_files = cJSON_DetachItemFromObjectCaseSensitive (object, "files");
  return *ret_files != NULL || no_base (source, "it names no files", error);
}

static gboolean
check_fits (const Source *source, const AgbBaseFile *file, GError **error)
{
  if (file->record->api != AGB_LIMA_API)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "'%s' speaks version %d of the guest scripts, this program version %d",
                   source->path, (int)file->record->api, AGB_LIMA_API);
      agb_error_hint (error, "prepare one here: git agbranch base prepare");
      return FALSE;
    }
  if (g_str_equal (file->arch, agb_base_arch ()))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "'%s' is for %s, this machine is %s",
               source->path, file->arch, agb_base_arch ());
  agb_error_hint (error, "prepare one here: git agbranch base prepare");
  return FALSE;
}

static gboolean
read_manifest (const Source *source, struct archive *archive, AgbBaseFile *file, cJSON **ret_files,
               GError **error)
{
  struct archive_entry *entry = NULL;

  if (archive_read_next_header (archive, &entry) != ARCHIVE_OK)
    return read_failed (source, archive, error);
  if (g_strcmp0 (archive_entry_pathname (entry), AGB_BASE_MANIFEST) != 0
      || archive_entry_size (entry) > MANIFEST_LIMIT)
    return no_base (source, "it does not begin with " AGB_BASE_MANIFEST, error);
  gsize length = (gsize)archive_entry_size (entry);
  g_autofree char *text = g_malloc0 (length + 1);
  if (archive_read_data (archive, text, length) != (la_ssize_t)length)
    return read_failed (source, archive, error);
  return parse_manifest (source, text, length, file, ret_files, error)
         && check_fits (source, file, error);
}

/* The index of the member that ENTRY is, -1: none that there may be. */
static int
member_of (struct archive_entry *entry)
{
  for (int i = 0; i < AGB_BASE_MEMBERS; i++)
    if (g_strcmp0 (archive_entry_pathname (entry), agb_base_members[i]) == 0
        && archive_entry_filetype (entry) == AE_IFREG)
      return i;
  return -1;
}

static gboolean
unpack_member (const Source *source, struct archive *archive, const cJSON *said, const char *path,
               GError **error)
{
  agb_autofd int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guchar *block = g_malloc (BLOCK);
  g_autofree char *name = g_path_get_basename (path);
  gint64 bytes = 0, left = 0;
  la_ssize_t length;
  const char *digest
      = agb_json_get_string (said, "sha256", AGB_BASE_MANIFEST, AGB_ERROR_USER, error);

  if (digest == NULL
      || !agb_json_get_int64 (said, "bytes", AGB_BASE_MANIFEST, AGB_ERROR_USER, &bytes, error))
    return FALSE;
  if (fd < 0)
    return agb_error_set_errno (error, errno, "write", path);
  left = bytes;
  while ((length = archive_read_data (archive, block, BLOCK)) > 0)
    {
      left -= length;
      if (agb_interrupted (error)
          || (left >= 0 && !agb_write_all (fd, block, (gsize)length, path, error)))
        return FALSE;
      g_checksum_update (sum, block, length);
    }
  if (length < 0)
    return read_failed (source, archive, error);
  if (left == 0 && g_str_equal (digest, g_checksum_get_string (sum)))
    return fsync (fd) == 0 || agb_error_set_errno (error, errno, "write", path);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is damaged: '%s' in it has another digest",
               source->path, name);
  agb_error_hint (error, "copy it again, or compare with what 'base export' told");
  return FALSE;
}

/* A disk image may name other files of the host, which a guest could then read. */
static gboolean
check_image (const Source *source, const char *path, GError **error)
{
  guchar header[QCOW2_HEADER] = { 0 };
  agb_autofd int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  static const guchar magic[] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
  static const guchar none[8];

  if (fd < 0 || read (fd, header, sizeof header) < 0)
    return agb_error_set_errno (error, errno, "read", path);
  if (memcmp (header, magic, sizeof magic) != 0)
    return no_base (source, "its image is no qcow2 of version 3", error);
  /* backing_file_offset; bit 2 of incompatible_features: an external data file */
  if (memcmp (header + 8, none, sizeof none) != 0 || (header[79] & 4) != 0)
    return no_base (source, "its image stands on another file", error);
  return TRUE;
}

static gboolean
unpack (const Source *source, struct archive *archive, const char *folder, AgbBaseFile *file,
        GError **error)
{
  g_autoptr (cJSON) files = NULL;
  struct archive_entry *entry = NULL;
  char **places[] = { &file->image, &file->kernel, &file->initrd };
  int status;

  if (!read_manifest (source, archive, file, &files, error))
    return FALSE;
  while ((status = archive_read_next_header (archive, &entry)) == ARCHIVE_OK)
    {
      int member = member_of (entry);
      const cJSON *said
          = member >= 0 ? cJSON_GetObjectItemCaseSensitive (files, agb_base_members[member]) : NULL;
      if (said == NULL || *places[member] != NULL)
        return no_base (source, "it holds a file that does not belong there", error);
      *places[member] = g_build_filename (folder, agb_base_members[member], NULL);
      if (!unpack_member (source, archive, said, *places[member], error))
        return FALSE;
    }
  if (status != ARCHIVE_EOF)
    return read_failed (source, archive, error);
  for (int i = 0; i < AGB_BASE_MEMBERS; i++)
    if (*places[i] == NULL && cJSON_HasObjectItem (files, agb_base_members[i]))
      return no_base (source, "a file of it is missing", error);
  return file->image != NULL ? check_image (source, file->image, error)
                             : no_base (source, "it has no image", error);
}

/* What lies behind the archive's end counts in the digest as well. */
static gboolean
check_digest (Source *source, const char *digest, GError **error)
{
  ssize_t length;

  while ((length = read (source->fd, source->block, BLOCK)) > 0)
    g_checksum_update (source->sum, source->block, length);
  if (length < 0)
    return agb_error_set_errno (error, errno, "read", source->path);
  g_autofree char *found = g_strconcat ("sha256:", g_checksum_get_string (source->sum), NULL);
  if (digest == NULL || g_str_equal (digest, found)
      || g_str_equal (digest, found + strlen ("sha256:")))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' has the digest %s, not %s", source->path,
               found, digest);
  agb_error_hint (error, "copy it again, or compare with what 'base export' told");
  return FALSE;
}

gboolean
agb_base_file_read (const char *path, const char *digest, const char *folder, AgbBaseFile **ret,
                    GError **error)
{
  agb_autofd int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guchar *block = g_malloc (BLOCK);
  g_autoptr (AgbBaseFile) file = g_new0 (AgbBaseFile, 1);
  Source source = { .path = path, .fd = fd, .sum = sum, .block = block };
  struct archive *archive = NULL;
  gboolean done;

  if (fd < 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "cannot read '%s': %s", path,
                   g_strerror (errno));
      return FALSE;
    }
  archive = archive_read_new ();
  archive_read_support_filter_zstd (archive);
  archive_read_support_format_tar (archive);
  done = archive_read_open (archive, &source, NULL, read_bytes, NULL) == ARCHIVE_OK
         || read_failed (&source, archive, error);
  done = done && unpack (&source, archive, folder, file, error)
         && check_digest (&source, digest, error);
  archive_read_free (archive);
  if (done)
    *ret = g_steal_pointer (&file);
  return done;
}
