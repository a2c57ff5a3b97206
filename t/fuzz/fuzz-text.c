/* What people and guests write: escaping leaves nothing that a terminal acts on, and the parsers of
 * names, sizes, durations and process identities end on anything. */
#include "core/escape.h"
#include "core/names.h"
#include "core/process.h"
#include "core/time.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_escaped (const char *text, size_t length, gboolean lines)
{
  g_autofree char *escaped
      = lines ? agb_escape_lines (text, (gssize)length) : agb_escape (text, (gssize)length);

  g_assert_true (g_utf8_validate (escaped, -1, NULL));
  for (const char *c = escaped; *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar character = g_utf8_get_char (c);
      if (lines && (character == '\n' || character == '\t'))
        continue;
      g_assert_false (g_unichar_iscntrl (character));
      g_assert_cmpint (g_unichar_type (character), !=, G_UNICODE_FORMAT);
    }
  int width = agb_display_width (escaped);
  g_assert_cmpint (width, >=, 0);
  g_autofree char *fitted = agb_fit (escaped, 10);
  if (!lines)
    g_assert_cmpint (agb_display_width (fitted), <=, 10);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  guint64 bytes = 0;
  gint64 ms = 0;
  AgbProcessId id;

  check_escaped ((const char *)data, size, FALSE);
  check_escaped ((const char *)data, size, TRUE);
  if (agb_session_name_check (text, NULL))
    {
      g_assert_cmpuint (strlen (text), <=, AGB_SESSION_NAME_MAX);
      g_assert_null (strpbrk (text, " /:~^?*[\\"));
    }
  if (agb_size_parse (text, 1, &bytes, NULL))
    g_assert_cmpuint (bytes, >, 0);
  if (agb_duration_parse (text, &ms, NULL))
    g_assert_cmpint (ms, >=, 0);
  (void)agb_process_parse (text, &id);
  (void)agb_is_oid (text);
  return 0;
}
