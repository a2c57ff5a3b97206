#include "subcommands/open-options.h"

#include "core/error.h"
#include "core/names.h"
#include "core/output.h"
#include "core/paths.h"
#include "session/agent-run.h"
#include "session/base.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BASE_TIMEOUT_MS = 20 * 60 * 1000 };

static const char *const networks[] = { "public", "open", "none", NULL };

GOptionEntry *
agb_open_entries (AgbOpenOptions *options, const GOptionEntry *own)
{
  const GOptionEntry shared[] = {
    { "agent", 'a', 0, G_OPTION_ARG_STRING, &options->agent,
      "start this agent (claude, codex, …); none: not the configured one", "<profile>" },
    { "prompt", 0, 0, G_OPTION_ARG_STRING, &options->prompt,
      "what the agent begins with; @<file>: from a file, -: from stdin", "<text>" },
    { "import", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->imports,
      "give the guest files of the agent's provider: settings, credentials, one file, none",
      "<name>" },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &options->yes, "import credentials without asking", NULL },
    { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->env,
      "a variable for the agent, from here when no value is given", "<name>[=<value>]" },
    { "no-browser", 0, 0, G_OPTION_ARG_NONE, &options->no_browser,
      "do not tell the agent of the browser that its base has", NULL },
    { "env-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->env_files,
      "variables for the agent, a line each", "<file>" },
    { "detach", 'd', 0, G_OPTION_ARG_NONE, &options->detach, "do not attach to the agent", NULL },
    { "cpus", 0, 0, G_OPTION_ARG_STRING, &options->cpus, "processors", "<n>" },
    { "memory", 0, 0, G_OPTION_ARG_STRING, &options->memory, "memory (4GiB, 512M; 4 is 4GiB)",
      "<size>" },
    { "disk", 0, 0, G_OPTION_ARG_STRING, &options->disk, "disk (30GiB; 30 is 30GiB)", "<size>" },
    { "image", 0, 0, G_OPTION_ARG_STRING, &options->image, "the prepared image", "<name>" },
    { "runtime", 0, 0, G_OPTION_ARG_STRING, &options->runtime, "auto, lima or bwrap", "<name>" },
    { "network", 0, 0, G_OPTION_ARG_STRING, &options->network, "public, open or none", "<mode>" },
    G_OPTION_ENTRY_NULL,
  };
  gsize count = 0;

  while (own[count].long_name != NULL)
    count++;
  GOptionEntry *entries = g_new0 (GOptionEntry, count + G_N_ELEMENTS (shared));
  memcpy (entries, own, count * sizeof *own);
  memcpy (entries + count, shared, sizeof shared);
  return entries;
}

void
agb_open_options_clear (AgbOpenOptions *options)
{
  g_free (options->image);
  g_free (options->runtime);
  g_free (options->network);
  g_free (options->cpus);
  g_free (options->memory);
  g_free (options->disk);
  g_free (options->agent);
  g_free (options->prompt);
  g_strfreev (options->env);
  g_strfreev (options->env_files);
  g_strfreev (options->imports);
  g_free (options->prompt_text);
  g_strfreev (options->agent_env);
  g_clear_pointer (&options->chosen, g_ptr_array_unref);
}

static gboolean
parse_sizes (const AgbOpenOptions *options, AgbOpenRequest *request, GError **error)
{
  const guint64 gib = G_GUINT64_CONSTANT (1) << 30;
  guint64 cpus = 0;

  if (options->cpus != NULL
      && !g_ascii_string_to_unsigned (options->cpus, 10, 1, 1024, &cpus, NULL))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a number of processors",
                   options->cpus);
      return FALSE;
    }
  request->cpus = (gint64)cpus;
  if (options->network != NULL && !g_strv_contains (networks, options->network))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "'%s' is not a network mode (public, open, none)", options->network);
      return FALSE;
    }
  return (options->memory == NULL
          || agb_size_parse (options->memory, gib, &request->memory_bytes, error))
         && (options->disk == NULL
             || agb_size_parse (options->disk, gib, &request->disk_bytes, error));
}

