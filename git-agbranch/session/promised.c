/* Objects that a partial clone was only promised (gitrepository-layout(5), partial clone). */
#include "session/host-side.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"

#include <string.h>

enum {
  FETCH_ROUNDS = 3,               /* trees that were missing bring blobs that are */
  LIST_LIMIT = 512 * 1024 * 1024, /* names of all objects of one tree */
};

/* The names of the remotes that promise objects, NULL-ended. */
static char **
promisors (AgbRepo *repo)
{
  static const char prefix[] = "remote.", suffix[] = ".promisor";
  const char *args[] = { "config", "--null", "--get-regexp",
                         "^(remote\\..*\\.promisor|extensions\\.partialclone)$", NULL };
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_autofree char *output = NULL;

  /* Each as "KEY\nVALUE"; a remote's name may hold dots, but no NUL and no newline. */
  if (!agb_repo_git (repo, args, NULL, &output, NULL))
    return g_strv_builder_end (names);
  for (const char *entry = output; *entry != '\0'; entry += strlen (entry) + 1)
    {
      const char *key_end = entry + strcspn (entry, "\n");
      if (g_str_has_prefix (entry, "extensions.") && *key_end != '\0')
        g_strv_builder_add (names, key_end + 1);
      else if (g_str_has_prefix (entry, prefix))
        {
          g_autofree char *name
              = g_strndup (entry + strlen (prefix),
                           (gsize)(key_end - entry) - strlen (prefix) - strlen (suffix));
          g_strv_builder_add (names, name);
        }
    }
  return g_strv_builder_end (names);
}

/* The objects of COMMIT's tree that are not here, one id a line. */
static gboolean
missing_objects (AgbRepo *repo, const char *commit, GString *ids, GError **error)
{
  const char *argv[]
      = { "git",           "rev-list", "--objects", "--no-object-names", "--missing=print",
          "--max-count=1", commit,     NULL };
  g_auto (GStrv) envp = agb_repo_plumbing_env (repo);
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_git_dir (repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .capture_limit = LIST_LIMIT };
  g_autofree char *output = NULL;

  if (!agb_child_check (&spec, &output, error))
    return FALSE;
  for (const char *line = output; line != NULL && *line != '\0';)
    {
      const char *end = strchr (line, '\n');
      gsize length = end != NULL ? (gsize)(end - line) : strlen (line);
      if (*line == '?')
        {
          g_string_append_len (ids, line + 1, (gssize)length - 1);
          g_string_append_c (ids, '\n');
        }
      line = end != NULL ? end + 1 : NULL;
    }
  return TRUE;
}

/* What git said, without what it says every time. */
static char *
fetch_reason (const GString *errors)
{
  g_auto (GStrv) lines = g_strsplit (errors->str, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, "fatal: ") || g_str_has_prefix (*line, "error: "))
      return agb_escape (*line + strlen ("fatal: "), -1);
  return g_strdup ("git fetch failed");
}

/* As git itself fetches what it misses, with the user's own settings; *RET_REASON (freed by the
 * caller) when REMOTE did not give them. */
static gboolean
fetch_objects (AgbRepo *repo, const char *remote, const GString *ids, char **ret_reason,
               GError **error)
{
  const char *argv[] = { "git",
                         "-c",
                         "fetch.negotiationAlgorithm=noop",
                         "fetch",
                         "--no-tags",
                         "--no-write-fetch-head",
                         "--quiet",
                         "--recurse-submodules=no",
                         "--stdin",
                         "--filter=blob:none",
                         "--no-auto-maintenance",
                         "--end-of-options",
                         remote,
                         NULL };
  g_auto (GStrv) envp
      = g_environ_setenv (agb_repo_user_env (repo), "GIT_TERMINAL_PROMPT", "0", TRUE);
  g_auto (AgbChildResult) result = { 0 };
  AgbChildSpec spec = { .argv = argv,
                        .cwd = agb_repo_git_dir (repo),
                        .envp = envp,
                        .timeout_ms = AGB_TIMEOUT_LONG,
                        .input = ids->str,
                        .input_length = ids->len };

  if (!agb_child_run (&spec, &result, error))
    return FALSE;
  g_free (*ret_reason);
  *ret_reason = result.status != 0 ? fetch_reason (result.errors) : NULL;
  return TRUE;
}

static gboolean
fetch_from_any (AgbRepo *repo, char **remotes, const GString *ids, char **ret_reason,
                GError **error)
{
  *ret_reason = g_strdup ("no remote promises them");
  for (; *remotes != NULL && *ret_reason != NULL; remotes++)
    if (!fetch_objects (repo, *remotes, ids, ret_reason, error))
      return FALSE;
  return TRUE;
}

gboolean
agb_fetch_promised (AgbRepo *repo, const char *commit, AgbProgress *progress, GError **error)
{
  g_autofree char *reason = NULL;

  if (!agb_repo_is_partial (repo))
    return TRUE;
  g_auto (GStrv) remotes = promisors (repo);
  for (int round = 0; round < FETCH_ROUNDS && reason == NULL; round++)
    {
      g_autoptr (GString) ids = g_string_new (NULL);
      if (!missing_objects (repo, commit, ids, error))
        return FALSE;
      if (ids->len == 0)
        return TRUE;
      agb_progress_phase (progress, "fetching what the base needs");
      if (!fetch_from_any (repo, remotes, ids, &reason, error))
        return FALSE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "this clone is partial, and objects of the base are missing: %s",
               reason != NULL ? reason : "they were not sent");
  agb_error_hint (error, "its remote must answer: git fetch %s",
                  *remotes != NULL ? *remotes : "<remote>");
  return FALSE;
}
