/* base: prepare the image that Lima sessions start from, and look at it. */
#include "core/error.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "core/time.h"
#include "session/base.h"
#include "store/repo.h"

typedef struct {
  gboolean minimal, full, rebuild, require_ready, force;
  char *name, *timeout, *memory, *disk, *digest, *repo;
} BaseOptions;

static void
base_options_clear (BaseOptions *options)
{
  g_free (options->name);
  g_free (options->timeout);
  g_free (options->memory);
  g_free (options->disk);
  g_free (options->digest);
  g_free (options->repo);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BaseOptions, base_options_clear)

static const char *
text_of (const cJSON *object, const char *key)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  return cJSON_IsString (item) ? item->valuestring : "-";
}

static void
print_versions (const cJSON *object, const char *key)
{
  const cJSON *item;

  cJSON_ArrayForEach (item,
                      cJSON_GetObjectItemCaseSensitive (object, key)) if (cJSON_IsString (item))
      agb_print ("  %-16s %s\n", item->string, item->valuestring);
}

static void
print_prepared (const AgbContext *ctx, const cJSON *result)
{
  if (ctx->json)
    {
      agb_print_json (result, FALSE);
      return;
    }
  agb_print (
      "base '%s' is ready (%s)%s\n", text_of (result, "prepared_base"), text_of (result, "flavour"),
      cJSON_IsTrue (cJSON_GetObjectItemCaseSensitive (result, "changed")) ? "" : ", as it was");
  print_versions (result, "versions");
  print_versions (result, "agent_cli_versions");
  if (!cJSON_IsTrue (cJSON_GetObjectItemCaseSensitive (result, "warm")))
    agb_print ("no warm starts: %s\n", text_of (result, "warm_reason"));
}

static gboolean
prepare (AgbContext *ctx, AgbSettings *settings, const AgbBaseRequest *request, GError **error)
{
  g_autoptr (cJSON) result = NULL;

  if (!agb_session_base_prepare (settings, request, ctx->progress, &result, error))
    return FALSE;
  print_prepared (ctx, result);
  return TRUE;
}

static gboolean
import (AgbContext *ctx, AgbSettings *settings, const AgbBaseRequest *request, const char *file,
        const char *digest, GError **error)
{
  g_autoptr (cJSON) result = NULL;

  if (!agb_session_base_import (settings, request, file, digest, ctx->progress, &result, error))
    return FALSE;
  print_prepared (ctx, result);
  return TRUE;
}

static gboolean
export_base (AgbContext *ctx, AgbSettings *settings, const BaseOptions *options, const char *file,
             GError **error)
{
  g_autoptr (cJSON) result = NULL;

  if (!agb_session_base_export (settings, options->name, file, options->force, ctx->progress,
                                &result, error))
    return FALSE;
  if (ctx->json)
    agb_print_json (result, FALSE);
  else
    agb_print ("base '%s' is in '%s'\n%s\n", text_of (result, "name"), text_of (result, "file"),
               text_of (result, "digest"));
  return TRUE;
}

static gboolean
warm_repo (AgbContext *ctx, AgbSettings *settings, AgbRepo *repo, const BaseOptions *options,
           gint64 timeout_ms, GError **error)
{
  g_autoptr (cJSON) result = NULL;

  if (!agb_session_base_warm_repo (settings, options->name, repo, timeout_ms, ctx->progress,
                                   &result, error))
    return FALSE;
  if (ctx->json)
    agb_print_json (result, FALSE);
  else
    agb_print ("base '%s' has the objects of '%s' at %.12s\n", text_of (result, "prepared_base"),
               text_of (result, "repo"), text_of (result, "commit"));
  return TRUE;
}

