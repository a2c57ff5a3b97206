#include "session/clone.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/io.h"
#include "core/names.h"
#include "core/paths.h"
#include "core/time.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

enum {
  STATE_LIMIT = 8 * 1024,
  SCRIPT_TIMEOUT_MS = AGB_TIMEOUT_GIT,
};

/* The last line that a guest script left on stderr, escaped and cut. */
static char *
last_line (const GString *errors)
{
  g_autofree char *text = g_strndup (errors->str, errors->len);
  const char *line = strrchr (g_strchomp (text), '\n');
  g_autofree char *escaped = agb_escape (line != NULL ? line + 1 : text, -1);

  return agb_fit (escaped, 300);
}

static gboolean
check_status (const AgbChildResult *result, const char *what, GError **error)
{
  if (result->status == 0)
    return TRUE;
  g_autofree char *line = last_line (result->errors);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot %s in the guest (status %d)%s%s", what,
               result->status, *line != '\0' ? ": " : "", line);
  return FALSE;
}

/* The same for a streamed script that has ended with STATUS: what it said is still in its pipe. */
static gboolean
stream_failed (AgbGuestProcess *process, int status, const char *what, GError **error)
{
  char text[4096];
  GPollFD ready = { .fd = process->stderr_fd, .events = G_IO_IN };
  /* A process of the guest that went to the background may hold the pipe open. */
  ssize_t length = g_poll (&ready, 1, 1000) > 0 ? read (ready.fd, text, sizeof text) : 0;
  g_autoptr (GString) errors = g_string_new_len (text, MAX (length, 0));
  AgbChildResult result = { .status = status, .errors = errors };

  return check_status (&result, what, error);
}

static gboolean
bad_answer (const char *script, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "the guest's answer to '%s' has not the agreed form", script);
  return FALSE;
}

gboolean
agb_clone_borrowed_dirs (AgbRuntime *runtime, AgbRepo *repo, AgbSettings *settings,
                         char ***ret_dirs, GError **error)
{
  *ret_dirs = NULL;
  if ((runtime->klass->flags & AGB_RUNTIME_BORROWS_OBJECTS) == 0
      || agb_settings_bool (settings, "agbranch.private")
      || g_strcmp0 (agb_settings_string (settings, "agbranch.bwrap.objects"), "copy") == 0)
    return TRUE;
  *ret_dirs = agb_repo_object_dirs (repo, error);
  return *ret_dirs != NULL;
}

static const char *
identity (AgbSettings *settings, const char *own_key, const char *git_key)
{
  const char *own = agb_settings_string (settings, own_key);

  return own != NULL && *own != '\0' ? own : agb_settings_git (settings, git_key);
}

gboolean
agb_clone_check_identity (AgbSettings *settings, GError **error)
{
  static const char *const keys[][2]
      = { { "agbranch.identity.name", "user.name" }, { "agbranch.identity.email", "user.email" } };

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const char *value = identity (settings, keys[i][0], keys[i][1]);
      if (value == NULL || *value == '\0')
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                       "%s is not set, and commits in the session need it", keys[i][1]);
          agb_error_hint (error, "git config --global %s <value>", keys[i][1]);
          return FALSE;
        }
    }
  return TRUE;
}

/* VALUE as a quoted value of a git config file (git-config(1), "Values"). */
static void
append_config_value (GString *config, const char *key, const char *value)
{
  g_string_append_printf (config, "\t%s = \"", key);
  for (const char *c = value; *c != '\0'; c++)
    {
      if (*c == '"' || *c == '\\')
        g_string_append_c (config, '\\');
      if (*c == '\n')
        g_string_append (config, "\\n");
      else
        g_string_append_c (config, *c);
    }
  g_string_append (config, "\"\n");
}

static char *
clone_config (AgbRepo *repo, AgbSettings *settings)
{
  GString *config = g_string_new ("[user]\n");

  append_config_value (config, "name", identity (settings, "agbranch.identity.name", "user.name"));
  append_config_value (config, "email",
                       identity (settings, "agbranch.identity.email", "user.email"));
  g_string_append (config, "[commit]\n\tgpgsign = false\n[tag]\n\tgpgsign = false\n");
  /* What the host has only promised is missing here too; a promisor without an address tells git
   * that this is no damage (gitrepository-layout(5), partial clone). */
  if (agb_repo_is_partial (repo))
    g_string_append (config, "[core]\n\trepositoryformatversion = 1\n"
                             "[extensions]\n\tpartialClone = host\n"
                             "[remote \"host\"]\n\tpromisor = true\n");
  return g_string_free (config, FALSE);
}

