/* The quarantine: a bare repository of its own below GIT_COMMON_DIR/agbranch, which borrows the
 * host's objects.  No setting, hook, attribute or ref of the host exists in it. */
#include "gate/internal.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char folder_prefix[] = "quarantine-";
/* Begins the name of one that is being removed, whoever does it. */
static const char removed_prefix[] = "removed-";

char *
gate_quarantine_path (AgbGate *gate, const char *name)
{
  return g_build_filename (gate->quarantine, name, NULL);
}

/* PATH as unquote_c_style of git reads it. */
static void
append_quoted (GString *text, const char *path)
{
  g_string_append_c (text, '"');
  for (const char *c = path; *c != '\0'; c++)
    if (*c == '"' || *c == '\\')
      g_string_append_printf (text, "\\%c", *c);
    else if ((guchar)*c < ' ' || (guchar)*c == 127)
      g_string_append_printf (text, "\\%03o", (guchar)*c);
    else
      g_string_append_c (text, *c);
  g_string_append_c (text, '"');
}

char *
gate_join_object_dirs (char **folders)
{
  GString *text = g_string_new (NULL);

  for (; *folders != NULL; folders++)
    {
      append_quoted (text, *folders);
      if (folders[1] != NULL)
        g_string_append_c (text, ':');
    }
  return g_string_free (text, FALSE);
}

static gboolean
write_file (AgbGate *gate, const char *name, const char *text, gsize length, GError **error)
{
  g_autofree char *path = gate_quarantine_path (gate, name);
  agb_autofd int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", path);
  return agb_write_all (fd, text, length, path, error);
}

/* Borrow every object folder by name: chains of alternates are limited to five in git. */
static gboolean
write_alternates (AgbGate *gate, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (char **folder = gate->object_dirs; *folder != NULL; folder++)
    {
      append_quoted (text, *folder);
      g_string_append_c (text, '\n');
    }
  return write_file (gate, "objects/info/alternates", text->str, text->len, error);
}

static gboolean
write_config (AgbGate *gate, GError **error)
{
  g_autoptr (GString) text
      = g_string_new ("[core]\n\tbare = true\n\trepositoryformatversion = 1\n");

  if (strcmp (agb_repo_object_format (gate->repo), "sha1") != 0)
    g_string_append_printf (text, "[extensions]\n\tobjectFormat = %s\n",
                            agb_repo_object_format (gate->repo));
  /* What the host has promised but not got may be missing here too; nothing can be fetched from a
   * remote without a URL. */
  if (agb_repo_is_partial (gate->repo))
    g_string_append (text,
                     "[extensions]\n\tpartialClone = host\n[remote \"host\"]\n\tpromisor = true\n");
  return write_file (gate, "config", text->str, text->len, error);
}

static gboolean
copy_shallow (AgbGate *gate, GError **error)
{
  g_autofree char *path = g_build_filename (agb_repo_common_dir (gate->repo), "shallow", NULL);
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!agb_repo_is_shallow (gate->repo))
    return TRUE;
  if (!g_file_get_contents (path, &text, &length, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot read the shallow border: ");
      return FALSE;
    }
  return write_file (gate, "shallow", text, length, error);
}

/* Held by flock(2) as long as this process lives, so that agb_gate_sweep can tell the dead. */
static gboolean
hold (AgbGate *gate, GError **error)
{
  g_autofree char *path = gate_quarantine_path (gate, "lock");

  gate->hold_fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (gate->hold_fd < 0 || flock (gate->hold_fd, LOCK_EX | LOCK_NB) != 0)
    return agb_error_set_errno (error, errno, "lock", path);
  return TRUE;
}

static char **
quarantine_env (AgbGate *gate)
{
  char **envp = agb_repo_plumbing_env (gate->repo);

  return g_environ_setenv (envp, "GIT_DIR", gate->quarantine, TRUE);
}

