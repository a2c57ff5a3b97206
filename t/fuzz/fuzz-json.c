/* agb_json_*: what is read is printed and read again the same, and never out of range. */
#include "core/error.h"
#include "core/json.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
use_getters (const cJSON *object)
{
  g_autoptr (GError) error = NULL;
  gint64 number = 0;

  for (const cJSON *item = object->child; item != NULL; item = item->next)
    {
      if (item->string == NULL)
        continue;
      agb_json_get_string (object, item->string, "input", AGB_ERROR_RUNTIME, NULL);
      if (agb_json_get_int64 (object, item->string, "input", AGB_ERROR_RUNTIME, &number, NULL))
        g_assert_true (number >= -(G_GINT64_CONSTANT (1) << 53)
                       && number <= G_GINT64_CONSTANT (1) << 53);
    }
  /* The fuzzer reads what is compared, and guesses the key. */
  if (cJSON_HasObjectItem (object, "no such key here"))
    return;
  g_assert_null (agb_json_get_string (object, "no such key here", "input", 6, &error));
  g_assert_nonnull (error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_memdup2 (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (cJSON) value
      = agb_json_parse (text != NULL ? text : "", size, "input", AGB_ERROR_RUNTIME, &error);

  g_assert_true ((value == NULL) == (error != NULL));
  if (value == NULL)
    return 0;
  if (cJSON_IsObject (value))
    use_getters (value);
  g_autofree char *printed = agb_json_print (value, FALSE);
  g_autoptr (cJSON) again
      = agb_json_parse (printed, strlen (printed), "printed", AGB_ERROR_RUNTIME, NULL);
  g_assert_nonnull (again);
  g_autofree char *twice = agb_json_print (again, FALSE);
  g_assert_cmpstr (printed, ==, twice);
  return 0;
}
