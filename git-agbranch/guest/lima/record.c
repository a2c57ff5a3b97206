#include "guest/lima/record.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"
#include "core/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 5 * 60 * 1000 };

char *
agb_lima_record_path (const char *home, const char *first, const char *second)
{
  return g_build_filename (home, "_agbranch", first, second, NULL);
}

AgbLock *
agb_lima_lock (const char *home, const char *operation, GError **error)
{
  g_autofree char *folder = agb_lima_record_path (home, NULL, NULL);
  g_autofree char *path = agb_lima_record_path (home, "lock", NULL);

  if (!agb_mkdirs (folder, 0700, error))
    return NULL;
  return agb_lock_take (path, operation, LOCK_WAIT_MS, error);
}

typedef enum { STRING, INT, BOOL } FieldType;

typedef struct {
  const char *key;
  FieldType type;
  gsize offset;
} Field;

#define BASE_FIELD(type, name)                 \
  {                                            \
#name, type, offsetof(AgbBaseRecord, name) \
  }
static const Field base_fields[] = {
  BASE_FIELD (STRING, name),
  BASE_FIELD (STRING, state),
  BASE_FIELD (STRING, owner),
  BASE_FIELD (STRING, flavour),
  BASE_FIELD (STRING, fingerprint),
  BASE_FIELD (STRING, image),
  BASE_FIELD (INT, image_bytes),
  BASE_FIELD (INT, cpus),
  BASE_FIELD (INT, memory_bytes),
  BASE_FIELD (INT, disk_bytes),
  BASE_FIELD (INT, api),
  BASE_FIELD (INT, duration_ms),
  BASE_FIELD (BOOL, warm),
  BASE_FIELD (STRING, warm_reason),
  BASE_FIELD (STRING, started_at),
  BASE_FIELD (STRING, prepared_at),
  BASE_FIELD (STRING, versions_json),
  BASE_FIELD (STRING, agents_json),
  BASE_FIELD (STRING, steps_json),
  BASE_FIELD (STRING, repo),
  BASE_FIELD (STRING, seeded),
  BASE_FIELD (STRING, parent),
  BASE_FIELD (STRING, parent_image),
};

#define GUEST_FIELD(type, name)                 \
  {                                             \
#name, type, offsetof(AgbGuestRecord, name) \
  }
static const Field guest_fields[] = {
  GUEST_FIELD (STRING, vm_name),     GUEST_FIELD (STRING, key),   GUEST_FIELD (STRING, session),
  GUEST_FIELD (STRING, base),        GUEST_FIELD (STRING, image), GUEST_FIELD (STRING, network),
  GUEST_FIELD (BOOL, cloned),        GUEST_FIELD (BOOL, fresh),   GUEST_FIELD (BOOL, warm),
  GUEST_FIELD (STRING, cold_reason), GUEST_FIELD (STRING, repo),  GUEST_FIELD (STRING, seeded),
};

static void
clear_fields (void *record, const Field *fields, gsize count)
{
  for (gsize i = 0; i < count; i++)
    if (fields[i].type == STRING)
      g_free (*(char **)((char *)record + fields[i].offset));
}

void
agb_base_record_free (AgbBaseRecord *record)
{
  if (record == NULL)
    return;
  clear_fields (record, base_fields, G_N_ELEMENTS (base_fields));
  g_free (record);
}

void
agb_guest_record_free (AgbGuestRecord *record)
{
  if (record == NULL)
    return;
  clear_fields (record, guest_fields, G_N_ELEMENTS (guest_fields));
  g_free (record);
}

static char *
record_file (const char *home, const char *folder, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".json", NULL);

  return agb_lima_record_path (home, folder, file);
}

static gboolean
read_field (const cJSON *object, const Field *field, void *record, const char *path, GError **error)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, field->key);
  char *place = (char *)record + field->offset;

  if (field->type == BOOL)
    *(gboolean *)place = cJSON_IsTrue (item);
  else if (field->type == INT)
    return item == NULL
           || agb_json_get_int64 (object, field->key, path, AGB_ERROR_RUNTIME, (gint64 *)place,
                                  error);
  else if (cJSON_IsString (item))
    *(char **)place = g_strdup (item->valuestring);
  return TRUE;
}

/* RECORD is zeroed memory. FALSE without error: there is no such file. */
static gboolean
load (const char *home, const char *folder, const char *name, const Field *fields, gsize count,
      void *record, GError **error)
{
  g_autofree char *path = record_file (home, folder, name);
  g_autofree char *text = NULL;
  g_autoptr (GError) problem = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, &problem))
    {
      if (!g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot read '%s': %s", path,
                     problem->message);
      return FALSE;
    }
  g_autoptr (cJSON) object = agb_json_parse (text, length, path, AGB_ERROR_RUNTIME, error);
  if (object == NULL)
    return FALSE;
  for (gsize i = 0; i < count; i++)
    if (!read_field (object, &fields[i], record, path, error))
      return FALSE;
  return TRUE;
}

