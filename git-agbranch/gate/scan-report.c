#include "gate/scan-report.h"

#include <string.h>

enum {
  PACK_HEADER = 12,
  MOST_DIGITS = 19, /* what fits whatever they are */
  ERRNO_MAX = 4095, /* of the kernel */
};

static const char *const failures[] = { "read", "write", "confine" };

char *
agb_scan_report_format (const AgbScanReport *report)
{
  GString *text = g_string_new (NULL);

  if (report->outcome == AGB_SCAN_REFUSED)
    {
      g_string_append_printf (text, "refused %s", agb_scan_rule_word (report->fault.rule));
      if (report->fault.is != 0)
        g_string_append_printf (text, " %" G_GUINT64_FORMAT, report->fault.is);
      g_string_append_c (text, '\n');
    }
  else if (report->outcome != AGB_SCAN_GOOD)
    g_string_append_printf (text, "failed %s %d\n",
                            failures[report->outcome - AGB_SCAN_FAILED_READ], report->errnum);
  else
    {
      if (report->bundle.version != 0)
        g_string_append_printf (text, "bundle %u %" G_GSIZE_FORMAT " %u %u\n",
                                report->bundle.version, report->bundle.length,
                                report->bundle.prerequisites, report->bundle.refs);
      g_string_append_printf (text,
                              "pack %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                              " %" G_GUINT64_FORMAT "\nend\n",
                              report->pack_bytes, report->objects, report->inflated_bytes,
                              report->depth);
    }
  return g_string_free (text, FALSE);
}

/* What is left to read. */
typedef struct {
  const char *at;
  const char *end;
} Text;

static gboolean
take_text (Text *text, const char *wanted)
{
  gsize length = strlen (wanted);

  if ((gsize)(text->end - text->at) < length || memcmp (text->at, wanted, length) != 0)
    return FALSE;
  text->at += length;
  return TRUE;
}

static gboolean
take_number (Text *text, guint64 least, guint64 most, guint64 *ret)
{
  const char *begin = text->at;
  guint64 number = 0;

  while (text->at < text->end && g_ascii_isdigit (*text->at) && text->at - begin < MOST_DIGITS)
    number = number * 10 + (guint64)(*text->at++ - '0');
  if (text->at == begin || (*begin == '0' && text->at - begin > 1) || number < least
      || number > most)
    return FALSE;
  *ret = number;
  return TRUE;
}

static gboolean
take_bundle (Text *text, gsize oid_length, AgbBundleHeader *ret)
{
  guint64 version = 0, length = 0, prerequisites = 0, refs = 0;
  gsize hex = 2 * oid_length;

  if (!take_number (text, 2, 3, &version) || !take_text (text, " ")
      || !take_number (text, 1, AGB_BUNDLE_HEADER_MAX, &length) || !take_text (text, " ")
      || !take_number (text, 0, AGB_BUNDLE_HEADER_MAX, &prerequisites) || !take_text (text, " ")
      || !take_number (text, 1, AGB_BUNDLE_HEADER_MAX, &refs) || !take_text (text, "\n"))
    return FALSE;
  /* "-OID\n", "OID R\n" */
  if (prerequisites * (hex + 2) + refs * (hex + 3) > length)
    return FALSE;
  *ret = (AgbBundleHeader){ .version = (guint)version,
                            .length = length,
                            .prerequisites = (guint)prerequisites,
                            .refs = (guint)refs };
  return TRUE;
}

static gboolean
take_pack (Text *text, const AgbPackLimits *limits, gsize oid_length, AgbScanReport *report)
{
  return take_number (text, PACK_HEADER + oid_length, limits->bytes, &report->pack_bytes)
         && take_text (text, " ")
         && take_number (text, 0, MIN (limits->objects, report->pack_bytes), &report->objects)
         && take_text (text, " ")
         && take_number (text, 0, limits->inflated_bytes, &report->inflated_bytes)
         && take_text (text, " ") && take_number (text, 0, report->objects, &report->depth)
         && take_text (text, "\nend\n");
}

static gboolean
take_refusal (Text *text, const AgbPackLimits *limits, AgbScanFault *ret)
{
  const char *begin = text->at;
  guint64 may = 0;

  while (text->at < text->end && *text->at != ' ' && *text->at != '\n')
    text->at++;
  ret->rule = agb_scan_rule_find (begin, (gsize)(text->at - begin));
  if (ret->rule == AGB_SCAN_RULES)
    return FALSE;
  if (agb_scan_rule_limit (ret->rule, limits, &may)
      && !(take_text (text, " ") && take_number (text, may + 1, G_MAXUINT64, &ret->is)))
    return FALSE;
  return take_text (text, "\n");
}

static gboolean
take_failure (Text *text, AgbScanReport *report)
{
  guint64 errnum = 0;
  guint kind = 0;

  while (kind < G_N_ELEMENTS (failures) && !take_text (text, failures[kind]))
    kind++;
  if (kind == G_N_ELEMENTS (failures) || !take_text (text, " ")
      || !take_number (text, 0, ERRNO_MAX, &errnum) || !take_text (text, "\n"))
    return FALSE;
  report->outcome = AGB_SCAN_FAILED_READ + kind;
  report->errnum = (int)errnum;
  return TRUE;
}

gboolean
agb_scan_report_parse (const char *text, gsize length, const AgbPackLimits *limits,
                       gsize oid_length, AgbScanReport *ret)
{
  Text left = { text, text + length };
  AgbScanReport report = { .outcome = AGB_SCAN_GOOD };
  gboolean good;

  if (take_text (&left, "refused "))
    {
      report.outcome = AGB_SCAN_REFUSED;
      good = take_refusal (&left, limits, &report.fault);
    }
  else if (take_text (&left, "failed "))
    good = take_failure (&left, &report);
  else
    good = (!take_text (&left, "bundle ") || take_bundle (&left, oid_length, &report.bundle))
           && take_text (&left, "pack ") && take_pack (&left, limits, oid_length, &report);
  if (!good || left.at != left.end)
    return FALSE;
  *ret = report;
  return TRUE;
}
