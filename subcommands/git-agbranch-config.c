/* config: every setting of git agbranch with the value in force and where it comes from.
 * Reads only; `git config` writes. */
#include "core/error.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "store/settings.h"

#include <stdio.h>
#include <string.h>

static const char *
type_word (AgbSettingType type)
{
  static const char *const words[] = { "bool", "int", "size", "duration", "string", "list" };

  return words[type];
}

static const AgbSettingInfo *
find_setting (const char *name, GError **error)
{
  const AgbSettingInfo *table = agb_settings_table ();
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (; table->name != NULL; table++)
    {
      if (g_ascii_strcasecmp (table->name, name) == 0
          || g_ascii_strcasecmp (table->name + strlen ("agbranch."), name) == 0)
        return table;
      g_ptr_array_add (names, (gpointer)table->name);
    }
  g_ptr_array_add (names, NULL);
  g_autofree char *shown = g_strescape (name, NULL);
  const char *nearest = agb_nearest (name, (const char *const *)names->pdata);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a setting of git agbranch", shown);
  if (nearest != NULL)
    agb_error_hint (error, "did you mean: git agbranch config %s", nearest);
  else
    agb_error_hint (error, "for all of them: git agbranch config");
  return NULL;
}

/* What is in force, as the user would write it; a list with commas between. NULL: unset. */
static char *
value_text (AgbSettings *settings, const AgbSettingInfo *info)
{
  if (info->type != AGB_SETTING_LIST)
    return g_strdup (agb_settings_text (settings, info->name));
  const char *const *list = agb_settings_list (settings, info->name);
  return *list != NULL ? g_strjoinv (", ", (char **)list) : NULL;
}

static cJSON *
setting_json (AgbSettings *settings, const AgbSettingInfo *info)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "name", info->name);
  agb_json_add_string (object, "type", type_word (info->type));
  if (info->type == AGB_SETTING_LIST)
    agb_json_add_strv (object, "value", agb_settings_list (settings, info->name));
  else if (info->type == AGB_SETTING_BOOL)
    cJSON_AddBoolToObject (object, "value", agb_settings_bool (settings, info->name));
  else
    agb_json_add_string (object, "value", agb_settings_text (settings, info->name));
  agb_json_add_string (object, "origin", agb_settings_origin (settings, info->name));
  agb_json_add_string (object, "default", info->fallback);
  agb_json_add_string (object, "meaning", info->meaning);
  return object;
}

static void
print_nul (AgbSettings *settings, const AgbSettingInfo *info)
{
  g_autofree char *value = value_text (settings, info);
  const char *const fields[]
      = { info->name, value != NULL ? value : "", agb_settings_origin (settings, info->name) };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    fwrite (fields[i], 1, strlen (fields[i]) + 1, stdout);
}

static void
print_all (const AgbContext *ctx, AgbSettings *settings)
{
  static const char *const headers[] = { "NAME", "*VALUE", "*ORIGIN", NULL };
  g_autoptr (cJSON) array = cJSON_CreateArray ();
  g_autoptr (AgbTable) rows = agb_table_new (headers);

  for (const AgbSettingInfo *info = agb_settings_table (); info->name != NULL; info++)
    if (ctx->json)
      cJSON_AddItemToArray (array, setting_json (settings, info));
    else if (ctx->nul)
      print_nul (settings, info);
    else
      {
        g_autofree char *value = value_text (settings, info);
        agb_table_add (rows, (const char *const[]){ info->name, value,
                                                    agb_settings_origin (settings, info->name) });
      }
  if (ctx->json)
    agb_print_json (array, FALSE);
  else if (!ctx->nul)
    agb_table_print (rows);
}

static void
print_one (const AgbContext *ctx, AgbSettings *settings, const AgbSettingInfo *info)
{
  if (ctx->json)
    {
      g_autoptr (cJSON) object = setting_json (settings, info);
      agb_print_json (object, FALSE);
    }
  else if (ctx->nul)
    print_nul (settings, info);
  else if (info->type == AGB_SETTING_LIST)
    for (const char *const *value = agb_settings_list (settings, info->name); *value != NULL;
         value++)
      agb_print ("%s\n", *value);
  else if (agb_settings_text (settings, info->name) != NULL)
    agb_print ("%s\n", agb_settings_text (settings, info->name));
}

/* Outside any repository the user's own settings are shown. */
static AgbSettings *
load (GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (AgbRepo) repo = agb_repo_open_optional (FALSE, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  return agb_settings_load (repo, error);
}

static const char *const usage[] = { "git agbranch config [--json | -z] [<name>]", NULL };

static gboolean
run_config (AgbContext *ctx, int argc, char **argv, GError **error)
{
  const AgbSettingInfo *info = NULL;

  if (!agb_options_parse (ctx, NULL, &argc, &argv, 1, error))
    return FALSE;
  if (argc == 2 && (info = find_setting (argv[1], error)) == NULL)
    return FALSE;
  g_autoptr (AgbSettings) settings = load (error);
  if (settings == NULL)
    return FALSE;
  if (info != NULL)
    print_one (ctx, settings, info);
  else
    print_all (ctx, settings);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "config", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_NUL, .run = run_config
  };

  return agb_main (argc, argv, &verb);
}
