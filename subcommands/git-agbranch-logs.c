/* logs: what happened to a session (events, sync runs), and the log files of its guest. */
#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/main.h"
#include "core/output.h"
#include "core/pager.h"
#include "core/time.h"
#include "guest/home.h"
#include "session/agent-log.h"
#include "session/env.h"
#include "session/logs.h"
#include "session/watch.h"

#include <stdio.h>
#include <string.h>

enum { JSON_LOG_LIMIT = 16 << 20 };

static const char *const sources[]
    = { "events", "provision", "sync", "guest", "script", "kernel", NULL };

typedef struct {
  AgbContext *ctx;
  AgbEnv *env;
  const AgbSession *session;
  const char *source;
  char *since;
  guint limit;
  gboolean follow;
  gint64 last_id;
  guint rows;
} Logs;

/* One JSON object: an element of the array, or with --follow a line of its own. */
static void
print_object (Logs *logs, const cJSON *object)
{
  if (logs->follow)
    {
      agb_print_json (object, TRUE);
      return;
    }
  g_autofree char *text = agb_json_print (object, FALSE);
  agb_print ("%s%s", logs->rows++ > 0 ? ",\n  " : "[\n  ", text);
}

static cJSON *
new_object (const Logs *logs)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "source", logs->source);
  agb_json_add_string (object, "session", logs->session->name);
  return object;
}

static gboolean
print_event (const AgbEvent *event, gpointer data)
{
  Logs *logs = data;

  logs->last_id = event->id;
  if (!logs->ctx->json)
    {
      g_autofree char *message = agb_escape (event->message, -1);
      g_autofree char *at = agb_time_shown (event->at);
      agb_print ("%s  %-7s  %-16s  %s\n", at, event->level, event->kind, message);
      if (logs->follow)
        fflush (stdout);
      return ferror (stdout) == 0;
    }
  g_autoptr (cJSON) object = new_object (logs);
  agb_json_add_string (object, "at", event->at);
  agb_json_add_string (object, "level", event->level);
  agb_json_add_string (object, "kind", event->kind);
  agb_json_add_string (object, "message", event->message);
  print_object (logs, object);
  return ferror (stdout) == 0;
}

static void
print_sync_run_text (const AgbSyncRun *run)
{
  g_autofree char *reason = run->error_text != NULL ? agb_escape (run->error_text, -1) : NULL;
  g_autofree char *at = agb_time_shown (run->started_at);

  agb_print ("%s  %-8s", at, run->result);
  if (run->number > 0)
    agb_print ("  #%" G_GINT64_FORMAT, run->number);
  if (run->old_oid != NULL && run->new_oid != NULL)
    agb_print ("  %.12s..%.12s", run->old_oid, run->new_oid);
  if (reason != NULL)
    agb_print ("  %s", reason);
  if (run->patch_path != NULL)
    agb_print ("  patch %s", run->patch_path);
  agb_print ("\n");
}

static gboolean
print_sync_run (const AgbSyncRun *run, gpointer data)
{
  Logs *logs = data;

  logs->last_id = run->id;
  if (logs->since != NULL && strcmp (run->started_at, logs->since) < 0)
    return TRUE;
  if (!logs->ctx->json)
    {
      print_sync_run_text (run);
      if (logs->follow)
        fflush (stdout);
      return ferror (stdout) == 0;
    }
  g_autoptr (cJSON) object = new_object (logs);
  cJSON_AddNumberToObject (object, "id", (double)run->id);
  agb_json_add_string (object, "direction", run->direction);
  agb_json_add_string (object, "result", run->result);
  agb_json_add_string (object, "started_at", run->started_at);
  agb_json_add_string (object, "finished_at", run->finished_at);
  agb_json_add_string (object, "staging_path", run->staging_path);
  agb_json_add_string (object, "patch_path", run->patch_path);
  agb_json_add_string (object, "error_text", run->error_text);
  agb_json_add_string (object, "old_oid", run->old_oid);
  agb_json_add_string (object, "new_oid", run->new_oid);
  cJSON_AddNumberToObject (object, "number", (double)run->number);
  print_object (logs, object);
  return ferror (stdout) == 0;
}

static gboolean
print_text (const char *text, gsize length, gpointer data)
{
  Logs *logs = data;

  if (logs->ctx->json)
    {
      g_autoptr (cJSON) object = new_object (logs);
      g_autofree char *contents = g_utf8_make_valid (text, (gssize)length);
      agb_json_add_string (object, "contents", contents);
      print_object (logs, object);
    }
  else
    {
      g_autofree char *shown = agb_escape_lines (text, (gssize)length);
      fputs (shown, stdout);
      fflush (stdout);
    }
  return ferror (stdout) == 0;
}

static gboolean
show_events (Logs *logs, GError **error)
{
  const char *name = logs->session->name;

  if (!agb_catalog_foreach_event (logs->env->catalog, name, 0, logs->since, logs->limit,
                                  print_event, logs, error))
    return FALSE;
  return !logs->follow
         || agb_watch_events (logs->env->catalog, name, logs->last_id, print_event, logs, error);
}

static gboolean
show_sync_runs (Logs *logs, GError **error)
{
  const char *name = logs->session->name;

  if (!agb_catalog_foreach_sync_run (logs->env->catalog, name, logs->limit, print_sync_run, logs,
                                     error))
    return FALSE;
  return !logs->follow
         || agb_watch_sync_runs (logs->env->catalog, name, logs->last_id, print_sync_run, logs,
                                 error);
}

