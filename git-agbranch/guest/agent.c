#include "guest/agent.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/names.h"
#include "core/paths.h"
#include "guest/transport.h"

#include <string.h>

static const AgbAgentProfile profiles[] = {
  {
      .name = "claude-code",
      .alias = "claude",
      .label = "Claude Code",
      .argv = (const char *const[]){ "claude", "--dangerously-skip-permissions", NULL },
      .env = (const char *const[]){ "IS_SANDBOX=1", "DISABLE_AUTOUPDATER=1", NULL },
      .prepare = "guest/agent-claude.sh",
      .install = "npm install -g @anthropic-ai/claude-code",
  },
  {
      .name = "codex",
      .label = "Codex",
      .argv = (const char *const[]){ "codex", "--dangerously-bypass-approvals-and-sandbox", NULL },
      .prepare = "guest/agent-codex.sh",
      .install = "npm install -g @openai/codex",
  },
  {
      .name = "gemini",
      .label = "Gemini",
      .argv = (const char *const[]){ "gemini", "--yolo", NULL },
      .prompt_option = "--prompt-interactive",
      .env = (const char *const[]){ "GEMINI_CLI_TRUST_WORKSPACE=true", NULL },
      .prepare = "guest/agent-gemini.sh",
      .install = "npm install -g @google/gemini-cli",
  },
  {
      .name = "opencode",
      .label = "OpenCode",
      .argv = (const char *const[]){ "opencode", NULL },
      .prompt_option = "--prompt",
      .install = "npm install -g opencode-ai",
  },
  {
      .name = "aider",
      .label = "Aider",
      .argv = (const char *const[]){ "aider", "--yes-always", NULL },
      .prompt_option = "--message",
      /* --yes-always would agree to all of these. */
      .env
      = (const char *const[]){ "AIDER_GITIGNORE=false", "AIDER_ANALYTICS=false",
                               "AIDER_CHECK_UPDATE=false", "AIDER_SHOW_RELEASE_NOTES=false", NULL },
      .prepare = "guest/agent-aider.sh",
      .install = "pipx install aider-chat",
      .required_env
      = (const char *const[]){ "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY",
                               "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY", NULL },
  },
  { .name = NULL },
};

const AgbAgentProfile *
agb_agent_profiles (void)
{
  return profiles;
}

const AgbAgentProfile *
agb_agent_profile (const char *name, GError **error)
{
  const char *names[2 * G_N_ELEMENTS (profiles)] = { NULL };
  gsize count = 0;

  for (const AgbAgentProfile *profile = profiles; profile->name != NULL; profile++)
    {
      if (g_str_equal (name, profile->name) || g_strcmp0 (name, profile->alias) == 0)
        return profile;
      names[count++] = profile->name;
    }
  g_autofree char *shown = agb_escape (name, -1);
  g_autofree char *list = g_strjoinv (", ", (char **)names);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "no agent profile '%s'", shown);
  agb_error_hint (error, "profiles: %s; any other command goes after '--'", list);
  return NULL;
}

char **
agb_agent_command (const AgbAgentProfile *profile, const char *prompt, const char *const *extra)
{
  GPtrArray *argv = g_ptr_array_new ();

  for (const char *const *arg = profile->argv; *arg != NULL; arg++)
    g_ptr_array_add (argv, g_strdup (*arg));
  for (; extra != NULL && *extra != NULL; extra++)
    g_ptr_array_add (argv, g_strdup (*extra));
  if (prompt != NULL && profile->prompt_option != NULL)
    /* In one word, so that a prompt that begins with a dash is not taken for an option. */
    g_ptr_array_add (argv, g_strdup_printf ("%s=%s", profile->prompt_option, prompt));
  else if (prompt != NULL)
    {
      if (*prompt == '-')
        g_ptr_array_add (argv, g_strdup ("--"));
      g_ptr_array_add (argv, g_strdup (prompt));
    }
  g_ptr_array_add (argv, NULL);
  return (char **)g_ptr_array_free (argv, FALSE);
}

/* A sandbox has the agents of the host's PATH, from its start on. */
static void
hint_to_install (AgbRuntime *runtime, const AgbSession *session, const AgbAgentProfile *profile,
                 GError **error)
{
  const char *command = profile != NULL ? profile->install : NULL;

  if ((runtime->klass->flags & AGB_RUNTIME_BORROWS_OBJECTS) != 0 && command != NULL)
    agb_error_hint (error,
                    "install it on this machine (%s) and start the session anew, or in the session "
                    "(git agbranch shell %s)",
                    command, session->name);
  else
    agb_error_hint (error, "install it there (git agbranch shell %s), or choose another image",
                    session->name);
}

static gboolean
no_program (AgbRuntime *runtime, const AgbSession *session, const AgbAgentProfile *profile,
            const char *program, GError **error)
{
  g_autofree char *shown = agb_escape (program, -1);

  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "%s%s'%s' is not installed in session '%s'",
               profile != NULL ? profile->label : "", profile != NULL ? ": program " : "program ",
               shown, session->name);
  hint_to_install (runtime, session, profile, error);
  return FALSE;
}

static gboolean
check_program (AgbRuntime *runtime, const AgbSession *session, const AgbAgentProfile *profile,
               const char *program, GError **error)
{
  const char *argv[] = { "sh", "-c", "command -v -- \"$1\"", "sh", program, NULL };
  const AgbExecSpec spec = { .argv = argv, .cwd = session->guest_workspace_path };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_guest_capture (runtime, session->vm_name, &spec, NULL, 0, 64 * 1024, AGB_TIMEOUT_QUICK,
                          &result, error))
    return FALSE;
  return result.status == 0 || no_program (runtime, session, profile, program, error);
}

gboolean
agb_agent_start (AgbRuntime *runtime, const AgbSession *session, const AgbAgentProfile *profile,
                 const char *const *command, const char *const *env, AgbTmuxScript *script,
                 GError **error)
{
  g_autoptr (GPtrArray) whole_env = g_ptr_array_new ();
  g_autofree char *prepare = NULL;

  g_return_val_if_fail (command != NULL && command[0] != NULL, FALSE);
  /* The script may be what installs it. */
  if (script == NULL && !check_program (runtime, session, profile, command[0], error))
    return FALSE;
  if (profile != NULL && profile->prepare != NULL
      && (prepare = agb_asset_read (profile->prepare, error)) == NULL)
    return FALSE;
  if (profile != NULL && profile->env != NULL)
    for (const char *const *variable = profile->env; *variable != NULL; variable++)
      g_ptr_array_add (whole_env, (char *)*variable);
  for (; env != NULL && *env != NULL; env++)
    g_ptr_array_add (whole_env, (char *)*env);
  g_ptr_array_add (whole_env, NULL);
  if (!agb_tmux_run (runtime, session, AGB_AGENT_WINDOW, command,
                     (const char *const *)whole_env->pdata, prepare, script, error))
    return FALSE;
  return script == NULL || !script->missing
         || no_program (runtime, session, profile, command[0], error);
}
