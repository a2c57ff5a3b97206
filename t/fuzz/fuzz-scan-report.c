/* agb_scan_report_parse: whatever a reader that was taken over says, only numbers within the limits
 * come out, and only of the forms that agbranch-scan writes. */
#include "gate/scan-report.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_fault (const AgbScanFault *fault, const AgbPackLimits *limits)
{
  g_autoptr (GError) error = NULL;
  guint64 may = 0;

  g_assert_true (fault->rule < AGB_SCAN_RULES);
  if (agb_scan_rule_limit (fault->rule, limits, &may))
    g_assert_true (fault->is > may);
  g_assert_false (agb_scan_fault_error (fault, limits, &error));
  g_assert_true (g_str_has_prefix (error->message, "refused: "));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const AgbPackLimits limits
      = { .bytes = 5000, .inflated_bytes = 70000, .blob_bytes = 3000, .objects = 100, .depth = 50 };
  /* A copy of its own, so that a byte too far is seen. */
  g_autofree char *copy = g_malloc (size + (size == 0));
  AgbScanReport report = { .outcome = AGB_SCAN_GOOD };

  memcpy (copy, data, size);
  if (!agb_scan_report_parse (copy, size, &limits, 20, &report))
    return 0;
  g_assert_true (size <= AGB_SCAN_REPORT_MAX);
  if (report.outcome == AGB_SCAN_REFUSED)
    check_fault (&report.fault, &limits);
  else if (report.outcome != AGB_SCAN_GOOD)
    g_assert_true (report.errnum >= 0 && report.errnum <= 4095);
  else
    {
      g_assert_true (report.pack_bytes >= 32 && report.pack_bytes <= limits.bytes);
      g_assert_true (report.objects <= limits.objects && report.depth <= report.objects);
      g_assert_true (report.inflated_bytes <= limits.inflated_bytes);
      g_assert_true (report.bundle.version == 0
                     || (report.bundle.refs > 0 && report.bundle.length <= AGB_BUNDLE_HEADER_MAX));
    }
  g_autofree char *text = agb_scan_report_format (&report);
  g_assert_true (strlen (text) == size && memcmp (text, data, size) == 0);
  return 0;
}
