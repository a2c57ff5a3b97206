/* What agbranch-scan says of a stream, on its stderr, and how the gate reads it.
 *
 *   bundle VERSION BYTES PREREQUISITES REFS     when the stream was a bundle
 *   pack BYTES OBJECTS INFLATED DEPTH
 *   end
 *
 * or one line: "refused WORD [N]" (gate/scan-faults.def), "failed read|write|confine ERRNO".  Numbers are
 * decimal without leading zeros; each line ends with a newline, and nothing is before, between or
 * behind. */
#pragma once

#include "gate/bundle-header.h"
#include "gate/scan-fault.h"

enum {
  AGB_SCAN_REPORT_MAX = 256, /* bytes */
};

typedef enum {
  AGB_SCAN_GOOD,
  AGB_SCAN_REFUSED,
  AGB_SCAN_FAILED_READ,
  AGB_SCAN_FAILED_WRITE,
  AGB_SCAN_FAILED_CONFINE,
} AgbScanOutcome;

typedef struct {
  AgbScanOutcome outcome;
  AgbBundleHeader bundle; /* version 0: a bare pack */
  guint64 pack_bytes;
  guint64 objects;
  guint64 inflated_bytes;
  guint64 depth;      /* see agb_pack_scan_depth */
  AgbScanFault fault; /* when refused */
  int errnum;         /* when failed */
} AgbScanReport;

/* REPORT as text; the caller frees. */
char *agb_scan_report_format (const AgbScanReport *report);

/* Read TEXT (LENGTH bytes).  FALSE, and *RET untouched, for anything but one of the forms above with
 * numbers that can be: within LIMITS (a refusal by a limit: above it), sizes that hold what they are
 * said to hold, for object names of OID_LENGTH bytes. */
gboolean agb_scan_report_parse (const char *text, gsize length, const AgbPackLimits *limits,
                                gsize oid_length, AgbScanReport *ret);