static void
print_show (const cJSON *base)
{
  const cJSON *item;

  const cJSON *size = cJSON_GetObjectItemCaseSensitive (base, "size_bytes");
  g_autofree char *text = agb_size_format ((guint64)(size != NULL ? size->valuedouble : 0));
  gboolean is_warm = cJSON_IsTrue (cJSON_GetObjectItemCaseSensitive (base, "warm"));

  agb_print ("base:      %s (%s)\n", text_of (base, "name"), text_of (base, "name_source"));
  agb_print ("status:    %s\n", text_of (base, "status"));
  if (cJSON_IsString (cJSON_GetObjectItemCaseSensitive (base, "problem")))
    agb_print ("problem:   %s\n", text_of (base, "problem"));
  agb_print ("flavour:   %s\n", text_of (base, "flavour"));
  agb_print ("prepared:  %s\n", text_of (base, "prepared_at"));
  agb_print ("location:  %s\n", text_of (base, "location"));
  agb_print ("size:      %s\n", text);
  agb_print ("starts:    %s%s\n",
             is_warm ? "warm" : "cold: ", is_warm ? "" : text_of (base, "warm_reason"));
  cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive (base, "repositories"))
      agb_print ("objects:   %s at %.12s\n", text_of (item, "repo"), text_of (item, "commit"));
  print_versions (base, "versions");
  print_versions (base, "agent_cli_versions");
}

static gboolean
show (AgbContext *ctx, AgbSettings *settings, const char *name, gboolean require_ready,
      GError **error)
{
  gboolean ready = FALSE;
  g_autofree char *hint = NULL;
  g_autoptr (cJSON) base = agb_session_base_show (settings, name, &ready, &hint, error);

  if (base == NULL)
    return FALSE;
  if (require_ready && !ready)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' is %s", text_of (base, "name"),
                   text_of (base, "status"));
      if (hint != NULL)
        agb_error_hint (error, "%s", hint);
      return FALSE;
    }
  if (ctx->json)
    agb_print_json (base, FALSE);
  else
    print_show (base);
  if (!ctx->json && hint != NULL)
    agb_progress_note (ctx->progress, "%s", hint);
  return TRUE;
}

static gboolean
check (AgbContext *ctx, AgbSettings *settings, const char *name, GError **error)
{
  static const char *const headers[] = { "AGENT", "VERSION", "NEWEST", "*PACKAGE", NULL };
  g_autoptr (cJSON) array = agb_session_base_check (settings, name, error);
  const cJSON *item;

  if (array == NULL)
    return FALSE;
  if (ctx->json)
    {
      agb_print_json (array, FALSE);
      return TRUE;
    }
  g_autoptr (AgbTable) table = agb_table_new (headers);
  cJSON_ArrayForEach (item, array)
  {
    const char *const cells[] = { text_of (item, "name"), text_of (item, "version"),
                                  text_of (item, "newest"), text_of (item, "package"), NULL };
    agb_table_add (table, cells);
  }
  agb_table_print (table);
  return TRUE;
}

static gboolean
fill_request (const BaseOptions *options, AgbBaseRequest *request, GError **error)
{
  request->image = options->name;
  request->rebuild = options->rebuild;
  request->flavour = options->minimal ? "minimal" : options->full ? "full" : NULL;
  if (options->minimal && options->full)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "--minimal or --full, not both");
      return FALSE;
    }
  return agb_duration_parse (options->timeout != NULL ? options->timeout : "20m",
                             &request->timeout_ms, error)
         && (options->memory == NULL
             || agb_size_parse (options->memory, G_GUINT64_CONSTANT (1) << 30,
                                &request->memory_bytes, error))
         && (options->disk == NULL
             || agb_size_parse (options->disk, G_GUINT64_CONSTANT (1) << 30, &request->disk_bytes,
                                error));
}

/* A name is used in paths and instance names: the rule of session names fits. */
static gboolean
check_name (const char *name, GError **error)
{
  return name == NULL || agb_session_name_check (name, error);
}

