#include "subcommands/open-options.h"

#include "core/error.h"
#include "core/names.h"
#include "core/output.h"
#include "core/paths.h"
#include "session/base.h"
#include "subcommands/import-options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROMPT_MAX = 128 * 1024, BASE_TIMEOUT_MS = 20 * 60 * 1000 };

static const char *const networks[] = { "public", "open", "none", NULL };

GOptionEntry *
agb_open_entries (AgbOpenOptions *options, const GOptionEntry *own)
{
  const GOptionEntry shared[] = {
    { "agent", 'a', 0, G_OPTION_ARG_STRING, &options->agent,
      "start this agent (claude, codex, …); none: not the configured one", "<profile>" },
    { "prompt", 0, 0, G_OPTION_ARG_STRING, &options->prompt,
      "what the agent begins with; @<file>: from a file, -: from stdin", "<text>" },
    { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->env,
      "a variable for the agent, from here when no value is given", "<name>[=<value>]" },
    { "no-browser", 0, 0, G_OPTION_ARG_NONE, &options->no_browser,
      "do not tell the agent of the browser that its base has", NULL },
    { "import", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->imports,
      "give the agent files of its provider: settings, credentials, or one file", "<name>" },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &options->yes, "import credentials without asking", NULL },
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
  g_strfreev (options->imports);
  g_clear_pointer (&options->import_files, g_ptr_array_unref);
  g_free (options->prompt_text);
  g_clear_pointer (&options->agent_env, g_ptr_array_unref);
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
read_stdin (char **ret_text, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[4096];

  for (;;)
    {
      ssize_t length = read (STDIN_FILENO, buffer, sizeof buffer);
      if (length < 0)
        return agb_error_set_errno (error, errno, "read", "stdin");
      if (length == 0)
        break;
      g_string_append_len (text, buffer, length);
      if (text->len > PROMPT_MAX)
        break;
    }
  *ret_text = g_strdup (text->str);
  return TRUE;
}

static gboolean
read_prompt (AgbOpenOptions *options, GError **error)
{
  const char *prompt = options->prompt;

  if (prompt == NULL)
    return TRUE;
  if (g_str_equal (prompt, "-"))
    {
      if (!read_stdin (&options->prompt_text, error))
        return FALSE;
    }
  else if (prompt[0] != '@')
    options->prompt_text = g_strdup (prompt);
  else if (!g_file_get_contents (prompt + 1, &options->prompt_text, NULL, error))
    {
      agb_error_adopt (error, AGB_ERROR_USER, "cannot read the prompt: ");
      return FALSE;
    }
  g_strchomp (options->prompt_text);
  if (strlen (options->prompt_text) <= PROMPT_MAX)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "the prompt is longer than %d bytes", PROMPT_MAX);
  agb_error_hint (error, "put it into a file of the repository and name that in the prompt");
  return FALSE;
}

static gboolean
add_env (AgbOpenOptions *options, const char *given, gboolean must, GError **error)
{
  const char *equals = strchr (given, '=');
  g_autofree char *name
      = equals != NULL ? g_strndup (given, (gsize)(equals - given)) : g_strdup (given);

  if (*name == '\0' || strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_") != strlen (name))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a name of a variable", name);
      return FALSE;
    }
  if (equals != NULL)
    {
      g_ptr_array_add (options->agent_env, g_strdup (given));
      return TRUE;
    }
  const char *value = g_getenv (name);
  if (value != NULL)
    g_ptr_array_add (options->agent_env, g_strconcat (name, "=", value, NULL));
  else if (must)
    g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "variable '%s' is not set here", name);
  return value != NULL || !must;
}

static gboolean
collect_env (AgbOpenOptions *options, AgbSettings *settings, GError **error)
{
  options->agent_env = g_ptr_array_new_with_free_func (g_free);
  for (const char *const *name = agb_settings_list (settings, "agbranch.env"); *name != NULL;
       name++)
    if (!add_env (options, *name, FALSE, error))
      return FALSE;
  for (char **given = options->env; given != NULL && *given != NULL; given++)
    if (!add_env (options, *given, TRUE, error))
      return FALSE;
  g_ptr_array_add (options->agent_env, NULL);
  return TRUE;
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
  if (options->imports == NULL)
    return TRUE;
  if (request->profile == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER, "--import needs --agent");
      return FALSE;
    }
  request->imports = options->import_files = agb_choose_imports (
      ctx, request->profile, (const char *const *)options->imports, options->yes, error);
  return request->imports != NULL;
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
  if (!parse_sizes (options, request, error) || !read_prompt (options, error)
      || !choose_agent (options, ctx, settings, request, error)
      || !collect_env (options, settings, error))
    return FALSE;
  request->agent_env = (const char *const *)options->agent_env->pdata;
  return need_base (ctx, settings, request, error);
}

static void
add_phase (const char *phase, double ms, gpointer data)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "name", phase);
  cJSON_AddNumberToObject (object, "ms", ms);
  cJSON_AddItemToArray (data, object);
}

void
agb_json_add_phases (cJSON *object, AgbProgress *progress)
{
  agb_progress_foreach (progress, add_phase, cJSON_AddArrayToObject (object, "phases"));
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
