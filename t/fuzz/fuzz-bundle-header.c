/* What a guest sends, as far as we read it ourselves: the header of a bundle, and a pack.  The first
 * byte chooses which, and in which pieces a pack comes. */
#include "gate/bundle-header.h"
#include "gate/pack-scan.h"
#include "gate/scan-report.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const AgbPackLimits limits = {
  .bytes = 1 << 20, .inflated_bytes = 1 << 22, .blob_bytes = 1 << 20, .objects = 1000, .depth = 10
};

/* What agbranch-scan says is read as it was said. */
static void
check_report (const AgbScanReport *report)
{
  g_autofree char *text = agb_scan_report_format (report);
  AgbScanReport again;

  g_assert_true (strlen (text) <= AGB_SCAN_REPORT_MAX);
  g_assert_true (agb_scan_report_parse (text, strlen (text), &limits, 20, &again));
  g_autofree char *twice = agb_scan_report_format (&again);
  g_assert_cmpstr (text, ==, twice);
}

static void
read_header (const char *data, gsize length)
{
  static const char tip[] = "0123456789abcdef0123456789abcdef01234567";
  /* A copy of its own, so that a byte too far is seen. */
  g_autofree char *copy = g_memdup2 (data, length);
  AgbBundleHeader header = { 0 };
  AgbScanFault fault = { AGB_SCAN_RULES, 0 };

  AgbBundleState state = agb_bundle_header (copy, length, tip, &header, &fault);
  g_assert ((state == AGB_BUNDLE_BAD) == (fault.rule != AGB_SCAN_RULES));
  if (state != AGB_BUNDLE_OK)
    return;
  /* What the gate takes for a report of it. */
  g_assert (header.length <= length && header.length <= AGB_BUNDLE_HEADER_MAX);
  check_report (&(AgbScanReport){
      .bundle = header, .pack_bytes = 32, .objects = 0, .inflated_bytes = 0, .depth = 0 });
}

static void
read_pack (const guint8 *data, gsize length, gsize piece)
{
  g_autoptr (AgbPackScan) scan = agb_pack_scan_new (&limits, 20);
  AgbScanReport report = { .outcome = AGB_SCAN_GOOD };
  gboolean good = TRUE;

  while (good && length > 0)
    {
      gsize taken = MIN (piece, length);
      g_autofree guint8 *copy = g_memdup2 (data, taken);

      good = agb_pack_scan_feed (scan, copy, taken, &report.fault);
      data += taken;
      length -= taken;
    }
  if (!good || !agb_pack_scan_end (scan, &report.fault))
    report.outcome = AGB_SCAN_REFUSED;
  report.pack_bytes = agb_pack_scan_bytes (scan);
  report.objects = agb_pack_scan_objects (scan);
  report.inflated_bytes = agb_pack_scan_inflated (scan);
  report.depth = agb_pack_scan_depth (scan);
  check_report (&report);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  if ((data[0] & 1) == 0)
    read_header ((const char *)data + 1, size - 1);
  else
    read_pack (data + 1, size - 1, 1 + data[0] / 2);
  return 0;
}
