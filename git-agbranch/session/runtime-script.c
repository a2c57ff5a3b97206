#include "session/runtime-script.h"

#include "core/error.h"
#include "core/escape.h"

#include <string.h>

enum { SIZE_MAX_BYTES = 256 * 1024 };

void
agb_runtime_script_clear (AgbRuntimeScript *script)
{
  g_clear_pointer (&script->base_oid, g_free);
  g_clear_pointer (&script->text, g_free);
  g_clear_pointer (&script->digest, g_free);
}

const char *
agb_runtime_script_word (AgbScriptState state)
{
  static const char *const words[]
      = { NULL,      "not_regular", "not_executable", "not_text", "not_allowed",
          "allowed", "ran",         "failed" };

  return words[state];
}

/* "MODE TYPE OID SIZE<TAB>PATH", empty when there is none. */
static gboolean
find_entry (AgbRepo *repo, const char *base_oid, char ***ret_fields, GError **error)
{
  const char *const args[]
      = { "ls-tree", "-l", "-z", "--full-tree", base_oid, "--", AGB_RUNTIME_SCRIPT, NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, error))
    return FALSE;
  g_auto (GStrv) words = g_strsplit_set (output, " \t", -1);
  g_autoptr (GStrvBuilder) fields = g_strv_builder_new ();
  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      g_strv_builder_add (fields, *word);
  *ret_fields = g_strv_builder_end (fields);
  return TRUE;
}

static gboolean
read_blob (AgbRepo *repo, const char *oid, gsize size, AgbRuntimeScript *script, GError **error)
{
  const char *const args[] = { "cat-file", "blob", oid, NULL };

  if (!agb_repo_git (repo, args, NULL, &script->text, error))
    return FALSE;
  script->size = size;
  if (strlen (script->text) != size)
    {
      g_clear_pointer (&script->text, g_free);
      script->state = AGB_SCRIPT_NOT_TEXT;
      return TRUE;
    }
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, script->text, -1);
  script->digest = g_strconcat ("sha256:", sum, NULL);
  return TRUE;
}

gboolean
agb_runtime_script_load (AgbRepo *repo, AgbSettings *settings, const char *base_oid,
                         AgbRuntimeScript *ret, GError **error)
{
  g_auto (AgbRuntimeScript) script = { .state = AGB_SCRIPT_NONE };
  g_auto (GStrv) fields = NULL;

  if (base_oid != NULL && !find_entry (repo, base_oid, &fields, error))
    return FALSE;
  if (fields != NULL && g_strv_length (fields) == 5)
    {
      gsize size = (gsize)g_ascii_strtoull (fields[3], NULL, 10);

      script.base_oid = g_strdup (base_oid);
      if (g_str_equal (fields[0], "100755"))
        script.state = size <= SIZE_MAX_BYTES ? AGB_SCRIPT_NOT_ALLOWED : AGB_SCRIPT_NOT_TEXT;
      else
        script.state = g_str_has_prefix (fields[0], "1006") ? AGB_SCRIPT_NOT_EXECUTABLE
                                                            : AGB_SCRIPT_NOT_REGULAR;
      if (script.state == AGB_SCRIPT_NOT_ALLOWED
          && !read_blob (repo, fields[2], size, &script, error))
        return FALSE;
      if (script.digest != NULL
          && g_strv_contains (agb_settings_list (settings, "agbranch.allowedScript"),
                              script.digest))
        script.state = AGB_SCRIPT_ALLOWED;
    }
  *ret = script;
  script = (AgbRuntimeScript){ 0 };
  return TRUE;
}

