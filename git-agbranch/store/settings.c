#include "store/settings.h"

#include "core/child.h"
#include "core/error.h"
#include "core/names.h"
#include "core/time.h"

#include <string.h>

static const AgbSettingInfo table[] = {
#define AGB_SETTING(name, type, unit, fallback, choices, meaning) \
  { name, AGB_SETTING_##type, unit, fallback, choices, meaning },
#include "store/settings.def"
#undef AGB_SETTING
  { NULL, 0, 0, NULL, NULL, NULL },
};

enum { SETTING_COUNT = G_N_ELEMENTS (table) - 1 };

/* Strings point into AgbSettings.output. */
typedef struct {
  const char *value; /* NULL: a key without "=", which is true */
  const char *origin;
} Entry;

struct AgbSettings {
  char *output;        /* of `git config --null --list --show-origin` */
  GHashTable *entries; /* canonical key → GArray of Entry, in git's order */
  GHashTable *lists;   /* canonical key → NULL-ended array of values, made when asked for */
  gint64 numbers[SETTING_COUNT];
};

const AgbSettingInfo *
agb_settings_table (void)
{
  return table;
}

/* Section and variable are without case in git, what is between them is not. */
static char *
canonical_key (const char *key)
{
  char *copy = g_strdup (key);
  char *first = strchr (copy, '.');
  char *last = strrchr (copy, '.');

  for (char *c = copy; c < first; c++)
    *c = g_ascii_tolower (*c);
  for (char *c = last != NULL ? last : copy; *c != '\0'; c++)
    *c = g_ascii_tolower (*c);
  return copy;
}

static GArray *
find_entries (AgbSettings *settings, const char *key)
{
  g_autofree char *canonical = canonical_key (key);

  return g_hash_table_lookup (settings->entries, canonical);
}

static const Entry *
last_entry (AgbSettings *settings, const char *key)
{
  GArray *entries = find_entries (settings, key);

  return entries != NULL ? &g_array_index (entries, Entry, entries->len - 1) : NULL;
}

static gsize
setting_index (const char *name, AgbSettingType type)
{
  for (gsize i = 0; i < SETTING_COUNT; i++)
    if (g_str_equal (table[i].name, name) && (int)table[i].type == (int)type)
      return i;
  g_error ("setting '%s' is not in the table with type %d", name, type);
}

gboolean
agb_settings_parse_bool (const char *text, gboolean *ret)
{
  static const char *const words[][2]
      = { { "true", "false" }, { "yes", "no" }, { "on", "off" }, { "1", "0" } };

  if (text == NULL || *text == '\0')
    {
      *ret = text == NULL;
      return TRUE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    for (gsize no = 0; no < 2; no++)
      if (g_ascii_strcasecmp (text, words[i][no]) == 0)
        {
          *ret = no == 0;
          return TRUE;
        }
  return FALSE;
}

/* git's integers: a sign is not allowed in ours, the suffixes k, m and g are. */
static gboolean
parse_int (const char *text, gint64 *ret)
{
  char *end = NULL;
  guint64 value = g_ascii_isdigit (text[0]) ? g_ascii_strtoull (text, &end, 10) : 0;
  guint shift = 0;

  if (end == NULL)
    return FALSE;
  if (*end != '\0')
    {
      const char *suffix = strchr ("kmg", g_ascii_tolower (*end));
      if (suffix == NULL || end[1] != '\0')
        return FALSE;
      shift = 10 * (guint)(*suffix == 'k' ? 1 : *suffix == 'm' ? 2 : 3);
    }
  if (value > (guint64)(G_MAXINT64 >> shift))
    return FALSE;
  *ret = (gint64)(value << shift);
  return TRUE;
}

static gboolean
is_choice (const char *choices, const char *text)
{
  g_auto (GStrv) words = g_strsplit (choices, "|", -1);

  return g_strv_contains ((const char *const *)words, text);
}

/* TEXT (NULL: a key without a value) as INFO's type; numbers of all kinds go to *ret. */
static gboolean
parse_value (const AgbSettingInfo *info, const char *text, gint64 *ret)
{
  gboolean truth = FALSE;
  guint64 size = 0;

  if (info->type == AGB_SETTING_BOOL)
    {
      if (!agb_settings_parse_bool (text, &truth))
        return FALSE;
      *ret = truth;
      return TRUE;
    }
  if (text == NULL)
    return FALSE;
  switch (info->type)
    {
    case AGB_SETTING_INT:
      return parse_int (text, ret);
    case AGB_SETTING_SIZE:
      if (!agb_size_parse (text, info->unit, &size, NULL))
        return FALSE;
      *ret = (gint64)size;
      return TRUE;
    case AGB_SETTING_DURATION:
      return agb_duration_parse (text, ret, NULL);
    default:
      return info->choices == NULL || is_choice (info->choices, text);
    }
}

static void
set_value_error (const AgbSettingInfo *info, const Entry *entry, GError **error)
{
  static const char *const kinds[]
      = { "a truth value (true, false)", "a number", "a size (2GiB, 512M)",
          "a duration (90s, 5m)",        "a value",  "a value" };
  g_autofree char *shown = entry->value != NULL ? g_strescape (entry->value, NULL) : NULL;
  g_autofree char *choices = NULL;

  if (info->choices != NULL)
    {
      g_auto (GStrv) words = g_strsplit (info->choices, "|", -1);
      g_autofree char *joined = g_strjoinv (", ", words);
      choices = g_strdup_printf ("one of %s", joined);
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "%s %s%s%s is not %s (from %s)", info->name,
               shown != NULL ? "'" : "", shown != NULL ? shown : "without a value",
               shown != NULL ? "'" : "", choices != NULL ? choices : kinds[info->type],
               entry->origin);
  agb_error_hint (error, "what it means: git help agbranch-config, or git agbranch config");
}

static gboolean
check_values (AgbSettings *settings, GError **error)
{
  for (gsize i = 0; i < SETTING_COUNT; i++)
    {
      const Entry *entry = last_entry (settings, table[i].name);
      const char *fallback = table[i].fallback;

      if (entry == NULL)
        {
          gboolean sound
              = fallback == NULL || parse_value (&table[i], fallback, &settings->numbers[i]);
          g_assert (sound);
        }
      else if (!parse_value (&table[i], entry->value, &settings->numbers[i]))
        {
          set_value_error (&table[i], entry, error);
          return FALSE;
        }
    }
  return TRUE;
}

/* The output is, again and again: origin NUL key LF value NUL, without LF value for a key alone. */
static gboolean
parse_output (AgbSettings *settings, gsize length)
{
  char *end = settings->output + length;

  for (char *next = settings->output; next < end;)
    {
      Entry entry = { .origin = next };
      char *key = next + strlen (next) + 1;

      if (key >= end)
        return FALSE;
      next = key + strlen (key) + 1;
      char *line_end = strchr (key, '\n');
      if (line_end != NULL)
        {
          *line_end = '\0';
          entry.value = line_end + 1;
        }
      if (g_str_has_prefix (entry.origin, "command line"))
        entry.origin = "command line";
      GArray *entries = g_hash_table_lookup (settings->entries, key);
      if (entries == NULL)
        {
          entries = g_array_new (FALSE, FALSE, sizeof (Entry));
          g_hash_table_insert (settings->entries, key, entries);
        }
      g_array_append_val (entries, entry);
    }
  return TRUE;
}

/* An explicit repository; or none at all, even if the working directory is in one. */
static char **
config_environment (AgbRepo *repo)
{
  char **envp = g_get_environ ();

  envp = g_environ_setenv (envp, "GIT_DIR", repo != NULL ? agb_repo_git_dir (repo) : "/dev/null",
                           TRUE);
  envp = g_environ_unsetenv (envp, "GIT_COMMON_DIR");
  /* It would be read instead of all files. */
  envp = g_environ_unsetenv (envp, "GIT_CONFIG");
  return g_environ_setenv (envp, "LC_ALL", "C", TRUE);
}

AgbSettings *
agb_settings_load (AgbRepo *repo, GError **error)
{
  static const char *const argv[] = { "git", "config", "--null", "--list", "--show-origin", NULL };
  g_autoptr (AgbSettings) settings = g_new0 (AgbSettings, 1);
  g_auto (GStrv) envp = config_environment (repo);
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec
      = { .argv = argv, .envp = envp, .cwd = repo != NULL ? agb_repo_git_dir (repo) : NULL };

  if (!agb_child_run (&spec, &result, error))
    return NULL;
  gsize length = result.output->len;
  settings->output = g_string_free (g_steal_pointer (&result.output), FALSE);
  settings->entries
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_array_unref);
  settings->lists = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (result.status != 0 || !parse_output (settings, length))
    {
      g_strchomp (result.errors->str);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "git cannot read its configuration: %s",
                   g_str_has_prefix (result.errors->str, "fatal: ") ? result.errors->str + 7
                                                                    : result.errors->str);
      agb_error_hint (error, "for git's own view: git config --list --show-origin");
      return NULL;
    }
  return check_values (settings, error) ? g_steal_pointer (&settings) : NULL;
}

