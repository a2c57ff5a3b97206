/* show: everything about one session; a guest that does not answer is "unknown". */
#include "core/error.h"
#include "core/escape.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "core/pager.h"
#include "core/time.h"
#include "session/columns.h"
#include "session/provider.h"
#include "session/show.h"

static void
print_line (const char *label, const char *value)
{
  if (value == NULL || *value == '\0')
    return;
  g_autofree char *shown = agb_escape (value, -1);
  agb_print ("%-14s %s\n", label, shown);
}

static void G_GNUC_PRINTF (2, 3) print_made (const char *label, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *value = g_strdup_vprintf (format, args);
  va_end (args);
  print_line (label, value);
}

static void
print_time (const char *label, const char *at)
{
  g_autofree char *age = agb_time_age (at);
  g_autofree char *shown = agb_time_shown (at);

  if (at != NULL)
    print_made (label, "%s (%s ago)", shown, age);
}

static void
print_repo (const AgbSession *session, const AgbSessionView *view)
{
  if (session->review_branch == NULL)
    return;
  print_line ("repository", session->host_context_path);
  print_made ("base", "%s (%.12s)", session->base_ref != NULL ? session->base_ref : "HEAD",
              session->base_oid != NULL ? session->base_oid : "unknown");
  print_line ("review branch", session->review_branch);
  if (view->commits_ahead < 0)
    print_line ("commits ahead", "unknown");
  else
    print_made ("commits ahead", "%" G_GINT64_FORMAT, view->commits_ahead);
  if (view->conflicts == 0)
    print_line ("conflicts", "none");
  else if (view->conflicts > 0)
    print_made ("conflicts", "in %" G_GINT64_FORMAT " file%s with %s", view->conflicts,
                view->conflicts == 1 ? "" : "s", session->base_ref);
  if (!view->has_sync)
    print_line ("last sync", "none");
  else
    {
      g_autofree char *at = agb_time_shown (view->last_sync.started_at);
      print_made ("last sync", "%s at %s%s%s", view->last_sync.result, at,
                  view->last_sync.error_text != NULL ? ": " : "",
                  view->last_sync.error_text != NULL ? view->last_sync.error_text : "");
    }
}

/* "2 GiB (advisory)" */
static void
print_limit (const char *label, gint64 bytes, const char *kept)
{
  if (bytes <= 0)
    return;
  g_autofree char *size = agb_size_format ((guint64)bytes);
  print_made (label, "%s%s%s%s", size, kept != NULL ? " (" : "", kept != NULL ? kept : "",
              kept != NULL ? ")" : "");
}

static void
print_imported (const AgbSession *session)
{
  g_autoptr (cJSON) files = agb_provider_imported (session);
  g_autoptr (GString) text = g_string_new (NULL);
  const cJSON *item;

  cJSON_ArrayForEach (item, files) if (cJSON_IsString (item))
      g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", item->valuestring);
  print_line ("imported", text->str);
}

static void
print_guest (const AgbSession *session, const AgbSessionView *view)
{
  const AgbGuestStatus *guest = &view->guest;
  gint64 cpus = guest->cpus > 0 ? guest->cpus : session->cpus;

  print_made ("guest", "%s, %s%s%s", guest->vm_type != NULL ? guest->vm_type : session->runtime,
              agb_guest_state_word (guest->state), guest->reason != NULL ? ": " : "",
              guest->reason != NULL ? guest->reason : "");
  if (cpus > 0)
    print_made ("cpus", "%" G_GINT64_FORMAT "%s%s%s", cpus, guest->cpu_limit != NULL ? " (" : "",
                guest->cpu_limit != NULL ? guest->cpu_limit : "",
                guest->cpu_limit != NULL ? ")" : "");
  print_limit ("memory",
               guest->memory_bytes > 0 ? (gint64)guest->memory_bytes : session->memory_bytes,
               guest->memory_limit);
  print_limit ("disk", guest->disk_bytes > 0 ? (gint64)guest->disk_bytes : session->disk_bytes,
               guest->disk_limit);
  print_line ("network", session->network);
  print_line ("workspace", session->guest_workspace_path);
  print_line ("ssh", view->ssh_host_alias);
  print_made ("shell window", "%s", view->shell_window);
  print_imported (session);
  if (view->script.state != AGB_SCRIPT_NONE)
    {
      g_autofree char *word = g_strdup (agb_runtime_script_word (view->script.state));
      print_line ("runtime script", g_strdelimit (word, "_", ' '));
    }
  g_autofree char *agent = agb_session_agent_label (session);
  print_made ("agent window", "%s%s%s", view->agent_window, agent != NULL ? ", " : "",
              agent != NULL ? agent : "");
}

static void
print_operation (const AgbSession *session, const AgbSessionView *view)
{
  if (!view->has_operation)
    return;
  gboolean alive = agb_process_alive (&view->operation.owner);
  if (alive)
    print_made ("operation", "%s runs in process %d, step %s", view->operation.operation,
                (int)view->operation.owner.pid, view->operation.step);
  else
    print_made ("operation", "%s was cut off at step %s; finish it with: git agbranch repair %s",
                view->operation.operation, view->operation.step, session->name);
}

static void
print_human (const AgbSession *session, const AgbSessionView *view)
{
  print_line ("session", session->name);
  print_made ("state", "%s%s%s", session->lifecycle_state,
              session->sync_state != NULL ? ", sync " : "",
              session->sync_state != NULL ? session->sync_state : "");
  print_operation (session, view);
  print_repo (session, view);
  print_guest (session, view);
  print_time ("created", session->created_at);
  print_time ("started", session->last_started_at);
  print_time ("stopped", session->last_stopped_at);
  print_time ("closed", session->closed_at);
}

static const char *const usage[] = {
  "git agbranch show [--json] [<session> | --session=<name>]",
  NULL,
};

static gboolean
run_show (AgbContext *ctx, int argc, char **argv, GError **error)
{
  g_auto (AgbSessionView) view = { 0 };

  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  agb_pager_start ();
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_READ_ONLY, NULL, ctx->progress, error);
  if (env == NULL)
    return FALSE;
  g_autoptr (AgbSession) session = agb_env_session (env, ctx->session, TRUE, error);
  if (session == NULL || !agb_session_view_load (env, session, &view, error))
    return FALSE;
  if (ctx->json)
    {
      g_autoptr (cJSON) object = agb_session_view_to_json (session, &view);
      agb_print_json (object, FALSE);
    }
  else
    print_human (session, &view);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "show", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_show
  };

  return agb_main (argc, argv, &verb);
}