static gboolean
save (const char *home, const char *folder, const char *name, const Field *fields, gsize count,
      const void *record, GError **error)
{
  g_autofree char *path = record_file (home, folder, name);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  for (gsize i = 0; i < count; i++)
    {
      const char *place = (const char *)record + fields[i].offset;
      if (fields[i].type == BOOL)
        cJSON_AddBoolToObject (object, fields[i].key, *(const gboolean *)place);
      else if (fields[i].type == INT)
        cJSON_AddNumberToObject (object, fields[i].key, (double)*(const gint64 *)place);
      else
        agb_json_add_string (object, fields[i].key, *(const char *const *)place);
    }
  g_autofree char *text = agb_json_print (object, TRUE);
  return agb_mkdirs (parent, 0700, error) && agb_fault_point ("lima: write record", error)
         && agb_file_replace (path, text, strlen (text), 0600, error);
}

AgbBaseRecord *
agb_base_record_load (const char *home, const char *name, GError **error)
{
  g_autoptr (AgbBaseRecord) record = g_new0 (AgbBaseRecord, 1);

  if (!load (home, "bases", name, base_fields, G_N_ELEMENTS (base_fields), record, error))
    return NULL;
  return g_steal_pointer (&record);
}

gboolean
agb_base_record_save (const char *home, const AgbBaseRecord *record, GError **error)
{
  return save (home, "bases", record->name, base_fields, G_N_ELEMENTS (base_fields), record, error);
}

AgbGuestRecord *
agb_guest_record_load (const char *home, const char *vm_name, GError **error)
{
  g_autoptr (AgbGuestRecord) record = g_new0 (AgbGuestRecord, 1);

  if (!load (home, "sessions", vm_name, guest_fields, G_N_ELEMENTS (guest_fields), record, error))
    return NULL;
  return g_steal_pointer (&record);
}

gboolean
agb_guest_record_save (const char *home, const AgbGuestRecord *record, GError **error)
{
  return save (home, "sessions", record->vm_name, guest_fields, G_N_ELEMENTS (guest_fields), record,
               error);
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

char **
agb_lima_record_names (const char *home, const char *folder)
{
  g_autofree char *path = agb_lima_record_path (home, folder, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  GPtrArray *names = g_ptr_array_new ();
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (file, ".json"))
      g_ptr_array_add (names, g_strndup (file, strlen (file) - strlen (".json")));
  g_ptr_array_sort (names, by_name);
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (names, FALSE);
}

gboolean
agb_lima_record_remove (const char *home, const char *folder, const char *name, GError **error)
{
  g_autofree char *path = record_file (home, folder, name);

  if (unlink (path) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", path);
  return TRUE;
}

/* The image that IMAGE stands on (backing file in the header of a qcow2), NULL: on none. */
static char *
image_below (const char *home, const char *image)
{
  g_autofree char *path = agb_lima_record_path (home, "images", image);
  guchar header[20];
  char name[1024] = { 0 };
  agb_autofd int fd = open (path, O_RDONLY | O_CLOEXEC);
  guint64 offset = 0;
  guint32 length = 0;

  if (fd < 0 || pread (fd, header, sizeof header, 0) != sizeof header
      || memcmp (header, "QFI\xfb", 4) != 0)
    return NULL;
  memcpy (&offset, header + 8, sizeof offset);
  memcpy (&length, header + 16, sizeof length);
  offset = GUINT64_FROM_BE (offset);
  length = GUINT32_FROM_BE (length);
  if (offset == 0 || length == 0 || length >= sizeof name
      || pread (fd, name, length, (off_t)offset) != (ssize_t)length)
    return NULL;
  return g_path_get_basename (name);
}

static void
add_used (GHashTable *used, const char *home, const char *image)
{
  g_autofree char *name = g_strdup (image);

  while (name != NULL && !g_hash_table_contains (used, name))
    {
      char *below = image_below (home, name);
      g_hash_table_add (used, g_steal_pointer (&name));
      name = below;
    }
}

/* The images that some record names.  A record that cannot be read keeps everything. */
static GHashTable *
used_images (const char *home, GError **error)
{
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) bases = agb_lima_record_names (home, "bases");
  g_auto (GStrv) guests = agb_lima_record_names (home, "sessions");

  for (char **name = bases; *name != NULL; name++)
    {
      g_autoptr (GError) problem = NULL;
      g_autoptr (AgbBaseRecord) record = agb_base_record_load (home, *name, &problem);
      if (problem != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      if (record != NULL && record->image != NULL)
        add_used (used, home, record->image);
    }
  for (char **name = guests; *name != NULL; name++)
    {
      g_autoptr (GError) problem = NULL;
      g_autoptr (AgbGuestRecord) record = agb_guest_record_load (home, *name, &problem);
      if (problem != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      if (record != NULL && record->image != NULL)
        add_used (used, home, record->image);
    }
  return g_steal_pointer (&used);
}

gboolean
agb_lima_images_collect (const char *home, gboolean dry_run, char ***ret_paths, GError **error)
{
  g_autofree char *folder = agb_lima_record_path (home, "images", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GPtrArray) removed = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) used = used_images (home, error);
  const char *file;

  if (used == NULL)
    return FALSE;
  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      if (g_hash_table_contains (used, file))
        continue;
      g_autofree char *path = g_build_filename (folder, file, NULL);
      if (!dry_run
          && (!agb_fault_point ("lima: remove image", error)
              || (unlink (path) != 0 && errno != ENOENT
                  && !agb_error_set_errno (error, errno, "remove", path))))
        return FALSE;
      g_ptr_array_add (removed, g_steal_pointer (&path));
    }
  g_ptr_array_add (removed, NULL);
  if (ret_paths != NULL)
    *ret_paths = (char **)g_ptr_array_free (g_steal_pointer (&removed), FALSE);
  return TRUE;
}
