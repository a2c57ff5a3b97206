#include "subcommands/agent-options.h"

#include "core/error.h"

static gboolean
ask (const char *question, gboolean *ret_yes, gpointer data, GError **error)
{
  return agb_confirm (data, question, "", ret_yes, error);
}

const AgbAsk *
agb_script_ask (AgbContext *ctx, AgbAsk *storage)
{
  *storage = (AgbAsk){ .ask = ask, .data = ctx };
  return agb_can_ask (ctx) ? storage : NULL;
}

/* "~/a, ~/b"; the caller frees. */
static char *
list_files (GPtrArray *files)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < files->len; i++)
    g_string_append_printf (text, "%s~/%s", i > 0 ? ", " : "",
                            ((const AgbProviderFile *)g_ptr_array_index (files, i))->path);
  return g_string_free (text, FALSE);
}

/* Credentials are the one thing here that a guest could carry away. */
static gboolean
confirm_credentials (AgbContext *ctx, GPtrArray *files, gboolean yes, GError **error)
{
  if (yes || !agb_provider_has_credentials (files))
    return TRUE;
  g_autofree char *list = list_files (files);
  g_autofree char *question = g_strdup_printf (
      "give the guest %s, with credentials that whatever runs there can read?", list);
  if (!agb_confirm (ctx, question, "confirm with --yes", &yes, error))
    return FALSE;
  if (!yes)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_ACTION, "not confirmed: nothing was done");
  return yes;
}

static gboolean
has_already (const AgbSession *session, const AgbProviderFile *file)
{
  g_autoptr (cJSON) list = session != NULL ? agb_provider_imported (session) : NULL;
  g_autofree char *shown = g_strconcat ("~/", file->path, NULL);
  const cJSON *item;

  cJSON_ArrayForEach (item,
                      list) if (g_strcmp0 (cJSON_GetStringValue (item), shown) == 0) return TRUE;
  return FALSE;
}

static GPtrArray *
ask_for_settings (AgbContext *ctx, const AgbAgentProfile *profile, const AgbSession *session,
                  GError **error)
{
  static const char *const settings[] = { "settings", NULL };
  g_autoptr (GPtrArray) files = agb_provider_choose (profile->name, settings, error);
  gboolean yes = FALSE;

  for (guint i = files != NULL ? files->len : 0; i-- > 0;)
    if (has_already (session, g_ptr_array_index (files, i)))
      g_ptr_array_remove_index (files, i);
  if (files == NULL || files->len == 0)
    return g_steal_pointer (&files);
  g_autofree char *list = list_files (files);
  g_autofree char *question
      = g_strdup_printf ("give the guest your settings of %s (%s)?", profile->label, list);
  if (!agb_confirm (ctx, question, "", &yes, error))
    return NULL;
  if (!yes)
    g_ptr_array_set_size (files, 0);
  return g_steal_pointer (&files);
}

GPtrArray *
agb_choose_imports (AgbContext *ctx, const AgbAgentProfile *profile, const char *const *names,
                    gboolean yes, const AgbSession *session, GError **error)
{
  if (names != NULL && profile == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER, "--import needs --agent");
      return NULL;
    }
  if (names == NULL && profile != NULL && agb_can_ask (ctx))
    return ask_for_settings (ctx, profile, session, error);
  g_autoptr (GPtrArray) files
      = names != NULL ? agb_provider_choose (profile->name, names, error) : g_ptr_array_new ();
  if (files == NULL || !confirm_credentials (ctx, files, yes, error))
    return NULL;
  return g_steal_pointer (&files);
}
