/* The header of a git bundle (gitformat-bundle(5), versions 2 and 3), from a hostile writer. */
#pragma once

#include "gate/scan-fault.h"

enum {
  AGB_BUNDLE_HEADER_MAX = 64 * 1024, /* bytes */
};

typedef enum {
  AGB_BUNDLE_MORE, /* not enough bytes yet */
  AGB_BUNDLE_NONE, /* a bare pack, or nothing that we know */
  AGB_BUNDLE_OK,
  AGB_BUNDLE_BAD,
} AgbBundleState;

typedef struct {
  guint version; /* 2 or 3 */
  gsize length;  /* bytes; the pack begins there */
  guint prerequisites;
  guint refs;
} AgbBundleHeader;

/* Look at the first LENGTH bytes of a stream.  AGB_BUNDLE_OK: the header is whole and in *RET, and the
 * bundle has TIP (full hex) among its refs, no filter and objects named with as many digits as TIP.
 * AGB_BUNDLE_BAD: *ret_fault says why.  No byte beyond LENGTH is read. */
AgbBundleState agb_bundle_header (const char *data, gsize length, const char *tip,
                                  AgbBundleHeader *ret, AgbScanFault *ret_fault);
