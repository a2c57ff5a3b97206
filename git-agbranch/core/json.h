/* cJSON with automatic cleanup and getters that name the key that is missing or of a wrong type. */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (cJSON, cJSON_Delete)

/* Parse LENGTH bytes; FROM names the source in the message.  NULL and AGB_ERROR CODE when it is not
 * one whole JSON value (cJSON itself limits the depth to 1000).
 * The caller frees with cJSON_Delete. */
cJSON *agb_json_parse (const char *text, gsize length, const char *from, int code, GError **error);

/* Getters for required keys of OBJECT.  NULL or FALSE and AGB_ERROR CODE "FROM: key 'K' is missing"
 * or "… is not a string".  Strings belong to OBJECT. */
const char *agb_json_get_string (const cJSON *object, const char *key, const char *from, int code,
                                 GError **error);
gboolean agb_json_get_int64 (const cJSON *object, const char *key, const char *from, int code,
                             gint64 *ret, GError **error);

/* Add TEXT, or null for NULL.  Bytes that are not UTF-8 are replaced by U+FFFD. */
void agb_json_add_string (cJSON *object, const char *key, const char *text);
void agb_json_add_strv (cJSON *object, const char *key, const char *const *strv);

/* OBJECT as text, indented or on one line; the caller frees with g_free. */
char *agb_json_print (const cJSON *value, gboolean indented);
