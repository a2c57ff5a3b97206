/* agbranch-unpack TOP BYTES ENTRIES [skip]: unpack the tar stream on stdin in the working directory.
 *
 * The stream is a guest's: the process first gives away what it does not need.  On success it prints
 * "BYTES ENTRIES SKIPPED", with "skip" after a line "skipped TAB PATH TAB RULE" for each entry (of the
 * first 1000) that was left out since it broke a rule; on an error one line on stderr, and ends with the
 * code of that error. */
#include "core/confine.h"
#include "core/error.h"
#include "session/archive.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

enum {
  MEMORY_LIMIT = 512 * 1024 * 1024,
  MOST_TOLD = 1000,
};

static gboolean
give_rights_away (const AgbArchive *archive, GError **error)
{
  const AgbConfinement confinement = { .folder_fd = archive->root_fd,
                                       .file_bytes = archive->byte_limit,
                                       .memory_bytes = MEMORY_LIMIT };

  return agb_confine (&confinement, error);
}

/* Both are one line without a tab: the path is escaped, the rule ours. */
static void
tell_skipped (const char *path, const char *rule, AgbArchive *archive)
{
  if (archive->skipped <= MOST_TOLD)
    printf ("skipped\t%s\t%s\n", path, rule);
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
  AgbArchive archive = {
    .top = argv[1],
    .byte_limit = g_ascii_strtoull (argv[2], NULL, 10),
    .entry_limit = g_ascii_strtoull (argv[3], NULL, 10),
    .root_fd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC),
    .skip = skips ? tell_skipped : NULL,
  };
  if (archive.root_fd >= 0 && give_rights_away (&archive, &error)
      && agb_archive_unpack (&archive, STDIN_FILENO, &error))
    {
      printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", archive.bytes,
              archive.entries, archive.skipped);
      return 0;
    }
  fprintf (stderr, "%s\n", error != NULL ? error->message : "cannot open the working directory");
  return error != NULL ? error->code : AGB_ERROR_FILE;
}
