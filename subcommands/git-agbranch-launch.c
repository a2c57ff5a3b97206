/* launch: a sandbox session, without a repository and without a way back by git.  Killed half-way, it
 * is undone by the next command on that name. */
#include "core/error.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "subcommands/open-options.h"

static const char *const usage[]
    = { "git agbranch launch [--seed=<dir>] [<options>] <session> [-- <command>...]", NULL };

static void
print_launched (const AgbContext *ctx, const AgbOpenResult *result)
{
  const AgbSession *session = result->session;

  if (!ctx->json)
    {
      g_autofree char *size = agb_size_format (result->seeded_bytes);
      agb_print ("session %s is running (%s), workspace %s\n", session->name, session->runtime,
                 session->guest_workspace_path);
      if (session->seed_host_path != NULL)
        agb_print ("%" G_GUINT64_FORMAT " files copied in, %s\n", result->seeded_files, size);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "vm_name", session->vm_name);
  agb_json_add_string (object, "lifecycle_state", session->lifecycle_state);
  agb_json_add_string (object, "guest_workspace_path", session->guest_workspace_path);
  agb_json_add_string (object, "runtime", session->runtime);
  agb_json_add_string (object, "seed_host_path", session->seed_host_path);
  cJSON_AddNumberToObject (object, "seeded_files", (double)result->seeded_files);
  cJSON_AddNumberToObject (object, "seeded_bytes", (double)result->seeded_bytes);
  agb_json_add_opened (object, result);
  agb_json_add_phases (object, ctx->progress);
  agb_print_json (object, FALSE);
}

static gboolean
run_launch (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (AgbOpenOptions) options = { 0 };
  g_autofree char *seed = NULL;
  const GOptionEntry own[] = {
    { "seed", 0, 0, G_OPTION_ARG_FILENAME, &seed, "copy this folder into the workspace", "<dir>" },
    G_OPTION_ENTRY_NULL,
  };
  g_autofree GOptionEntry *entries = agb_open_entries (&options, own);
  g_auto (AgbOpenResult) result = { 0 };
  AgbOpenRequest request = { .sandbox = TRUE };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  if (ctx->session == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "no session is named");
      return FALSE;
    }
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  request.seed_dir = seed;
  if (!agb_open_options_apply (&options, ctx, env->settings, &request, error)
      || !agb_session_open (env, &request, &result, error))
    return FALSE;
  print_launched (ctx, &result);
  g_clear_pointer (&env, agb_env_free); /* others may work on it while we are attached */
  return agb_open_attach (ctx, &options, result.session, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "launch",
          .usage = usage,
          .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION | AGB_VERB_COMMAND,
          .run = run_launch };

  return agb_main (argc, argv, &verb);
}
