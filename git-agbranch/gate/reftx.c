#include "gate/reftx.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/names.h"
#include "core/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  TURN_MS = 30 * 1000,   /* how long a transaction waits for another one of ours */
  EMPTY_LOCK_MS = 300,   /* an empty lock file that stays as it is so long has no living owner */
  PACKED_LOCK_MS = 2000, /* the same for packed-refs.lock, which is empty all the time */
};

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

/* Commands as git-update-ref(1) reads them with -z. */
static GString *
commands (const AgbRefUpdates *updates)
{
  GString *text = g_string_new (NULL);

  g_string_append_len (text, "start", 6);
  for (guint i = 0; i < updates->list->len; i++)
    {
      const AgbRefUpdate *update = updates->list->pdata[i];

      if (update->new_oid == NULL)
        g_string_append_printf (text, "delete %s%c%s%c", update->ref, 0,
                                update->old_oid != NULL ? update->old_oid : "", 0);
      else if (update->old_oid == NULL)
        g_string_append_printf (text, "create %s%c%s%c", update->ref, 0, update->new_oid, 0);
      else
        g_string_append_printf (text, "update %s%c%s%c%s%c", update->ref, 0, update->new_oid, 0,
                                update->old_oid, 0);
    }
  g_string_append_len (text, "prepare", 8);
  g_string_append_len (text, "commit", 7);
  return text;
}

/* The file that holds the commands of our transaction under way.  Its lock is shared with the git
 * that reads it and lasts until the last of both has ended: who gets it knows that no ref
 * transaction of ours is running, even when the program that started git was killed. */
static int
take_turn (AgbRepo *repo, GError **error)
{
  g_autofree char *folder = g_build_filename (agb_repo_common_dir (repo), "agbranch", NULL);
  g_autofree char *path = g_build_filename (folder, "ref-transaction", NULL);
  gint64 deadline = agb_deadline_in (TURN_MS);

  if (!agb_mkdirs (folder, 0777, error))
    return -1;
  agb_autofd int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    {
      agb_error_set_errno (error, errno, "open", path);
      return -1;
    }
  while (flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      struct pollfd signal = { .fd = agb_interrupt_fd (), .events = POLLIN };

      /* There is no event for the end of a flock(2) with a deadline. */
      poll (&signal, 1, 20);
      if (agb_interrupted (error))
        return -1;
      if (errno != EWOULDBLOCK && errno != EINTR && errno != EAGAIN)
        {
          agb_error_set_errno (error, errno, "lock", path);
          return -1;
        }
      if (agb_deadline_left_ms (deadline) == 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT,
                       "another ref transaction holds '%s' for more than %d seconds", path,
                       TURN_MS / 1000);
          return -1;
        }
    }
  return agb_steal_fd (&fd);
}

static const char *
or_none (const char *oid)
{
  return oid != NULL ? oid : "no value";
}

static gboolean
set_moved (const AgbRefUpdate *update, const char *is, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_ACTION,
               "ref '%s' has moved: it has %s, expected was %s; nothing was changed", update->ref,
               or_none (is), or_none (update->old_oid));
  agb_error_hint (error, "git log --oneline -5 %s",
                  is != NULL ? update->ref : or_none (update->old_oid));
  return FALSE;
}

/* Why git refused: a ref that is not at its old value, or git's own words. */
static gboolean
explain (AgbRepo *repo, const AgbRefUpdates *updates, const AgbChildResult *result, GError **error)
{
  for (guint i = 0; i < updates->list->len; i++)
    {
      const AgbRefUpdate *update = updates->list->pdata[i];
      g_autofree char *is = agb_repo_read_ref (repo, update->ref);

      if (g_strcmp0 (is, update->old_oid) != 0)
        return set_moved (update, is, error);
    }

  g_autofree char *text = agb_escape (g_strstrip (result->errors->str), -1);
  gboolean locked = strstr (text, ".lock") != NULL;
  g_set_error (error, AGB_ERROR, locked ? AGB_ERROR_FILE : AGB_ERROR_CHILD,
               "cannot move the refs: %s", *text != '\0' ? text : "git update-ref did not commit");
  if (locked)
    agb_error_hint (error, "when no other git is running: git agbranch repair");
  return FALSE;
}

static char **
user_env (AgbRepo *repo)
{
  /* The user's repository and the user's settings: who writes the reflog, the hook
   * reference-transaction.  Nothing of the guest is read. */
  char **envp = g_environ_setenv (g_get_environ (), "GIT_DIR", agb_repo_common_dir (repo), TRUE);

  return g_environ_setenv (envp, "LC_ALL", "C", TRUE);
}

static gboolean
run_update_ref (AgbRepo *repo, const AgbRefUpdates *updates, const char *message, int turn,
                GError **error)
{
  g_autoptr (GString) text = commands (updates);
  g_auto (GStrv) envp = user_env (repo);
  const char *const argv[]
      = { "git",        "-c", "core.fsync=loose-object,pack,pack-metadata,reference",
          "update-ref", "-m", message,
          "--stdin",    "-z", NULL };
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_common_dir (repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .stdin_fd = turn };

  if (ftruncate (turn, 0) != 0 || lseek (turn, 0, SEEK_SET) != 0
      || !agb_write_all (turn, text->str, text->len, "the ref transaction", error)
      || lseek (turn, 0, SEEK_SET) != 0)
    return error != NULL && *error != NULL
               ? FALSE
               : agb_error_set_errno (error, errno, "write", "the ref transaction");
  if (!agb_fault_point ("refs: move", error))
    return FALSE;

  /* A signal must not cut the transaction in two; it takes milliseconds. */
  agb_interrupt_shield ();
  gboolean ran = agb_child_run (&spec, &result, error);
  agb_interrupt_unshield ();
  if (!ran)
    return FALSE;
  if (result.status == 0 && strstr (result.output->str, "commit: ok") != NULL)
    return TRUE;
  return explain (repo, updates, &result, error);
}