static gboolean
choose_agent (AgbOpenOptions *options, AgbContext *ctx, AgbSettings *settings,
              AgbOpenRequest *request, GError **error)
{
  const char *agent = options->agent;

  if (ctx->command != NULL && *ctx->command == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "no command stands after '--'");
      return FALSE;
    }
  request->command = (const char *const *)ctx->command;
  if (agent == NULL && ctx->command == NULL)
    agent = agb_settings_string (settings, "agbranch.agent");
  if (agent != NULL && *agent != '\0' && !g_str_equal (agent, "none"))
    {
      request->profile = agb_agent_profile (agent, error);
      if (request->profile == NULL)
        return FALSE;
    }
  if (options->prompt_text != NULL && request->profile == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER, "--prompt needs --agent");
      return FALSE;
    }
  request->prompt = options->prompt_text;
  return TRUE;
}

static gboolean
choose_what_it_gets (AgbOpenOptions *options, AgbContext *ctx, AgbSettings *settings,
                     AgbOpenRequest *request, GError **error)
{
  const AgbVariables variables = { .named = (const char *const *)options->env,
                                   .files = (const char *const *)options->env_files };

  options->agent_env = agb_variables (settings, &variables, error);
  if (options->agent_env == NULL)
    return FALSE;
  request->agent_env = (const char *const *)options->agent_env;
  options->chosen = agb_choose_imports (
      ctx, request->profile, (const char *const *)options->imports, options->yes, NULL, error);
  request->imports = options->chosen;
  return options->chosen != NULL;
}

/* A session in Lima needs a prepared base: on a terminal it can be prepared now. */
static gboolean
need_base (AgbContext *ctx, AgbSettings *settings, const AgbOpenRequest *request, GError **error)
{
  const char *runtime = request->runtime != NULL
                            ? request->runtime
                            : agb_settings_string (settings, "agbranch.runtime");
  const AgbBaseRequest base = { .image = request->image, .timeout_ms = BASE_TIMEOUT_MS };
  g_autoptr (GError) problem = NULL;
  g_autoptr (cJSON) prepared = NULL;
  gboolean missing = FALSE, yes = FALSE;

  if (agb_session_base_require (settings, runtime, request->image, &missing, &problem))
    return TRUE;
  if (missing && !ctx->json && isatty (STDIN_FILENO) && isatty (STDERR_FILENO)
      && !agb_confirm (ctx, "the base is not prepared; prepare it now (10 to 20 minutes)?",
                       "git agbranch base prepare", &yes, error))
    return FALSE;
  if (yes)
    return agb_session_base_prepare (settings, &base, ctx->progress, &prepared, error);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

gboolean
agb_open_options_apply (AgbOpenOptions *options, AgbContext *ctx, AgbSettings *settings,
                        AgbOpenRequest *request, GError **error)
{
  request->name = ctx->session;
  request->image
      = options->image != NULL ? options->image : agb_settings_string (settings, "agbranch.image");
  request->runtime = options->runtime;
  request->network = options->network;
  request->no_browser = options->no_browser;
  if (!parse_sizes (options, request, error)
      || (options->prompt != NULL
          && (options->prompt_text = agb_agent_prompt (options->prompt, error)) == NULL)
      || !choose_agent (options, ctx, settings, request, error)
      || !choose_what_it_gets (options, ctx, settings, request, error))
    return FALSE;
  request->ask = agb_script_ask (ctx, &options->ask);
  return need_base (ctx, settings, request, error);
}

void
agb_json_add_opened (cJSON *object, const AgbOpenResult *result)
{
  cJSON_AddItemToObject (object, "imported_provider_files",
                         agb_provider_imported (result->session));
  agb_runtime_script_json (object, &result->script);
}

gboolean
agb_open_attach (const AgbContext *ctx, const AgbOpenOptions *options, const AgbSession *session,
                 GError **error)
{
  g_autofree char *folder = agb_exec_path ();
  g_autofree char *program = g_build_filename (folder, "git-agbranch-attach", NULL);

  if (session->agent_command_json == NULL || ctx->json || options->detach || !isatty (STDIN_FILENO)
      || !isatty (STDOUT_FILENO))
    return TRUE;
  fflush (stdout);
  execl (program, "git-agbranch-attach", session->name, (char *)NULL);
  return agb_error_set_errno (error, errno, "run", program);
}
