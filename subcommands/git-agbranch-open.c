/* open: a repo session from a name.  Killed half-way, it is undone by the next command on that name,
 * or finished when the agent may have worked already. */
#include "core/error.h"
#include "core/escape.h"
#include "core/main.h"
#include "core/output.h"
#include "subcommands/open-options.h"

#include <string.h>

static const char *const usage[] = {
  "git agbranch open [<options>] <session> [-- <command>...]",
  "git agbranch open --clone=<url> [--ref=<ref>] [<options>] <session> [-- <command>...]",
  NULL,
};

typedef struct {
  AgbOpenOptions shared;
  char *repo;
  char *base;
  char *clone;
  char *ref;
  char **copy;
  gboolean with_changes;
} Options;

static void
options_clear (Options *options)
{
  agb_open_options_clear (&options->shared);
  g_free (options->repo);
  g_free (options->base);
  g_free (options->clone);
  g_free (options->ref);
  g_strfreev (options->copy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
check_options (const AgbContext *ctx, const Options *options, GError **error)
{
  if (ctx->session == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "no session is named");
      return FALSE;
    }
  if (options->clone != NULL && (options->repo != NULL || options->base != NULL))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                           "--clone goes with --ref, not with --repo or --base");
      return FALSE;
    }
  if (options->with_changes && (options->base != NULL || options->clone != NULL))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE,
                           "--with-changes starts from HEAD, not from --base or --clone");
      return FALSE;
    }
  if (options->ref != NULL && options->clone == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "--ref needs --clone");
      return FALSE;
    }
  if (options->repo != NULL && agb_is_repository_url (options->repo))
    {
      static const char plain[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "@:/._-";
      g_autofree char *given = agb_hide_credentials (options->repo);
      g_autofree char *url
          = strspn (given, plain) == strlen (given) ? g_strdup (given) : g_shell_quote (given);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "--repo takes a path, not the address %s",
                   url);
      agb_error_hint (error,
                      "git clone %s <dir> && git agbranch open --repo <dir> %s, or: "
                      "git agbranch open --clone %s %s",
                      url, ctx->session, url, ctx->session);
      return FALSE;
    }
  return TRUE;
}

static void
print_opened (const AgbContext *ctx, const AgbOpenResult *result)
{
  const AgbSession *session = result->session;

  if (!ctx->json)
    {
      const char *base = session->base_ref;
      if (g_str_has_prefix (base, "refs/heads/"))
        base += strlen ("refs/heads/");
      agb_print ("session %s is running (%s), from %s %.12s\n", session->name, session->runtime,
                 base, session->base_oid);
      agb_print ("bring its commits to branch %s: git agbranch sync %s\n", session->review_branch,
                 session->name);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  agb_json_add_string (object, "vm_name", session->vm_name);
  agb_json_add_string (object, "lifecycle_state", session->lifecycle_state);
  agb_json_add_string (object, "repo_host_path", session->host_git_root);
  agb_json_add_string (object, "repo_guest_path", session->guest_workspace_path);
  agb_json_add_string (object, "runtime", session->runtime);
  agb_json_add_string (object, "base_ref", session->base_ref);
  agb_json_add_string (object, "base_oid", session->base_oid);
  agb_json_add_string (object, "review_branch", session->review_branch);
  cJSON_AddBoolToObject (object, "host_dirty", result->host_dirty);
  agb_json_add_opened (object, result);
  agb_json_add_phases (object, ctx->progress);
  agb_print_json (object, FALSE);
}

static gboolean
run_open (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (Options) options = { 0 };
  const GOptionEntry own[] = {
    { "repo", 0, 0, G_OPTION_ARG_FILENAME, &options.repo, "the repository, instead of this one",
      "<path>" },
    { "base", 0, 0, G_OPTION_ARG_STRING, &options.base, "start from this commit, not from HEAD",
      "<ref>" },
    { "with-changes", 0, 0, G_OPTION_ARG_NONE, &options.with_changes,
      "start from the work tree with its uncommitted and untracked files", NULL },
    { "copy", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.copy,
      "bring this ignored file along (.env)", "<file>" },
    { "clone", 0, 0, G_OPTION_ARG_STRING, &options.clone,
      "clone this address into the state root and start from it", "<url>" },
    { "ref", 0, 0, G_OPTION_ARG_STRING, &options.ref, "the branch or tag of --clone", "<ref>" },
    G_OPTION_ENTRY_NULL,
  };
  g_autofree GOptionEntry *entries = agb_open_entries (&options.shared, own);
  g_auto (AgbOpenResult) result = { 0 };
  AgbOpenRequest request = { 0 };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error)
      || !check_options (ctx, &options, error)
      || (options.clone != NULL
          && !agb_open_clone (options.clone, ctx->progress, &options.repo, error)))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_NEEDS_REPO, options.repo, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  request.with_changes = options.with_changes;
  request.copy = (const char *const *)options.copy;
  request.base = options.clone != NULL ? options.ref : options.base;
  if (!agb_open_options_apply (&options.shared, ctx, env->settings, &request, error)
      || !agb_session_open (env, &request, &result, error))
    return FALSE;
  print_opened (ctx, &result);
  g_clear_pointer (&env, agb_env_free); /* others may work on it while we are attached */
  return agb_open_attach (ctx, &options.shared, result.session, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "open",
          .usage = usage,
          .flags = AGB_VERB_JSON | AGB_VERB_CHANGES | AGB_VERB_SESSION | AGB_VERB_COMMAND,
          .run = run_open };

  return agb_main (argc, argv, &verb);
}
