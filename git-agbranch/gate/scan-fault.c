#include "gate/scan-fault.h"

#include "core/error.h"

#include <string.h>

static const struct {
  const char *word;
  const char *text;   /* NULL: a limit */
  gsize limit_offset; /* in AgbPackLimits */
} rules[] = {
#define AGB_SCAN_FAULT(name, word, text) { word, text, 0 },
#define AGB_SCAN_LIMIT(name, word, field) { word, NULL, G_STRUCT_OFFSET (AgbPackLimits, field) },
#include "gate/scan-faults.def"
#undef AGB_SCAN_FAULT
#undef AGB_SCAN_LIMIT
};

const char *
agb_scan_rule_word (AgbScanRule rule)
{
  return rules[rule].word;
}

AgbScanRule
agb_scan_rule_find (const char *word, gsize length)
{
  guint rule = 0;

  while (rule < AGB_SCAN_RULES
         && (strlen (rules[rule].word) != length || memcmp (rules[rule].word, word, length) != 0))
    rule++;
  return (AgbScanRule)rule;
}

gboolean
agb_scan_rule_limit (AgbScanRule rule, const AgbPackLimits *limits, guint64 *ret)
{
  if (rules[rule].text != NULL)
    return FALSE;
  *ret = G_STRUCT_MEMBER (guint64, limits, rules[rule].limit_offset);
  return TRUE;
}

gboolean
agb_scan_fault_error (const AgbScanFault *fault, const AgbPackLimits *limits, GError **error)
{
  const char *word = rules[fault->rule].word;
  guint64 may = 0;

  if (!agb_scan_rule_limit (fault->rule, limits, &may))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: %s", rules[fault->rule].text);
      return FALSE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
               "refused: agbranch.limits.%s: the pack has %" G_GUINT64_FORMAT
               ", the limit is %" G_GUINT64_FORMAT,
               word, fault->is, may);
  agb_error_hint (error, "if this is wanted: git config agbranch.limits.%s <larger>", word);
  return FALSE;
}