static gboolean
act (AgbContext *ctx, const char *action, const char *file, const BaseOptions *options,
     GError **error)
{
  AgbBaseRequest request = { 0 };

  if (!check_name (options->name, error) || !fill_request (options, &request, error))
    return FALSE;
  g_autoptr (AgbRepo) repo = options->repo != NULL ? agb_repo_open (options->repo, FALSE, error)
                                                   : agb_repo_open (NULL, FALSE, NULL);
  if (repo == NULL && options->repo != NULL)
    return FALSE;
  g_autoptr (AgbSettings) settings = agb_settings_load (repo, error);
  if (settings == NULL)
    return FALSE;
  if (g_str_equal (action, "prepare"))
    return prepare (ctx, settings, &request, error);
  if (g_str_equal (action, "show"))
    return show (ctx, settings, options->name, options->require_ready, error);
  if (g_str_equal (action, "check"))
    return check (ctx, settings, options->name, error);
  if (g_str_equal (action, "export"))
    return export_base (ctx, settings, options, file, error);
  if (g_str_equal (action, "import"))
    return import (ctx, settings, &request, file, options->digest, error);
  if (g_str_equal (action, "warm") && options->repo != NULL)
    return warm_repo (ctx, settings, repo, options, request.timeout_ms, error);
  if (g_str_equal (action, "warm"))
    return agb_session_base_warm (settings, options->name, request.timeout_ms, ctx->progress, error)
           && show (ctx, settings, options->name, FALSE, error);
  request.update = TRUE;
  return prepare (ctx, settings, &request, error);
}

static const char *const usage[]
    = { "git agbranch base prepare [<options>] [--minimal | --full] [--rebuild] [--json]",
        "git agbranch base show [--name <name>] [--require-ready] [--json]",
        "git agbranch base warm [--name <name>] [--repo <path>] [--timeout <time>] [--json]",
        "git agbranch base update [--name <name>] [--timeout <time>] [--json]",
        "git agbranch base check [--name <name>] [--json]",
        "git agbranch base export [--name <name>] [--force] [--json] <file>",
        "git agbranch base import [--name <name>] [--digest <digest>] [--rebuild] [--json] <file>",
        NULL };

static gboolean
run_base (AgbContext *ctx, int argc, char **argv, GError **error)
{
  static const char *const actions[]
      = { "prepare", "show", "warm", "update", "check", "export", "import", NULL };
  g_auto (BaseOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &options.name, "the base, by its name", "<name>" },
    { "minimal", 0, 0, G_OPTION_ARG_NONE, &options.minimal, "git, curl, jq, tmux and the agents",
      NULL },
    { "full", 0, 0, G_OPTION_ARG_NONE, &options.full, "with build tools, Docker, a browser", NULL },
    { "rebuild", 0, 0, G_OPTION_ARG_NONE, &options.rebuild, "also when it is ready", NULL },
    { "memory", 0, 0, G_OPTION_ARG_STRING, &options.memory, "memory of its machine", "<size>" },
    { "disk", 0, 0, G_OPTION_ARG_STRING, &options.disk, "disk of its machine", "<size>" },
    { "timeout", 0, 0, G_OPTION_ARG_STRING, &options.timeout, "how long it may take (20m)",
      "<time>" },
    { "require-ready", 0, 0, G_OPTION_ARG_NONE, &options.require_ready,
      "fail when it is not ready, or stale", NULL },
    { "repo", 0, 0, G_OPTION_ARG_FILENAME, &options.repo,
      "keep the objects of this repository in a warm image", "<path>" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &options.force, "replace the file of an export", NULL },
    { "digest", 0, 0, G_OPTION_ARG_STRING, &options.digest, "digest that the file must have",
      "<digest>" },
    G_OPTION_ENTRY_NULL
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 2, error))
    return FALSE;
  if (argc < 2 || !g_strv_contains (actions, argv[1]))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                           "say prepare, show, warm, update, check, export or import");
      return FALSE;
    }
  gboolean has_file = g_str_equal (argv[1], "export") || g_str_equal (argv[1], "import");
  if (argc != (has_file ? 3 : 2))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE,
                   has_file ? "base %s takes one file" : "base %s takes no argument", argv[1]);
      return FALSE;
    }
  return act (ctx, argv[1], argv[2], &options, error);
}

static const AgbVerb base_verb
    = { .name = "base", .usage = usage, .flags = AGB_VERB_JSON, .run = run_base };

int
main (int argc, char **argv)
{
  return agb_main (argc, argv, &base_verb);
}
