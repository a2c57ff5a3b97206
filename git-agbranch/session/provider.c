#include "session/provider.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "guest/transport.h"

#include <string.h>

enum { FILE_LIMIT = 1024 * 1024 };

static const AgbProviderFile provider_files[] = {
  { "claude-code", ".claude/settings.json", FALSE },
  { "claude-code", ".claude/CLAUDE.md", FALSE },
  { "claude-code", ".claude/.credentials.json", TRUE },
  { "codex", ".codex/config.toml", FALSE },
  { "codex", ".codex/AGENTS.md", FALSE },
  { "codex", ".codex/auth.json", TRUE },
  { "gemini", ".gemini/settings.json", FALSE },
  { "gemini", ".gemini/GEMINI.md", FALSE },
  { "gemini", ".gemini/oauth_creds.json", TRUE },
  { "gemini", ".gemini/google_accounts.json", TRUE },
  { "opencode", ".config/opencode/opencode.json", FALSE },
  { "opencode", ".local/share/opencode/auth.json", TRUE },
  { "aider", ".aider.conf.yml", FALSE },
  { NULL, NULL, FALSE },
};

const AgbProviderFile *
agb_provider_files (void)
{
  return provider_files;
}

static gboolean
on_host (const AgbProviderFile *file)
{
  g_autofree char *path = g_build_filename (g_get_home_dir (), file->path, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

static void
choose (GPtrArray *chosen, const AgbProviderFile *file)
{
  if (!g_ptr_array_find (chosen, file, NULL))
    g_ptr_array_add (chosen, (gpointer)file);
}

/* Add what NAME means. */
static gboolean
choose_name (const char *provider, const char *name, GPtrArray *chosen, GError **error)
{
  gboolean settings = g_str_equal (name, "settings");
  gboolean credentials = g_str_equal (name, "credentials");
  const char *path = g_str_has_prefix (name, "~/") ? name + 2 : name;

  if (g_str_equal (name, "none"))
    return TRUE;
  for (const AgbProviderFile *file = provider_files; file->provider != NULL; file++)
    {
      if (!g_str_equal (file->provider, provider))
        continue;
      if ((file->credentials ? credentials : settings) && on_host (file))
        choose (chosen, file);
      if (!g_str_equal (file->path, path))
        continue;
      if (on_host (file))
        {
          choose (chosen, file);
          return TRUE;
        }
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "there is no '~/%s' to import", path);
      return FALSE;
    }
  if (settings || credentials)
    return TRUE;
  g_autofree char *shown = agb_escape (name, -1);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is nothing that %s could import", shown,
               provider);
  agb_error_hint (error, "--import settings, credentials, none, or one of the files in "
                         "git-agbranch-agent(1)");
  return FALSE;
}

GPtrArray *
agb_provider_choose (const char *provider, const char *const *names, GError **error)
{
  g_autoptr (GPtrArray) chosen = g_ptr_array_new ();

  for (; names != NULL && *names != NULL; names++)
    if (!choose_name (provider, *names, chosen, error))
      return NULL;
  return g_steal_pointer (&chosen);
}

gboolean
agb_provider_has_credentials (GPtrArray *files)
{
  for (guint i = 0; i < files->len; i++)
    if (((const AgbProviderFile *)g_ptr_array_index (files, i))->credentials)
      return TRUE;
  return FALSE;
}

/* Rather once too often: such a file can still be imported by name. */
static gboolean
looks_secret (const char *text)
{
  return g_regex_match_simple ("api[_-]?key|token|secret|passw|bearer|sk-[a-z0-9]", text,
                               G_REGEX_CASELESS, 0);
}

/* *RET_DONE FALSE: left out. */
static gboolean
import_file (AgbEnv *env, AgbRuntime *runtime, const AgbSession *session,
             const AgbProviderFile *file, gboolean secrets_too, gboolean *ret_done, GError **error)
{
  g_autofree char *path = g_build_filename (g_get_home_dir (), file->path, NULL);
  g_autofree char *text = NULL;
  gsize length = 0;

  *ret_done = FALSE;
  if (!g_file_get_contents (path, &text, &length, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot import: ");
      return FALSE;
    }
  if (length > FILE_LIMIT)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'~/%s' is too large to import", file->path);
      return FALSE;
    }
  if (!secrets_too && looks_secret (text))
    {
      agb_progress_note (env->progress,
                         "'~/%s' may hold a secret and was left out (--import "
                         "credentials takes it)",
                         file->path);
      return TRUE;
    }

  const char *argv[]
      = { "sh", "-c",       "umask 077; mkdir -p -- \"$(dirname -- \"$1\")\" && cat >\"$1\"",
          "sh", file->path, NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_auto (AgbChildResult) result = { 0 };
  if (!agb_fault_point ("agent: import a file", error)
      || !agb_guest_capture (runtime, session->vm_name, &spec, text, length, FILE_LIMIT,
                             AGB_TIMEOUT_QUICK, &result, error))
    return FALSE;
  *ret_done = result.status == 0;
  if (result.status != 0)
    g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                 "the guest could not write '~/%s' (status %d)", file->path, result.status);
  return *ret_done;
}

cJSON *
agb_provider_imported (const AgbSession *session)
{
  const char *text = session->imported_provider_files_json;
  cJSON *list = text != NULL ? cJSON_Parse (text) : NULL;

  if (cJSON_IsArray (list))
    return list;
  cJSON_Delete (list);
  return cJSON_CreateArray ();
}

static void
add_path (cJSON *list, const char *path)
{
  g_autofree char *shown = g_strconcat ("~/", path, NULL);
  const cJSON *item;

  cJSON_ArrayForEach (item, list) if (g_strcmp0 (cJSON_GetStringValue (item), shown) == 0) return;
  cJSON_AddItemToArray (list, cJSON_CreateString (shown));
}

gboolean
agb_provider_import (AgbEnv *env, AgbRuntime *runtime, AgbSession *session, GPtrArray *files,
                     GError **error)
{
  g_autoptr (cJSON) list = agb_provider_imported (session);
  gboolean secrets_too = agb_provider_has_credentials (files);

  for (guint i = 0; i < files->len; i++)
    {
      const AgbProviderFile *file = g_ptr_array_index (files, i);
      gboolean done;

      if (!import_file (env, runtime, session, file, secrets_too, &done, error))
        return FALSE;
      if (done)
        add_path (list, file->path);
    }
  if (files->len == 0)
    return TRUE;
  g_free (session->imported_provider_files_json);
  session->imported_provider_files_json = agb_json_print (list, FALSE);
  return agb_catalog_update_session (env->catalog, session->name, error,
                                     "imported_provider_files_json",
                                     session->imported_provider_files_json, NULL);
}
