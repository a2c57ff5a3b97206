/* agbranch-scan TIP BYTES INFLATED BLOB OBJECTS DEPTH: read the stream of a guest.
 *
 * stdin is a pack, or a bundle with TIP among its refs; the pack goes to stdout as it came, as far as
 * it is within the limits (bytes of the pack, of all that is inflated, of one object; number of
 * objects; depth of deltas) and can be a pack.  stderr gets the report (gate/scan-report.h).  Before
 * the first byte is read the process gives its rights away: what takes it over has these three
 * descriptors and nothing else. */
#include "core/confine.h"
#include "core/error.h"
#include "gate/pack-scan.h"
#include "gate/scan-report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  PIECE = 64 * 1024,
  MEMORY = 128 * 1024 * 1024,
  MEMORY_PER_OBJECT = 64, /* what the scan keeps of it, while it grows */
};

typedef struct {
  const char *tip;
  AgbPackLimits limits;
  AgbPackScan *scan;
  GString *head; /* what has come as long as a bundle header may be incomplete; NULL afterwards */
  AgbScanReport report;
} Stream;

static gboolean
fail (Stream *stream, AgbScanOutcome outcome)
{
  stream->report.outcome = outcome;
  stream->report.errnum = errno;
  return FALSE;
}

static gboolean
refuse (Stream *stream)
{
  stream->report.outcome = AGB_SCAN_REFUSED;
  return FALSE;
}

static gboolean
write_all (int fd, const char *data, gsize length)
{
  while (length > 0)
    {
      ssize_t written = write (fd, data, length);

      if (written < 0 && errno != EINTR)
        return FALSE;
      data += MAX (written, 0);
      length -= (gsize)MAX (written, 0);
    }
  return TRUE;
}

static gboolean
take_pack (Stream *stream, const char *data, gsize length)
{
  if (!agb_pack_scan_feed (stream->scan, data, length, &stream->report.fault))
    return refuse (stream);
  return write_all (STDOUT_FILENO, data, length) || fail (stream, AGB_SCAN_FAILED_WRITE);
}

/* Strip the header of a bundle, if it is one. */
static gboolean
take_head (Stream *stream, const char *data, gsize length)
{
  g_string_append_len (stream->head, data, (gssize)length);
  AgbBundleState state = agb_bundle_header (stream->head->str, stream->head->len, stream->tip,
                                            &stream->report.bundle, &stream->report.fault);
  if (state == AGB_BUNDLE_BAD)
    return refuse (stream);
  if (state == AGB_BUNDLE_MORE && length > 0)
    return TRUE;

  GString *head = g_steal_pointer (&stream->head);
  gsize header = stream->report.bundle.length;
  gboolean good = take_pack (stream, head->str + header, head->len - header);
  g_string_free (head, TRUE);
  return good;
}

static gboolean
take_end (Stream *stream)
{
  AgbScanReport *report = &stream->report;

  if (!agb_pack_scan_end (stream->scan, &report->fault))
    return refuse (stream);
  report->pack_bytes = agb_pack_scan_bytes (stream->scan);
  report->objects = agb_pack_scan_objects (stream->scan);
  report->inflated_bytes = agb_pack_scan_inflated (stream->scan);
  report->depth = agb_pack_scan_depth (stream->scan);
  return TRUE;
}

static gboolean
take_stream (Stream *stream)
{
  static char buffer[PIECE];

  for (;;)
    {
      ssize_t length = read (STDIN_FILENO, buffer, sizeof buffer);

      if (length < 0 && errno == EINTR)
        continue;
      if (length < 0)
        return fail (stream, AGB_SCAN_FAILED_READ);
      if (stream->head != NULL ? !take_head (stream, buffer, (gsize)length)
                               : !take_pack (stream, buffer, (gsize)length))
        return FALSE;
      if (length == 0)
        return take_end (stream);
    }
}

static gboolean
confine (Stream *stream)
{
  const AgbPackLimits *limits = &stream->limits;
  const AgbConfinement confinement
      = { .folder_fd = -1,
          .file_bytes = limits->bytes + AGB_BUNDLE_HEADER_MAX,
          .memory_bytes
          = MEMORY
            + MIN (limits->objects, G_MAXINT64 / 2 / MEMORY_PER_OBJECT) * MEMORY_PER_OBJECT };

  return agb_confine (&confinement, NULL) || fail (stream, AGB_SCAN_FAILED_CONFINE);
}

static int
exit_code (AgbScanOutcome outcome)
{
  static const int codes[] = { [AGB_SCAN_GOOD] = 0,
                               [AGB_SCAN_REFUSED] = AGB_ERROR_SYNC,
                               [AGB_SCAN_FAILED_READ] = AGB_ERROR_FILE,
                               [AGB_SCAN_FAILED_WRITE] = AGB_ERROR_FILE,
                               [AGB_SCAN_FAILED_CONFINE] = AGB_ERROR_CHILD };

  return codes[outcome];
}

int
main (int argc, char **argv)
{
  static const char usage[]
      = "usage: agbranch-scan <tip> <bytes> <inflated> <blob> <objects> <depth>\n";
  guint64 numbers[5] = { 0 };
  gsize tip_length = argc == 7 ? strlen (argv[1]) : 0;

  if (tip_length != 40 && tip_length != 64)
    {
      write_all (STDERR_FILENO, usage, strlen (usage));
      return AGB_ERROR_USAGE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    numbers[i] = g_ascii_strtoull (argv[i + 2], NULL, 10);

  Stream stream = { .tip = argv[1],
                    .limits = { .bytes = numbers[0],
                                .inflated_bytes = numbers[1],
                                .blob_bytes = numbers[2],
                                .objects = numbers[3],
                                .depth = numbers[4] } };
  stream.scan = agb_pack_scan_new (&stream.limits, tip_length / 2);
  stream.head = g_string_new (NULL);
  if (confine (&stream))
    take_stream (&stream);

  g_autofree char *text = agb_scan_report_format (&stream.report);
  write_all (STDERR_FILENO, text, strlen (text));
  /* Nothing of the C library's end, which would write files of coverage, is allowed any more. */
  _exit (exit_code (stream.report.outcome));
}