/* The folder of REPO as a word of a command. */
static char *
folder_word (AgbRepo *repo)
{
  static const char plain[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "@:/._+,-";
  const char *path
      = agb_repo_work_tree (repo) != NULL ? agb_repo_work_tree (repo) : agb_repo_git_dir (repo);
  g_autofree char *word
      = strspn (path, plain) == strlen (path) ? g_strdup (path) : g_shell_quote (path);

  return agb_escape (word, -1);
}

static gboolean
allow (AgbRepo *repo, AgbRuntimeScript *script, GError **error)
{
  const char *argv[] = { "git", "config", "--add", "agbranch.allowedScript", script->digest, NULL };
  g_auto (GStrv) envp = agb_repo_user_env (repo);
  const AgbChildSpec spec = {
    .argv = argv, .cwd = agb_repo_git_dir (repo), .envp = envp, .timeout_ms = AGB_TIMEOUT_QUICK
  };

  if (!agb_child_check (&spec, NULL, error))
    return FALSE;
  script->state = AGB_SCRIPT_ALLOWED;
  return TRUE;
}

static gboolean
ask_user (AgbRepo *repo, const AgbAsk *ask, AgbRuntimeScript *script, GError **error)
{
  g_autofree char *folder = folder_word (repo);
  g_autofree char *question = g_strdup_printf (
      AGB_RUNTIME_SCRIPT " would run in the guest before the agent: %" G_GSIZE_FORMAT " bytes\n"
                         "  %s\n"
                         "  read it: git -C %s show %.12s:" AGB_RUNTIME_SCRIPT "\n"
                         "allow this content, now and in future?",
      script->size, script->digest, folder, script->base_oid);
  gboolean yes = FALSE;

  if (!ask->ask (question, &yes, ask->data, error))
    return FALSE;
  return !yes || allow (repo, script, error);
}

static void
note (AgbRepo *repo, AgbProgress *progress, const AgbRuntimeScript *script)
{
  g_autofree char *folder = folder_word (repo);

  switch (script->state)
    {
    case AGB_SCRIPT_NOT_ALLOWED:
      agb_progress_note (progress,
                         AGB_RUNTIME_SCRIPT " was not run: allow it with git -C %s config --add "
                                            "agbranch.allowedScript %s",
                         folder, script->digest);
      break;
    case AGB_SCRIPT_NOT_EXECUTABLE:
      agb_progress_note (progress,
                         AGB_RUNTIME_SCRIPT
                         " is not executable in %.12s and was not run: git -C %s "
                         "update-index --chmod=+x " AGB_RUNTIME_SCRIPT,
                         script->base_oid, folder);
      break;
    case AGB_SCRIPT_NOT_REGULAR:
      agb_progress_note (progress, AGB_RUNTIME_SCRIPT " is not a file in %.12s and was not run",
                         script->base_oid);
      break;
    case AGB_SCRIPT_NOT_TEXT:
      agb_progress_note (progress,
                         AGB_RUNTIME_SCRIPT " is no text of at most %d KiB and was not run",
                         SIZE_MAX_BYTES / 1024);
      break;
    default:
      break;
    }
}

gboolean
agb_runtime_script_settle (AgbRepo *repo, AgbSettings *settings, const char *base_oid,
                           const AgbAsk *ask, AgbProgress *progress, AgbRuntimeScript *ret,
                           GError **error)
{
  g_auto (AgbRuntimeScript) script = { 0 };

  if (!agb_runtime_script_load (repo, settings, base_oid, &script, error))
    return FALSE;
  if (script.state == AGB_SCRIPT_NOT_ALLOWED && ask != NULL
      && !ask_user (repo, ask, &script, error))
    return FALSE;
  note (repo, progress, &script);
  *ret = script;
  script = (AgbRuntimeScript){ 0 };
  return TRUE;
}

/* *ERROR is set: the session is there all the same. */
static void
hint_kept (const AgbSession *session, const AgbAgentProfile *profile, GError **error)
{
  agb_error_hint (error,
                  "session '%s' is kept; see: git agbranch logs %s --source=script; go on with: "
                  "git agbranch agent start %s %s%s",
                  session->name, session->name, session->name,
                  profile != NULL ? "--provider " : "-- <command>",
                  profile != NULL ? profile->name : "");
}

static gboolean
set_failed (AgbEnv *env, const AgbSession *session, const AgbAgentProfile *profile,
            AgbRuntimeScript *script, const AgbTmuxScript *run, GError **error)
{
  g_autofree char *shown = agb_escape (run->last_line != NULL ? run->last_line : "", -1);

  script->state = AGB_SCRIPT_FAILED;
  if (!agb_catalog_add_event (env->catalog, session->name, "error", "script_failed", error,
                              AGB_RUNTIME_SCRIPT " ended with status %d (%s)", run->status,
                              script->digest))
    return FALSE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD,
               AGB_RUNTIME_SCRIPT " ended with status %d, and the agent was not started%s%s",
               run->status, *shown != '\0' ? ": " : "", shown);
  hint_kept (session, profile, error);
  return FALSE;
}

