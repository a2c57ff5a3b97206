#include "session/place.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UNWRITTEN_SECONDS = 60 * 60 };

struct AgbPlace {
  char *parent; /* real path */
  char *name;
  char *folder; /* temporary */
  char *record; /* file of the state root that names it, for gc */
  gboolean force;
};

/* FOLDER is a repository or a `.git` (gitrepository-layout(5)). */
static gboolean
is_git_folder (const char *folder)
{
  g_autofree char *name = g_path_get_basename (folder);
  g_autofree char *head = g_build_filename (folder, "HEAD", NULL);
  g_autofree char *objects = g_build_filename (folder, "objects", NULL);
  g_autofree char *refs = g_build_filename (folder, "refs", NULL);

  return g_ascii_strcasecmp (name, ".git") == 0
         || (g_file_test (head, G_FILE_TEST_EXISTS) && g_file_test (objects, G_FILE_TEST_IS_DIR)
             && g_file_test (refs, G_FILE_TEST_IS_DIR));
}

static gboolean
check_no_git_folder (const char *whole, GError **error)
{
  g_autofree char *folder = g_strdup (whole);

  while (!g_str_equal (folder, "/"))
    {
      if (is_git_folder (folder))
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                       "'%s' lies in a git folder: nothing of a guest is put there", whole);
          agb_error_hint (error, "choose another place");
          return FALSE;
        }
      char *above = g_path_get_dirname (folder);
      g_free (folder);
      folder = above;
    }
  return TRUE;
}

static gboolean
resolve (AgbPlace *place, const char *to, GError **error)
{
  g_autofree char *whole = g_canonicalize_filename (to, NULL);
  g_autofree char *parent = g_path_get_dirname (whole);
  char *real = realpath (parent, NULL);

  if (real == NULL || !g_file_test (real, G_FILE_TEST_IS_DIR) || g_str_equal (whole, "/"))
    {
      free (real);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "there is no folder '%s' to put '%s' in",
                   parent, to);
      agb_error_hint (error, "make it: mkdir -p '%s'", parent);
      return FALSE;
    }
  place->parent = g_strdup (real);
  free (real);
  place->name = g_path_get_basename (whole);
  return TRUE;
}

/* The folder is written down first, so that gc finds it wherever it is. */
static gboolean
make_folder (AgbPlace *place, GError **error)
{
  g_autofree char *record = agb_state_path (error, "copies", "XXXXXX", NULL);
  AgbProcessId self;

  if (record == NULL)
    return FALSE;
  agb_autofd int fd = g_mkstemp_full (record, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", record);
  place->record = g_steal_pointer (&record);
  const char *suffix = strrchr (place->record, '/') + 1;
  g_autofree char *name = g_strconcat (AGB_COPY_PREFIX, suffix, NULL);
  g_autofree char *folder = g_build_filename (place->parent, name, NULL);
  agb_process_self (&self);
  g_autofree char *id = agb_process_format (&self);
  g_autofree char *text = g_strconcat (id, "\n", folder, NULL);
  if (!agb_write_all (fd, text, strlen (text), place->record, error))
    return FALSE;
  if (mkdir (folder, 0700) != 0)
    return agb_error_set_errno (error, errno, "make folder", folder);
  place->folder = g_steal_pointer (&folder);
  return TRUE;
}

AgbPlace *
agb_place_new (const char *to, gboolean force, GError **error)
{
  g_autoptr (AgbPlace) place = g_new0 (AgbPlace, 1);
  struct stat info;

  place->force = force;
  if (!resolve (place, to, error))
    return NULL;
  g_autofree char *whole = g_build_filename (place->parent, place->name, NULL);
  if (!check_no_git_folder (whole, error))
    return NULL;
  if (lstat (whole, &info) == 0 && !force)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' exists", to);
      agb_error_hint (error, "replace it with --force, or choose another place");
      return NULL;
    }
  if (!agb_fault_point ("copy: make the temporary folder", error) || !make_folder (place, error))
    return NULL;
  return g_steal_pointer (&place);
}

void
agb_place_free (AgbPlace *place)
{
  gboolean gone = place->folder == NULL || agb_remove_tree (place->folder, NULL);

  if (place->record != NULL && gone)
    unlink (place->record);
  g_free (place->record);
  g_free (place->folder);
  g_free (place->parent);
  g_free (place->name);
  g_free (place);
}

const char *
agb_place_folder (const AgbPlace *place)
{
  return place->folder;
}

