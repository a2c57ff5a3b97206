/* agb_escape, agb_fit: whatever bytes a guest writes, one line of printable text comes out. */
#include "core/escape.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_harmless (const char *text, gboolean lines)
{
  g_assert_true (g_utf8_validate (text, -1, NULL));
  for (const char *c = text; *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar character = g_utf8_get_char (c);
      GUnicodeType type = g_unichar_type (character);

      if (lines && (character == '\n' || character == '\t'))
        continue;
      g_assert_false (g_unichar_iscntrl (character));
      g_assert_true (type != G_UNICODE_FORMAT && type != G_UNICODE_LINE_SEPARATOR
                     && type != G_UNICODE_PARAGRAPH_SEPARATOR && type != G_UNICODE_PRIVATE_USE);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *escaped = agb_escape ((const char *)data, (gssize)size);
  g_autofree char *lines = agb_escape_lines ((const char *)data, (gssize)size);
  int width = agb_display_width (escaped);

  check_harmless (escaped, FALSE);
  check_harmless (lines, TRUE);
  g_assert_true (width >= 0);
  for (int columns = 0; columns < 12; columns++)
    {
      g_autofree char *fitted = agb_fit (escaped, columns);
      check_harmless (fitted, FALSE);
      g_assert_true (agb_display_width (fitted) <= columns);
    }
  /* A second escaping changes nothing: what is harmless stays as it is. */
  g_autofree char *again = agb_escape (escaped, -1);
  g_assert_cmpstr (again, ==, escaped);
  return 0;
}
