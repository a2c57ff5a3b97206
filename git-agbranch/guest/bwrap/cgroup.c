#include "guest/bwrap/cgroup.h"

#include "core/child.h"

#include <string.h>
#include <unistd.h>

#define TOP "/sys/fs/cgroup"
#define TOP_VARIABLE "AGB_CGROUP_TOP"     /* for tests */
#define SCOPE_VARIABLE "AGB_KEEPER_SCOPE" /* tells the keeper one of the next two */
#define GIVEN "given"
#define NEEDS_LINGER "needs-linger"

const char *
agb_cgroup_top (void)
{
  const char *named = g_getenv (TOP_VARIABLE);

  return named != NULL ? named : TOP;
}

gboolean
agb_cgroup_is_v2 (void)
{
  g_autofree char *path = g_build_filename (agb_cgroup_top (), "cgroup.controllers", NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* /proc/self/cgroup: "ID:CONTROLLERS:PATH". */
char *
agb_cgroup_own (const char *controller)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL))
    return NULL;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) fields = g_strsplit (*line, ":", 3);

      if (g_strv_length (fields) != 3)
        continue;
      g_auto (GStrv) names = g_strsplit (fields[1], ",", -1);
      if (*controller == '\0' ? *fields[1] == '\0'
                              : g_strv_contains ((const char *const *)names, controller))
        return g_strdup (fields[2]);
    }
  return NULL;
}

gboolean
agb_cgroup_is_managed (void)
{
  return g_getenv (TOP_VARIABLE) == NULL
         && g_file_test ("/run/systemd/system", G_FILE_TEST_IS_DIR) /* sd_booted(3) */
         && agb_cgroup_is_v2 ();
}

static gboolean
lingers (void)
{
  g_autofree char *uid = g_strdup_printf ("%u", (guint)geteuid ());
  const char *argv[] = { "loginctl", "show-user", uid, "--property=Linger", "--value", NULL };
  AgbChildSpec child = { .argv = argv, .timeout_ms = AGB_TIMEOUT_QUICK };
  g_autofree char *answer = NULL;

  return agb_child_check (&child, &answer, NULL) && g_str_has_prefix (answer, "yes");
}

/* What the user's manager has started ends with it anyway, and so would the sandbox. */
static gboolean
is_below_manager (void)
{
  g_autofree char *service = g_strdup_printf ("/user@%u.service/", (guint)geteuid ());
  g_autofree char *own = agb_cgroup_own ("");

  return own != NULL && strstr (own, service) != NULL;
}

gboolean
agb_cgroup_needs_linger (void)
{
  return agb_cgroup_is_managed () && geteuid () != 0 && !is_below_manager () && !lingers ();
}

/* su, sudo and cron do not set the variable that systemd's tools find the manager with. */
static char **
keeper_env (const char *scope)
{
  char **env = g_environ_setenv (g_get_environ (), SCOPE_VARIABLE, scope, TRUE);
  g_autofree char *runtime = g_strdup_printf ("/run/user/%u", (guint)geteuid ());

  return g_environ_setenv (env, "XDG_RUNTIME_DIR", runtime, FALSE);
}

char **
agb_cgroup_scope (const char *description, const char *const *argv, char ***ret_env)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *program = g_find_program_in_path ("systemd-run");

  *ret_env = NULL;
  if (program == NULL || !agb_cgroup_is_managed ())
    return NULL;
  if (agb_cgroup_needs_linger ())
    {
      *ret_env = keeper_env (NEEDS_LINGER);
      return NULL;
    }
  g_strv_builder_add_many (builder, program, "--scope", "--quiet", "--collect", "--no-ask-password",
                           "--property=Delegate=yes", "--property=TasksMax=infinity",
                           "--description", description, NULL);
  if (geteuid () != 0)
    g_strv_builder_add (builder, "--user");
  g_strv_builder_add (builder, "--");
  g_strv_builder_addv (builder, (const char **)argv);
  *ret_env = keeper_env (GIVEN);
  return g_strv_builder_end (builder);
}

gboolean
agb_cgroup_is_scope (void)
{
  return g_strcmp0 (g_getenv (SCOPE_VARIABLE), GIVEN) == 0;
}

gboolean
agb_cgroup_keeper_needs_linger (void)
{
  return g_strcmp0 (g_getenv (SCOPE_VARIABLE), NEEDS_LINGER) == 0;
}
