#include "core/names.h"

#include "core/error.h"

#include <string.h>

/* Words that are sub-subcommands somewhere, so that `agbranch agent stop` can never mean a session
 * (CONTRACTS: "Reserved"). */
static const char *const reserved_words[]
    = { "list",    "show",    "start",   "stop",   "set",   "get",  "unset",  "add",
        "remove",  "all",     "prepare", "update", "check", "warm", "export", "import",
        "restore", "install", "edit",    "path",   "none",  "head", NULL };

gboolean
agb_session_name_check (const char *name, GError **error)
{
  const char *broken = NULL;
  gsize length = strlen (name);
  gboolean only_digits = TRUE;

  if (length == 0)
    broken = "it is empty";
  else if (length > AGB_SESSION_NAME_MAX)
    broken = "it is longer than 48 characters";
  else if (!g_ascii_islower (name[0]) && !g_ascii_isdigit (name[0]))
    broken = "it must begin with a lower-case letter or a digit";
  for (const char *c = name; broken == NULL && *c != '\0'; c++)
    {
      if (!g_ascii_islower (*c) && !g_ascii_isdigit (*c) && strchr ("._-", *c) == NULL)
        broken = "only a-z, 0-9, '.', '_' and '-' are allowed";
      only_digits = only_digits && g_ascii_isdigit (*c);
    }
  if (broken == NULL && only_digits)
    broken = "it has only digits";
  if (broken == NULL
      && (strstr (name, "..") != NULL || g_str_has_suffix (name, ".")
          || g_str_has_suffix (name, ".lock")))
    broken = "git does not allow it in a branch name";
  if (broken == NULL && g_strv_contains (reserved_words, name))
    broken = "it is a reserved word";
  if (broken == NULL)
    return TRUE;

  g_autofree char *shown = g_strescape (name, NULL);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a session name: %s", shown, broken);
  return FALSE;
}

gboolean
agb_size_parse (const char *text, guint64 unit, guint64 *ret_bytes, GError **error)
{
  static const char suffixes[] = "KMGT";
  char *end = NULL;
  guint64 value = g_ascii_isdigit (text[0]) ? g_ascii_strtoull (text, &end, 10) : 0;
  guint64 factor = 0;

  if (value > 0 && *end == '\0')
    factor = unit;
  else if (value > 0 && g_ascii_strcasecmp (end, "B") == 0)
    factor = 1;
  else if (value > 0)
    {
      const char *suffix = strchr (suffixes, g_ascii_toupper (*end));
      if (suffix != NULL
          && (end[1] == '\0' || g_ascii_strcasecmp (end + 1, "iB") == 0
              || g_ascii_strcasecmp (end + 1, "B") == 0))
        factor = G_GUINT64_CONSTANT (1) << (10 * (suffix - suffixes + 1));
    }
  if (factor == 0 || value > G_MAXINT64 / factor)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a size (2GiB, 512M, 2)", text);
      return FALSE;
    }
  *ret_bytes = value * factor;
  return TRUE;
}

char *
agb_size_format (guint64 bytes)
{
  return g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
}

gboolean
agb_is_oid (const char *text)
{
  gsize length = strspn (text, "0123456789abcdef");

  return text[length] == '\0' && (length == 40 || length == 64);
}

static int
edit_distance (const char *a, const char *b)
{
  gsize width = strlen (b) + 1;
  g_autofree int *row = g_new (int, width);

  for (gsize j = 0; j < width; j++)
    row[j] = (int)j;
  for (gsize i = 1; a[i - 1] != '\0'; i++)
    {
      int diagonal = row[0];
      row[0] = (int)i;
      for (gsize j = 1; j < width; j++)
        {
          int substituted = diagonal + (a[i - 1] != b[j - 1]);
          diagonal = row[j];
          row[j] = MIN (substituted, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[width - 1];
}

const char *
agb_nearest (const char *word, const char *const *candidates)
{
  const char *nearest = NULL;
  int best = MAX (2, (int)strlen (word) / 3) + 1;

  for (; *candidates != NULL; candidates++)
    {
      int distance = edit_distance (word, *candidates);
      if (g_str_has_prefix (*candidates, word))
        distance = MIN (distance, 1);
      if (distance < best)
        {
          best = distance;
          nearest = *candidates;
        }
    }
  return nearest;
}
