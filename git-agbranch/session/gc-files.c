#include "session/gc.h"

#include "core/error.h"
#include "core/lock.h"
#include "core/names.h"
#include "core/paths.h"
#include "guest/runtime.h"
#include "session/place.h"
#include "session/upkeep.h"

#include <string.h>
#include <sys/stat.h>

enum { DAY = 24 * 60 * 60 };

void
agb_gc_copies (AgbGc *gc)
{
  g_autoptr (GPtrArray) left = agb_place_left ();
  gboolean removed = TRUE;

  for (guint i = 0; i < left->len; i++)
    {
      const char *path = g_ptr_array_index (left, i);
      g_autofree char *name = g_path_get_basename (path);
      gboolean is_record = !g_str_has_prefix (name, AGB_COPY_PREFIX);

      /* The record stays as long as its folder. */
      if (is_record && !removed)
        continue;
      agb_gc_add (gc, TRUE, NULL, NULL, path, "left by an interrupted export");
      removed = agb_gc_remove (gc, path);
    }
}

static gboolean
is_used (GHashTable *sessions, const char *common_dir)
{
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    if (g_strcmp0 (((AgbSession *)session)->git_common_dir, common_dir) == 0)
      return TRUE;
  return FALSE;
}

/* Since it was made, fetched or written to. */
static gint64
clone_age (const char *path)
{
  static const char *const files[] = { "FETCH_HEAD", "packed-refs", "HEAD" };
  gint64 age = agb_upkeep_age (path);

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *file = g_build_filename (path, files[i], NULL);
      gint64 of_file = agb_upkeep_age (file);

      if (of_file >= 0)
        age = MIN (age, of_file);
    }
  return age;
}

static gboolean
see_ref (const char *ref, const char *oid, gpointer data)
{
  (void)ref;
  (void)oid;
  *(gboolean *)data = TRUE;
  return FALSE;
}

/* Refs of ours: work that lies nowhere else. */
static gboolean
holds_work (const char *path)
{
  static const char *const prefixes[] = { "refs/agbranch/", "refs/heads/agbranch/" };
  g_autoptr (AgbRepo) repo = agb_repo_open (path, FALSE, NULL);
  gboolean found = repo == NULL;

  for (gsize i = 0; !found && i < G_N_ELEMENTS (prefixes); i++)
    if (!agb_repo_foreach_ref (repo, prefixes[i], see_ref, &found, NULL))
      return TRUE;
  return found;
}

static void
look_at_clone (AgbGc *gc, AgbEnv *env, GHashTable *sessions, const char *path)
{
  gint64 days = agb_settings_int (env->settings, "agbranch.closedDays");
  gint64 age = clone_age (path);
  gboolean finished = g_str_has_suffix (path, ".git");

  if (finished && is_used (sessions, path))
    agb_gc_add (gc, FALSE, NULL, NULL, path, "a clone that sessions are of");
  else if (finished && !agb_gc_is_old (age, days))
    agb_gc_add (gc, FALSE, NULL, NULL, path,
                "a clone of no session, used %" G_GINT64_FORMAT
                " days ago, kept for %" G_GINT64_FORMAT,
                age / DAY, days);
  else if (finished && holds_work (path))
    agb_gc_add (gc, FALSE, NULL, NULL, path, "a clone with review branches or refs of sessions");
  else if (finished || agb_gc_is_old (age, 1))
    {
      agb_gc_add (gc, TRUE, NULL, NULL, path, "%s",
                  finished ? "a clone that no session is of" : "left by an interrupted clone");
      agb_gc_remove (gc, path);
    }
}

void
agb_gc_clones (AgbGc *gc, AgbEnv *env, GHashTable *sessions)
{
  g_autofree char *root = agb_state_root ();
  g_autofree char *folder = g_build_filename (root, "clones", NULL);
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);

  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        look_at_clone (gc, env, sessions, path);
    }
}

/* Asked again under the lock: the name may have been opened meanwhile. */
static void
remove_lock (AgbEnv *env, const char *name, const char *path)
{
  g_autoptr (AgbLock) lock = agb_lock_take (path, "gc", 0, NULL);
  g_autoptr (AgbSession) now
      = lock != NULL ? agb_catalog_get_session (env->catalog, name, NULL) : NULL;

  if (lock != NULL && (now == NULL || !agb_session_is_live (now)))
    agb_lock_remove (g_steal_pointer (&lock), path);
}

void
agb_gc_locks (AgbGc *gc, AgbEnv *env, GHashTable *sessions)
{
  static const char *const ours[] = { "base", "catalog", NULL };
  g_autofree char *root = agb_state_root ();
  g_autofree char *folder = g_build_filename (root, "locks", NULL);
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);

  for (const char *file; list != NULL && (file = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, file, NULL);
      g_autofree char *name = g_strdup (file);

      if (!g_str_has_suffix (name, ".lock"))
        continue;
      name[strlen (name) - strlen (".lock")] = '\0';
      const AgbSession *session = g_hash_table_lookup (sessions, name);
      if (g_strv_contains (ours, name) || !agb_session_name_check (name, NULL)
          || (session != NULL && agb_session_is_live (session)) || agb_upkeep_is_busy (name))
        continue;
      agb_gc_add (gc, TRUE, NULL, name, path, "the lock of a session that is %s",
                  session != NULL ? "closed" : "gone");
      if (!gc->dry_run)
        remove_lock (env, name, path);
    }
}

typedef struct {
  AgbGc *gc;
  GHashTable *sessions;
} Orphans;

static void
look_at_guest (const char *vm_name, const char *key, AgbGuestState state, gpointer data)
{
  Orphans *orphans = data;
  GHashTableIter iter;
  gpointer session;

  (void)key;
  g_hash_table_iter_init (&iter, orphans->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    if (g_strcmp0 (((AgbSession *)session)->vm_name, vm_name) == 0 && agb_session_is_live (session))
      return;
  agb_gc_warn (orphans->gc, "guest '%s' (%s) belongs to no open session; git agbranch repair --all",
               vm_name, agb_guest_state_word (state));
}

void
agb_gc_warn_of_orphans (AgbGc *gc, AgbEnv *env, GHashTable *sessions)
{
  static const char *const names[] = { "bwrap", "lima" };
  Orphans orphans = { gc, sessions };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AgbRuntime) runtime = agb_runtime_new (names[i], env->settings, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) unusable = NULL;

      /* One that does not work here is doctor's to report. */
      if (runtime != NULL && runtime->klass->probe (runtime, &unusable)
          && !runtime->klass->list (runtime, look_at_guest, &orphans, &error))
        agb_gc_warn_of_error (gc, error);
    }
}