static gboolean
show_file (Logs *logs, GError **error)
{
  g_autofree char *path = agb_log_path (logs->env, logs->session, logs->source);
  g_autofree char *text = NULL;
  goffset end = 0;
  gsize limit = logs->ctx->json ? JSON_LOG_LIMIT : G_MAXSSIZE;

  if (logs->since != NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "--since works for events and sync, not for the file of '%s'", logs->source);
      return FALSE;
    }
  if (!agb_log_read (path, logs->limit, limit, &text, &end, error))
    return FALSE;
  if (logs->ctx->json)
    {
      g_autoptr (cJSON) object = new_object (logs);
      agb_json_add_string (object, "path", path);
      agb_json_add_string (object, "contents", text);
      print_object (logs, object);
    }
  else
    print_text (text, strlen (text), logs);
  return !logs->follow
         || agb_log_follow (logs->env, logs->session->name, path, end, print_text, logs, error);
}

static gboolean
keep_text (const char *text, gsize length, gpointer data)
{
  g_string_append_len (data, text, (gssize)length);
  return TRUE;
}

/* What the agent and its script printed is in the guest itself; a guest that does not run leaves the
 * file. */
static gboolean
show_guest (Logs *logs, GError **error)
{
  g_autoptr (GString) kept = g_string_new (NULL);
  gboolean whole = logs->ctx->json && !logs->follow;
  gboolean reached = FALSE;

  if (logs->since != NULL)
    return show_file (logs, error);
  if (!agb_agent_log (logs->env, logs->session, logs->source, logs->limit, logs->follow,
                      whole ? keep_text : print_text, whole ? (gpointer)kept : logs, &reached,
                      error))
    return FALSE;
  if (!reached)
    return show_file (logs, error);
  if (!whole)
    return TRUE;
  g_autoptr (cJSON) object = new_object (logs);
  g_autofree char *home = agb_guest_home (logs->session);
  g_autofree char *path
      = g_build_filename (home, ".agbranch/log", agb_agent_log_file (logs->source), NULL);
  agb_json_add_string (object, "path", path);
  agb_json_add_string (object, "contents", kept->str);
  print_object (logs, object);
  return TRUE;
}

/* --since as RFC 3339: a time, or how long ago. */
static char *
parse_since (const char *text, GError **error)
{
  gint64 ago_ms = 0;
  gint64 at = agb_time_parse (text);

  if (at < 0)
    {
      if (!agb_duration_parse (text, &ago_ms, NULL))
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                       "'%s' is neither a time (RFC 3339) nor a duration (90s, 5m, 2h, 1d)", text);
          return NULL;
        }
      g_autofree char *now = agb_time_now ();
      at = agb_time_parse (now) - ago_ms / 1000;
    }
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (at);
  return g_date_time_format (time, "%Y-%m-%dT%H:%M:%S.000000Z");
}

static gboolean
show_source (Logs *logs, GError **error)
{
  gboolean shown;

  if (g_str_equal (logs->source, "events"))
    shown = show_events (logs, error);
  else if (g_str_equal (logs->source, "sync"))
    shown = show_sync_runs (logs, error);
  else if (agb_agent_log_file (logs->source) != NULL)
    shown = show_guest (logs, error);
  else
    shown = show_file (logs, error);

  if (shown && logs->ctx->json && !logs->follow)
    agb_print ("%s", logs->rows > 0 ? "\n]\n" : "[]\n");
  return shown || (logs->follow && agb_interrupt_ends_following (error));
}

static const char *const usage[] = {
  "git agbranch logs [<options>] [<session> | --session=<name>]",
  NULL,
};

static gboolean
run_logs (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_autofree char *source = NULL, *since_text = NULL, *since = NULL;
  gboolean follow = FALSE;
  int limit = 0;
  const GOptionEntry entries[] = {
    { "source", 0, 0, G_OPTION_ARG_STRING, &source,
      "events (the default), provision, sync, guest, script, kernel", "<source>" },
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "go on with what is added", NULL },
    { "since", 0, 0, G_OPTION_ARG_STRING, &since_text, "from this time on, or this long ago",
      "<time>" },
    { "lines", 'n', 0, G_OPTION_ARG_INT, &limit, "only the last ones", "<number>" },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  if (source != NULL && !g_strv_contains (sources, source))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a source of logs", source);
      agb_error_hint (error, "one of: events, provision, sync, guest, script, kernel");
      return FALSE;
    }
  if (limit < 0 || (since_text != NULL && (since = parse_since (since_text, error)) == NULL))
    {
      if (limit < 0)
        g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "-n %d: a number above 0 is needed", limit);
      return FALSE;
    }

  if (!follow)
    agb_pager_start ();
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_READ_ONLY, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbSession) session = agb_env_session (env, ctx->session, TRUE, error);
  if (session == NULL)
    return FALSE;
  Logs logs = {
    .ctx = ctx,
    .env = env,
    .session = session,
    .source = source != NULL ? source : "events",
    .since = since,
    .limit = (guint)limit,
    .follow = follow,
  };
  return show_source (&logs, error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "logs", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_logs
  };

  return agb_main (argc, argv, &verb);
}
