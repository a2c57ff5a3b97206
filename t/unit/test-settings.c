/* The table of settings is sound, and what is read from git has the type it should have. */
#include "core/error.h"
#include "store/settings.h"

#include <glib/gstdio.h>
#include <string.h>

/* Settings from lines of configuration, given as git's own environment. */
static AgbSettings *
load (const char *const *pairs, GError **error)
{
  int count = 0;

  for (; pairs[2 * count] != NULL; count++)
    {
      g_autofree char *key = g_strdup_printf ("GIT_CONFIG_KEY_%d", count);
      g_autofree char *value = g_strdup_printf ("GIT_CONFIG_VALUE_%d", count);
      g_setenv (key, pairs[2 * count], TRUE);
      g_setenv (value, pairs[2 * count + 1], TRUE);
    }
  g_autofree char *number = g_strdup_printf ("%d", count);
  g_setenv ("GIT_CONFIG_COUNT", number, TRUE);
  return agb_settings_load (NULL, error);
}
#define LOAD(error, ...) load ((const char *const[]){ __VA_ARGS__, NULL, NULL }, error)

static void
test_table (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (const AgbSettingInfo *info = agb_settings_table (); info->name != NULL; info++)
    {
      g_assert_true (g_hash_table_add (seen, (gpointer)info->name));
      g_assert_true (g_str_has_prefix (info->name, "agbranch."));
      g_assert_cmpint (info->type == AGB_SETTING_SIZE, ==, info->unit != 0);
      g_assert_cmpuint (strlen (info->meaning), >, 10);
      if (info->type != AGB_SETTING_STRING && info->type != AGB_SETTING_LIST)
        g_assert_nonnull (info->fallback);
    }
}

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgbSettings) settings = LOAD (&error, "x.y", "z");

  g_assert_no_error (error);
  g_assert_cmpstr (agb_settings_string (settings, "agbranch.runtime"), ==, "auto");
  g_assert_cmpstr (agb_settings_string (settings, "agbranch.network"), ==, "public");
  g_assert_null (agb_settings_string (settings, "agbranch.image"));
  g_assert_false (agb_settings_bool (settings, "agbranch.requireVm"));
  g_assert_cmpint (agb_settings_int (settings, "agbranch.cpus"), ==, 2);
  g_assert_cmpint (agb_settings_int (settings, "agbranch.rescueDays"), ==, 14);
  g_assert_cmpuint (agb_settings_size (settings, "agbranch.memory"), ==, 2ULL << 30);
  g_assert_cmpuint (agb_settings_size (settings, "agbranch.disk"), ==, 30ULL << 30);
  g_assert_cmpint (agb_settings_duration_ms (settings, "agbranch.lockTimeout"), ==, 30000);
  g_assert_null (*agb_settings_list (settings, "agbranch.copy"));
  g_assert_cmpstr (agb_settings_origin (settings, "agbranch.cpus"), ==, "default");
}

static void
test_values (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgbSettings) settings
      = LOAD (&error, "AgBranch.CPUS", "8", "agbranch.memory", "4", "agbranch.limits.packBytes",
              "4", "agbranch.limits.objects", "10k", "agbranch.requirevm", "Yes", "agbranch.copy",
              "a b", "agbranch.copy", "c=d\ne", "agbranch.Limits.objects", "7", "agbranch.cpus",
              "9", "user.name", "A B", "branch.Feature.X.remote", "o");

  g_assert_no_error (error);
  g_assert_cmpint (agb_settings_int (settings, "agbranch.cpus"), ==, 9);
  g_assert_cmpuint (agb_settings_size (settings, "agbranch.memory"), ==, 4ULL << 30);
  g_assert_cmpuint (agb_settings_size (settings, "agbranch.limits.packBytes"), ==, 4);
  /* What is between the first and the last dot has a case in git: Limits is another one. */
  g_assert_cmpint (agb_settings_int (settings, "agbranch.limits.objects"), ==, 10240);
  g_assert_true (agb_settings_bool (settings, "agbranch.requireVm"));
  const char *const *copy = agb_settings_list (settings, "agbranch.copy");
  g_assert_cmpstr (copy[0], ==, "a b");
  g_assert_cmpstr (copy[1], ==, "c=d\ne");
  g_assert_null (copy[2]);
  g_assert_cmpstr (agb_settings_origin (settings, "agbranch.cpus"), ==, "command line");
  g_assert_cmpstr (agb_settings_git (settings, "user.NAME"), ==, "A B");
  g_assert_cmpstr (agb_settings_git (settings, "branch.Feature.X.remote"), ==, "o");
  g_assert_null (agb_settings_git (settings, "branch.feature.x.remote"));
  g_assert_null (*agb_settings_git_all (settings, "remote.none.url"));
}

static void
test_bad_values (void)
{
  static const char *const bad[][2] = {
    { "agbranch.cpus", "" },
    { "agbranch.cpus", "two" },
    { "agbranch.cpus", "9999999999g" },
    { "agbranch.memory", "0" },
    { "agbranch.requireVm", "maybe" },
    { "agbranch.lockTimeout", "-1s" },
    { "agbranch.network", "Public" },
    { "agbranch.limits.depth", "1t" },
    { "agbranch.cpus", "9223372036854775808" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AgbSettings) settings = LOAD (&error, bad[i][0], bad[i][1]);

      g_assert_null (settings);
      g_assert_error (error, AGB_ERROR, AGB_ERROR_USER);
      g_assert_true (g_str_has_prefix (error->message, bad[i][0]));
      g_assert_nonnull (strstr (error->message, "(from command line)"));
    }
}

static void
test_truth (void)
{
  gboolean truth;

  g_assert_true (agb_settings_parse_bool (NULL, &truth) && truth);
  g_assert_true (agb_settings_parse_bool ("", &truth) && !truth);
  g_assert_true (agb_settings_parse_bool ("ON", &truth) && truth);
  g_assert_true (agb_settings_parse_bool ("0", &truth) && !truth);
  g_assert_false (agb_settings_parse_bool ("2", &truth));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("GIT_CONFIG_GLOBAL", "/dev/null", TRUE);
  g_setenv ("GIT_CONFIG_SYSTEM", "/dev/null", TRUE);
  g_test_add_func ("/settings/table", test_table);
  g_test_add_func ("/settings/defaults", test_defaults);
  g_test_add_func ("/settings/values", test_values);
  g_test_add_func ("/settings/bad-values", test_bad_values);
  g_test_add_func ("/settings/truth", test_truth);
  return g_test_run ();
}
