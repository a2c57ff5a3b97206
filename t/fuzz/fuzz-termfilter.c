/* agb_term_filter_*: however the bytes of a guest are cut, the same comes out; it is UTF-8, and holds
 * nothing that makes a terminal answer, touch the clipboard, or do what its user did not ask for. */
#include "guest/termfilter.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char *
filtered (const char *data, gsize length, gsize piece, gboolean finish)
{
  g_autoptr (AgbTermFilter) filter = agb_term_filter_new ();
  GString *output = g_string_new (NULL);

  while (length > 0)
    {
      gsize taken = MIN (piece, length);
      /* A copy of its own, so that a byte too far is seen. */
      g_autofree char *copy = g_memdup2 (data, taken);

      agb_term_filter_push (filter, copy, taken, output);
      data += taken;
      length -= taken;
    }
  if (finish)
    agb_term_filter_finish (filter, output);
  return g_string_free (output, FALSE);
}

/* Behind "ESC [". */
static const char *
check_csi (const char *text)
{
  const char *parameters = text;

  text += strspn (text, "0123456789:;<=>?");
  gboolean marked = parameters < text && strchr ("<=>?", *parameters) != NULL;
  const char *intermediates = text;
  text += strspn (text, " !\"#$%&'()*+,-./");
  g_assert_true (*text >= 0x40 && *text <= 0x7e);
  /* device attributes, status reports, media copy, terminal parameters */
  g_assert_null (strchr ("cnix", *text));
  if (*intermediates == '$')
    g_assert_null (strchr ("pwyz{", *text));
  if (marked)
    g_assert_nonnull (strchr ("hlmJK", *text));
  return text + 1;
}

/* Behind "ESC ]". */
static const char *
check_osc (const char *text)
{
  gsize digits = strspn (text, "0123456789");
  g_autofree char *number = g_strndup (text, digits);

  g_assert_true (g_str_equal (number, "0") || g_str_equal (number, "1") || g_str_equal (number, "2")
                 || g_str_equal (number, "8"));
  g_assert_true (text[digits] == ';');
  for (; *text != '\a' && !g_str_has_prefix (text, "\033\\"); text++)
    g_assert_true ((guchar)*text >= ' ');
  return text + (*text == '\a' ? 1 : 2);
}

static void
check_harmless (const char *text)
{
  g_assert_true (g_utf8_validate (text, -1, NULL));
  while (*text != '\0')
    {
      gunichar character = g_utf8_get_char (text);

      text = g_utf8_next_char (text);
      g_assert_false (character >= 0x80 && character < 0xa0);
      if (character != 0x1b)
        continue;
      /* DCS, SOS, PM, APC, the title of screen */
      g_assert_true (*text != '\0' && strchr ("PX^_k\\Z", *text) == NULL);
      if (*text == '[')
        text = check_csi (text + 1);
      else if (*text == ']')
        text = check_osc (text + 1);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *)data;
  g_autofree char *whole = filtered (text, size, MAX (size, 1), FALSE);
  g_autofree char *bytes = filtered (text, size, 1, FALSE);
  g_autofree char *pieces = filtered (text, size, size > 0 ? 1 + data[0] % 16 : 1, FALSE);
  g_autofree char *finished = filtered (text, size, MAX (size, 1), TRUE);
  g_autofree char *again = filtered (whole, strlen (whole), strlen (whole) + 1, FALSE);

  g_assert_cmpstr (whole, ==, bytes);
  g_assert_cmpstr (whole, ==, pieces);
  g_assert_true (g_str_has_prefix (finished, whole));
  check_harmless (finished);
  /* What passes once passes again. */
  g_assert_cmpstr (whole, ==, again);
  return 0;
}
