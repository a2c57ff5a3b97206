#include "session/archive.h"

#include "core/error.h"
#include "core/escape.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  PATH_LIMIT = 4096,
  NAME_LIMIT = 255,
  DEPTH_LIMIT = 64,
};

static gboolean
refuse_all (const char *path, const char *rule, GError **error)
{
  g_autofree char *shown = agb_escape (path, -1);
  g_autofree char *cut = agb_fit (shown, 200);

  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "the guest sent '%s': %s", cut, rule);
  return FALSE;
}

/* Refuse the entry: where entries may be left out, *ERROR stays unset. */
static gboolean
refuse (AgbArchive *archive, const char *path, const char *rule, GError **error)
{
  /* Without TOP itself nothing would be left. */
  if (archive->skip == NULL || g_str_equal (path, archive->top))
    return refuse_all (path, rule, error);

  g_autofree char *shown = agb_escape (path, -1);
  archive->skipped++;
  archive->skip (shown, rule, archive);
  return FALSE;
}

/* A name that some file system takes for .git: other case, the 8.3 name, and the characters that HFS+
 * ignores (as is_hfs_dotgit and is_ntfs_dotgit of git do). */
static gboolean
names_git (const char *name)
{
  if (!g_utf8_validate (name, -1, NULL))
    return FALSE;

  g_autoptr (GString) plain = g_string_new (NULL);
  for (const char *c = name; *c != '\0'; c = g_utf8_next_char (c))
    if (g_unichar_type (g_utf8_get_char (c)) != G_UNICODE_FORMAT)
      g_string_append_unichar (plain, g_unichar_tolower (g_utf8_get_char (c)));
  while (plain->len > 0 && (plain->str[plain->len - 1] == '.' || plain->str[plain->len - 1] == ' '))
    g_string_truncate (plain, plain->len - 1);
  return g_str_equal (plain->str, ".git") || g_str_equal (plain->str, "git~1")
         || g_str_has_prefix (plain->str, ".git:");
}

