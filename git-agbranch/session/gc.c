#include "session/gc.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/lima/base-repo.h"
#include "guest/lima/limactl.h"
#include "guest/lima/record.h"
#include "session/upkeep.h"

enum { DAY = 24 * 60 * 60, MOST_DAYS = 1000 * 1000 };

typedef struct {
  AgbGc *gc;
  AgbEnv *env;
  GHashTable *sessions;   /* name -> AgbSession */
  GHashTable *unfinished; /* names with an operation in the journal */
  GHashTable *wanted;     /* staged paths that the catalog still points to */
  gboolean rows_stay;     /* something of a closed session could not be dropped */
} Run;

static void
item_free (gpointer data)
{
  AgbGcItem *item = data;

  g_free (item->what);
  g_free (item->repo);
  g_free (item->session);
  g_free (item->reason);
  g_free (item);
}

void
agb_gc_free (AgbGc *gc)
{
  g_ptr_array_unref (gc->items);
  g_ptr_array_unref (gc->warnings);
  g_free (gc);
}

void
agb_gc_add (AgbGc *gc, gboolean drop, const char *repo, const char *session, const char *what,
            const char *format, ...)
{
  AgbGcItem *item = g_new0 (AgbGcItem, 1);
  va_list args;

  va_start (args, format);
  item->reason = g_strdup_vprintf (format, args);
  va_end (args);
  item->drop = drop;
  item->is_ref = repo != NULL;
  item->repo = g_strdup (repo);
  item->session = g_strdup (session);
  item->what = g_strdup (what);
  g_ptr_array_add (gc->items, item);
}

void
agb_gc_warn (AgbGc *gc, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (gc->warnings, g_strdup_vprintf (format, args));
  va_end (args);
}

void
agb_gc_warn_of_error (AgbGc *gc, const GError *error)
{
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  agb_error_split (error, &message, &hint);
  agb_gc_warn (gc, "%s%s%s", message, hint != NULL ? "; " : "", hint != NULL ? hint : "");
}

gboolean
agb_gc_is_old (gint64 seconds, gint64 days)
{
  return seconds >= 0 && seconds / DAY >= days;
}

gboolean
agb_gc_remove (AgbGc *gc, const char *path)
{
  g_autoptr (GError) error = NULL;

  if (gc->dry_run)
    return TRUE;
  if (agb_fault_point ("gc: remove", &error) && agb_remove_tree (path, &error))
    return TRUE;
  agb_gc_warn_of_error (gc, error);
  return FALSE;
}

/* Remove PATH unless it is a dry run. */
static void
drop_path (Run *run, const char *path)
{
  if (!agb_gc_remove (run->gc, path))
    run->rows_stay = TRUE;
}

static gint64
now_seconds (void)
{
  g_autofree char *now = agb_time_now ();

  return agb_time_parse (now);
}

/* Seconds since SESSION was closed; -1: unknown. */
static gint64
closed_age (const AgbSession *session)
{
  gint64 closed = agb_time_parse (session->closed_at);

  return closed < 0 ? -1 : MAX (now_seconds () - closed, 0);
}

/* Why nothing of NAME may be touched, or NULL. */
static const char *
hands_off (Run *run, const char *name)
{
  if (agb_upkeep_is_busy (name))
    return "a command is at work on it";
  if (g_hash_table_contains (run->unfinished, name))
    return "its last operation was cut off (git agbranch repair)";
  return NULL;
}

/* One folder of the state root that belongs to one session: logs/NAME, staging/NAME. */
static void
look_at_folder (Run *run, const char *path, const char *name, gint64 days)
{
  const AgbSession *session = g_hash_table_lookup (run->sessions, name);
  const char *busy = hands_off (run, name);
  gint64 age = session != NULL ? closed_age (session) : agb_upkeep_age (path);

  if (busy != NULL)
    agb_gc_add (run->gc, FALSE, NULL, name, path, "%s", busy);
  else if (session != NULL && agb_session_is_live (session))
    agb_gc_add (run->gc, FALSE, NULL, name, path, "%s is open", name);
  else
    {
      gboolean drop = agb_gc_is_old (age, days);

      agb_gc_add (run->gc, drop, NULL, name, path,
                  "%s %" G_GINT64_FORMAT " days ago, kept for %" G_GINT64_FORMAT,
                  session != NULL ? "closed" : "of no session, changed", age / DAY, days);
      if (drop)
        drop_path (run, path);
    }
}

/* Bundles of an open session that no sync points to as its last or unsolved one. */
static void
look_at_old_bundles (Run *run, const char *folder, const char *name, gint64 days)
{
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);

  if (hands_off (run, name) != NULL)
    return;
  for (const char *file; list != NULL && (file = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, file, NULL);
      gint64 age = agb_upkeep_age (path);

      if (g_hash_table_contains (run->wanted, path) || !agb_gc_is_old (age, days))
        continue;
      agb_gc_add (run->gc, TRUE, NULL, name, path,
                  "of an earlier sync, %" G_GINT64_FORMAT " days ago, kept for %" G_GINT64_FORMAT,
                  age / DAY, days);
      drop_path (run, path);
    }
}

