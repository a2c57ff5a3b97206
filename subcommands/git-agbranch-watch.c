/* watch: what one session is, then everything that happens to it, a JSON object a line. */
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/main.h"
#include "core/output.h"
#include "core/time.h"
#include "session/env.h"
#include "session/watch.h"

#include <stdio.h>
#include <unistd.h>

static void
print_item_json (const AgbWatchItem *item)
{
  g_autoptr (cJSON) object = cJSON_CreateObject ();

  agb_json_add_string (object, "kind", item->kind);
  agb_json_add_string (object, "session", item->session->name);
  agb_json_add_string (object, "timestamp", item->timestamp);
  agb_json_add_string (object, "event_type", item->event_type);
  agb_json_add_string (object, "lifecycle_state", item->session->lifecycle_state);
  agb_json_add_string (object, "sync_state", item->session->sync_state);
  cJSON *lock = cJSON_AddObjectToObject (object, "lock_state");
  cJSON_AddBoolToObject (lock, "held", item->lock_held);
  if (item->lock_held)
    cJSON_AddNumberToObject (lock, "pid", (double)item->lock_pid);
  else
    cJSON_AddNullToObject (lock, "pid");
  agb_json_add_string (lock, "operation", item->lock_operation);
  agb_json_add_string (object, "level", item->level);
  agb_json_add_string (object, "message", item->message);
  agb_print_json (object, TRUE);
}

static gboolean
print_item (const AgbWatchItem *item, gpointer data)
{
  AgbContext *ctx = data;

  /* In a pipe the lines are for a program, as in agbranch 0.1. */
  if (ctx->json || !isatty (STDOUT_FILENO))
    print_item_json (item);
  else
    {
      g_autofree char *message = agb_escape (item->message, -1);
      g_autofree char *at = agb_time_shown (item->timestamp);
      agb_print ("%s  %-10s %-8s %-16s %s\n", at, item->session->lifecycle_state, item->level,
                 item->event_type, message);
      fflush (stdout);
    }
  return ferror (stdout) == 0;
}

static const char *const usage[] = {
  "git agbranch watch [--json] [<session> | --session=<name>]",
  NULL,
};

static gboolean
run_watch (AgbContext *ctx, int argc, char **argv, GError **error)
{
  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_READ_ONLY, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbSession) session = agb_env_session (env, ctx->session, TRUE, error);
  if (session == NULL)
    return FALSE;

  return agb_watch_session (env, session->name, print_item, ctx, error)
         || agb_interrupt_ends_following (error);
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "watch", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_watch
  };

  return agb_main (argc, argv, &verb);
}