/* The rule that PATH breaks, or NULL. */
static const char *
path_rule (const char *path, const char *top)
{
  if (*path == '\0')
    return "an empty name";
  if (*path == '/')
    return "an absolute path";
  if (strlen (path) > PATH_LIMIT)
    return "a path of more than 4096 bytes";
  for (const char *c = path; *c != '\0'; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      return "control characters in a name";

  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  if (g_strv_length (parts) > DEPTH_LIMIT)
    return "more than 64 levels of folders";
  for (char **part = parts; *part != NULL; part++)
    {
      if (g_str_equal (*part, ".."))
        return "'..' in the path";
      if (g_str_equal (*part, ".") || **part == '\0')
        return "'.' or nothing as a name in the path";
      if (strlen (*part) > NAME_LIMIT)
        return "a name of more than 255 bytes";
      if (names_git (*part))
        return "a '.git', which git on the host would obey";
    }
  return g_str_equal (parts[0], top) ? NULL : "not what was asked for";
}

/* Only `..` at the beginning can be counted: behind a name it may stand behind a link. */
static const char *
link_rule (const char *path, const char *target)
{
  g_auto (GStrv) parts = g_strsplit (target, "/", -1);
  g_auto (GStrv) above = g_strsplit (path, "/", -1);
  guint room = g_strv_length (above) - 1; /* folders between TOP's parent and the link */
  gboolean named = FALSE;

  if (room == 0)
    return "it is a link: name what it points at";
  if (*target == '\0' || *target == '/')
    return "a link to an absolute path";
  for (char **part = parts; *part != NULL; part++)
    {
      if (!g_str_equal (*part, ".."))
        named = named || (**part != '\0' && !g_str_equal (*part, "."));
      else if (named || --room == 0)
        return "a link that may leave the folder";
    }
  for (const char *c = target; *c != '\0'; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      return "control characters in a link";
  return NULL;
}

/* PATH below the root without following any link; -1 with errno. */
static int
open_beneath (const AgbArchive *archive, const char *path, int flags)
{
  const struct open_how how
      = { .flags = (__u64)(flags | O_CLOEXEC),
          .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS };

  return (int)syscall (SYS_openat2, archive->root_fd, path, &how, sizeof how);
}

/* Folders above PATH are real folders or not there yet, and PATH is new (a folder may come twice). */
static gboolean
check_place (AgbArchive *archive, const char *path, mode_t type, GError **error)
{
  for (const char *slash = strchr (path, '/'); slash != NULL; slash = strchr (slash + 1, '/'))
    {
      g_autofree char *parent = g_strndup (path, (gsize)(slash - path));
      int fd = open_beneath (archive, parent, O_PATH | O_DIRECTORY);

      if (fd >= 0)
        close (fd);
      else if (errno != ENOENT)
        return refuse (archive, path, "a path through a link or file", error);
    }
  int fd = open_beneath (archive, path, O_PATH | O_NOFOLLOW);
  struct stat found;
  gboolean is_new = fd < 0 && errno == ENOENT;
  gboolean is_folder = fd >= 0 && fstat (fd, &found) == 0 && S_ISDIR (found.st_mode);

  if (fd >= 0)
    close (fd);
  if (is_new || (is_folder && type == AE_IFDIR))
    return TRUE;
  return refuse (archive, path, "the same name twice", error);
}

static gboolean
check_hard_link (AgbArchive *archive, const char *path, const char *target, GError **error)
{
  struct stat found;

  if (path_rule (target, archive->top) != NULL)
    return refuse (archive, path, "a hard link that leaves the folder", error);
  int fd = open_beneath (archive, target, O_PATH | O_NOFOLLOW);
  gboolean is_file = fd >= 0 && fstat (fd, &found) == 0 && S_ISREG (found.st_mode);
  if (fd >= 0)
    close (fd);
  return is_file
         || refuse (archive, path, "a hard link to what is not a file of the archive", error);
}

static const char *
without_dot (const char *path)
{
  while (g_str_has_prefix (path, "./"))
    path += 2;
  return path;
}

/* Counts ENTRY, checks it, and takes away what it must not bring.  FALSE without an error: leave it
 * out. */
static gboolean
check_entry (AgbArchive *archive, struct archive_entry *entry, GError **error)
{
  const char *raw = archive_entry_pathname (entry);
  mode_t type = archive_entry_filetype (entry);
  const char *hard_link = archive_entry_hardlink (entry);

  if (raw == NULL)
    return refuse (archive, "?", "a name that cannot be read", error);
  g_autofree char *path = g_strdup (without_dot (raw));
  for (gsize length = strlen (path); length > 1 && path[length - 1] == '/';)
    path[--length] = '\0';

  const char *rule = path_rule (path, archive->top);
  if (rule == NULL && hard_link == NULL && type == AE_IFLNK)
    rule = archive_entry_symlink (entry) != NULL ? link_rule (path, archive_entry_symlink (entry))
                                                 : "a link without a target";
  else if (rule == NULL && hard_link == NULL && type != AE_IFREG && type != AE_IFDIR)
    rule = "a device, fifo or socket";
  if (archive->entries + archive->skipped >= archive->entry_limit)
    return refuse_all (path, "more entries than agbranch.limits.exportFiles allows", error);
  if (rule != NULL)
    return refuse (archive, path, rule, error);

  if (hard_link != NULL)
    {
      g_autofree char *target = g_strdup (without_dot (hard_link));

      if (!check_hard_link (archive, path, target, error))
        return FALSE;
      archive_entry_set_hardlink (entry, target);
      archive_entry_set_size (entry, 0);
    }
  gint64 size = archive_entry_size (entry);
  if (size < 0 || (guint64)size > archive->byte_limit - archive->bytes)
    return refuse_all (path, "more bytes than agbranch.limits.export allows", error);
  archive_entry_set_pathname (entry, path);
  archive_entry_set_perm (entry,
                          (archive_entry_perm (entry) & 0777) | (type == AE_IFDIR ? 0700 : 0600));
  if (type == AE_IFLNK)
    {
      /* They could be set by its name only, which is not open to the process that does this (confine.c). */
      archive_entry_unset_atime (entry);
      archive_entry_unset_birthtime (entry);
      archive_entry_unset_mtime (entry);
    }
  if (!check_place (archive, path, type, error))
    return FALSE;
  archive->bytes += (guint64)size;
  archive->entries++;
  return TRUE;
}

static gboolean
set_archive_error (struct archive *from, const char *what, GError **error)
{
  const char *text = archive_error_string (from);
  int errnum = archive_errno (from);
  gboolean disk = errnum == ENOSPC || errnum == EDQUOT || errnum == EIO || errnum == EROFS;
  g_autofree char *shown = agb_escape (text != NULL ? text : "unknown error", -1);

  g_set_error (error, AGB_ERROR, disk ? AGB_ERROR_FILE : AGB_ERROR_SYNC, "%s: %s", what, shown);
  return FALSE;
}

static gboolean
copy_data (struct archive *in, struct archive *out, GError **error)
{
  const void *data;
  size_t length;
  la_int64_t offset;

  for (;;)
    {
      int rc = archive_read_data_block (in, &data, &length, &offset);

      if (rc == ARCHIVE_EOF)
        return TRUE;
      if (rc != ARCHIVE_OK)
        return set_archive_error (in, "the archive of the guest is broken", error);
      if (archive_write_data_block (out, data, length, offset) < ARCHIVE_OK)
        return set_archive_error (out, "cannot write what the guest sent", error);
    }
}

static gboolean
unpack_entries (AgbArchive *archive, struct archive *in, struct archive *out, GError **error)
{
  struct archive_entry *entry;
  g_autoptr (GError) refused = NULL;
  int rc;

  while ((rc = archive_read_next_header (in, &entry)) == ARCHIVE_OK)
    {
      if (!check_entry (archive, entry, &refused))
        {
          if (refused == NULL)
            continue;
          g_propagate_error (error, g_steal_pointer (&refused));
          return FALSE;
        }
      if (archive_write_header (out, entry) != ARCHIVE_OK)
        return set_archive_error (out, "cannot write what the guest sent", error);
      if (archive_entry_size (entry) > 0 && !copy_data (in, out, error))
        return FALSE;
      if (archive_write_finish_entry (out) != ARCHIVE_OK)
        return set_archive_error (out, "cannot write what the guest sent", error);
    }
  if (rc != ARCHIVE_EOF)
    return set_archive_error (in, "the archive of the guest is broken", error);
  if (archive->entries == 0)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_SYNC, "the guest sent an empty archive");
      return FALSE;
    }
  return TRUE;
}

gboolean
agb_archive_unpack (AgbArchive *archive, int fd, GError **error)
{
  struct archive *in = archive_read_new ();
  struct archive *out = archive_write_disk_new ();

  /* Plain tar only: each further format and compression is code that a guest could feed. */
  archive_read_support_format_tar (in);
  archive_read_support_format_empty (in);
  archive_write_disk_set_options (
      out, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT
               | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS | ARCHIVE_EXTRACT_NO_OVERWRITE);
  gboolean done = archive_read_open_fd (in, fd, 65536) == ARCHIVE_OK
                      ? unpack_entries (archive, in, out, error)
                      : set_archive_error (in, "the archive of the guest is broken", error);
  if (done && archive_write_close (out) != ARCHIVE_OK)
    done = set_archive_error (out, "cannot write what the guest sent", error);
  archive_write_free (out);
  archive_read_free (in);
  return done;
}
