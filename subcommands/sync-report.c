#include "subcommands/sync-report.h"

#include "core/error.h"
#include "core/output.h"

#include <stdio.h>

static void
print_blocked (const AgbSyncOutcome *outcome)
{
  fprintf (stderr, "blocked: %s\n", outcome->message);
  fprintf (stderr, "nothing moved; the commits are staged in %s\n", outcome->staged_path);
  if (outcome->patch_path != NULL)
    fprintf (stderr, "a patch is in %s\n", outcome->patch_path);
  if (outcome->hint != NULL)
    fprintf (stderr, "hint: %s\n", outcome->hint);
}

void
agb_print_sync (const AgbSession *session, const AgbSyncOutcome *outcome)
{
  if (outcome->blocked)
    {
      print_blocked (outcome);
      return;
    }
  if (outcome->number == 0)
    {
      agb_print ("nothing to sync: %s has no new commits\n", session->name);
      return;
    }
  agb_print ("%s: %.12s..%.12s, %u commit%s (sync %" G_GINT64_FORMAT ")\n", session->review_branch,
             outcome->old_oid, outcome->new_oid, outcome->commits, outcome->commits == 1 ? "" : "s",
             outcome->number);
  for (char **finding = outcome->findings; finding != NULL && *finding != NULL; finding++)
    agb_print ("  %s\n", *finding);
  if (outcome->patch_path != NULL)
    agb_print ("patch: %s\n", outcome->patch_path);
}

void
agb_report_sync (AgbContext *ctx, const AgbSession *session, const AgbSyncOutcome *outcome)
{
  static const char *const none[] = { NULL };

  if (outcome->blocked)
    ctx->exit_status = AGB_ERROR_ACTION;
  if (!ctx->json)
    {
      agb_print_sync (session, outcome);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", session->name);
  cJSON_AddBoolToObject (object, "blocked", outcome->blocked);
  agb_json_add_string (object, "reason", outcome->reason);
  agb_json_add_string (object, "message", outcome->message);
  agb_json_add_string (object, "hint", outcome->hint);
  agb_json_add_string (object, "staged_path", outcome->staged_path);
  agb_json_add_string (object, "patch_path", outcome->patch_path);
  agb_json_add_string (object, "review_branch", session->review_branch);
  agb_json_add_string (object, "old_oid", outcome->old_oid);
  agb_json_add_string (object, "new_oid", outcome->new_oid);
  cJSON_AddNumberToObject (object, "commits", outcome->commits);
  if (outcome->number > 0)
    cJSON_AddNumberToObject (object, "sync_number", (double)outcome->number);
  else
    cJSON_AddNullToObject (object, "sync_number");
  agb_json_add_strv (object, "findings",
                     outcome->findings != NULL ? (const char *const *)outcome->findings : none);
  agb_print_json (object, FALSE);
}
