#include "core/error.h"

#include <string.h>

/* A GError has room for one text only, so the hint travels behind this separator. */
static const char hint_separator[] = "\nhint: ";

G_DEFINE_QUARK (agb_error_quark, agb_error)

const char *
agb_error_kind (int code)
{
  switch (code)
    {
    case AGB_ERROR_USER:
      return "user";
    case AGB_ERROR_ACTION:
      return "action_required";
    case AGB_ERROR_INTERRUPTED:
      return "interrupted";
    case AGB_ERROR_CATALOG:
      return "catalog";
    case AGB_ERROR_RUNTIME:
      return "runtime";
    case AGB_ERROR_CHILD:
      return "child";
    case AGB_ERROR_FILE:
      return "file";
    case AGB_ERROR_SYNC:
      return "sync";
    case AGB_ERROR_TIMEOUT:
      return "timeout";
    case AGB_ERROR_USAGE:
      return "usage";
    default:
      return "internal";
    }
}

void
agb_error_hint (GError **error, const char *format, ...)
{
  if (error == NULL || *error == NULL)
    return;

  va_list args;
  va_start (args, format);
  g_autofree char *hint = g_strdup_vprintf (format, args);
  va_end (args);

  g_autofree char *message = NULL;
  agb_error_split (*error, &message, NULL);
  g_free ((*error)->message);
  (*error)->message = g_strconcat (message, hint_separator, hint, NULL);
}

void
agb_error_split (const GError *error, char **ret_message, char **ret_hint)
{
  const char *separator = strstr (error->message, hint_separator);

  if (ret_message != NULL)
    *ret_message = separator != NULL
                       ? g_strndup (error->message, (gsize)(separator - error->message))
                       : g_strdup (error->message);
  if (ret_hint != NULL)
    *ret_hint = separator != NULL ? g_strdup (separator + strlen (hint_separator)) : NULL;
}

gboolean
agb_error_set_errno (GError **error, int errnum, const char *action, const char *path)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot %s '%s': %s", action, path,
               g_strerror (errnum));
  return FALSE;
}

void
agb_error_adopt (GError **error, AgbError code, const char *prefix, ...)
{
  if (error == NULL || *error == NULL)
    return;

  va_list args;
  va_start (args, prefix);
  g_autofree char *text = g_strdup_vprintf (prefix, args);
  va_end (args);

  int kept_code = (*error)->domain == AGB_ERROR ? (*error)->code : (int)code;
  g_autofree char *message = g_strconcat (text, (*error)->message, NULL);
  g_clear_error (error);
  g_set_error_literal (error, AGB_ERROR, kept_code, message);
}
