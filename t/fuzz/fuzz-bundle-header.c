/* What a guest sends, as far as we read it ourselves: the header of a bundle, and a pack.  The first
 * byte chooses which, and in which pieces a pack comes. */
#include "gate/bundle-header.h"
#include "gate/pack-scan.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
read_header (const char *data, gsize length)
{
  static const char tip[] = "0123456789abcdef0123456789abcdef01234567";
  /* A copy of its own, so that a byte too far is seen. */
  g_autofree char *copy = g_memdup2 (data, length);
  g_autoptr (GError) error = NULL;
  gsize header = 0;

  AgbBundleState state = agb_bundle_header (copy, length, tip, &header, &error);
  g_assert ((state == AGB_BUNDLE_BAD) == (error != NULL));
  g_assert (state != AGB_BUNDLE_OK || header <= length);
}

static void
read_pack (const guint8 *data, gsize length, gsize piece)
{
  const AgbPackLimits limits = {
    .bytes = 1 << 20, .inflated_bytes = 1 << 22, .blob_bytes = 1 << 20, .objects = 1000, .depth = 10
  };
  g_autoptr (AgbPackScan) scan = agb_pack_scan_new (&limits, 20);
  g_autoptr (GError) error = NULL;

  while (length > 0)
    {
      gsize taken = MIN (piece, length);
      g_autofree guint8 *copy = g_memdup2 (data, taken);

      if (!agb_pack_scan_feed (scan, copy, taken, &error))
        break;
      data += taken;
      length -= taken;
    }
  if (error == NULL)
    agb_pack_scan_end (scan, &error);
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