gboolean
gate_quarantine_make (AgbGate *gate, GError **error)
{
  static const char *const folders[]
      = { "refs", "objects", "objects/info", "objects/pack", "empty" };
  g_autofree char *parent = g_build_filename (agb_repo_common_dir (gate->repo), "agbranch", NULL);
  g_autofree char *template = g_strconcat (parent, "/", folder_prefix, "XXXXXX", NULL);

  if (!agb_mkdirs (parent, 0777, error) || !agb_fault_point ("gate: make quarantine", error))
    return FALSE;
  if (g_mkdtemp_full (template, 0700) == NULL)
    return agb_error_set_errno (error, errno, "make folder", template);
  gate->quarantine = g_steal_pointer (&template);
  if (!hold (gate, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = gate_quarantine_path (gate, folders[i]);
      if (mkdir (path, 0700) != 0)
        return agb_error_set_errno (error, errno, "make folder", path);
    }
  gate->envp = quarantine_env (gate);
  return write_file (gate, "HEAD", "ref: refs/heads/none\n", 21, error)
         && write_config (gate, error) && write_alternates (gate, error)
         && copy_shallow (gate, error);
}

/* Under another name first: a removal that is cut off must not leave a quarantine without its lock,
 * of which nobody knows whether it has just been made. */
static gboolean
remove_quarantine (const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *away = g_strconcat (parent, "/", removed_prefix, name, NULL);

  if (g_str_has_prefix (name, removed_prefix))
    return agb_remove_tree (path, error);
  if (rename (path, away) != 0)
    return errno == ENOENT || agb_remove_tree (path, error);
  return agb_remove_tree (away, error);
}

void
gate_quarantine_remove (AgbGate *gate)
{
  remove_quarantine (gate->quarantine, NULL);
}

/* TRUE when the process that made the quarantine at PATH is gone. */
static gboolean
is_abandoned (const char *path)
{
  g_autofree char *name = g_path_get_basename (path);

  if (g_str_has_prefix (name, removed_prefix))
    return TRUE;

  g_autofree char *lock = g_build_filename (path, "lock", NULL);
  agb_autofd int fd = open (lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  struct stat info;

  if (fd >= 0)
    return flock (fd, LOCK_EX | LOCK_NB) == 0;
  /* Without a lock: its maker is between two system calls, or was killed there long ago. */
  return errno == ENOENT && lstat (path, &info) == 0
         && g_get_real_time () / G_USEC_PER_SEC - (gint64)info.st_mtime > 60;
}

/* TRUE when PATH is a .keep that a process which is gone made for the time between the pack and the
 * refs. */
static gboolean
is_orphaned_keep (const char *path)
{
  g_autofree char *text = NULL;
  AgbProcessId owner;

  return g_file_get_contents (path, &text, NULL, NULL) && g_str_has_prefix (text, GATE_KEEP_TEXT)
         && agb_process_parse (g_strchomp (text) + strlen (GATE_KEEP_TEXT), &owner)
         && !agb_process_alive (&owner);
}

static gboolean
is_quarantine (const char *name)
{
  return g_str_has_prefix (name, folder_prefix) || g_str_has_prefix (name, removed_prefix);
}

static gboolean
is_keep (const char *name)
{
  return g_str_has_suffix (name, ".keep");
}

static gboolean
sweep_folder (const char *parent, gboolean (*is_ours) (const char *name),
              gboolean (*is_left) (const char *path),
              gboolean (*remove) (const char *path, GError **error), gboolean dry_run,
              AgbGateSweepFunc func, gpointer data, GError **error)
{
  g_autoptr (GDir) folder = g_dir_open (parent, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (parent, name, NULL);

      if (!is_ours (name) || !is_left (path))
        continue;
      if (func != NULL)
        func (path, data);
      if (!dry_run && !remove (path, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
agb_gate_sweep (AgbRepo *repo, gboolean dry_run, AgbGateSweepFunc func, gpointer data,
                GError **error)
{
  g_autofree char *quarantines = g_build_filename (agb_repo_common_dir (repo), "agbranch", NULL);
  g_autofree char *packs = g_build_filename (agb_repo_common_dir (repo), "objects", "pack", NULL);

  return sweep_folder (quarantines, is_quarantine, is_abandoned, remove_quarantine, dry_run, func,
                       data, error)
         && sweep_folder (packs, is_keep, is_orphaned_keep, agb_remove_tree, dry_run, func, data,
                          error);
}
