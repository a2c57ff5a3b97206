#include "session/agent-run.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/json.h"
#include "guest/tmux.h"
#include "session/provider.h"
#include "session/start.h"

#include <string.h>
#include <unistd.h>

enum { PROMPT_LIMIT = 1024 * 1024 };

static char *
read_prompt (const char *path, GError **error)
{
  g_autoptr (GIOChannel) channel = g_str_equal (path, "-")
                                       ? g_io_channel_unix_new (STDIN_FILENO)
                                       : g_io_channel_new_file (path, "r", error);
  g_autofree char *text = NULL;

  if (channel == NULL || g_io_channel_set_encoding (channel, NULL, error) != G_IO_STATUS_NORMAL
      || g_io_channel_read_to_end (channel, &text, NULL, error) != G_IO_STATUS_NORMAL)
    {
      agb_error_adopt (error, AGB_ERROR_USER, "cannot read the prompt from '%s': ", path);
      return NULL;
    }
  return g_steal_pointer (&text);
}

char *
agb_agent_prompt (const char *argument, GError **error)
{
  g_autofree char *text = NULL;

  if (g_str_equal (argument, "-") || *argument == '@')
    text = read_prompt (*argument == '@' ? argument + 1 : argument, error);
  else
    text = g_strdup (argument);
  if (text == NULL)
    return NULL;
  if (*g_strchomp (text) == '\0' || strlen (text) > PROMPT_LIMIT)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "the prompt is %s",
                   *text == '\0' ? "empty" : "longer than 1 MiB");
      return NULL;
    }
  return g_steal_pointer (&text);
}

static gboolean
check_none_lives (AgbHeld *held, GError **error)
{
  const AgbSession *session = held->session;

  if (!g_str_equal (agb_tmux_window_state (held->runtime, session, AGB_AGENT_WINDOW), "live"))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_ACTION, "an agent runs in session '%s' already",
               session->name);
  agb_error_hint (error, "see it: git agbranch attach %s; end it: git agbranch agent stop %s",
                  session->name, session->name);
  return FALSE;
}

static char *
command_json (char **command)
{
  g_autoptr (cJSON) array
      = cJSON_CreateStringArray ((const char *const *)command, (int)g_strv_length (command));

  return agb_json_print (array, FALSE);
}

