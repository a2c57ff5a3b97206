#include "core/escape.h"

#include <string.h>

static gboolean
is_harmful (gunichar c)
{
  if (c < 0x20 || (c >= 0x7f && c < 0xa0))
    return TRUE;
  switch (g_unichar_type (c))
    {
    case G_UNICODE_FORMAT: /* bidirectional controls, zero-width characters, tags */
    case G_UNICODE_CONTROL:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_PRIVATE_USE:
      return TRUE;
    default:
      return FALSE;
    }
}

gboolean
agb_is_plain (const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if ((signed char)text[i] < 0x20 || text[i] == 0x7f)
      return FALSE;
  return TRUE;
}

static char *
escape (const char *text, gssize length, gboolean keep_lines)
{
  const char *end = text + (length < 0 ? (gssize)strlen (text) : length);

  if (agb_is_plain (text, (gsize)(end - text)))
    return g_strndup (text, (gsize)(end - text));
  GString *escaped = g_string_sized_new ((gsize)(end - text) + 1);

  while (text < end)
    {
      gunichar c = g_utf8_get_char_validated (text, end - text);

      if (c == (gunichar)-1 || c == (gunichar)-2)
        {
          g_string_append_printf (escaped, "\\x%02x", (unsigned char)*text);
          text++;
          continue;
        }
      if (keep_lines && (c == '\n' || c == '\t'))
        g_string_append_c (escaped, (char)c);
      else if (c == '\n')
        g_string_append (escaped, "\\n");
      else if (c == '\t')
        g_string_append (escaped, "\\t");
      else if (!is_harmful (c))
        g_string_append_unichar (escaped, c);
      else if (c < 0x100)
        g_string_append_printf (escaped, "\\x%02x", c);
      else
        g_string_append_printf (escaped, "\\u{%04x}", c);
      text = c == 0 ? text + 1 : g_utf8_next_char (text);
    }
  return g_string_free (escaped, FALSE);
}

char *
agb_escape (const char *text, gssize length)
{
  return escape (text, length, FALSE);
}

char *
agb_escape_lines (const char *text, gssize length)
{
  return escape (text, length, TRUE);
}

static gboolean
is_of_web (const char *text, const char *separator)
{
  gsize before = (gsize)(separator - text);

  return (before >= 4 && strncmp (separator - 4, "http", 4) == 0)
         || (before >= 5 && strncmp (separator - 5, "https", 5) == 0);
}

char *
agb_hide_credentials (const char *text)
{
  GString *shown = g_string_new (NULL);
  const char *rest = text, *separator;

  while ((separator = strstr (rest, "://")) != NULL)
    {
      const char *start = separator + strlen ("://");
      const char *end = start + strcspn (start, "/?#'\" \t\n");
      const char *at = g_strrstr_len (start, end - start, "@");
      const char *colon = at != NULL ? memchr (start, ':', (gsize)(at - start)) : NULL;
      const char *secret = at == NULL                    ? NULL
                           : is_of_web (text, separator) ? start
                           : colon != NULL               ? colon + 1
                                                         : NULL;

      g_string_append_len (shown, rest, (secret != NULL ? secret : start) - rest);
      if (secret != NULL)
        g_string_append (shown, "<redacted>");
      rest = secret != NULL ? at : start;
    }
  g_string_append (shown, rest);
  return g_string_free (shown, FALSE);
}

static int
character_width (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
}

int
agb_display_width (const char *text)
{
  gsize length = strlen (text);
  int width = 0;

  if (agb_is_plain (text, length))
    return (int)length;
  for (; *text != '\0'; text = g_utf8_next_char (text))
    width += character_width (g_utf8_get_char (text));
  return width;
}

char *
agb_fit (const char *text, int width)
{
  const char *cut = text;
  int used = 0;

  if (agb_display_width (text) <= width)
    return g_strdup (text);
  for (; *cut != '\0'; cut = g_utf8_next_char (cut))
    {
      int next = character_width (g_utf8_get_char (cut));
      if (used + next > width - 1)
        break;
      used += next;
    }
  return g_strdup_printf ("%.*s%s", (int)(cut - text), text, width > 0 ? "…" : "");
}