void
agb_settings_free (AgbSettings *settings)
{
  if (settings == NULL)
    return;
  g_clear_pointer (&settings->entries, g_hash_table_unref);
  g_clear_pointer (&settings->lists, g_hash_table_unref);
  g_free (settings->output);
  g_free (settings);
}

gboolean
agb_settings_bool (AgbSettings *settings, const char *name)
{
  return settings->numbers[setting_index (name, AGB_SETTING_BOOL)] != 0;
}

gint64
agb_settings_int (AgbSettings *settings, const char *name)
{
  return settings->numbers[setting_index (name, AGB_SETTING_INT)];
}

guint64
agb_settings_size (AgbSettings *settings, const char *name)
{
  return (guint64)settings->numbers[setting_index (name, AGB_SETTING_SIZE)];
}

gint64
agb_settings_duration_ms (AgbSettings *settings, const char *name)
{
  return settings->numbers[setting_index (name, AGB_SETTING_DURATION)];
}

const char *
agb_settings_string (AgbSettings *settings, const char *name)
{
  setting_index (name, AGB_SETTING_STRING);
  return agb_settings_text (settings, name);
}

const char *const *
agb_settings_list (AgbSettings *settings, const char *name)
{
  setting_index (name, AGB_SETTING_LIST);
  const char *const *all = agb_settings_git_all (settings, name);
  const char *const *from = all;

  for (; *all != NULL; all++)
    if (**all == '\0')
      from = all + 1;
  return from;
}