static void
replace (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

static gboolean
write_agent (AgbHeld *held, const AgbAgentRequest *request, GError **error)
{
  const AgbAgentProfile *profile = request->profile;
  AgbSession *session = held->session;
  g_auto (GStrv) kept = profile != NULL ? agb_agent_command (profile, NULL, request->extra)
                                        : g_strdupv ((char **)request->extra);
  g_autofree char *json = command_json (kept);
  const char *preset = profile != NULL ? profile->name : NULL;

  replace (&session->provider_kind, preset);
  replace (&session->agent_launch_preset, preset);
  replace (&session->agent_window_name, AGB_AGENT_WINDOW);
  replace (&session->agent_command_json, json);
  return agb_catalog_update_session (held->env->catalog, session->name, error, "provider_kind",
                                     preset, "agent_launch_preset", preset, "agent_window_name",
                                     AGB_AGENT_WINDOW, "agent_command_json", json, NULL)
         && agb_catalog_add_event (held->env->catalog, session->name, "info", "agent_started",
                                   error, "agent %s was started",
                                   preset != NULL ? preset : kept[0]);
}

/* The script of the session's base; a sandbox session, or one whose repository is gone, has none. */
static gboolean
settle_script (AgbHeld *held, const AgbAsk *ask, AgbRuntimeScript *ret, GError **error)
{
  return held->repo == NULL
         || agb_runtime_script_settle (held->repo, held->settings, held->session->base_oid, ask,
                                       held->env->progress, ret, error);
}

gboolean
agb_session_agent_start (AgbHeld *held, const AgbAgentRequest *request,
                         AgbRuntimeScript *ret_script, GError **error)
{
  g_auto (GStrv) command
      = request->profile != NULL
            ? agb_agent_command (request->profile, request->prompt, request->extra)
            : g_strdupv ((char **)request->extra);
  g_auto (GStrv) env = agb_variables (held->settings, request->variables, error);

  if (env == NULL || !agb_session_start (held->env, held->session, held->runtime, NULL, error)
      || !check_none_lives (held, error) || !settle_script (held, request->ask, ret_script, error))
    return FALSE;
  if (request->imports != NULL
      && !agb_provider_import (held->env, held->runtime, held->session, request->imports, error))
    return FALSE;
  agb_note_missing_env (held->env->progress, request->profile, (const char *const *)env);
  return agb_fault_point ("agent: start", error)
         && agb_runtime_script_start_agent (held->env, held->settings, held->runtime, held->session,
                                            request->profile, (const char *const *)command,
                                            (const char *const *)env, ret_script, error)
         && write_agent (held, request, error);
}

/* The command that was kept, NULL: none. */
static char **
kept_command (const AgbSession *session)
{
  g_autoptr (cJSON) array
      = session->agent_command_json != NULL ? cJSON_Parse (session->agent_command_json) : NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const cJSON *item;

  if (cJSON_GetArraySize (array) == 0)
    return NULL;
  cJSON_ArrayForEach (item, array) if (cJSON_IsString (item))
      g_strv_builder_add (builder, item->valuestring);
  return g_strv_builder_end (builder);
}

gboolean
agb_session_agent_resume (AgbHeld *held, const AgbAsk *ask, gboolean *ret_started,
                          AgbRuntimeScript *ret_script, GError **error)
{
  const AgbSession *session = held->session;
  g_auto (GStrv) command = kept_command (session);
  g_auto (GStrv) env = agb_variables (held->settings, NULL, error);
  const AgbAgentProfile *profile = NULL;

  *ret_started = FALSE;
  if (env == NULL)
    return FALSE;
  if (command == NULL
      || g_str_equal (agb_tmux_window_state (held->runtime, session, AGB_AGENT_WINDOW), "live"))
    return TRUE;
  if (session->agent_launch_preset != NULL)
    profile = agb_agent_profile (session->agent_launch_preset, NULL);
  if (!settle_script (held, ask, ret_script, error)
      || !agb_runtime_script_start_agent (held->env, held->settings, held->runtime, session,
                                          profile, (const char *const *)command,
                                          (const char *const *)env, ret_script, error))
    return FALSE;
  *ret_started = TRUE;
  return agb_catalog_add_event (held->env->catalog, session->name, "info", "agent_started", error,
                                "the agent was resumed");
}

gboolean
agb_session_agent_resume_as_set (AgbHeld *held, const AgbAsk *ask, gboolean *ret_started,
                                 AgbRuntimeScript *ret_script, GError **ret_problem, GError **error)
{
  g_autoptr (GError) problem = NULL;

  *ret_started = FALSE;
  *ret_problem = NULL;
  if (!agb_settings_bool (held->settings, "agbranch.resumeAgent")
      || agb_session_agent_resume (held, ask, ret_started, ret_script, &problem))
    return TRUE;
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  *ret_problem = g_steal_pointer (&problem);
  return TRUE;
}

gboolean
agb_session_agent_stop (AgbHeld *held, gboolean *ret_was_there, GError **error)
{
  const AgbSession *session = held->session;
  const char *state = agb_tmux_window_state (held->runtime, session, AGB_AGENT_WINDOW);

  *ret_was_there = g_str_equal (state, "live") || g_str_equal (state, "dead");
  if (!*ret_was_there)
    return TRUE;
  return agb_fault_point ("agent: stop", error)
         && agb_tmux_kill_window (held->runtime, session, AGB_AGENT_WINDOW, error)
         && agb_catalog_add_event (held->env->catalog, session->name, "info", "agent_stopped",
                                   error, "the agent was stopped");
}
