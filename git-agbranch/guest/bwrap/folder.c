#include "guest/bwrap/folder.h"

#include "core/error.h"
#include "core/io.h"
#include "core/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  GUEST_UID_BASE = 2000000000,
  GUEST_UID_COUNT = 100000000,
  SMALL_UID_COUNT = 65536, /* what a container usually has */
};

void
agb_bwrap_spec_clear (AgbBwrapSpec *spec)
{
  g_clear_pointer (&spec->key, g_free);
  g_clear_pointer (&spec->session, g_free);
  g_clear_pointer (&spec->vm_name, g_free);
  g_clear_pointer (&spec->network, g_free);
  g_clear_pointer (&spec->image, g_free);
  g_clear_pointer (&spec->object_dirs, g_strfreev);
}

char *
agb_bwrap_path (const char *state_root, const char *vm_name, const char *file)
{
  return g_build_filename (state_root, "bwrap", vm_name, file, NULL);
}

static gboolean
spec_from_json (const cJSON *object, const char *from, AgbBwrapSpec *spec, GError **error)
{
  const cJSON *dirs = cJSON_GetObjectItemCaseSensitive (object, "object_dirs");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  gint64 sandbox, memory, disk, wanted, uid;
  struct {
    const char *key;
    char **ret;
  } strings[] = { { "key", &spec->key },
                  { "session", &spec->session },
                  { "vm_name", &spec->vm_name },
                  { "network", &spec->network } };

  for (gsize i = 0; i < G_N_ELEMENTS (strings); i++)
    {
      const char *text
          = agb_json_get_string (object, strings[i].key, from, AGB_ERROR_RUNTIME, error);
      if (text == NULL)
        return FALSE;
      *strings[i].ret = g_strdup (text);
    }
  if (!agb_json_get_int64 (object, "sandbox", from, AGB_ERROR_RUNTIME, &sandbox, error)
      || !agb_json_get_int64 (object, "cpus", from, AGB_ERROR_RUNTIME, &spec->cpus, error)
      || !agb_json_get_int64 (object, "memory", from, AGB_ERROR_RUNTIME, &memory, error)
      || !agb_json_get_int64 (object, "disk", from, AGB_ERROR_RUNTIME, &disk, error)
      || !agb_json_get_int64 (object, "limits_wanted", from, AGB_ERROR_RUNTIME, &wanted, error)
      || !agb_json_get_int64 (object, "uid", from, AGB_ERROR_RUNTIME, &uid, error))
    return FALSE;
  if (!agb_json_get_int64 (object, "pids", from, AGB_ERROR_RUNTIME, &spec->pids, NULL))
    spec->pids = AGB_BWRAP_PIDS; /* written by an earlier version */
  spec->own_disk = cJSON_IsTrue (cJSON_GetObjectItemCaseSensitive (object, "own_disk"));
  spec->sandbox = sandbox != 0;
  spec->limits_wanted = wanted != 0;
  spec->memory_bytes = (guint64)memory;
  spec->disk_bytes = (guint64)disk;
  spec->uid = (guint32)uid;
  spec->image
      = g_strdup (cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "image")));
  for (const cJSON *dir = dirs != NULL ? dirs->child : NULL; dir != NULL; dir = dir->next)
    if (cJSON_IsString (dir))
      g_strv_builder_add (builder, dir->valuestring);
  spec->object_dirs = g_strv_builder_end (builder);
  return TRUE;
}

