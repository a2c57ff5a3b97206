/* agbranch-unpack TOP BYTES ENTRIES [skip]: unpack the tar stream on stdin in the working directory.
 *
 * The stream is a guest's: the process first gives away what it does not need.  On success it prints
 * "BYTES ENTRIES SKIPPED", with "skip" after a line "skipped TAB PATH TAB RULE" for each entry (of the
 * first 1000) that was left out since it broke a rule; on an error one line on stderr, and ends with the code of that error. */
#include "core/confine.h"
#include "core/error.h"
#include "core/escape.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/openat2.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  PATH_LIMIT = 4096,
  NAME_LIMIT = 255,
  DEPTH_LIMIT = 64,
  MEMORY_LIMIT = 512 * 1024 * 1024,
  MOST_TOLD = 1000,
};

typedef struct {
  const char *top;
  guint64 byte_limit;
  guint64 entry_limit;
  guint64 bytes;
  guint64 entries;
  gboolean skip;
  guint64 skipped;
  int root_fd;
} Unpack;

static gboolean
give_rights_away (const Unpack *unpack, GError **error)
{
  const AgbConfinement confinement = { .folder_fd = unpack->root_fd,
                                       .file_bytes = unpack->byte_limit,
                                       .memory_bytes = MEMORY_LIMIT };

  return agb_confine (&confinement, error);
}

static gboolean
refuse_all (const char *path, const char *rule, GError **error)
{
  g_autofree char *shown = agb_escape (path, -1);
  g_autofree char *cut = agb_fit (shown, 200);

  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "the guest sent '%s': %s", cut, rule);
  return FALSE;
}

/* Both are one line without a tab: the path is escaped, the rule ours.  Returns FALSE. */
static gboolean
skip (Unpack *unpack, const char *path, const char *rule)
{
  g_autofree char *shown = agb_escape (path, -1);

  if (unpack->skipped++ < MOST_TOLD)
    printf ("skipped\t%s\t%s\n", shown, rule);
  return FALSE;
}