gboolean
agb_ref_updates_apply (AgbRepo *repo, const AgbRefUpdates *updates, const char *message,
                       GError **error)
{
  agb_autofd int turn = take_turn (repo, error);

  return turn >= 0 && run_update_ref (repo, updates, message, turn, error);
}

/* TRUE when the file at PATH is the same and still empty for MS. */
static gboolean
stays_empty (const char *path, int ms)
{
  struct stat before, after;

  if (stat (path, &before) != 0)
    return FALSE;
  /* Nothing tells that nobody will write to a file: time has to. */
  for (gint64 deadline = agb_deadline_in (ms); agb_deadline_left_ms (deadline) > 0;)
    poll (NULL, 0, agb_deadline_left_ms (deadline));
  return stat (path, &after) == 0 && before.st_ino == after.st_ino && after.st_size == 0
         && before.st_mtim.tv_sec == after.st_mtim.tv_sec
         && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
}

static gboolean
unlink_stale (const char *path, GError **error)
{
  if (!agb_fault_point ("refs: remove stale lock", error))
    return FALSE;
  return unlink (path) == 0 || errno == ENOENT
         || agb_error_set_errno (error, errno, "remove", path);
}

/* Remove the lock of one ref when what it holds is a part of what we would have written. */
static gboolean
remove_lock (AgbRepo *repo, const AgbRefUpdate *update, GError **error)
{
  g_autofree char *path = g_strconcat (agb_repo_common_dir (repo), "/", update->ref, ".lock", NULL);
  g_autofree char *held = NULL;
  g_autofree char *ours = g_strconcat (update->new_oid != NULL ? update->new_oid : "", "\n", NULL);
  gsize length = 0;

  if (!g_file_get_contents (path, &held, &length, NULL))
    return TRUE;
  if (length == 0)
    return !stays_empty (path, EMPTY_LOCK_MS) || unlink_stale (path, error);
  if (g_str_has_prefix (ours, held))
    return unlink_stale (path, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_ACTION, "'%s' is the lock of another program", path);
  agb_error_hint (error, "when no git is running: rm %s", path);
  return FALSE;
}

/* A deletion rewrites packed-refs; its lock blocks the user's own deletions. */
static gboolean
remove_packed_lock (AgbRepo *repo, GError **error)
{
  g_autofree char *lock = g_build_filename (agb_repo_common_dir (repo), "packed-refs.lock", NULL);
  g_autofree char *fresh = g_build_filename (agb_repo_common_dir (repo), "packed-refs.new", NULL);

  if (!stays_empty (lock, PACKED_LOCK_MS))
    return TRUE;
  return unlink_stale (fresh, error) && unlink_stale (lock, error);
}

static gboolean
remove_locks (AgbRepo *repo, const AgbRefUpdates *updates, GError **error)
{
  gboolean deletes = FALSE;

  for (guint i = 0; i < updates->list->len; i++)
    {
      const AgbRefUpdate *update = updates->list->pdata[i];

      deletes |= update->new_oid == NULL;
      if (!remove_lock (repo, update, error))
        return FALSE;
    }
  return !deletes || remove_packed_lock (repo, error);
}

/* What is still to be done; NULL and AGB_ERROR_ACTION when a ref is at neither value. */
static AgbRefUpdates *
remaining (AgbRepo *repo, const AgbRefUpdates *updates, GError **error)
{
  g_autoptr (AgbRefUpdates) rest = agb_ref_updates_new ();

  for (guint i = 0; i < updates->list->len; i++)
    {
      const AgbRefUpdate *update = updates->list->pdata[i];
      g_autofree char *is = agb_repo_read_ref (repo, update->ref);

      if (g_strcmp0 (is, update->new_oid) == 0)
        continue;
      if (g_strcmp0 (is, update->old_oid) != 0)
        {
          set_moved (update, is, error);
          return NULL;
        }
      agb_ref_updates_add (rest, update->ref, update->old_oid, update->new_oid);
    }
  return g_steal_pointer (&rest);
}

gboolean
agb_ref_updates_recover (AgbRepo *repo, const AgbRefUpdates *updates, const AgbProcessId *owner,
                         const char *message, GError **error)
{
  if (agb_process_alive (owner))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "the ref transaction of process %d still runs",
                   (int)owner->pid);
      return FALSE;
    }
  /* Also waits for a git that outlived its parent. */
  agb_autofd int turn = take_turn (repo, error);
  if (turn < 0 || !remove_locks (repo, updates, error))
    return FALSE;

  g_autoptr (AgbRefUpdates) rest = remaining (repo, updates, error);
  if (rest == NULL)
    return FALSE;
  return agb_ref_updates_length (rest) == 0 || run_update_ref (repo, rest, message, turn, error);
}