static void
look_at_folders (Run *run, const char *kind, const char *setting)
{
  g_autofree char *root = agb_state_root ();
  g_autofree char *parent = g_build_filename (root, kind, NULL);
  g_autoptr (GDir) list = g_dir_open (parent, 0, NULL);
  gint64 days = agb_settings_int (run->env->settings, setting);

  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *path = g_build_filename (parent, name, NULL);
      const AgbSession *session = g_hash_table_lookup (run->sessions, name);

      if (g_file_test (path, G_FILE_TEST_IS_SYMLINK) || !g_file_test (path, G_FILE_TEST_IS_DIR))
        continue;
      look_at_folder (run, path, name, days);
      if (g_str_equal (kind, "staging") && session != NULL && agb_session_is_live (session))
        look_at_old_bundles (run, path, name, days);
    }
}

static gboolean
look_at_refs (Run *run, GError **error)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, run->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const AgbSession *session = value;
      g_autoptr (GError) problem = NULL;

      if (agb_interrupted (error))
        return FALSE;
      if (agb_session_is_live (session) || agb_upkeep_is_busy (session->name))
        continue;
      gboolean unfinished = g_hash_table_contains (run->unfinished, session->name);
      if (agb_gc_session_refs (run->gc, run->env, session, closed_age (session), unfinished,
                               &problem))
        {
          /* Finished when the lock was taken. */
          if (!run->gc->dry_run && session->git_common_dir != NULL)
            g_hash_table_remove (run->unfinished, session->name);
          continue;
        }
      run->rows_stay = TRUE;
      agb_gc_warn_of_error (run->gc, problem);
    }
  return TRUE;
}

static void
drop_all (Run *run, GPtrArray *paths, const char *reason)
{
  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);

      agb_gc_add (run->gc, TRUE, NULL, NULL, path, "%s", reason);
      drop_path (run, path);
    }
}

static void
look_at_left_overs (Run *run)
{
  g_autoptr (GPtrArray) files = agb_upkeep_temporary_files ();
  g_autoptr (GPtrArray) folders = agb_upkeep_repositories (run->env, run->sessions);

  drop_all (run, files, "left by an interrupted write");
  for (guint i = 0; i < folders->len; i++)
    {
      const char *folder = g_ptr_array_index (folders, i);
      g_autoptr (GPtrArray) left = agb_upkeep_quarantines (run->sessions, folder);

      drop_all (run, left, "left by an interrupted sync");
      agb_gc_warn_of_strays (run->gc, folder, run->sessions);
    }
}

/* RFC 3339 of DAYS ago; NULL, which keeps all, for more than the calendar has. */
static char *
days_ago (gint64 days)
{
  g_autoptr (GDateTime) then
      = g_date_time_new_from_unix_utc (now_seconds () - MIN (days, MOST_DAYS) * DAY);

  return then != NULL ? g_date_time_format (then, "%Y-%m-%dT%H:%M:%S.000000Z") : NULL;
}

/* A closed row stays as long as anything else of the session: its age is counted from the row. */
static gboolean
prune_catalog (Run *run, GError **error)
{
  static const char *const kept_with_row[] = { "agbranch.rescueDays", "agbranch.syncRefDays",
                                               "agbranch.logDays", "agbranch.stagingDays" };
  AgbSettings *settings = run->env->settings;
  gint64 closed_days = agb_settings_int (settings, "agbranch.closedDays");

  for (gsize i = 0; i < G_N_ELEMENTS (kept_with_row); i++)
    closed_days = MAX (closed_days, agb_settings_int (settings, kept_with_row[i]));
  g_autofree char *closed = run->rows_stay ? NULL : days_ago (closed_days);
  g_autofree char *events = days_ago (agb_settings_int (settings, "agbranch.eventDays"));
  g_autofree char *runs = days_ago (agb_settings_int (settings, "agbranch.syncRunDays"));
  run->gc->rows
      = agb_catalog_prune (run->env->catalog, closed, events, runs, run->gc->dry_run, error);
  return run->gc->rows >= 0;
}

static gboolean
remember_operation (const AgbOperation *operation, gpointer data)
{
  Run *run = data;

  g_hash_table_add (run->unfinished, g_strdup (operation->session_name));
  return TRUE;
}

typedef struct {
  Run *run;
  char *last;
} Staged;

static gboolean
remember_staged (const AgbSyncRun *sync, gpointer data)
{
  Staged *staged = data;
  gboolean solved
      = g_strcmp0 (sync->result, "synced") == 0 || g_strcmp0 (sync->result, "nothing") == 0;

  if (sync->staging_path != NULL && !solved)
    g_hash_table_add (staged->run->wanted, g_strdup (sync->staging_path));
  if (sync->staging_path != NULL)
    {
      g_free (staged->last);
      staged->last = g_strdup (sync->staging_path);
    }
  if (sync->patch_path != NULL)
    g_hash_table_add (staged->run->wanted, g_strdup (sync->patch_path));
  return TRUE;
}

