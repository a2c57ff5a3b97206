/* Reading a pack as a stream, so that its limits are counted before git sees it.
 *
 * Every entry header says how large the object is, and a delta says how large its result is; so
 * the size of all that git would have to make of a pack is known without making it.  Each entry is
 * inflated once into a scratch buffer to find the next.  Object names are not computed: whether the
 * content is sound is the business of `git index-pack --strict`. */
#pragma once

#include "gate/scan-fault.h"

typedef struct AgbPackScan AgbPackScan;

enum {
  AGB_PACK_DEPTH_MAX = 0x7fff, /* a larger limit on depth counts as this */
};

/* OID_LENGTH is 20 or 32 bytes.  LIMITS is copied. */
AgbPackScan *agb_pack_scan_new (const AgbPackLimits *limits, gsize oid_length);
void agb_pack_scan_free (AgbPackScan *scan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbPackScan, agb_pack_scan_free)

/* The next LENGTH bytes of the pack, in pieces of any size.  FALSE: *RET is the limit or what is
 * wrong, also for bytes after the end; after that SCAN is only good for freeing. */
gboolean agb_pack_scan_feed (AgbPackScan *scan, const void *data, gsize length, AgbScanFault *ret);

/* The stream is over: FALSE and *RET unless the pack was complete and its checksum right. */
gboolean agb_pack_scan_end (AgbPackScan *scan, AgbScanFault *ret);

/* Bytes taken so far. */
guint64 agb_pack_scan_bytes (const AgbPackScan *scan);

/* The number of objects that the pack header promised. */
guint agb_pack_scan_objects (const AgbPackScan *scan);

/* Bytes of all objects together, deltas resolved. */
guint64 agb_pack_scan_inflated (const AgbPackScan *scan);

/* No chain of deltas is longer than that.  Where each delta says how far before it its base lies this
 * is exact, or higher by the number of deltas on objects that are not in the pack; where bases are
 * named instead, the longest chain that there could be, since names are not computed here. */
guint agb_pack_scan_depth (const AgbPackScan *scan);
