/* rescue: work that a close saved from a guest: list it, look at it, make a branch of it. */
#include "core/error.h"
#include "core/escape.h"
#include "core/main.h"
#include "core/output.h"
#include "session/rescue.h"

#include <stdio.h>
#include <string.h>

static const char *const usage[] = {
  "git agbranch rescue list [--json | -z] [<session>]",
  "git agbranch rescue show [--patch] <session>[/<n>]",
  "git agbranch rescue restore [--branch=<name>] [--json] <session>[/<n>]",
  NULL,
};

static const char prefix[] = "refs/agbranch/rescue/";

typedef struct {
  AgbContext *ctx;
  AgbEnv *env;
  cJSON *array;
  AgbTable *table;
} Listing;

/* The commit's time and subject; both are what we wrote ourselves, but the guest's clock. */
static void
describe (AgbRepo *repo, const char *oid, char **ret_date, char **ret_subject)
{
  const char *args[] = { "log", "-1", "--no-show-signature", "--format=%cI%n%s", oid, "--", NULL };
  g_autofree char *text = NULL;

  if (!agb_repo_git (repo, args, NULL, &text, NULL))
    text = g_strdup ("");
  g_auto (GStrv) lines = g_strsplit (text, "\n", 3);
  *ret_date = agb_escape (lines[0] != NULL ? lines[0] : "", -1);
  *ret_subject = agb_escape (lines[0] != NULL && lines[1] != NULL ? lines[1] : "", -1);
}

static gboolean
list_one (const char *ref, const char *oid, gpointer data)
{
  Listing *listing = data;
  const char *name = ref + strlen (prefix);
  g_autofree char *date = NULL;
  g_autofree char *subject = NULL;
  g_autofree char *short_oid = g_strndup (oid, 12);

  describe (listing->env->repo, oid, &date, &subject);
  if (listing->ctx->nul)
    for (gsize i = 0; i < 3; i++)
      {
        const char *field = i == 0 ? name : i == 1 ? oid : date;
        fwrite (field, 1, strlen (field) + 1, stdout);
      }
  agb_table_add (listing->table, (const char *const[]){ name, short_oid, date, subject });
  cJSON *object = cJSON_CreateObject ();
  agb_json_add_string (object, "name", name);
  agb_json_add_string (object, "ref", ref);
  agb_json_add_string (object, "oid", oid);
  agb_json_add_string (object, "saved_at", date);
  agb_json_add_string (object, "subject", subject);
  cJSON_AddItemToArray (listing->array, object);
  return TRUE;
}

static gboolean
run_list (AgbContext *ctx, AgbEnv *env, const char *session, GError **error)
{
  static const char *const headers[] = { "RESCUED", "COMMIT", "SAVED", "*SUBJECT", NULL };
  g_autoptr (cJSON) array = cJSON_CreateArray ();
  g_autoptr (AgbTable) table = agb_table_new (headers);
  Listing listing = { ctx, env, array, table };

  if (!agb_rescue_foreach (env->repo, session, list_one, &listing, error))
    return FALSE;
  if (ctx->json)
    agb_print_json (array, FALSE);
  else if (!ctx->nul && cJSON_GetArraySize (array) == 0)
    agb_print ("nothing is rescued\n");
  else if (!ctx->nul)
    agb_table_print (table);
  return TRUE;
}

/* Commits and changed files, or the patch, against what the host had; guest text, so escaped. */
static gboolean
run_show (AgbEnv *env, const char *name, gboolean patch, GError **error)
{
  g_autofree char *ref = agb_rescue_find (env->repo, name, error);
  const char *log[] = { "log",
                        "--no-show-signature",
                        "--format=%h %an %cs %s",
                        "--max-count=50",
                        ref,
                        "--not",
                        "--exclude=refs/agbranch/rescue/*",
                        "--all",
                        "--",
                        NULL };
  const char *diff[] = { "diff-tree",
                         "-r",
                         "-m",
                         "--first-parent",
                         "--no-commit-id",
                         "--no-ext-diff",
                         "--no-textconv",
                         patch ? "-p" : "--stat=78",
                         ref,
                         "--",
                         NULL };
  g_autofree char *commits = NULL;
  g_autofree char *changes = NULL;

  if (ref == NULL || !agb_repo_git (env->repo, log, NULL, &commits, error)
      || !agb_repo_git (env->repo, diff, NULL, &changes, error))
    return FALSE;
  g_autofree char *shown_commits = agb_escape_lines (commits, -1);
  g_autofree char *shown_changes = agb_escape_lines (changes, -1);
  agb_print ("%s\n\n%s\n%s", ref, shown_commits, shown_changes);
  return TRUE;
}

static gboolean
run_restore (AgbContext *ctx, AgbEnv *env, const char *name, const char *branch, GError **error)
{
  g_autofree char *ref = agb_rescue_find (env->repo, name, error);

  if (ref == NULL)
    return FALSE;
  g_autofree char *chosen
      = branch != NULL ? g_strdup (branch) : g_strconcat ("rescue/", ref + strlen (prefix), NULL);
  if (!agb_rescue_restore (env->repo, ref, chosen, error))
    return FALSE;
  if (!ctx->json)
    {
      agb_print ("branch %s is at %s\n", chosen, ref);
      return TRUE;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "ref", ref);
  agb_json_add_string (object, "branch", chosen);
  agb_print_json (object, FALSE);
  return TRUE;
}

static gboolean
run_rescue (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean patch = FALSE;
  g_autofree char *branch = NULL;
  const GOptionEntry entries[] = {
    { "patch", 'p', 0, G_OPTION_ARG_NONE, &patch, "show: the patch, not the list of files", NULL },
    { "branch", 'b', 0, G_OPTION_ARG_STRING, &branch, "restore: the new branch", "<name>" },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 2, error))
    return FALSE;
  const char *action = argc > 1 ? argv[1] : "list";
  gboolean restore = g_str_equal (action, "restore");
  if (!restore && !g_str_equal (action, "list") && !g_str_equal (action, "show"))
    {
      g_autofree char *shown = agb_escape (action, -1);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "'%s' is neither list, show nor restore",
                   shown);
      return FALSE;
    }
  if (argc < 3 && !g_str_equal (action, "list"))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "%s what?", action);
      return FALSE;
    }
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_NEEDS_REPO | (restore ? 0 : AGB_ENV_READ_ONLY),
                                         NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  if (restore)
    return run_restore (ctx, env, argv[2], branch, error);
  if (g_str_equal (action, "show"))
    return run_show (env, argv[2], patch, error);
  return run_list (ctx, env, argc > 2 ? argv[2] : NULL, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "rescue", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_NUL, .run = run_rescue
  };

  return agb_main (argc, argv, &verb);
}
