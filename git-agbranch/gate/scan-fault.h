/* What is wrong with the stream of a guest: made where it is read (agbranch-scan), said where it is
 * judged.  Only the rule and a number cross, no text. */
#pragma once

#include <glib.h>

typedef struct {
  guint64 bytes;          /* of the pack as sent */
  guint64 inflated_bytes; /* of all objects together, deltas resolved */
  guint64 blob_bytes;     /* of one object */
  guint64 objects;
  guint64 depth; /* of a delta chain within the pack */
} AgbPackLimits;

typedef enum {
#define AGB_SCAN_FAULT(name, word, text) AGB_SCAN_##name,
#define AGB_SCAN_LIMIT(name, word, field) AGB_SCAN_##name,
#include "gate/scan-faults.def"
#undef AGB_SCAN_FAULT
#undef AGB_SCAN_LIMIT
  AGB_SCAN_RULES,
} AgbScanRule;

typedef struct {
  AgbScanRule rule;
  guint64 is; /* how much it was, for a limit; else 0 */
} AgbScanFault;

/* Its word in a report; static. */
const char *agb_scan_rule_word (AgbScanRule rule);

/* The rule of WORD (LENGTH bytes); AGB_SCAN_RULES: there is none. */
AgbScanRule agb_scan_rule_find (const char *word, gsize length);

/* What LIMITS allow by RULE.  FALSE when it is no limit. */
gboolean agb_scan_rule_limit (AgbScanRule rule, const AgbPackLimits *limits, guint64 *ret);

/* FAULT as the refusal of the gate (AGB_ERROR_SYNC), with the hint for a limit.  Returns FALSE. */
gboolean agb_scan_fault_error (const AgbScanFault *fault, const AgbPackLimits *limits,
                               GError **error);

/* Set *RET; returns FALSE so that callers can return it. */
static inline gboolean
agb_scan_fault_set (AgbScanFault *ret, AgbScanRule rule, guint64 is)
{
  *ret = (AgbScanFault){ rule, is };
  return FALSE;
}
