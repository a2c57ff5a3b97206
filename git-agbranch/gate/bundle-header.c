#include "gate/bundle-header.h"

#include "core/error.h"

#include <string.h>

static const char signature_start[] = "# v";
static const char signature_end[] = " git bundle\n";

static AgbBundleState
bad (GError **error, const char *why)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: bundle: its header %s", why);
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
check_capability (const char *line, gsize length, gsize oid_length, GError **error)
{
  if (line_is (line, length, oid_length == 40 ? "@object-format=sha1" : "@object-format=sha256"))
    return AGB_BUNDLE_OK;
  return bad (error, "asks for a capability that is not known, or names another object format");
}

/* One line without its end; sets *SEEN_TIP for the ref that points at TIP. */
static AgbBundleState
check_line (const char *line, gsize length, char version, const char *tip, gboolean *seen_tip,
            GError **error)
{
  gsize oid_length = strlen (tip);
  gboolean prerequisite = line[0] == '-';

  if (line[0] == '@')
    return version == '3' ? check_capability (line, length, oid_length, error)
                          : bad (error, "has a capability, which version 2 has not");

  const char *oid = line + prerequisite;
  gsize rest = length - prerequisite;
  if (hex_digits (oid, rest) != oid_length)
    return bad (error, "has a line that does not begin with an object name");
  if (prerequisite)
    return rest == oid_length || oid[oid_length] == ' '
               ? AGB_BUNDLE_OK
               : bad (error, "has a prerequisite that is not one object name");
  if (rest < oid_length + 2 || oid[oid_length] != ' ')
    return bad (error, "has a ref without a name");
  if (memcmp (oid, tip, oid_length) == 0)
    *seen_tip = TRUE;
  return AGB_BUNDLE_OK;
}

AgbBundleState
agb_bundle_header (const char *data, gsize length, const char *tip, gsize *ret_header,
                   GError **error)
{
  gboolean seen_tip = FALSE;
  gsize at = 0;

  if (length == 0)
    return AGB_BUNDLE_MORE;
  AgbBundleState state = read_signature (data, length, &at);

  if (state != AGB_BUNDLE_OK)
    return state;
  for (;;)
    {
      const char *end = memchr (data + at, '\n', length - at);

      if (end == NULL)
        return length >= AGB_BUNDLE_HEADER_MAX ? bad (error, "is longer than 64 KiB")
                                               : AGB_BUNDLE_MORE;
      gsize line_length = (gsize)(end - (data + at));
      if (line_length == 0)
        break;
      if (memchr (data + at, '\0', line_length) != NULL)
        return bad (error, "has a NUL byte");
      state = check_line (data + at, line_length, data[3], tip, &seen_tip, error);
      if (state != AGB_BUNDLE_OK)
        return state;
      at += line_length + 1;
    }
  if (!seen_tip)
    return bad (error, "has no ref at the commit that the guest names");
  *ret_header = at + 1;
  return AGB_BUNDLE_OK;
}
