/* export: a file or folder of a guest to the host, whole or not at all.  Killed half-way, a folder
 * .agbranch-copy.XXXXXX stays beside the target until the next gc. */
#include "core/error.h"
#include "core/main.h"
#include "core/output.h"
#include "session/copy.h"

static cJSON *
skipped_to_json (const AgbUnpackCount *count)
{
  cJSON *list = cJSON_CreateArray ();

  for (guint i = 0; i < count->skipped_paths->len; i++)
    {
      cJSON *one = cJSON_CreateObject ();

      agb_json_add_string (one, "path", g_ptr_array_index (count->skipped_paths, i));
      agb_json_add_string (one, "rule", g_ptr_array_index (count->skipped_rules, i));
      cJSON_AddItemToArray (list, one);
    }
  return list;
}

static void
note_skipped (AgbContext *ctx, const AgbUnpackCount *count)
{
  guint told = count->skipped_paths->len;

  for (guint i = 0; i < told; i++)
    agb_progress_note (ctx->progress, "skipped '%s': %s",
                       (char *)g_ptr_array_index (count->skipped_paths, i),
                       (char *)g_ptr_array_index (count->skipped_rules, i));
  if (count->skipped > told)
    agb_progress_note (ctx->progress, "skipped %" G_GUINT64_FORMAT " more", count->skipped - told);
}

static void
print_exported (AgbContext *ctx, AgbEntered *entered, const char *from, const char *to,
                const AgbUnpackCount *count)
{
  g_autofree char *guest_path = agb_enter_path (entered->session, from);
  g_autofree char *host_path = g_canonicalize_filename (to, NULL);

  if (!ctx->json)
    {
      agb_print ("exported %" G_GUINT64_FORMAT " %s, %" G_GUINT64_FORMAT " bytes, to %s\n",
                 count->entries, count->entries == 1 ? "entry" : "entries", count->bytes, to);
      return;
    }
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  agb_json_add_string (object, "session", entered->session->name);
  agb_json_add_string (object, "from", guest_path);
  agb_json_add_string (object, "to", host_path);
  cJSON_AddNumberToObject (object, "entries", (double)count->entries);
  cJSON_AddNumberToObject (object, "bytes", (double)count->bytes);
  cJSON_AddItemToObject (object, "skipped", skipped_to_json (count));
  cJSON_AddNumberToObject (object, "skipped_count", (double)count->skipped);
  agb_print_json (object, FALSE);
}

static const char *const usage[] = {
  "git agbranch export [--force] [--skip-unsafe] [--json] --from <guest-path> --to <host-path> "
  "[<session>]",
  NULL
};

static gboolean
run_export (AgbContext *ctx, int argc, char **argv, GError **error)
{
  AgbCopyFlags flags = { .recursive = TRUE };
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;
  g_auto (AgbUnpackCount) count = { 0 };
  const GOptionEntry entries[] = {
    { "from", 0, 0, G_OPTION_ARG_FILENAME, &from,
      "the file or folder in the guest; ~/ is the guest's home", "<guest-path>" },
    { "to", 0, 0, G_OPTION_ARG_FILENAME, &to, "where it goes on the host", "<host-path>" },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &flags.force, "replace what exists, a folder as a whole",
      NULL },
    { "skip-unsafe", 0, 0, G_OPTION_ARG_NONE, &flags.skip_unsafe,
      "leave out what may not be copied, and say so, instead of refusing the whole", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 0, error))
    return FALSE;
  if (from == NULL || to == NULL || *from == '\0' || *to == '\0')
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "--from and --to are needed");
      return FALSE;
    }
  if (g_str_equal (to, "-"))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                           "--to takes a path, not standard output");
      agb_error_hint (error,
                      "git agbranch cp <session>:<path> -; or a file of that name: --to ./-");
      return FALSE;
    }
  g_autoptr (AgbEntered) entered = agb_enter_open (ctx->session, ctx->progress, error);
  if (entered == NULL || !agb_copy_out (entered, from, to, &flags, &count, error))
    return FALSE;
  note_skipped (ctx, &count);
  print_exported (ctx, entered, from, to, &count);
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = {
    .name = "export", .usage = usage, .flags = AGB_VERB_JSON | AGB_VERB_SESSION, .run = run_export
  };

  return agb_main (argc, argv, &verb);
}