const char *
agb_settings_text (AgbSettings *settings, const char *name)
{
  const Entry *entry = last_entry (settings, name);

  if (entry != NULL)
    return entry->value != NULL ? entry->value : "true";
  for (gsize i = 0; i < SETTING_COUNT; i++)
    if (g_str_equal (table[i].name, name))
      return table[i].fallback;
  return NULL;
}

const char *
agb_settings_origin (AgbSettings *settings, const char *name)
{
  const Entry *entry = last_entry (settings, name);

  return entry != NULL ? entry->origin : "default";
}

const char *
agb_settings_git (AgbSettings *settings, const char *key)
{
  const Entry *entry = last_entry (settings, key);

  if (entry == NULL)
    return NULL;
  return entry->value != NULL ? entry->value : "true";
}

const char *const *
agb_settings_git_all (AgbSettings *settings, const char *key)
{
  g_autofree char *canonical = canonical_key (key);
  GArray *entries = g_hash_table_lookup (settings->entries, canonical);
  const char **values = g_hash_table_lookup (settings->lists, canonical);

  if (values != NULL)
    return values;
  guint count = entries != NULL ? entries->len : 0;
  values = g_new0 (const char *, count + 1);
  for (guint i = 0; i < count; i++)
    {
      const char *value = g_array_index (entries, Entry, i).value;
      values[i] = value != NULL ? value : "true";
    }
  g_hash_table_insert (settings->lists, g_steal_pointer (&canonical), values);
  return values;
}

void
agb_settings_git_foreach (AgbSettings *settings, const char *prefix, AgbSettingsFunc func,
                          gpointer data)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, settings->entries);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (g_str_has_prefix (key, prefix))
      func (key, agb_settings_git (settings, key), data);
}
