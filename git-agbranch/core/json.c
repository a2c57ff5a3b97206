#include "core/json.h"

#include "core/error.h"

#include <stdlib.h>

cJSON *
agb_json_parse (const char *text, gsize length, const char *from, int code, GError **error)
{
  const char *end = NULL;
  g_autoptr (cJSON) value = cJSON_ParseWithLengthOpts (text, length, &end, FALSE);

  if (value != NULL)
    {
      while (end < text + length && g_ascii_isspace (*end))
        end++;
      if (end == text + length || *end == '\0')
        return g_steal_pointer (&value);
    }
  g_set_error (error, AGB_ERROR, code, "%s: not JSON at byte %ld", from,
               end != NULL ? (long)(end - text) : 0L);
  return NULL;
}

static const cJSON *
get_item (const cJSON *object, const char *key, const char *from, int code, GError **error)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  if (item == NULL)
    g_set_error (error, AGB_ERROR, code, "%s: key '%s' is missing", from, key);
  return item;
}

const char *
agb_json_get_string (const cJSON *object, const char *key, const char *from, int code,
                     GError **error)
{
  const cJSON *item = get_item (object, key, from, code, error);

  if (item != NULL && !cJSON_IsString (item))
    {
      g_set_error (error, AGB_ERROR, code, "%s: key '%s' is not a string", from, key);
      return NULL;
    }
  return item != NULL ? item->valuestring : NULL;
}

gboolean
agb_json_get_int64 (const cJSON *object, const char *key, const char *from, int code, gint64 *ret,
                    GError **error)
{
  const cJSON *item = get_item (object, key, from, code, error);

  if (item == NULL)
    return FALSE;
  /* cJSON keeps numbers as double: whole up to 2^53. */
  if (!cJSON_IsNumber (item) || item->valuedouble < -9007199254740992.0
      || item->valuedouble > 9007199254740992.0
      || item->valuedouble != (double)(gint64)item->valuedouble)
    {
      g_set_error (error, AGB_ERROR, code, "%s: key '%s' is not a whole number", from, key);
      return FALSE;
    }
  *ret = (gint64)item->valuedouble;
  return TRUE;
}

void
agb_json_add_string (cJSON *object, const char *key, const char *text)
{
  if (text == NULL)
    {
      cJSON_AddNullToObject (object, key);
      return;
    }
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  cJSON_AddStringToObject (object, key, valid);
}

void
agb_json_add_strv (cJSON *object, const char *key, const char *const *strv)
{
  cJSON *array = cJSON_AddArrayToObject (object, key);

  for (; strv != NULL && *strv != NULL; strv++)
    {
      g_autofree char *valid = g_utf8_make_valid (*strv, -1);
      cJSON_AddItemToArray (array, cJSON_CreateString (valid));
    }
}

char *
agb_json_print (const cJSON *value, gboolean indented)
{
  /* A size to begin with that most values fit in spares growing, a copy each time. */
  char *text = cJSON_PrintBuffered (value, 2048, indented);
  char *copy = g_strdup (text);

  free (text);
  return copy;
}