gboolean
agb_bwrap_spec_load (const char *state_root, const char *vm_name, AgbBwrapSpec *ret,
                     gboolean *ret_found, GError **error)
{
  g_autofree char *path = agb_bwrap_path (state_root, vm_name, "spec.json");
  g_auto (AgbBwrapSpec) spec = { 0 };
  g_autofree char *text = NULL;
  g_autoptr (GError) read_error = NULL;
  gsize length;

  *ret_found = FALSE;
  if (!g_file_get_contents (path, &text, &length, &read_error))
    {
      if (g_error_matches (read_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot read '%s': %s", path,
                   read_error->message);
      return FALSE;
    }
  g_autoptr (cJSON) object = agb_json_parse (text, length, path, AGB_ERROR_RUNTIME, error);
  if (object == NULL || !spec_from_json (object, path, &spec, error))
    return FALSE;
  *ret = spec;
  spec = (AgbBwrapSpec){ 0 };
  *ret_found = TRUE;
  return TRUE;
}

gboolean
agb_bwrap_spec_save (const char *state_root, const AgbBwrapSpec *spec, GError **error)
{
  g_autofree char *path = agb_bwrap_path (state_root, spec->vm_name, "spec.json");
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  agb_json_add_string (object, "key", spec->key);
  agb_json_add_string (object, "session", spec->session);
  agb_json_add_string (object, "vm_name", spec->vm_name);
  cJSON_AddNumberToObject (object, "sandbox", spec->sandbox);
  cJSON_AddNumberToObject (object, "cpus", (double)spec->cpus);
  cJSON_AddNumberToObject (object, "memory", (double)spec->memory_bytes);
  cJSON_AddNumberToObject (object, "disk", (double)spec->disk_bytes);
  cJSON_AddNumberToObject (object, "limits_wanted", spec->limits_wanted);
  cJSON_AddNumberToObject (object, "pids", (double)spec->pids);
  cJSON_AddBoolToObject (object, "own_disk", spec->own_disk);
  agb_json_add_string (object, "network", spec->network);
  agb_json_add_string (object, "image", spec->image);
  agb_json_add_strv (object, "object_dirs", (const char *const *)spec->object_dirs);
  cJSON_AddNumberToObject (object, "uid", spec->uid);
  g_autofree char *text = agb_json_print (object, TRUE);
  return agb_file_replace (path, text, strlen (text), 0600, error);
}

char *
agb_bwrap_workspace (const AgbBwrapSpec *spec)
{
  return g_strdup_printf (AGB_GUEST_HOME "/%s/%s", spec->sandbox ? "sandbox" : "workspaces",
                          spec->session);
}

char *
agb_bwrap_read (const char *state_root, const char *vm_name, const char *file)
{
  g_autofree char *path = agb_bwrap_path (state_root, vm_name, file);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? g_strchomp (text) : NULL;
}

gboolean
agb_bwrap_write (const char *state_root, const char *vm_name, const char *file, const char *text,
                 GError **error)
{
  g_autofree char *path = agb_bwrap_path (state_root, vm_name, file);
  /* Only the keeper, which holds the lock, writes these. */
  g_autofree char *new_path = g_strconcat (path, ".new", NULL);
  agb_autofd int fd = open (new_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd < 0)
    return agb_error_set_errno (error, errno, "open", new_path);
  if (!agb_write_all (fd, text, strlen (text), new_path, error))
    return FALSE;
  if (rename (new_path, path) != 0)
    return agb_error_set_errno (error, errno, "rename", new_path);
  return TRUE;
}

/* The largest range of uids that exists in the user namespace we run in (user_namespaces(7)). */
static void
largest_uid_range (guint64 *ret_first, guint64 *ret_count)
{
  g_autofree char *map = NULL;

  *ret_first = *ret_count = 0;
  if (!g_file_get_contents ("/proc/self/uid_map", &map, NULL, NULL))
    return;
  g_auto (GStrv) lines = g_strsplit (map, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      unsigned long long first, outside, count;

      if (sscanf (*line, "%llu %llu %llu", &first, &outside, &count) == 3 && count > *ret_count)
        {
          *ret_first = first;
          *ret_count = count;
        }
    }
}

gboolean
agb_bwrap_guest_uid (const char *vm_name, guint32 *ret_uid, GError **error)
{
  guint64 first, count;

  largest_uid_range (&first, &count);
  guint64 hash = g_str_hash (vm_name);
  if (first + count > (guint64)GUEST_UID_BASE + GUEST_UID_COUNT)
    *ret_uid = (guint32)(GUEST_UID_BASE + hash % GUEST_UID_COUNT);
  else if (count >= SMALL_UID_COUNT)
    *ret_uid = (guint32)(first + count - SMALL_UID_COUNT / 2 + hash % (SMALL_UID_COUNT / 4));
  else
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                           "there is no user id here that a sandbox of root could run under");
      agb_error_hint (error, "run git agbranch as an ordinary user");
      return FALSE;
    }
  return TRUE;
}
