/* completion: print the completion script of a shell.  The scripts lie in share/git-agbranch/completion
 * and ask the programs for everything they offer. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "core/paths.h"

#include <glib.h>

static const struct {
  const char *shell;
  const char *file;
} scripts[] = {
  { "bash", "git-agbranch.bash" },
  { "zsh", "_git-agbranch" },
  { "fish", "git-agbranch.fish" },
};

static const char *
script_of (const char *shell, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (scripts); i++)
    if (g_strcmp0 (shell, scripts[i].shell) == 0)
      return scripts[i].file;
  g_autofree char *shown = g_strescape (shell, NULL);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "there is no completion for '%s'", shown);
  agb_error_hint (error, "bash, zsh and fish have one: git agbranch completion bash");
  return NULL;
}

static const char *const usage[] = { "git agbranch completion (bash|zsh|fish)", NULL };

static gboolean
run_completion (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_autofree char *text = NULL;

  if (!agb_options_parse (ctx, NULL, &argc, &argv, 1, error))
    return FALSE;
  if (argc != 2)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "which shell's completion?");
      return FALSE;
    }
  const char *file = script_of (argv[1], error);
  if (file == NULL)
    return FALSE;
  g_autofree char *folder = agb_share_path ("git-agbranch/completion");
  g_autofree char *path = g_build_filename (folder, file, NULL);
  if (!g_file_get_contents (path, &text, NULL, error))
    {
      agb_error_adopt (error, AGB_ERROR_FILE, "cannot read '%s': ", path);
      agb_error_hint (error, "install git agbranch again");
      return FALSE;
    }
  agb_print ("%s", text);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "completion", .usage = usage, .run = run_completion };

  return agb_main (argc, argv, &verb);
}