/* The host's shallow border (git's `shallow` file), ended by an empty line. */
static gboolean
shallow_border (AgbRepo *repo, char **ret_text, GError **error)
{
  g_autofree char *path = g_build_filename (agb_repo_common_dir (repo), "shallow", NULL);
  g_autofree char *border = NULL;

  if (agb_repo_is_shallow (repo) && !g_file_get_contents (path, &border, NULL, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot read '%s': ", path);
      return FALSE;
    }
  *ret_text = g_strdup_printf ("%s\n", border != NULL ? border : "");
  return TRUE;
}

/* Feed `git pack-objects` with what it is to pack, by the end of its stdin.  Of a partial clone these are
 * the objects that are here: pack-objects itself cannot walk past a tree that is not. */
static gboolean
send_wanted (AgbRepo *repo, const char *oid, const char *have, char **envp, AgbChild *pack,
             GError **error)
{
  const char *argv[] = { "git", "rev-list", "--objects", "--missing=allow-promisor", oid, NULL };
  const AgbChildSpec spec
      = { .argv = argv, .envp = envp, .stdout_fd = pack->stdin_fd, .timeout_ms = AGB_TIMEOUT_LONG };
  g_autofree char *input
      = have != NULL ? g_strdup_printf ("%s\n^%s\n", oid, have) : g_strconcat (oid, "\n", NULL);
  gboolean sent;

  g_unix_set_fd_nonblocking (pack->stdin_fd, FALSE, NULL);
  sent = agb_repo_is_partial (repo)
             ? agb_child_check (&spec, NULL, error)
             : agb_write_all (pack->stdin_fd, input, strlen (input), "git pack-objects", error);
  agb_close (&pack->stdin_fd);
  return sent;
}

gboolean
agb_clone_send (AgbRepo *repo, const char *oid, const char *have, AgbGuestProcess *process,
                GError **error)
{
  const char *argv[]
      = { "git", "pack-objects", "--stdout", "-q", "--delta-base-offset", NULL, NULL, NULL };
  g_auto (GStrv) envp = agb_repo_plumbing_env (repo);
  AgbChildSpec spec
      = { .argv = argv, .envp = envp, .stdout_fd = process->stdin_fd, .stderr_fd = STDERR_FILENO };
  g_auto (AgbChild) child
      = { .pid = -1, .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  int status = 0;

  if (!agb_repo_is_partial (repo))
    argv[5] = "--revs";
  if (have != NULL)
    argv[6] = "--thin";
  if (!agb_child_start (&spec, TRUE, &child, error)
      || !send_wanted (repo, oid, have, envp, &child, error))
    return FALSE;
  agb_close (&process->stdin_fd);
  if (!agb_child_wait (&child, agb_deadline_in (AGB_TIMEOUT_LONG), &status, error))
    return FALSE;
  if (status != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD,
                   "git pack-objects failed (status %d) while sending the base", status);
      return FALSE;
    }
  return TRUE;
}

static gboolean
seed_by_pack (AgbRuntime *runtime, const AgbSession *session, AgbRepo *repo,
              const char *const *args, const char *border, const char *have, GError **error)
{
  g_autoptr (AgbGuestProcess) process
      = agb_guest_script_start (runtime, session->vm_name, "guest/seed.sh", args, NULL, error);
  int status = 0;

  if (process == NULL)
    return FALSE;
  if (!agb_write_all (process->stdin_fd, border, strlen (border), "the guest", error)
      || !agb_clone_send (repo, session->base_oid, have, process, error)
      || !agb_guest_process_wait (process, agb_deadline_in (AGB_TIMEOUT_LONG), &status, error))
    return FALSE;
  return status == 0 || stream_failed (process, status, "make the clone", error);
}

/* The commit that the guest has from its image already, if it is here still: what it reaches need not be
 * sent then.  NULL: there is none. */
static char *
seeded_commit (AgbRuntime *runtime, const AgbSession *session, AgbRepo *repo)
{
  g_autofree char *oid
      = runtime->klass->seeded != NULL
            ? runtime->klass->seeded (runtime, session->vm_name, agb_repo_common_dir (repo))
            : NULL;

  if (oid == NULL || agb_repo_is_shallow (repo) || agb_repo_is_partial (repo))
    return NULL;
  g_autofree char *here = agb_repo_resolve_commit (repo, oid, NULL);
  return g_strcmp0 (here, oid) == 0 ? g_steal_pointer (&oid) : NULL;
}

gboolean
agb_clone_seed (AgbRuntime *runtime, const AgbSession *session, AgbRepo *repo,
                AgbSettings *settings, guint borrowed, GError **error)
{
  g_autofree char *have = borrowed == 0 ? seeded_commit (runtime, session, repo) : NULL;
  g_autofree char *count = have != NULL ? g_strdup ("kept") : g_strdup_printf ("%u", borrowed);
  g_autofree char *config = clone_config (repo, settings);
  g_autofree char *border = NULL;
  const char *args[] = { session->guest_workspace_path,
                         agb_repo_object_format (repo),
                         session->base_oid,
                         session->review_branch,
                         count,
                         config,
                         NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!shallow_border (repo, &border, error))
    return FALSE;
  if (borrowed == 0)
    return seed_by_pack (runtime, session, repo, args, border, have, error);
  return agb_guest_script (runtime, session->vm_name, "guest/seed.sh", args, NULL, border,
                           strlen (border), AGB_TIMEOUT_LONG, &result, error)
         && check_status (&result, "make the clone", error);
}

void
agb_clone_state_clear (AgbCloneState *state)
{
  g_clear_pointer (&state->head, g_free);
  g_clear_pointer (&state->branch, g_free);
}

/* VALUE as a count; hostile. */
static gboolean
parse_count (const char *value, guint *ret)
{
  guint64 number = 0;

  if (!g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *ret = (guint)number;
  return TRUE;
}

/* Exactly the lines that state.sh writes, in its order. */
gboolean
agb_clone_state_parse (const char *text, gsize length, gsize oid_length, AgbCloneState *ret)
{
  static const char *const words[] = { "head ", "branch ", "dirty ", "untracked ", "pending " };
  g_auto (GStrv) lines = g_strsplit (text, "\n", 9);
  const char *values[G_N_ELEMENTS (words)];
  guint pending = 0;

  if (strlen (text) != length || g_strv_length (lines) != 8
      || !g_str_equal (lines[0], "agbranch-state 1") || !g_str_equal (lines[6], "end")
      || *lines[7] != '\0')
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    {
      if (!g_str_has_prefix (lines[i + 1], words[i]))
        return FALSE;
      values[i] = lines[i + 1] + strlen (words[i]);
    }
  if (!g_str_equal (values[0], "-")
      && (!agb_is_oid (values[0]) || strlen (values[0]) != oid_length))
    return FALSE;
  AgbCloneState state = { 0 };
  if (!parse_count (values[2], &state.dirty) || !parse_count (values[3], &state.untracked)
      || !parse_count (values[4], &pending))
    return FALSE;
  state.pending = pending != 0;
  state.head = g_str_equal (values[0], "-") ? NULL : g_strdup (values[0]);
  state.branch = g_str_equal (values[1], "-") ? NULL : g_strdup (values[1]);
  *ret = state;
  return TRUE;
}

gboolean
agb_clone_state (AgbRuntime *runtime, const AgbSession *session, gsize oid_length,
                 gint64 timeout_ms, AgbCloneState *ret, GError **error)
{
  const char *argv[] = { "sh", "-c", NULL, "state.sh", session->guest_workspace_path, NULL };
  AgbExecSpec spec = { .argv = argv };
  g_autofree char *text = agb_asset_read ("guest/state.sh", error);
  g_auto (AgbChildResult) result = { 0 };

  if (text == NULL)
    return FALSE;
  argv[2] = text;
  if (!agb_guest_capture (runtime, session->vm_name, &spec, NULL, 0, STATE_LIMIT, timeout_ms,
                          &result, error)
      || !check_status (&result, "read the state of the clone", error))
    return FALSE;
  if (!agb_clone_state_parse (result.output->str, result.output->len, oid_length, ret))
    return bad_answer ("state.sh", error);
  return TRUE;
}

gboolean
agb_clone_save (AgbRuntime *runtime, const AgbSession *session, gsize oid_length, AgbSaveMode mode,
                const char *subject, const char *const *haves, char **ret_oid, GError **error)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new ();
  g_auto (AgbChildResult) result = { 0 };

  g_ptr_array_add (args, session->guest_workspace_path);
  g_ptr_array_add (args, (gpointer)(mode == AGB_SAVE_SIDE ? "side" : "branch"));
  g_ptr_array_add (args, (gpointer)subject);
  for (gsize i = 0; haves != NULL && haves[i] != NULL; i++)
    g_ptr_array_add (args, (gpointer)haves[i]);
  g_ptr_array_add (args, NULL);
  if (!agb_guest_script (runtime, session->vm_name, "guest/save.sh",
                         (const char *const *)args->pdata, NULL, NULL, 0, SCRIPT_TIMEOUT_MS,
                         &result, error)
      || !check_status (&result, "save the uncommitted work", error))
    return FALSE;
  g_strchomp (result.output->str);
  if (!agb_is_oid (result.output->str) || strlen (result.output->str) != oid_length)
    return bad_answer ("save.sh", error);
  *ret_oid = g_strdup (result.output->str);
  return TRUE;
}

AgbGuestProcess *
agb_clone_pack_start (AgbRuntime *runtime, const AgbSession *session, const char *new_oid,
                      const char *const *haves, GError **error)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new ();

  g_ptr_array_add (args, session->guest_workspace_path);
  g_ptr_array_add (args, (gpointer)new_oid);
  for (gsize i = 0; haves[i] != NULL; i++)
    g_ptr_array_add (args, (gpointer)haves[i]);
  g_ptr_array_add (args, NULL);
  g_autoptr (AgbGuestProcess) process = agb_guest_script_start (
      runtime, session->vm_name, "guest/pack.sh", (const char *const *)args->pdata, NULL, error);
  if (process != NULL)
    agb_close (&process->stdin_fd);
  return g_steal_pointer (&process);
}

gboolean
agb_clone_pack_end (AgbGuestProcess *process, GError **error)
{
  int status = 0;

  if (!agb_guest_process_wait (process, agb_deadline_in (AGB_TIMEOUT_GIT), &status, error))
    return FALSE;
  return status == 0 || stream_failed (process, status, "pack the new commits", error);
}
