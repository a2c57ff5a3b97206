/* agb_archive_unpack: whatever an archive holds, it ends, stays within its limits, and makes files below
 * TOP only: no device, no set-uid bit, no link that leaves it, nothing beside it. */
#include "core/error.h"
#include "core/io.h"
#include "session/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum {
  BYTES = 100000,
  ENTRIES = 50,
};

static char *outside; /* holds the folder "in", which is unpacked into, and nothing else */
static guint64 found_entries;

static void
remove_outside (void)
{
  if (chdir ("/") == 0)
    agb_remove_tree (outside, NULL);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gboolean in_memory = access ("/dev/shm", W_OK) == 0;

  (void)argc;
  (void)argv;
  setlocale (LC_CTYPE, "C.UTF-8");
  umask (022);
  outside = g_build_filename (in_memory ? "/dev/shm" : g_get_tmp_dir (), "agb-fuzz-XXXXXX", NULL);
  g_assert_nonnull (mkdtemp (outside));
  atexit (remove_outside);
  return 0;
}

/* tar(5): the sum of the bytes of a header, its own place taken as blanks.  Hardly any change of a header
 * would be read without it. */
static void
correct_sums (guint8 *data, gsize size)
{
  enum { BLOCK = 512, SUM = 148, SUM_LENGTH = 8, MAGIC = 257 };

  for (gsize at = 0; at + BLOCK <= size; at += BLOCK)
    {
      guint8 *block = data + at;
      char text[SUM_LENGTH];
      guint sum = 0;

      if (memcmp (block + MAGIC, "ustar", 5) != 0)
        continue;
      memset (block + SUM, ' ', SUM_LENGTH);
      for (gsize i = 0; i < BLOCK; i++)
        sum += block[i];
      g_snprintf (text, sizeof text, "%06o", sum);
      memcpy (block + SUM, text, 7);
    }
}

static int
check_entry (const char *path, const struct stat *info, int type, struct FTW *place)
{
  char target[PATH_MAX + 1];

  if (place->level == 0)
    return 0;
  g_assert_true (g_str_has_prefix (path, "./top") && (path[5] == '\0' || path[5] == '/'));
  g_assert_true (S_ISREG (info->st_mode) || S_ISDIR (info->st_mode) || S_ISLNK (info->st_mode));
  found_entries++;
  if (type != FTW_SL && type != FTW_SLN)
    {
      g_assert_true ((info->st_mode & 07000) == 0);
      return 0;
    }
  ssize_t length = readlink (path, target, sizeof target - 1);
  g_assert_true (length > 0 && target[0] != '/');
  /* What it points at, if it is there, is below the folder. */
  g_autofree char *real = realpath (path, NULL);
  g_autofree char *top = g_build_filename (outside, "in", "top", NULL);
  g_assert_true (real == NULL || g_str_has_prefix (real, top));
  return 0;
}

static void
check_outside (void)
{
  g_autoptr (GDir) folder = g_dir_open (outside, 0, NULL);

  g_assert_cmpstr (g_dir_read_name (folder), ==, "in");
  g_assert_null (g_dir_read_name (folder));
}

static void
note_skipped (const char *path, const char *rule, AgbArchive *archive)
{
  (void)archive;
  g_assert_true (g_utf8_validate (path, -1, NULL) && *rule != '\0');
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *in = g_build_filename (outside, "in", NULL);
  g_autoptr (GError) error = NULL;

  if (size == 0)
    return 0;
  g_assert_true (mkdir (in, 0700) == 0 && chdir (in) == 0);
  agb_autofd int fd = memfd_create ("archive", MFD_CLOEXEC);
  agb_autofd int root_fd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_autofree guint8 *copy = g_memdup2 (data, size);
  if ((data[0] & 2) == 0)
    correct_sums (copy + 1, size - 1);
  g_assert_true (write (fd, copy + 1, size - 1) == (ssize_t)size - 1);
  lseek (fd, 0, SEEK_SET);

  AgbArchive archive = { .top = "top",
                         .byte_limit = BYTES,
                         .entry_limit = ENTRIES,
                         .root_fd = root_fd,
                         .skip = (data[0] & 1) != 0 ? note_skipped : NULL };
  gboolean good = agb_archive_unpack (&archive, fd, &error);
  g_assert_true (good == (error == NULL));
  g_assert_true (good || error->code == AGB_ERROR_SYNC || error->code == AGB_ERROR_FILE);
  g_assert_true (archive.bytes <= BYTES && archive.entries + archive.skipped <= ENTRIES);
  g_assert_true (archive.skipped == 0 || archive.skip != NULL);

  found_entries = 0;
  nftw (".", check_entry, 20, FTW_PHYS);
  check_outside ();
  g_assert_true (chdir (outside) == 0 && agb_remove_tree (in, NULL));
  return 0;
}
