#include "session/unpack.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/paths.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The helper ends with the code of the error that it prints on its last line. */
static gboolean
set_helper_error (const AgbChildResult *result, GError **error)
{
  const char *text = g_strchomp (result->errors->str);
  const char *last_line = strrchr (text, '\n');
  g_autofree char *shown = agb_escape (last_line != NULL ? last_line + 1 : text, -1);

  if (result->status == AGB_ERROR_SYNC || result->status == AGB_ERROR_FILE)
    g_set_error_literal (error, AGB_ERROR, result->status, shown);
  else
    g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
                 "the archive of the guest could not be unpacked (status %d)%s%s", result->status,
                 *shown != '\0' ? ": " : "", shown);
  return FALSE;
}

void
agb_unpack_count_clear (AgbUnpackCount *count)
{
  g_clear_pointer (&count->skipped_paths, g_ptr_array_unref);
  g_clear_pointer (&count->skipped_rules, g_ptr_array_unref);
}

/* What the helper prints: "skipped TAB PATH TAB RULE" for each, then "BYTES ENTRIES SKIPPED". */
static gboolean
parse_count (const char *output, AgbUnpackCount *ret)
{
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);

  *ret = (AgbUnpackCount){ .skipped_paths = g_ptr_array_new_with_free_func (g_free),
                           .skipped_rules = g_ptr_array_new_with_free_func (g_free) };
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, "\t", 3);

      if (g_strv_length (words) != 3 || !g_str_equal (words[0], "skipped"))
        return sscanf (*line, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                       &ret->bytes, &ret->entries, &ret->skipped)
               == 3;
      /* The helper has read what a guest sent. */
      g_ptr_array_add (ret->skipped_paths, agb_escape (words[1], -1));
      g_ptr_array_add (ret->skipped_rules, agb_escape (words[2], -1));
    }
  return FALSE;
}

gboolean
agb_unpack (int fd, const char *folder, const char *top, const AgbUnpackLimits *limits,
            gint64 timeout_ms, AgbUnpackCount *ret, GError **error)
{
  g_autofree char *exec_path = agb_exec_path ();
  g_autofree char *program = g_build_filename (exec_path, "agbranch-unpack", NULL);
  g_autofree char *bytes = g_strdup_printf ("%" G_GUINT64_FORMAT, limits->bytes);
  g_autofree char *entries = g_strdup_printf ("%" G_GUINT64_FORMAT, limits->entries);
  const char *argv[] = { program, top, bytes, entries, limits->skip_unsafe ? "skip" : NULL, NULL };
  char *envp[] = { NULL };
  const AgbChildSpec spec
      = { .argv = argv, .cwd = folder, .envp = envp, .stdin_fd = fd, .timeout_ms = timeout_ms };
  g_auto (AgbChildResult) result = { 0 };
  g_auto (AgbUnpackCount) count = { 0 };
  int flags = fcntl (fd, F_GETFL);

  if (flags >= 0) /* the helper reads it plainly */
    fcntl (fd, F_SETFL, flags & ~O_NONBLOCK);
  if (!agb_child_run (&spec, &result, error))
    return FALSE;
  if (result.status != 0)
    return set_helper_error (&result, error);
  if (!parse_count (result.output->str, &count))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_INTERNAL, "agbranch-unpack said nothing");
      return FALSE;
    }
  *ret = count;
  count = (AgbUnpackCount){ 0 };
  return TRUE;
}
