#include "gate/bundle-header.h"

#include <string.h>

static const char signature_start[] = "# v";
static const char signature_end[] = " git bundle\n";

static AgbBundleState
bad (AgbScanFault *ret, AgbScanRule rule)
{
  agb_scan_fault_set (ret, rule, 0);
  return AGB_BUNDLE_BAD;
}

/* The first line, of version 2 or 3; *ret_length: where the next begins. */
static AgbBundleState
read_signature (const char *data, gsize length, gsize *ret_length)
{
  gsize whole = strlen (signature_start) + 1 + strlen (signature_end);

  if (length == 0)
    return AGB_BUNDLE_MORE;
  if (memcmp (data, signature_start, MIN (length, strlen (signature_start))) != 0)
    return AGB_BUNDLE_NONE;
  if (length < whole)
    return AGB_BUNDLE_MORE;
  if ((data[3] != '2' && data[3] != '3')
      || memcmp (data + 4, signature_end, strlen (signature_end)) != 0)
    return AGB_BUNDLE_NONE;
  *ret_length = whole;
  return AGB_BUNDLE_OK;
}

static gsize
hex_digits (const char *line, gsize length)
{
  gsize count = 0;

  while (count < length
         && (g_ascii_isdigit (line[count]) || (line[count] >= 'a' && line[count] <= 'f')))
    count++;
  return count;
}

static gboolean
line_is (const char *line, gsize length, const char *text)
{
  return length == strlen (text) && memcmp (line, text, length) == 0;
}

/* A capability of version 3. */
static AgbBundleState
check_capability (const char *line, gsize length, gsize oid_length, AgbScanFault *fault)
{
  if (line_is (line, length, oid_length == 40 ? "@object-format=sha1" : "@object-format=sha256"))
    return AGB_BUNDLE_OK;
  return bad (fault, AGB_SCAN_CAPABILITY);
}

/* One line without its end; counts it in *HEADER, sets *SEEN_TIP for the ref that points at TIP. */
static AgbBundleState
check_line (const char *line, gsize length, const char *tip, AgbBundleHeader *header,
            gboolean *seen_tip, AgbScanFault *fault)
{
  gsize oid_length = strlen (tip);
  gboolean prerequisite = line[0] == '-';

  if (line[0] == '@')
    return header->version == 3 ? check_capability (line, length, oid_length, fault)
                                : bad (fault, AGB_SCAN_CAPABILITY_V2);

  const char *oid = line + prerequisite;
  gsize rest = length - prerequisite;
  if (hex_digits (oid, rest) != oid_length)
    return bad (fault, AGB_SCAN_HEADER_LINE);
  if (prerequisite)
    {
      header->prerequisites++;
      return rest == oid_length || oid[oid_length] == ' ' ? AGB_BUNDLE_OK
                                                          : bad (fault, AGB_SCAN_PREREQUISITE);
    }
  if (rest < oid_length + 2 || oid[oid_length] != ' ')
    return bad (fault, AGB_SCAN_NAMELESS_REF);
  header->refs++;
  if (memcmp (oid, tip, oid_length) == 0)
    *seen_tip = TRUE;
  return AGB_BUNDLE_OK;
}

AgbBundleState
agb_bundle_header (const char *data, gsize length, const char *tip, AgbBundleHeader *ret,
                   AgbScanFault *ret_fault)
{
  AgbBundleHeader header = { 0 };
  gboolean seen_tip = FALSE;
  gsize at = 0;
  AgbBundleState state = read_signature (data, length, &at);

  if (state != AGB_BUNDLE_OK)
    return state;
  header.version = (guint)(data[3] - '0');
  for (;;)
    {
      const char *end = memchr (data + at, '\n', length - at);

      if (end == NULL && length < AGB_BUNDLE_HEADER_MAX)
        return AGB_BUNDLE_MORE;
      if (end == NULL || end - data >= AGB_BUNDLE_HEADER_MAX)
        return bad (ret_fault, AGB_SCAN_HEADER_LONG);
      gsize line_length = (gsize)(end - (data + at));
      if (line_length == 0)
        break;
      if (memchr (data + at, '\0', line_length) != NULL)
        return bad (ret_fault, AGB_SCAN_HEADER_NUL);
      state = check_line (data + at, line_length, tip, &header, &seen_tip, ret_fault);
      if (state != AGB_BUNDLE_OK)
        return state;
      at += line_length + 1;
    }
  if (!seen_tip)
    return bad (ret_fault, AGB_SCAN_NO_TIP);
  header.length = at + 1;
  *ret = header;
  return AGB_BUNDLE_OK;
}
