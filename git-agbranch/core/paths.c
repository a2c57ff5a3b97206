#include "core/paths.h"

#include "core/error.h"
#include "core/io.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

char *
agb_state_root (void)
{
  const char *root = g_getenv ("AGBRANCH_STATE_ROOT");

  if (root != NULL && *root != '\0')
    return g_canonicalize_filename (root, NULL);
#ifdef __APPLE__
  return g_build_filename (g_get_home_dir (), "Library", "Application Support", "agbranch", NULL);
#else
  return g_build_filename (g_get_user_state_dir (), "agbranch", NULL);
#endif
}

static gboolean
check_root (const char *root, GError **error)
{
  struct stat status;

  if (!agb_mkdirs (root, 0700, error))
    return FALSE;
  if (stat (root, &status) != 0)
    return agb_error_set_errno (error, errno, "look at", root);
  if (status.st_uid != geteuid ())
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "state folder '%s' belongs to user %d", root,
                   (int)status.st_uid);
      agb_error_hint (error, "run git agbranch as that user, or set AGBRANCH_STATE_ROOT");
      return FALSE;
    }
  if ((status.st_mode & 0077) != 0 && chmod (root, 0700) != 0)
    return agb_error_set_errno (error, errno, "close to others", root);
  return TRUE;
}

char *
agb_state_path (GError **error, const char *first, ...)
{
  g_autofree char *root = agb_state_root ();
  va_list args;

  if (!check_root (root, error))
    return NULL;

  va_start (args, first);
  g_autofree char *below = g_build_filename_valist (first, &args);
  va_end (args);
  g_autofree char *path = g_build_filename (root, below, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  if (!agb_mkdirs (parent, 0700, error))
    return NULL;
  return g_steal_pointer (&path);
}

/* BELOW in the tree that the running program belongs to (the build tree has the same shape as an
 * installation), else in the prefix it was configured for. */
static char *
in_own_tree (const char *below)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);

  if (program != NULL)
    {
      g_autofree char *folder = g_path_get_dirname (program);
      /* bin/ is one level below the top, libexec/git-agbranch/ two. */
      static const char *const tops[] = { "..", "../.." };
      for (gsize i = 0; i < G_N_ELEMENTS (tops); i++)
        {
          g_autofree char *joined = g_build_filename (folder, tops[i], below, NULL);
          g_autofree char *path = g_canonicalize_filename (joined, NULL);
          if (g_file_test (path, G_FILE_TEST_IS_DIR))
            return g_steal_pointer (&path);
        }
    }
  return g_build_filename (AGB_PREFIX, below, NULL);
}

char *
agb_exec_path (void)
{
  const char *set = g_getenv ("GIT_AGBRANCH_EXEC_PATH");

  return set != NULL && *set != '\0' ? g_strdup (set) : in_own_tree ("libexec/git-agbranch");
}

char *
agb_share_path (const char *below)
{
  g_autofree char *path = g_build_filename ("share", below, NULL);

  return in_own_tree (path);
}

char *
agb_assets_path (void)
{
  const char *set = g_getenv ("AGBRANCH_LIMA_ASSETS_DIR");

  return set != NULL && *set != '\0' ? g_canonicalize_filename (set, NULL)
                                     : agb_share_path ("git-agbranch/lima");
}

char *
agb_asset_read (const char *file, GError **error)
{
  g_autofree char *folder = agb_assets_path ();
  g_autofree char *path = g_build_filename (folder, file, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot read '%s': ", path);
      agb_error_hint (error, "install git agbranch again, or correct AGBRANCH_LIMA_ASSETS_DIR");
      return NULL;
    }
  return text;
}
