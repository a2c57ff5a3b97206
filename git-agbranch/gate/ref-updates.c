/* The list of ref updates, and its form in the journal. */
#include "gate/reftx.h"

#include "core/error.h"
#include "core/names.h"

#include <string.h>

struct AgbRefUpdates {
  GPtrArray *list; /* AgbRefUpdate */
};

static void
update_free (gpointer data)
{
  AgbRefUpdate *update = data;

  g_free (update->ref);
  g_free (update->old_oid);
  g_free (update->new_oid);
  g_free (update);
}

AgbRefUpdates *
agb_ref_updates_new (void)
{
  AgbRefUpdates *updates = g_new0 (AgbRefUpdates, 1);

  updates->list = g_ptr_array_new_with_free_func (update_free);
  return updates;
}

void
agb_ref_updates_free (AgbRefUpdates *updates)
{
  g_ptr_array_unref (updates->list);
  g_free (updates);
}

void
agb_ref_updates_add (AgbRefUpdates *updates, const char *ref, const char *old_oid,
                     const char *new_oid)
{
  AgbRefUpdate *update = g_new0 (AgbRefUpdate, 1);

  update->ref = g_strdup (ref);
  update->old_oid = g_strdup (old_oid);
  update->new_oid = g_strdup (new_oid);
  g_ptr_array_add (updates->list, update);
}

guint
agb_ref_updates_length (const AgbRefUpdates *updates)
{
  return updates->list->len;
}

const AgbRefUpdate *
agb_ref_updates_get (const AgbRefUpdates *updates, guint index)
{
  return updates->list->pdata[index];
}

cJSON *
agb_ref_updates_to_json (const AgbRefUpdates *updates)
{
  cJSON *array = cJSON_CreateArray ();

  for (guint i = 0; i < updates->list->len; i++)
    {
      const AgbRefUpdate *update = updates->list->pdata[i];
      cJSON *object = cJSON_CreateObject ();

      agb_json_add_string (object, "ref", update->ref);
      agb_json_add_string (object, "old", update->old_oid);
      agb_json_add_string (object, "new", update->new_oid);
      cJSON_AddItemToArray (array, object);
    }
  return array;
}

/* An object id in hex, or null (*ret_oid NULL). */
static gboolean
read_oid (const cJSON *object, const char *key, const char **ret_oid)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  *ret_oid = cJSON_GetStringValue (item);
  return cJSON_IsNull (item) || (*ret_oid != NULL && agb_is_oid (*ret_oid));
}

AgbRefUpdates *
agb_ref_updates_from_json (const cJSON *array, GError **error)
{
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  const cJSON *object;

  cJSON_ArrayForEach (object, array)
  {
    const char *old_oid = NULL, *new_oid = NULL;
    const char *ref = agb_json_get_string (object, "ref", "journal", AGB_ERROR_CATALOG, error);

    if (ref == NULL)
      return NULL;
    if (!g_str_has_prefix (ref, "refs/") || strstr (ref, "..") != NULL
        || !read_oid (object, "old", &old_oid) || !read_oid (object, "new", &new_oid))
      {
        g_set_error (error, AGB_ERROR, AGB_ERROR_CATALOG, "journal: '%s' is no ref update", ref);
        return NULL;
      }
    agb_ref_updates_add (updates, ref, old_oid, new_oid);
  }
  return g_steal_pointer (&updates);
}