static gboolean
remember_all_staged (Run *run, GError **error)
{
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, run->sessions);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    {
      Staged staged = { run, NULL };
      gboolean listed = agb_catalog_foreach_sync_run (run->env->catalog, name, 0, remember_staged,
                                                      &staged, error);
      if (staged.last != NULL)
        g_hash_table_add (run->wanted, staged.last);
      if (!listed)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_catalog (Run *run, GError **error)
{
  run->unfinished = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  run->wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  run->sessions = agb_upkeep_sessions (run->env, error);
  return run->sessions != NULL
         && agb_catalog_foreach_operation (run->env->catalog, remember_operation, run, error)
         && remember_all_staged (run, error);
}

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->sessions, g_hash_table_unref);
  g_clear_pointer (&run->unfinished, g_hash_table_unref);
  g_clear_pointer (&run->wanted, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

/* Warm images of repositories that no session is made from any more; the caller holds the lock of HOME. */
static gboolean
drop_old_repos (Run *run, const char *home, GError **error)
{
  g_auto (GStrv) names = agb_base_repo_old (home);
  g_autoptr (AgbLima) lima = NULL;

  if (*names != NULL && !run->gc->dry_run
      && (lima = agb_lima_open (run->env->settings, error)) == NULL)
    return FALSE;
  for (char **name = names; *name != NULL; name++)
    {
      g_autofree char *path = g_build_filename (home, *name, NULL);
      if (lima != NULL && !agb_base_repo_drop (lima, *name, error))
        return FALSE;
      agb_gc_add (run->gc, TRUE, NULL, NULL, path,
                  "its base has another image now, or its repository is gone");
    }
  return TRUE;
}

/* Sealed images that no base and no session stands on any more. */
static void
look_at_images (Run *run)
{
  g_autofree char *home = agb_lima_home ();
  g_autofree char *folder = agb_lima_record_path (home, "images", NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) paths = NULL;

  if (!g_file_test (folder, G_FILE_TEST_IS_DIR))
    return;
  g_autoptr (AgbLock) lock = agb_lima_lock (home, "gc", &error);
  if (lock == NULL || !drop_old_repos (run, home, &error)
      || !agb_lima_images_collect (home, run->gc->dry_run, &paths, &error))
    {
      agb_gc_warn_of_error (run->gc, error);
      return;
    }
  for (char **path = paths; *path != NULL; path++)
    agb_gc_add (run->gc, TRUE, NULL, NULL, *path, "no base and no session stands on it");
}

AgbGc *
agb_gc_run (AgbEnv *env, gboolean dry_run, GError **error)
{
  g_autoptr (AgbGc) gc = g_new0 (AgbGc, 1);
  g_auto (Run) run = { .gc = gc, .env = env };

  gc->dry_run = dry_run;
  gc->items = g_ptr_array_new_with_free_func (item_free);
  gc->warnings = g_ptr_array_new_with_free_func (g_free);
  if (!read_catalog (&run, error))
    return NULL;
  agb_progress_phase (env->progress, "looking at refs");
  if (!look_at_refs (&run, error))
    return NULL;
  agb_progress_phase (env->progress, "looking at files");
  look_at_folders (&run, "logs", "agbranch.logDays");
  look_at_folders (&run, "staging", "agbranch.stagingDays");
  look_at_left_overs (&run);
  agb_gc_copies (gc);
  agb_gc_clones (gc, env, run.sessions);
  agb_gc_locks (gc, env, run.sessions);
  look_at_images (&run);
  agb_gc_warn_of_orphans (gc, env, run.sessions);
  agb_progress_phase (env->progress, NULL);
  if (agb_interrupted (error) || !prune_catalog (&run, error))
    return NULL;
  return g_steal_pointer (&gc);
}

static cJSON *
item_to_json (const AgbGcItem *item)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "action", item->drop ? "drop" : "keep");
  agb_json_add_string (object, item->is_ref ? "ref" : "path", item->what);
  agb_json_add_string (object, "repo", item->repo);
  agb_json_add_string (object, "session", item->session);
  agb_json_add_string (object, "reason", item->reason);
  return object;
}

cJSON *
agb_gc_to_json (const AgbGc *gc)
{
  cJSON *object = cJSON_CreateObject ();
  cJSON *warnings = cJSON_AddArrayToObject (object, "warnings");
  cJSON *paths = cJSON_AddArrayToObject (object, "reclaimed_paths");
  cJSON *refs = cJSON_AddArrayToObject (object, "reclaimed_refs");
  cJSON *items = cJSON_AddArrayToObject (object, "items");

  for (guint i = 0; i < gc->warnings->len; i++)
    cJSON_AddItemToArray (warnings, cJSON_CreateString (g_ptr_array_index (gc->warnings, i)));
  for (guint i = 0; i < gc->items->len; i++)
    {
      const AgbGcItem *item = g_ptr_array_index (gc->items, i);

      if (item->drop)
        cJSON_AddItemToArray (item->is_ref ? refs : paths, cJSON_CreateString (item->what));
      cJSON_AddItemToArray (items, item_to_json (item));
    }
  cJSON_AddNumberToObject (object, "rows", (double)gc->rows);
  cJSON_AddBoolToObject (object, "dry_run", gc->dry_run);
  return object;
}
