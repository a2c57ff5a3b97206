/* Lock files that a killed `git update-ref` left. */
#include "gate/internal.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/time.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  QUIET_MS = 300, /* a file that stays as it is so long has no living writer */
};

/* A lock file without content tells nothing about its owner: time has to. */
typedef struct {
  char *lock;
  char *fresh; /* what a living owner would write to meanwhile; NULL: the lock itself */
  struct stat lock_was;
  struct stat fresh_was;
} Suspect;

static void
suspect_free (gpointer data)
{
  Suspect *suspect = data;

  g_free (suspect->lock);
  g_free (suspect->fresh);
  g_free (suspect);
}

static gboolean
is_same (const struct stat *one, const struct stat *other)
{
  return one->st_ino == other->st_ino && one->st_size == other->st_size
         && one->st_mtim.tv_sec == other->st_mtim.tv_sec
         && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* Zeroes when PATH is not there. */
static void
look_at (const char *path, struct stat *ret)
{
  if (path == NULL || lstat (path, ret) != 0)
    memset (ret, 0, sizeof *ret);
}

static void
suspect_add (GPtrArray *suspects, char *lock, char *fresh)
{
  Suspect *suspect = g_new0 (Suspect, 1);

  suspect->lock = lock;
  suspect->fresh = fresh;
  look_at (lock, &suspect->lock_was);
  look_at (fresh, &suspect->fresh_was);
  g_ptr_array_add (suspects, suspect);
}

static gboolean
unlink_stale (const char *path, GError **error)
{
  if (!agb_fault_point ("refs: remove stale lock", error))
    return FALSE;
  return unlink (path) == 0 || errno == ENOENT
         || agb_error_set_errno (error, errno, "remove", path);
}

/* Remove the lock of one ref when it holds a part of what we would have written; an empty one
 * becomes a suspect. */
static gboolean
judge_lock (AgbRepo *repo, const AgbRefUpdate *update, GPtrArray *suspects, GError **error)
{
  g_autofree char *path = g_strconcat (agb_repo_common_dir (repo), "/", update->ref, ".lock", NULL);
  g_autofree char *ours = g_strconcat (update->new_oid != NULL ? update->new_oid : "", "\n", NULL);
  g_autofree char *held = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &held, &length, NULL))
    return TRUE;
  if (length == 0)
    {
      suspect_add (suspects, g_steal_pointer (&path), NULL);
      return TRUE;
    }
  if (g_str_has_prefix (ours, held))
    return unlink_stale (path, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_ACTION, "'%s' is the lock of another program", path);
  agb_error_hint (error, "when no git is running: rm %s", path);
  return FALSE;
}

/* packed-refs.lock is empty while packed-refs.new is written; left behind it blocks the user's own
 * deletions. */
static void
judge_packed_lock (AgbRepo *repo, GPtrArray *suspects)
{
  g_autofree char *lock = g_build_filename (agb_repo_common_dir (repo), "packed-refs.lock", NULL);

  if (g_file_test (lock, G_FILE_TEST_EXISTS))
    suspect_add (suspects, g_steal_pointer (&lock),
                 g_build_filename (agb_repo_common_dir (repo), "packed-refs.new", NULL));
}

static gboolean
remove_quiet (GPtrArray *suspects, GError **error)
{
  for (gint64 deadline = agb_deadline_in (QUIET_MS); agb_deadline_left_ms (deadline) > 0;)
    poll (NULL, 0, agb_deadline_left_ms (deadline));
  for (guint i = 0; i < suspects->len; i++)
    {
      const Suspect *suspect = suspects->pdata[i];
      struct stat lock, fresh;

      look_at (suspect->lock, &lock);
      look_at (suspect->fresh, &fresh);
      if (!is_same (&lock, &suspect->lock_was) || !is_same (&fresh, &suspect->fresh_was))
        continue;
      if ((suspect->fresh != NULL && !unlink_stale (suspect->fresh, error))
          || !unlink_stale (suspect->lock, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
gate_remove_stale_locks (AgbRepo *repo, const AgbRefUpdates *updates, GError **error)
{
  g_autoptr (GPtrArray) suspects = g_ptr_array_new_with_free_func (suspect_free);
  gboolean deletes = FALSE;

  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (updates, i);

      deletes |= update->new_oid == NULL;
      if (!judge_lock (repo, update, suspects, error))
        return FALSE;
    }
  if (deletes)
    judge_packed_lock (repo, suspects);
  return suspects->len == 0 || remove_quiet (suspects, error);
}
