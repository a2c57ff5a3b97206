#include "guest/lima/provision.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/lima/base.h"
#include "guest/lima/machine.h"
#include "guest/lima/ssh.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PROBE_TIMEOUT_MS = 10 * 60 * 1000, SEAL_TIMEOUT_MS = 5 * 60 * 1000 };

/* The programs that npm packages of agents bring. */
static const struct {
  const char *package;
  const char *program;
} agent_programs[] = {
  { "@anthropic-ai/claude-code", "claude" }, { "@openai/codex", "codex" },
  { "@google/gemini-cli", "gemini" },        { "opencode-ai", "opencode" },
  { "@github/copilot", "copilot" },          { "aider-chat", "aider" },
};

char *
agb_provision_user_script (void)
{
  g_autofree char *path = g_build_filename (g_get_user_config_dir (), "agbranch", "setup.sh", NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer (&path) : NULL;
}

void
agb_provision_add_step (cJSON *steps, const char *name, gint64 started_usec)
{
  cJSON *step = cJSON_CreateObject ();

  agb_json_add_string (step, "name", name);
  cJSON_AddNumberToObject (step, "ms", (double)((g_get_monotonic_time () - started_usec) / 1000));
  cJSON_AddItemToArray (steps, step);
}

static void
append_log (const char *log, const char *name, const AgbChildResult *result)
{
  agb_autofd int fd = open (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  g_autofree char *title = g_strdup_printf ("== %s\n", name);

  if (fd < 0)
    return;
  if (agb_write_all (fd, title, strlen (title), log, NULL)
      && agb_write_all (fd, result->output->str, result->output->len, log, NULL))
    agb_write_all (fd, result->errors->str, result->errors->len, log, NULL);
}

/* The last line that is not empty, escaped. */
static char *
last_line (GString *text)
{
  g_strchomp (text->str);
  const char *line = strrchr (text->str, '\n');

  return agb_escape (line != NULL ? line + 1 : text->str, -1);
}

static gboolean
check_result (const char *name, const char *log, const AgbChildResult *result, GError **error)
{
  append_log (log, name, result);
  if (result->status == 0)
    return TRUE;
  g_autofree char *reason = last_line (result->errors);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "'%s' failed in the base with status %d%s%s",
               name, result->status, *reason != '\0' ? ": " : "", reason);
  agb_error_hint (error, "what it printed is in: %s", log);
  return FALSE;
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Names of the scripts in provision/ in order, without the seal. */
static char **
provision_names (void)
{
  g_autofree char *assets = agb_assets_path ();
  g_autofree char *folder = g_build_filename (assets, "provision", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (file, ".sh") && !g_str_has_prefix (file, "90-"))
      g_ptr_array_add (names, g_strdup (file));
  g_ptr_array_sort (names, by_name);
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

/* The arguments of script NAME; they are said in its first lines. */
static gboolean
script_arguments (const char *name, const char *flavour, char **agents, GPtrArray *args,
                  GError **error)
{
  if (g_str_has_prefix (name, "50-session"))
    {
      char *guard = agb_asset_read ("guest/guard.sh", error);
      if (guard == NULL)
        return FALSE;
      g_ptr_array_add (args, guard);
      g_ptr_array_add (args, g_strdup_printf ("%d", AGB_LIMA_API));
    }
  else
    g_ptr_array_add (args, g_strdup (flavour));
  if (g_str_has_prefix (name, "40-browser"))
    {
      char *browser = agb_asset_read ("guest/browser.sh", error);
      if (browser == NULL)
        return FALSE;
      g_ptr_array_add (args, browser);
    }
  if (g_str_has_prefix (name, "20-agents"))
    for (; *agents != NULL; agents++)
      g_ptr_array_add (args, g_strdup (*agents));
  g_ptr_array_add (args, NULL);
  return TRUE;
}

static gboolean
run_asset (const AgbLima *lima, const char *instance, const char *name, const char *flavour,
           char **agents, const char *log, gint64 deadline, GError **error)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *file = g_build_filename ("provision", name, NULL);
  g_autofree char *text = agb_asset_read (file, error);
  g_auto (AgbChildResult) result = { 0 };

  return text != NULL && script_arguments (name, flavour, agents, args, error)
         && agb_lima_root_script (lima, instance, name, text, (const char *const *)args->pdata,
                                  agb_deadline_left_ms (deadline), &result, error)
         && check_result (name, log, &result, error);
}

/* A script of the user is a file in the guest, so that its first line counts. */
static gboolean
run_own (const AgbLima *lima, const char *instance, const char *path, gboolean as_root,
         const char *log, gint64 deadline, GError **error)
{
  static const char run[]
      = "f=$(mktemp) && cat >\"$f\" && chmod 700 \"$f\" && cd && \"$f\" </dev/null; "
        "s=$?; rm -f \"$f\"; exit $s";
  const char *const root_argv[] = { "sudo", "-n", "sh", "-c", run, NULL };
  const char *const user_argv[] = { "sh", "-c", run, NULL };
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *text = NULL;
  gsize length = 0;
  g_auto (AgbChildResult) result = { 0 };

  if (!g_file_get_contents (path, &text, &length, error))
    {
      agb_error_adopt (error, AGB_ERROR_USER, "cannot read the provision script: ");
      return FALSE;
    }
  return agb_lima_ssh_once (lima, instance, as_root ? root_argv : user_argv, text, length,
                            agb_deadline_left_ms (deadline), &result, error)
         && check_result (name, log, &result, error);
}

gboolean
agb_provision_run (const AgbLima *lima, AgbSettings *settings, const char *instance,
                   const char *flavour, gboolean only_agents, const char *log, gint64 deadline,
                   AgbProgress *progress, cJSON *steps, GError **error)
{
  g_auto (GStrv) names = provision_names ();
  g_auto (GStrv) agents = agb_base_agents (settings);
  g_autofree char *own = agb_provision_user_script ();

  unlink (log);
  for (char **name = names; *name != NULL; name++)
    {
      gint64 started = g_get_monotonic_time ();
      if (only_agents && !g_str_has_prefix (*name, "20-agents"))
        continue;
      g_autofree char *phase = g_strdup_printf ("provisioning: %s", *name);
      agb_progress_phase (progress, phase);
      if (!run_asset (lima, instance, *name, flavour, agents, log, deadline, error))
        return FALSE;
      agb_provision_add_step (steps, *name, started);
    }
  if (only_agents)
    return TRUE;
  for (const char *const *path = agb_settings_list (settings, "agbranch.lima.provision");
       *path != NULL; path++)
    {
      gint64 started = g_get_monotonic_time ();
      agb_progress_phase (progress, "provisioning: agbranch.lima.provision");
      if (!run_own (lima, instance, *path, TRUE, log, deadline, error))
        return FALSE;
      agb_provision_add_step (steps, *path, started);
    }
  if (own == NULL)
    return TRUE;
  gint64 started = g_get_monotonic_time ();
  agb_progress_phase (progress, "provisioning: setup.sh");
  if (!run_own (lima, instance, own, FALSE, log, deadline, error))
    return FALSE;
  agb_provision_add_step (steps, "setup.sh", started);
  return TRUE;
}

const char *
agb_base_agent_program (const char *spec)
{
  for (gsize i = 0; i < G_N_ELEMENTS (agent_programs); i++)
    {
      gsize length = strlen (agent_programs[i].package);
      if (strncmp (spec, agent_programs[i].package, length) == 0
          && (spec[length] == '\0' || spec[length] == '@' || spec[length] == '='))
        return agent_programs[i].program;
    }
  return NULL;
}

static gboolean
is_agent (const char *program)
{
  for (gsize i = 0; i < G_N_ELEMENTS (agent_programs); i++)
    if (strcmp (agent_programs[i].program, program) == 0)
      return TRUE;
  return FALSE;
}

/* Lines "name version", ended by "end": the guest's word, so bounded and escaped. */
static gboolean
parse_probe (const char *output, cJSON *versions, cJSON *agents, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (output, "\n", 200);
  g_autoptr (GString) missing = g_string_new (NULL);
  gboolean complete = FALSE;

  for (char **line = lines; *line != NULL; line++)
    {
      g_autofree char *clean = agb_escape (*line, -1);
      char *space = strchr (clean, ' ');
      complete |= strcmp (clean, "end") == 0;
      if (space == NULL)
        continue;
      *space++ = '\0';
      if (strcmp (space, "-") == 0)
        g_string_append_printf (missing, "%s%s", missing->len > 0 ? ", " : "", clean);
      else
        agb_json_add_string (is_agent (clean) ? agents : versions, clean, space);
    }
  if (complete && missing->len == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the base lacks: %s",
               missing->len > 0 ? missing->str : "an answer of the probe");
  return FALSE;
}

gboolean
agb_provision_probe (const AgbLima *lima, AgbSettings *settings, const char *instance,
                     const char *flavour, cJSON **ret_versions, cJSON **ret_agents, GError **error)
{
  g_auto (GStrv) packages = agb_base_agents (settings);
  g_autofree char *text = agb_asset_read ("guest/probe.sh", error);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (cJSON) versions = cJSON_CreateObject ();
  g_autoptr (cJSON) agents = cJSON_CreateObject ();
  const char *const words[] = { "sh", "-c", text, "probe.sh", flavour };

  if (text == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (argv, (gpointer)words[i]);
  for (char **package = packages; *package != NULL; package++)
    {
      const char *program = agb_base_agent_program (*package);
      /* aider is Python and belongs to the full flavour. */
      if (program != NULL && (strcmp (program, "aider") != 0 || strcmp (flavour, "full") == 0))
        g_ptr_array_add (argv, (gpointer)program);
    }
  g_ptr_array_add (argv, NULL);
  if (!agb_lima_ssh_once (lima, instance, (const char *const *)argv->pdata, NULL, 0,
                          PROBE_TIMEOUT_MS, &result, error)
      || !parse_probe (result.output->str, versions, agents, error))
    return FALSE;
  *ret_versions = g_steal_pointer (&versions);
  *ret_agents = g_steal_pointer (&agents);
  return TRUE;
}

gboolean
agb_provision_seal (const AgbLima *lima, const char *instance, GError **error)
{
  g_autofree char *text = agb_asset_read ("provision/90-seal.sh", error);
  g_auto (AgbChildResult) result = { 0 };

  if (text == NULL
      || !agb_lima_root_script (lima, instance, "90-seal.sh", text, NULL, SEAL_TIMEOUT_MS, &result,
                                error))
    return FALSE;
  if (result.status == 0)
    return TRUE;
  g_autofree char *reason = last_line (result.errors);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot seal the base: %s", reason);
  return FALSE;
}
