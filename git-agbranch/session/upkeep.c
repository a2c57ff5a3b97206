#include "session/upkeep.h"

#include "core/io.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"
#include "gate/gate.h"

#include <string.h>
#include <sys/stat.h>

enum { HOUR = 60 * 60, DAY = 24 * HOUR, RANDOM_SUFFIX = 6 };

GHashTable *
agb_upkeep_sessions (AgbEnv *env, GError **error)
{
  AgbSessionFilter all = { .include_closed = TRUE };
  g_autoptr (GPtrArray) rows = agb_catalog_list_sessions (env->catalog, &all, error);

  if (rows == NULL)
    return NULL;
  GHashTable *sessions
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)agb_session_free);
  g_ptr_array_set_free_func (rows, NULL);
  for (guint i = 0; i < rows->len; i++)
    {
      AgbSession *session = g_ptr_array_index (rows, i);
      g_hash_table_insert (sessions, session->name, session);
    }
  return sessions;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static void
add_once (GPtrArray *strings, const char *string)
{
  if (string != NULL && !g_ptr_array_find_with_equal_func (strings, string, g_str_equal, NULL))
    g_ptr_array_add (strings, g_strdup (string));
}

GPtrArray *
agb_upkeep_repositories (AgbEnv *env, GHashTable *sessions)
{
  GPtrArray *folders = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer session;

  if (env->repo != NULL)
    add_once (folders, agb_repo_common_dir (env->repo));
  g_hash_table_iter_init (&iter, sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    add_once (folders, ((AgbSession *)session)->git_common_dir);
  g_ptr_array_sort (folders, compare_strings);
  return folders;
}

gboolean
agb_upkeep_is_busy (const char *name)
{
  g_autofree char *root = agb_state_root ();
  g_autofree char *file = g_strconcat (name, ".lock", NULL);
  g_autofree char *path = g_build_filename (root, "locks", file, NULL);
  g_autofree char *operation = NULL;
  AgbProcessId owner;

  return agb_lock_peek (path, &owner, &operation);
}

gint64
agb_upkeep_age (const char *path)
{
  struct stat status;

  if (lstat (path, &status) != 0)
    return -1;
  g_autofree char *now = agb_time_now ();
  return MAX (agb_time_parse (now) - (gint64)status.st_mtime, 0);
}

static gboolean
repository_is_busy (GHashTable *sessions, const char *common_dir)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const AgbSession *session = value;
      if (g_strcmp0 (session->git_common_dir, common_dir) == 0
          && agb_upkeep_is_busy (session->name))
        return TRUE;
    }
  return FALSE;
}

GPtrArray *
agb_upkeep_quarantines (GHashTable *sessions, const char *common_dir)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *folder = g_build_filename (common_dir, "agbranch", NULL);
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);
  gboolean busy = list != NULL && repository_is_busy (sessions, common_dir);

  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    {
      if (!g_str_has_prefix (name, "quarantine-") && !g_str_has_prefix (name, "removed-"))
        continue;
      g_autofree char *path = g_build_filename (folder, name, NULL);
      if (!busy || agb_upkeep_age (path) > DAY)
        g_ptr_array_add (found, g_steal_pointer (&path));
    }
  g_ptr_array_sort (found, compare_strings);
  return found;
}

/* "NAME.XXXXXX", as mkstemp(3) and g_file_set_contents name them. */
static gboolean
is_temporary_name (const char *name)
{
  const char *dot = strrchr (name, '.');

  if (dot == NULL || dot == name || strlen (dot + 1) != RANDOM_SUFFIX)
    return FALSE;
  /* Words such as ".bundle" and ".sqlite" have six letters too, all of them small. */
  gboolean mixed = FALSE;
  for (const char *c = dot + 1; *c != '\0'; c++)
    {
      if (!g_ascii_isalnum (*c))
        return FALSE;
      mixed = mixed || g_ascii_isupper (*c) || g_ascii_isdigit (*c);
    }
  return mixed;
}

static void
find_temporary_files (const char *folder, int depth, gint64 min_age, GPtrArray *found)
{
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);

  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        continue;
      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        {
          if (depth > 0)
            find_temporary_files (path, depth - 1, min_age, found);
        }
      else if (is_temporary_name (name) && agb_upkeep_age (path) > min_age)
        g_ptr_array_add (found, g_steal_pointer (&path));
    }
}

GPtrArray *
agb_upkeep_temporary_files (void)
{
  static const char *const folders[] = { "staging", "locks", "logs" };
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *root = agb_state_root ();

  find_temporary_files (root, 0, HOUR, found);
  /* Not below bwrap/: the homes of guests are there, with files of any name. */
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *folder = g_build_filename (root, folders[i], NULL);
      find_temporary_files (folder, 1, HOUR, found);
    }
  g_ptr_array_sort (found, compare_strings);
  return found;
}

/* Whoever has the lock of a session is the only one that writes to its staging folder, and marks its
 * row; the row of a closed session may have the mark of an open that was killed. */
static gboolean
sweep_session (AgbEnv *env, const AgbSession *session, GError **error)
{
  const char *name = session->name;
  g_autofree char *root = agb_state_root ();
  g_autofree char *folder = g_build_filename (root, "staging", name, NULL);
  g_autofree char *file = g_strconcat (name, ".lock", NULL);
  g_autofree char *path = g_build_filename (root, "locks", file, NULL);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);

  find_temporary_files (folder, 0, -1, found);
  if (found->len == 0 && session->lock_owner_pid == 0)
    return TRUE;
  g_autoptr (AgbLock) lock = agb_lock_take (path, "repair", 0, NULL);
  for (guint i = 0; lock != NULL && i < found->len; i++)
    if (!agb_remove_tree (found->pdata[i], error))
      return FALSE;
  return lock == NULL || session->lock_owner_pid == 0
         || agb_catalog_update_session (env->catalog, name, error, "lock_owner_pid", NULL,
                                        "lock_operation", NULL, NULL);
}

gboolean
agb_upkeep_sweep (AgbEnv *env, GError **error)
{
  g_autoptr (GHashTable) sessions = agb_upkeep_sessions (env, error);
  GHashTableIter iter;
  gpointer session;

  if (sessions == NULL)
    return FALSE;
  g_hash_table_iter_init (&iter, sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    if (!sweep_session (env, session, error))
      return FALSE;

  g_autoptr (GPtrArray) folders = agb_upkeep_repositories (env, sessions);
  for (guint i = 0; i < folders->len; i++)
    {
      /* One that is gone has nothing left. */
      g_autoptr (AgbRepo) repo = agb_repo_open (folders->pdata[i], TRUE, NULL);
      if (repo != NULL && !agb_gate_sweep (repo, FALSE, NULL, NULL, error))
        return FALSE;
    }
  return TRUE;
}

char *
agb_upkeep_ref_session (const char *ref, const char *prefix)
{
  if (!g_str_has_prefix (ref, prefix))
    return NULL;
  const char *name = ref + strlen (prefix);
  const char *slash = strchr (name, '/');
  return slash != NULL && slash > name ? g_strndup (name, (gsize)(slash - name)) : NULL;
}