/* Replacing a folder removes what else is in it: not with these. */
static const char *
reason_to_keep (const char *whole)
{
  g_autofree char *git = g_build_filename (whole, ".git", NULL);
  g_autofree char *above = g_build_filename (whole, "..", NULL);
  g_autofree char *here = g_get_current_dir ();
  g_autofree char *below = g_strconcat (whole, "/", NULL);
  g_autofree char *home = realpath (g_get_home_dir (), NULL);
  struct stat inside, outside;

  if (g_file_test (git, G_FILE_TEST_EXISTS))
    return "has a '.git' in it";
  if (g_str_equal (here, whole) || g_str_has_prefix (here, below))
    return "holds the working directory";
  if (home != NULL && (g_str_equal (home, whole) || g_str_has_prefix (home, below)))
    return "holds your home";
  if (stat (whole, &inside) == 0 && stat (above, &outside) == 0 && inside.st_dev != outside.st_dev)
    return "is a file system of its own";
  return NULL;
}

/* Both in one step; what was there lies in the temporary folder then, and goes with it. */
static gboolean
exchange (AgbPlace *place, int from_fd, const char *name, int to_fd, GError **error)
{
  g_autofree char *whole = g_build_filename (place->parent, place->name, NULL);
  const char *reason = reason_to_keep (whole);

  if (reason != NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' %s: it is not replaced", whole, reason);
      agb_error_hint (error, "choose another place");
      return FALSE;
    }
  if (!agb_fault_point ("copy: exchange", error))
    return FALSE;
  return renameat2 (from_fd, name, to_fd, place->name, RENAME_EXCHANGE) == 0
         || agb_error_set_errno (error, errno, "replace", whole);
}

static gboolean
replace (AgbPlace *place, int from_fd, const char *name, int to_fd, GError **error)
{
  struct stat source, target;

  if (fstatat (from_fd, name, &source, AT_SYMLINK_NOFOLLOW) != 0
      || fstatat (to_fd, place->name, &target, AT_SYMLINK_NOFOLLOW) != 0)
    return agb_error_set_errno (error, errno, "look at", place->name);
  if (S_ISDIR (source.st_mode) && S_ISDIR (target.st_mode))
    return exchange (place, from_fd, name, to_fd, error);
  if (S_ISDIR (source.st_mode) || S_ISDIR (target.st_mode))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' exists and is %s: it is not replaced",
                   place->name, S_ISDIR (target.st_mode) ? "a folder" : "no folder");
      agb_error_hint (error, "remove it first, or choose another place");
      return FALSE;
    }
  return renameat (from_fd, name, to_fd, place->name) == 0
         || agb_error_set_errno (error, errno, "replace", place->name);
}

gboolean
agb_place_move (AgbPlace *place, const char *name, GError **error)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  agb_autofd int from_fd = open (place->folder, flags);
  agb_autofd int to_fd = open (place->parent, flags);

  if (from_fd < 0 || to_fd < 0)
    return agb_error_set_errno (error, errno, "open", from_fd < 0 ? place->folder : place->parent);
  if (agb_interrupted (error) || !agb_fault_point ("copy: rename", error))
    return FALSE;
  if (renameat2 (from_fd, name, to_fd, place->name, RENAME_NOREPLACE) != 0)
    {
      if (errno != EEXIST || !place->force)
        return agb_error_set_errno (error, errno, "rename to", place->name);
      if (!replace (place, from_fd, name, to_fd, error))
        return FALSE;
    }
  return agb_fsync_folder (place->parent, error);
}

GPtrArray *
agb_place_left (void)
{
  GPtrArray *left = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *root = agb_state_root ();
  g_autofree char *folder = g_build_filename (root, "copies", NULL);
  g_autoptr (GDir) list = g_dir_open (folder, 0, NULL);

  for (const char *name; list != NULL && (name = g_dir_read_name (list)) != NULL;)
    {
      g_autofree char *record = g_build_filename (folder, name, NULL);
      g_autofree char *text = NULL;
      AgbProcessId owner;
      struct stat info;

      if (!g_file_get_contents (record, &text, NULL, NULL))
        continue;
      char *path = strchr (text, '\n');
      if (path != NULL)
        *path++ = '\0';
      gboolean known = agb_process_parse (text, &owner);
      if (known ? agb_process_alive (&owner)
                : stat (record, &info) != 0 || time (NULL) - info.st_mtime < UNWRITTEN_SECONDS)
        continue;
      g_autofree char *base = g_path_get_basename (path != NULL ? path : "");
      if (path != NULL && g_str_has_prefix (base, AGB_COPY_PREFIX)
          && g_str_equal (base + strlen (AGB_COPY_PREFIX), name)
          && g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        g_ptr_array_add (left, g_strdup (path));
      g_ptr_array_add (left, g_steal_pointer (&record));
    }
  return left;
}
