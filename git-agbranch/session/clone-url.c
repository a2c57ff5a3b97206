/* open --clone: a bare clone that the state root keeps. */
#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/io.h"
#include "core/paths.h"
#include "session/open.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

gboolean
agb_is_repository_url (const char *text)
{
  const char *colon = strchr (text, ':');
  const char *slash = strchr (text, '/');

  if (strstr (text, "://") != NULL)
    return TRUE;
  /* "host:path", as scp(1) writes it; a path that exists is a path (git-clone(1), "GIT URLS"). */
  return colon != NULL && colon != text && (slash == NULL || slash > colon)
         && !g_file_test (text, G_FILE_TEST_EXISTS);
}

/* "https://host/x/name.git" is "name-<sum of all>.git". */
static char *
clone_name (const char *url)
{
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, url, -1);
  g_autofree char *trimmed = g_strdup (url);

  while (g_str_has_suffix (trimmed, "/"))
    trimmed[strlen (trimmed) - 1] = '\0';
  if (g_str_has_suffix (trimmed, ".git"))
    trimmed[strlen (trimmed) - strlen (".git")] = '\0';
  const char *last = trimmed + strlen (trimmed);
  while (last > trimmed && (g_ascii_isalnum (last[-1]) || strchr ("._-", last[-1]) != NULL))
    last--;
  return g_strdup_printf ("%s-%.12s.git", *last != '\0' ? last : "repository", sum);
}

static gboolean
run_git (const char *const *argv, GError **error)
{
  AgbChildSpec spec = { .argv = argv, .timeout_ms = AGB_TIMEOUT_LONG, .stderr_fd = STDERR_FILENO };

  return agb_child_check (&spec, NULL, error);
}

static gboolean
make_clone (const char *url, const char *path, GError **error)
{
  g_autofree char *unfinished = g_strdup_printf ("%s.%d", path, (int)getpid ());
  const char *argv[]
      = { "git", "clone", "--bare", "--quiet", "--no-hardlinks", "--", url, unfinished, NULL };

  if (!run_git (argv, error))
    {
      agb_remove_tree (unfinished, NULL);
      g_autofree char *shown = agb_hide_credentials (url);
      agb_error_adopt (error, AGB_ERROR_CHILD, "cannot clone '%s': ", shown);
      return FALSE;
    }
  if (rename (unfinished, path) != 0)
    {
      agb_remove_tree (unfinished, NULL);
      g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot rename '%s'", unfinished);
      return FALSE;
    }
  return TRUE;
}

gboolean
agb_open_clone (const char *url, AgbProgress *progress, char **ret_path, GError **error)
{
  g_autofree char *name = clone_name (url);
  g_autofree char *path = agb_state_path (error, "clones", name, NULL);

  if (path == NULL)
    return FALSE;
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      agb_progress_phase (progress, "cloning");
      if (!make_clone (url, path, error))
        return FALSE;
    }
  else
    {
      /* Branches as they are at the origin now; review branches are ours. */
      const char *argv[] = { "git",
                             "--git-dir",
                             path,
                             "fetch",
                             "--quiet",
                             "--tags",
                             "origin",
                             "+refs/heads/*:refs/heads/*",
                             "^refs/heads/agbranch/*",
                             NULL };
      agb_progress_phase (progress, "fetching");
      if (!run_git (argv, error))
        return FALSE;
    }
  *ret_path = g_steal_pointer (&path);
  return TRUE;
}
