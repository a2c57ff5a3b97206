#include "session/place.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct AgbPlace {
  char *parent; /* real path */
  char *name;
  char *folder; /* temporary */
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

AgbPlace *
agb_place_new (const char *to, gboolean force, GError **error)
{
  g_autoptr (AgbPlace) place = g_new0 (AgbPlace, 1);
  struct stat info;

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
  g_autofree char *folder = g_build_filename (place->parent, ".agbranch-copy.XXXXXX", NULL);
  if (!agb_fault_point ("copy: make the temporary folder", error))
    return NULL;
  if (g_mkdtemp (folder) == NULL)
    {
      agb_error_set_errno (error, errno, "make a folder in", place->parent);
      return NULL;
    }
  place->folder = g_steal_pointer (&folder);
  return g_steal_pointer (&place);
}

void
agb_place_free (AgbPlace *place)
{
  if (place->folder != NULL)
    agb_remove_tree (place->folder, NULL);
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

static gboolean move_entry (int from_fd, const char *from, int to_fd, const char *to,
                            GError **error);

static gboolean
merge_folder (int from_fd, const char *from, int to_fd, const char *to, GError **error)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int source_fd = openat (from_fd, from, flags);
  agb_autofd int target_fd = openat (to_fd, to, flags);
  DIR *list = source_fd >= 0 ? fdopendir (source_fd) : NULL;
  gboolean moved = target_fd >= 0;

  if (list == NULL || !moved)
    {
      int errnum = errno;
      if (list != NULL)
        closedir (list);
      else
        agb_close (&source_fd);
      return agb_error_set_errno (error, errnum, "open", list == NULL ? from : to);
    }
  for (struct dirent *entry; moved && (entry = readdir (list)) != NULL;)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      moved = move_entry (dirfd (list), entry->d_name, target_fd, entry->d_name, error);
  closedir (list);
  return moved;
}

static gboolean
move_entry (int from_fd, const char *from, int to_fd, const char *to, GError **error)
{
  struct stat source, target;

  if (agb_interrupted (error) || !agb_fault_point ("copy: rename", error))
    return FALSE;
  if (renameat2 (from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
    return TRUE;
  if (errno != EEXIST)
    return agb_error_set_errno (error, errno, "rename to", to);
  if (fstatat (from_fd, from, &source, AT_SYMLINK_NOFOLLOW) != 0
      || fstatat (to_fd, to, &target, AT_SYMLINK_NOFOLLOW) != 0)
    return agb_error_set_errno (error, errno, "look at", to);
  if (S_ISDIR (source.st_mode) && S_ISDIR (target.st_mode))
    return merge_folder (from_fd, from, to_fd, to, error);
  if (S_ISDIR (source.st_mode) || S_ISDIR (target.st_mode))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' exists and is %s: it is not replaced",
                   to, S_ISDIR (target.st_mode) ? "a folder" : "no folder");
      agb_error_hint (error, "remove it first, or choose another place");
      return FALSE;
    }
  return renameat (from_fd, from, to_fd, to) == 0
         || agb_error_set_errno (error, errno, "replace", to);
}

gboolean
agb_place_move (AgbPlace *place, const char *name, GError **error)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  agb_autofd int from_fd = open (place->folder, flags);
  agb_autofd int to_fd = open (place->parent, flags);

  if (from_fd < 0 || to_fd < 0)
    return agb_error_set_errno (error, errno, "open", from_fd < 0 ? place->folder : place->parent);
  return move_entry (from_fd, name, to_fd, place->name, error)
         && agb_fsync_folder (place->parent, error);
}