/* PROBLEM, freed here, is what ended the wait for the script. */
static gboolean
set_too_long (AgbEnv *env, const AgbSession *session, const AgbAgentProfile *profile,
              AgbRuntimeScript *script, GError *problem, GError **error)
{
  if (!g_error_matches (problem, AGB_ERROR, AGB_ERROR_TIMEOUT))
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  g_error_free (problem);
  script->state = AGB_SCRIPT_FAILED;
  if (!agb_catalog_add_event (env->catalog, session->name, "error", "script_failed", error,
                              AGB_RUNTIME_SCRIPT " did not end in time (%s)", script->digest))
    return FALSE;
  g_set_error_literal (error, AGB_ERROR, AGB_ERROR_TIMEOUT,
                       AGB_RUNTIME_SCRIPT " did not end within agbranch.scriptTimeout, and the "
                                          "agent was not started");
  hint_kept (session, profile, error);
  return FALSE;
}

gboolean
agb_runtime_script_start_agent (AgbEnv *env, AgbSettings *settings, AgbRuntime *runtime,
                                const AgbSession *session, const AgbAgentProfile *profile,
                                const char *const *command, const char *const *variables,
                                AgbRuntimeScript *script, GError **error)
{
  g_autofree char *last_line = NULL;
  AgbTmuxScript run = { .text = script->text };
  GError *problem = NULL;

  if (script->state != AGB_SCRIPT_ALLOWED)
    return agb_agent_start (runtime, session, profile, command, variables, NULL, error);
  run.timeout_ms = agb_settings_duration_ms (settings, "agbranch.scriptTimeout");
  agb_progress_phase (env->progress, "running " AGB_RUNTIME_SCRIPT);
  gboolean started
      = agb_agent_start (runtime, session, profile, command, variables, &run, &problem);
  last_line = run.last_line;
  if (!started && last_line == NULL)
    return set_too_long (env, session, profile, script, problem, error);
  if (run.status != 0)
    return set_failed (env, session, profile, script, &run, error);
  script->state = AGB_SCRIPT_RAN;
  if (!started)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  return agb_catalog_add_event (env->catalog, session->name, "info", "script_ran", error,
                                AGB_RUNTIME_SCRIPT " was run (%s)", script->digest);
}

void
agb_runtime_script_json (cJSON *object, const AgbRuntimeScript *script)
{
  if (script->state == AGB_SCRIPT_NONE)
    {
      cJSON_AddNullToObject (object, "runtime_script");
      return;
    }
  cJSON *told = cJSON_AddObjectToObject (object, "runtime_script");
  agb_json_add_string (told, "path", AGB_RUNTIME_SCRIPT);
  agb_json_add_string (told, "state", agb_runtime_script_word (script->state));
  agb_json_add_string (told, "digest", script->digest);
  if (script->digest != NULL)
    cJSON_AddNumberToObject (told, "bytes", (double)script->size);
  else
    cJSON_AddNullToObject (told, "bytes");
}
