#include "subcommands/import-options.h"

#include "core/error.h"
#include "core/output.h"
#include "session/provider.h"

/* Credentials are the one thing here that a guest could carry away. */
static gboolean
confirm (AgbContext *ctx, GPtrArray *files, gboolean yes, GError **error)
{
  g_autoptr (GString) question = g_string_new ("give the guest");

  if (yes || !agb_provider_has_credentials (files))
    return TRUE;
  for (guint i = 0; i < files->len; i++)
    g_string_append_printf (question, "%s ~/%s", i > 0 ? "," : "",
                            ((const AgbProviderFile *)g_ptr_array_index (files, i))->path);
  g_string_append (question, ", with credentials that whatever runs there can read?");
  if (!agb_confirm (ctx, question->str, "confirm with --yes", &yes, error))
    return FALSE;
  if (!yes)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_ACTION, "not confirmed: nothing was done");
  return yes;
}

GPtrArray *
agb_choose_imports (AgbContext *ctx, const AgbAgentProfile *profile, const char *const *names,
                    gboolean yes, GError **error)
{
  g_autoptr (GPtrArray) files = agb_provider_choose (profile->name, names, error);

  return files != NULL && confirm (ctx, files, yes, error) ? g_steal_pointer (&files) : NULL;
}
