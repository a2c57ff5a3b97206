/* The ref transaction. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
  TURN_MS = 30 * 1000, /* how long a transaction waits for another one of ours */
};

/* Commands as git-update-ref(1) reads them with -z. */
static GString *
commands (const AgbRefUpdates *updates)
{
  GString *text = g_string_new (NULL);

  g_string_append_len (text, "start", 6);
  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (updates, i);

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
  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (updates, i);
      g_autofree char *is = NULL;

      if (!agb_repo_find_ref (repo, update->ref, &is, error))
        return FALSE;
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

/* git syncs the files of refs, not the folders that name them (none with another ref backend). */
static gboolean
sync_folders (AgbRepo *repo, const AgbRefUpdates *updates, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      g_autofree char *folder = g_path_get_dirname (agb_ref_updates_get (updates, i)->ref);

      /* Also those above, of which the transaction may have made some. */
      while (strchr (folder, '/') != NULL && g_hash_table_add (seen, g_strdup (folder)))
        {
          g_autofree char *path = g_build_filename (agb_repo_common_dir (repo), folder, NULL);
          char *above = g_path_get_dirname (folder);

          if (g_file_test (path, G_FILE_TEST_IS_DIR) && !agb_fsync_folder (path, error))
            {
              g_free (above);
              return FALSE;
            }
          g_free (folder);
          folder = above;
        }
    }
  return TRUE;
}

static char **
user_env (AgbRepo *repo)
{
  /* The user's repository and the user's settings: who writes the reflog, the hook
   * reference-transaction.  Nothing of the guest is read. */
  char **envp = g_environ_setenv (g_get_environ (), "GIT_DIR", agb_repo_common_dir (repo), TRUE);

  /* The guards of session/hooks.h are not for us; a hook of the user that they chain to still runs. */
  envp = g_environ_setenv (envp, "AGBRANCH_HOOKS", "off", TRUE);
  return g_environ_setenv (envp, "LC_ALL", "C", TRUE);
}

/* *ret_killed (may be NULL): git was killed, and may have moved some of the refs. */
static gboolean
run_update_ref (AgbRepo *repo, const AgbRefUpdates *updates, const char *message, int turn,
                gboolean *ret_killed, GError **error)
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
    return sync_folders (repo, updates, error);
  if (ret_killed != NULL)
    *ret_killed = result.signal != 0;
  return explain (repo, updates, &result, error);
}

/* What is still to be done; NULL and AGB_ERROR_ACTION when a ref is at neither value. */
static AgbRefUpdates *
remaining (AgbRepo *repo, const AgbRefUpdates *updates, GError **error)
{
  g_autoptr (AgbRefUpdates) rest = agb_ref_updates_new ();

  for (guint i = 0; i < agb_ref_updates_length (updates); i++)
    {
      const AgbRefUpdate *update = agb_ref_updates_get (updates, i);
      g_autofree char *is = NULL;

      if (!agb_repo_find_ref (repo, update->ref, &is, error))
        return NULL;
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

/* Finish what a killed git began; the caller has the turn. */
static gboolean
finish_forward (AgbRepo *repo, const AgbRefUpdates *updates, const char *message, int turn,
                GError **error)
{
  if (!gate_remove_stale_locks (repo, updates, error))
    return FALSE;

  g_autoptr (AgbRefUpdates) rest = remaining (repo, updates, error);
  if (rest == NULL)
    return FALSE;
  return agb_ref_updates_length (rest) == 0
         || run_update_ref (repo, rest, message, turn, NULL, error);
}

gboolean
agb_ref_updates_apply (AgbRepo *repo, const AgbRefUpdates *updates, const char *message,
                       GError **error)
{
  agb_autofd int turn = take_turn (repo, error);
  gboolean killed = FALSE;

  if (turn < 0)
    return FALSE;
  if (run_update_ref (repo, updates, message, turn, &killed, error))
    return TRUE;
  if (!killed)
    return FALSE;
  g_clear_error (error);
  return finish_forward (repo, updates, message, turn, error);
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
  return turn >= 0 && finish_forward (repo, updates, message, turn, error);
}
