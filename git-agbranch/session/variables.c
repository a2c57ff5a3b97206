#include "session/variables.h"

#include "core/error.h"
#include "core/escape.h"

#include <string.h>

enum { FILE_MAX = 256 * 1024 };

static gboolean
valid_name (const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalpha (text[i]) && text[i] != '_' && (i == 0 || !g_ascii_isdigit (text[i])))
      return FALSE;
  return length > 0;
}

/* MUST: a name alone has to be set here. */
static gboolean
add_variable (GPtrArray *env, const char *named, gboolean must, GError **error)
{
  const char *equals = strchr (named, '=');
  gsize length = equals != NULL ? (gsize)(equals - named) : strlen (named);

  if (!valid_name (named, length))
    {
      g_autofree char *shown = agb_escape (named, (gssize)length);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is no name of an environment variable",
                   shown);
      return FALSE;
    }
  if (equals != NULL)
    g_ptr_array_add (env, g_strdup (named));
  else if (g_getenv (named) != NULL)
    g_ptr_array_add (env, g_strdup_printf ("%s=%s", named, g_getenv (named)));
  else if (must)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "variable '%s' is not set here", named);
      agb_error_hint (error, "give it a value: --env %s=<value>", named);
      return FALSE;
    }
  return TRUE;
}

static gboolean
add_file (GPtrArray *env, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, error))
    {
      agb_error_adopt (error, AGB_ERROR_USER, "cannot read variables: ");
      return FALSE;
    }
  if (length > FILE_MAX || strlen (text) != length)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is no text of at most %d KiB", path,
                   FILE_MAX / 1024);
      return FALSE;
    }
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      if (g_str_has_suffix (*line, "\r"))
        (*line)[strlen (*line) - 1] = '\0';
      if (**line == '\0' || **line == '#')
        continue;
      if (!add_variable (env, *line, TRUE, error))
        {
          g_prefix_error (error, "%s, line %d: ", path, (int)(line - lines) + 1);
          return FALSE;
        }
    }
  return TRUE;
}

char **
agb_variables (AgbSettings *settings, const AgbVariables *variables, GError **error)
{
  static const AgbVariables none = { 0 };
  g_autoptr (GPtrArray) env = g_ptr_array_new_with_free_func (g_free);

  if (settings != NULL)
    for (const char *const *name = agb_settings_list (settings, "agbranch.env"); *name != NULL;
         name++)
      if (!add_variable (env, *name, FALSE, error))
        return NULL;
  if (variables == NULL)
    variables = &none;
  for (const char *const *file = variables->files; file != NULL && *file != NULL; file++)
    if (!add_file (env, *file, error))
      return NULL;
  for (const char *const *named = variables->named; named != NULL && *named != NULL; named++)
    if (!add_variable (env, *named, TRUE, error))
      return NULL;
  g_ptr_array_add (env, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&env), FALSE);
}

static gboolean
has_variable (const char *const *env, const char *name)
{
  gsize length = strlen (name);

  for (; env != NULL && *env != NULL; env++)
    if (g_str_has_prefix (*env, name) && (*env)[length] == '=' && (*env)[length + 1] != '\0')
      return TRUE;
  return FALSE;
}

void
agb_note_missing_env (AgbProgress *progress, const AgbAgentProfile *profile, const char *const *env)
{
  if (profile == NULL || profile->required_env == NULL)
    return;
  for (const char *const *name = profile->required_env; *name != NULL; name++)
    if (has_variable (env, *name))
      return;
  g_autofree char *names = g_strjoinv (", ", (char **)profile->required_env);
  agb_progress_note (progress, "%s gets none of %s; give it one with --env <name>", profile->label,
                     names);
}
