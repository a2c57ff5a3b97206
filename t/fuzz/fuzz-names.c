/* Names, sizes and durations: what is taken is safe in a ref, a path and a socket name. */
#include "core/names.h"
#include "core/process.h"
#include "core/time.h"
#include "store/settings.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_session_name (const char *name)
{
  g_autoptr (GError) error = NULL;

  if (!agb_session_name_check (name, &error))
    {
      g_assert_nonnull (error);
      for (const char *c = error->message; *c != '\0'; c++)
        g_assert_true (g_ascii_isprint (*c));
      return;
    }
  g_assert_true (strlen (name) <= AGB_SESSION_NAME_MAX && strlen (name) > 0);
  g_assert_true (name[0] != '-' && name[0] != '.' && strstr (name, "..") == NULL);
  g_assert_false (g_str_has_suffix (name, ".lock") || g_str_has_suffix (name, "."));
  for (const char *c = name; *c != '\0'; c++)
    g_assert_true (g_ascii_islower (*c) || g_ascii_isdigit (*c) || strchr ("._-", *c) != NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  guint64 bytes = 0;
  gint64 ms = 0;
  gboolean truth;
  AgbProcessId id;
  static const char *const words[] = { "open", "close", "sync", NULL };

  check_session_name (text);
  if (agb_size_parse (text, G_GUINT64_CONSTANT (1) << 30, &bytes, NULL))
    {
      g_autofree char *shown = agb_size_format (bytes);
      g_assert_true (bytes > 0 && bytes <= G_MAXINT64 && *shown != '\0');
    }
  if (agb_duration_parse (text, &ms, NULL))
    g_assert_true (ms >= 0 && ms <= G_MAXINT64 / 1000);
  if (agb_process_parse (text, &id))
    g_assert_true (id.pid > 0 && memchr (id.boot_id, '\0', sizeof id.boot_id) != NULL);
  agb_settings_parse_bool (text, &truth);
  agb_time_parse (text);
  agb_is_oid (text);
  if (size < 256)
    agb_nearest (text, words);
  return 0;
}
