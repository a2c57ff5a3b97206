/* Two names in one folder that some file system takes for one (case, Unicode form): whichever is
 * checked out last overwrites the other, which is how a file gets written through a link. */
#include "gate/internal.h"

#include "core/error.h"
#include "core/escape.h"

#include <string.h>

enum {
  TREE_MAX = 64 * 1024 * 1024,
};

typedef struct {
  const GateCommit *commit;
  char *path; /* "" is the top */
} Folder;

struct GateFolders {
  AgbGate *gate;
  GPtrArray *folders; /* Folder */
  GPtrArray *specs;   /* "COMMIT:PATH" of each */
  GHashTable *seen;   /* set of specs; they belong to the array */
  GHashTable *clean;  /* set of names of trees without double names */
};

static void
folder_free (gpointer data)
{
  Folder *folder = data;

  g_free (folder->path);
  g_free (folder);
}

GateFolders *
gate_folders_new (AgbGate *gate)
{
  GateFolders *folders = g_new0 (GateFolders, 1);

  folders->gate = gate;
  folders->folders = g_ptr_array_new_with_free_func (folder_free);
  folders->specs = g_ptr_array_new_with_free_func (g_free);
  folders->seen = g_hash_table_new (g_str_hash, g_str_equal);
  folders->clean = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return folders;
}

void
gate_folders_free (GateFolders *folders)
{
  g_ptr_array_unref (folders->folders);
  g_hash_table_unref (folders->seen);
  g_ptr_array_unref (folders->specs);
  g_hash_table_unref (folders->clean);
  g_free (folders);
}

void
gate_folders_add (GateFolders *folders, const GateCommit *commit, const char *path)
{
  g_autofree char *folder = g_strdup (path);

  /* A newline would end the question to git; such a path is refused unless the user allows it. */
  if (strchr (path, '\n') != NULL)
    return;
  do
    {
      char *slash = strrchr (folder, '/');
      *(slash != NULL ? slash : folder) = '\0';

      g_autofree char *spec = g_strconcat (commit->oid, ":", folder, NULL);
      /* The folders above it came with the first path in it. */
      if (g_hash_table_contains (folders->seen, spec))
        return;
      Folder *added = g_new0 (Folder, 1);
      added->commit = commit;
      added->path = g_strdup (folder);
      g_ptr_array_add (folders->folders, added);
      g_hash_table_add (folders->seen, spec);
      g_ptr_array_add (folders->specs, g_steal_pointer (&spec));
  } while (*folder != '\0');
}

/* The next name of a raw tree ("MODE NAME\0" and the bytes of an object name), or NULL at the end or
 * where it is malformed (which --strict has refused). */
static const char *
next_name (const char **at, const char *end, gsize oid_bytes)
{
  const char *nul = *at < end ? memchr (*at, '\0', (gsize)(end - *at)) : NULL;
  const char *name = nul != NULL ? memchr (*at, ' ', (gsize)(nul - *at)) : NULL;

  if (name == NULL || (gsize)(end - nul) < 1 + oid_bytes)
    return NULL;
  *at = nul + 1 + oid_bytes;
  return name + 1;
}

static gboolean
is_ascii (const char *name)
{
  for (; *name != '\0'; name++)
    if ((guchar)*name >= 128)
      return FALSE;
  return TRUE;
}

typedef struct {
  AgbGate *gate;
  const char *first;
  const char *second;
  gboolean found;
} Pair;

static gboolean
look_for_pair (guint index, const char *oid, const char *type, const char *content, guint64 size,
               gpointer data, GError **error)
{
  Pair *pair = data;
  const char *at = content;
  gboolean first = FALSE, second = FALSE;
  const char *name;

  (void)index;
  (void)oid;
  (void)error;
  if (type == NULL || strcmp (type, "tree") != 0 || content == NULL)
    return TRUE;
  while ((name = next_name (&at, content + size, agb_repo_oid_length (pair->gate->repo) / 2))
         != NULL)
    {
      first |= strcmp (name, pair->first) == 0;
      second |= strcmp (name, pair->second) == 0;
    }
  pair->found |= first && second;
  return TRUE;
}

/* The pair is no fault of this commit when one of its parents has both. */
static gboolean
judge_pair (GateFolders *folders, const Folder *folder, const char *first, const char *second,
            GError **error)
{
  Pair pair = { folders->gate, first, second, FALSE };
  g_autoptr (GPtrArray) specs = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *path
      = g_strconcat (folder->path, *folder->path != '\0' ? "/" : "", second, NULL);

  if (gate_is_allowed (folders->gate, "name-collision", path))
    return TRUE;
  for (char **parent = folder->commit->parents; *parent != NULL; parent++)
    g_ptr_array_add (specs, g_strconcat (*parent, ":", folder->path, NULL));
  if (!gate_batch (folders->gate, specs, TREE_MAX, look_for_pair, &pair, error))
    return FALSE;
  if (pair.found)
    return TRUE;

  g_autofree char *other = agb_escape (first, -1);
  return gate_refuse (
      error, "name-collision", path,
      "is the same name as '%s' where case or Unicode form do not count (commit %s)", other,
      folder->commit->oid);
}

static gboolean
check_tree (guint index, const char *oid, const char *type, const char *content, guint64 size,
            gpointer data, GError **error)
{
  GateFolders *folders = data;
  const Folder *folder = folders->folders->pdata[index];
  const char *at = content;
  const char *name;

  if (type == NULL || strcmp (type, "tree") != 0 || g_hash_table_contains (folders->clean, oid))
    return TRUE;
  if (content == NULL)
    return gate_refuse (error, "tree-size", folder->path,
                        "is a folder of more than 64 MiB of names");

  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  while ((name = next_name (&at, content + size, agb_repo_oid_length (folders->gate->repo) / 2))
         != NULL)
    {
      char *key = is_ascii (name) ? g_ascii_strdown (name, -1) : gate_name_key (name);
      const char *other = g_hash_table_lookup (names, key);

      if (other == NULL)
        {
          g_hash_table_insert (names, key, (gpointer)name);
          continue;
        }
      g_free (key);
      if (!judge_pair (folders, folder, other, name, error))
        return FALSE;
    }
  g_hash_table_add (folders->clean, g_strdup (oid));
  return TRUE;
}

gboolean
gate_folders_check (GateFolders *folders, GError **error)
{
  return gate_batch (folders->gate, folders->specs, TREE_MAX, check_tree, folders, error);
}