/* Refuse the entry: with "skip" it is left out, *ERROR stays unset. */
static gboolean
refuse (Unpack *unpack, const char *path, const char *rule, GError **error)
{
  /* Without TOP itself nothing would be left. */
  if (unpack->skip && !g_str_equal (path, unpack->top))
    return skip (unpack, path, rule);
  return refuse_all (path, rule, error);
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
open_beneath (const Unpack *unpack, const char *path, int flags)
{
  const struct open_how how
      = { .flags = (__u64)(flags | O_CLOEXEC),
          .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS };

  return (int)syscall (SYS_openat2, unpack->root_fd, path, &how, sizeof how);
}

/* Folders above PATH are real folders or not there yet, and PATH is new (a folder may come twice). */
static gboolean
check_place (Unpack *unpack, const char *path, mode_t type, GError **error)
{
  for (const char *slash = strchr (path, '/'); slash != NULL; slash = strchr (slash + 1, '/'))
    {
      g_autofree char *parent = g_strndup (path, (gsize)(slash - path));
      int fd = open_beneath (unpack, parent, O_PATH | O_DIRECTORY);

      if (fd >= 0)
        close (fd);
      else if (errno != ENOENT)
        return refuse (unpack, path, "a path through a link or file", error);
    }
  int fd = open_beneath (unpack, path, O_PATH | O_NOFOLLOW);
  struct stat found;
  gboolean is_new = fd < 0 && errno == ENOENT;
  gboolean is_folder = fd >= 0 && fstat (fd, &found) == 0 && S_ISDIR (found.st_mode);

  if (fd >= 0)
    close (fd);
  if (is_new || (is_folder && type == AE_IFDIR))
    return TRUE;
  return refuse (unpack, path, "the same name twice", error);
}

static gboolean
check_hard_link (Unpack *unpack, const char *path, const char *target, GError **error)
{
  struct stat found;

  if (path_rule (target, unpack->top) != NULL)
    return refuse (unpack, path, "a hard link that leaves the folder", error);
  int fd = open_beneath (unpack, target, O_PATH | O_NOFOLLOW);
  gboolean is_file = fd >= 0 && fstat (fd, &found) == 0 && S_ISREG (found.st_mode);
  if (fd >= 0)
    close (fd);
  return is_file
         || refuse (unpack, path, "a hard link to what is not a file of the archive", error);
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
check_entry (Unpack *unpack, struct archive_entry *entry, GError **error)
{
  const char *raw = archive_entry_pathname (entry);
  mode_t type = archive_entry_filetype (entry);
  const char *hard_link = archive_entry_hardlink (entry);

  if (raw == NULL)
    return refuse (unpack, "?", "a name that cannot be read", error);
  g_autofree char *path = g_strdup (without_dot (raw));
  for (gsize length = strlen (path); length > 1 && path[length - 1] == '/';)
    path[--length] = '\0';

  const char *rule = path_rule (path, unpack->top);
  if (rule == NULL && hard_link == NULL && type == AE_IFLNK)
    rule = archive_entry_symlink (entry) != NULL ? link_rule (path, archive_entry_symlink (entry))
                                                 : "a link without a target";
  else if (rule == NULL && hard_link == NULL && type != AE_IFREG && type != AE_IFDIR)
    rule = "a device, fifo or socket";
  if (unpack->entries + unpack->skipped >= unpack->entry_limit)
    return refuse_all (path, "more entries than agbranch.limits.exportFiles allows", error);
  if (rule != NULL)
    return refuse (unpack, path, rule, error);

  if (hard_link != NULL)
    {
      g_autofree char *target = g_strdup (without_dot (hard_link));

      if (!check_hard_link (unpack, path, target, error))
        return FALSE;
      archive_entry_set_hardlink (entry, target);
      archive_entry_set_size (entry, 0);
    }
  gint64 size = archive_entry_size (entry);
  if (size < 0 || (guint64)size > unpack->byte_limit - unpack->bytes)
    return refuse_all (path, "more bytes than agbranch.limits.export allows", error);
  archive_entry_set_pathname (entry, path);
  archive_entry_set_perm (entry,
                          (archive_entry_perm (entry) & 0777) | (type == AE_IFDIR ? 0700 : 0600));
  if (!check_place (unpack, path, type, error))
    return FALSE;
  unpack->bytes += (guint64)size;
  unpack->entries++;
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
unpack_entries (Unpack *unpack, struct archive *in, struct archive *out, GError **error)
{
  struct archive_entry *entry;
  g_autoptr (GError) refused = NULL;
  int rc;

  while ((rc = archive_read_next_header (in, &entry)) == ARCHIVE_OK)
    {
      if (!check_entry (unpack, entry, &refused))
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
  if (unpack->entries == 0)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_SYNC, "the guest sent an empty archive");
      return FALSE;
    }
  return TRUE;
}

static gboolean
unpack_stdin (Unpack *unpack, GError **error)
{
  struct archive *in = archive_read_new ();
  struct archive *out = archive_write_disk_new ();

  /* Plain tar only: each further format and compression is code that a guest could feed. */
  archive_read_support_format_tar (in);
  archive_read_support_format_empty (in);
  archive_write_disk_set_options (
      out, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT
               | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS | ARCHIVE_EXTRACT_NO_OVERWRITE);
  gboolean done = archive_read_open_fd (in, STDIN_FILENO, 65536) == ARCHIVE_OK
                      ? unpack_entries (unpack, in, out, error)
                      : set_archive_error (in, "the archive of the guest is broken", error);
  if (done && archive_write_close (out) != ARCHIVE_OK)
    done = set_archive_error (out, "cannot write what the guest sent", error);
  archive_write_free (out);
  archive_read_free (in);
  return done;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  gboolean skips = argc == 5 && g_str_equal (argv[4], "skip");
  if (argc != 4 && !skips)
    {
      fprintf (stderr, "usage: agbranch-unpack <top> <bytes> <entries> [skip]\n");
      return AGB_ERROR_USAGE;
    }
  setlocale (LC_CTYPE, "C.UTF-8"); /* libarchive converts the names of pax headers to it */
  Unpack unpack = {
    .top = argv[1],
    .byte_limit = g_ascii_strtoull (argv[2], NULL, 10),
    .entry_limit = g_ascii_strtoull (argv[3], NULL, 10),
    .skip = skips,
    .root_fd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC),
  };
  if (give_rights_away (&unpack, &error) && unpack_stdin (&unpack, &error))
    {
      printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", unpack.bytes,
              unpack.entries, unpack.skipped);
      return 0;
    }
  fprintf (stderr, "%s\n", error->message);
  return error->code;
}
