/* Contents that the tree policy reads: targets of symbolic links, .gitmodules. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"

#include <string.h>

enum {
  CONTENT_MAX = 256 * 1024,
  GITMODULES_MAX = 200, /* versions of .gitmodules in one sync */
};

typedef struct {
  GateBlobKind kind;
  char *path;
  const GateCommit *commit;
} Item;

struct GateBlobs {
  AgbGate *gate;
  GPtrArray *items; /* Item */
  GPtrArray *specs; /* what to read for each, as git cat-file takes it */
  GHashTable *seen; /* set of "SPEC PATH" */
  guint gitmodules;
};

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->path);
  g_free (item);
}

GateBlobs *
gate_blobs_new (AgbGate *gate)
{
  GateBlobs *blobs = g_new0 (GateBlobs, 1);

  blobs->gate = gate;
  blobs->items = g_ptr_array_new_with_free_func (item_free);
  blobs->specs = g_ptr_array_new_with_free_func (g_free);
  blobs->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return blobs;
}

void
gate_blobs_free (GateBlobs *blobs)
{
  g_ptr_array_unref (blobs->items);
  g_ptr_array_unref (blobs->specs);
  g_hash_table_unref (blobs->seen);
  g_free (blobs);
}

void
gate_blobs_add (GateBlobs *blobs, GateBlobKind kind, const char *oid, const char *path,
                const GateCommit *commit)
{
  g_autofree char *spec = kind == GATE_BLOB_GITLINK
                              ? g_strconcat (commit->oid, ":.gitmodules", NULL)
                              : g_strdup (oid);

  if (!g_hash_table_add (blobs->seen, g_strconcat (spec, " ", path, NULL)))
    return;
  Item *item = g_new0 (Item, 1);
  item->kind = kind;
  item->path = g_strdup (path);
  item->commit = commit;
  g_ptr_array_add (blobs->items, item);
  g_ptr_array_add (blobs->specs, g_steal_pointer (&spec));
}

static gboolean
check_symlink (GateBlobs *blobs, const Item *item, const char *target, guint64 size, GError **error)
{
  const char *why = NULL;
  const char *rule = gate_symlink_rule (item->path, target != NULL ? target : "",
                                        target != NULL ? (gsize)size : 0, &why);

  if (rule == NULL || gate_is_allowed (blobs->gate, rule, item->path))
    return TRUE;
  return gate_refuse (error, rule, item->path, "%s (commit %s)", why, item->commit->oid);
}

/* Settings of a .gitmodules as "key\nvalue" strings ended by NUL; the caller frees. */
static char *
parse_gitmodules (GateBlobs *blobs, const Item *item, const char *content, guint64 size,
                  gsize *ret_length, GError **error)
{
  static const char *const args[] = { "config", "--file", "-", "--null", "--list", NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (content == NULL || ++blobs->gitmodules > GITMODULES_MAX)
    {
      gate_refuse (error, "submodule-file", item->path,
                   content == NULL ? "is too large or missing (commit %s)"
                                   : "has too many versions (commit %s)",
                   item->commit->oid);
      return NULL;
    }
  if (!gate_git_run (blobs->gate, args, content, (gsize)size, CONTENT_MAX * 2, &result, error))
    return NULL;
  if (result.status != 0)
    {
      gate_refuse (error, "submodule-file", item->path, "cannot be parsed (commit %s)",
                   item->commit->oid);
      return NULL;
    }
  *ret_length = result.output->len;
  return g_string_free (g_steal_pointer (&result.output), FALSE);
}

static gboolean
check_setting (GateBlobs *blobs, const Item *item, const char *key, const char *value,
               GError **error)
{
  if (g_str_has_suffix (key, ".url") && !gate_url_is_plain (value)
      && !gate_is_allowed (blobs->gate, "submodule-url", value))
    return gate_refuse (error, "submodule-url", value,
                        "is no plain URL for a submodule (commit %s)", item->commit->oid);
  if (g_str_has_suffix (key, ".update") && value[0] == '!')
    return gate_refuse (error, "submodule-update", value, "is a command (commit %s)",
                        item->commit->oid);
  return TRUE;
}

static gboolean
check_gitmodules (GateBlobs *blobs, const Item *item, const char *content, guint64 size,
                  GError **error)
{
  gsize length = 0;
  g_autofree char *list = parse_gitmodules (blobs, item, content, size, &length, error);

  if (list == NULL)
    return FALSE;
  for (char *entry = list, *end = list + length; entry < end;)
    {
      char *next = entry + strlen (entry) + 1;
      char *newline = strchr (entry, '\n');

      if (newline != NULL)
        *newline = '\0';
      if (!check_setting (blobs, item, entry, newline != NULL ? newline + 1 : "", error))
        return FALSE;
      entry = next;
    }
  return TRUE;
}

/* A submodule that was added must have a place and a URL in .gitmodules (its URL was looked at when
 * that file changed). */
static gboolean
check_gitlink (GateBlobs *blobs, const Item *item, const char *content, guint64 size,
               GError **error)
{
  g_autofree char *wanted = g_strconcat (".path\n", item->path, NULL);
  gsize length = 0;
  g_autofree char *list = NULL;

  if (gate_is_allowed (blobs->gate, "gitlink-unknown", item->path))
    return TRUE;
  if (content != NULL)
    {
      list = parse_gitmodules (blobs, item, content, size, &length, error);
      if (list == NULL)
        return FALSE;
    }
  for (const char *entry = list; entry != NULL && entry < list + length;
       entry += strlen (entry) + 1)
    if (g_str_has_suffix (entry, wanted))
      return TRUE;
  return gate_refuse (error, "gitlink-unknown", item->path,
                      "is a submodule that .gitmodules does not name (commit %s)",
                      item->commit->oid);
}

static gboolean
check_object (guint index, const char *oid, const char *type, const char *content, guint64 size,
              gpointer data, GError **error)
{
  GateBlobs *blobs = data;
  const Item *item = blobs->items->pdata[index];

  (void)oid;
  if (type == NULL || strcmp (type, "blob") != 0)
    content = NULL;
  switch (item->kind)
    {
    case GATE_BLOB_SYMLINK:
      return check_symlink (blobs, item, content, size, error);
    case GATE_BLOB_GITMODULES:
      return check_gitmodules (blobs, item, content, size, error);
    case GATE_BLOB_GITLINK:
      return check_gitlink (blobs, item, content, size, error);
    }
  return TRUE;
}

gboolean
gate_blobs_check (GateBlobs *blobs, GError **error)
{
  return gate_batch (blobs->gate, blobs->specs, CONTENT_MAX, check_object, blobs, error);
}
