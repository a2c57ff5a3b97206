#include "subcommands/own-failure.h"

#include "core/error.h"
#include "core/output.h"

#include <stdio.h>

static void
print_failure_json (int code, const char *message, const char *hint)
{
  static const char *const keys[] = { "stdout", "stderr", "exit_code", "signal", "duration_ms" };
  g_autoptr (cJSON) top = cJSON_CreateObject ();
  cJSON *object = cJSON_AddObjectToObject (top, "error");

  cJSON_AddNumberToObject (object, "code", code);
  agb_json_add_string (object, "kind", agb_error_kind (code));
  agb_json_add_string (object, "message", message);
  agb_json_add_string (object, "hint", hint);
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    cJSON_AddNullToObject (top, keys[i]);
  agb_print_json (top, FALSE);
}

gboolean
agb_own_failure (AgbContext *ctx, GError *problem, GError **error)
{
  g_autoptr (GError) owned = problem;
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  if (owned == NULL) /* said already: -h */
    return FALSE;
  if (g_error_matches (owned, AGB_ERROR, AGB_ERROR_USAGE))
    {
      g_propagate_error (error, g_steal_pointer (&owned));
      return FALSE;
    }
  ctx->exit_status = owned->domain == AGB_ERROR ? owned->code : AGB_ERROR_INTERNAL;
  agb_error_split (owned, &message, &hint);
  fprintf (stderr, "agbranch: %s\n", message);
  if (hint != NULL)
    fprintf (stderr, "hint: %s\n", hint);
  if (ctx->json)
    print_failure_json (ctx->exit_status, message, hint);
  return FALSE;
}
