/* cp: files between the host and a guest, in either direction.  What is left when killed: as export. */
#include "core/error.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "session/copy.h"

#include <string.h>

/* One operand: a path of the host, or of a session's guest. */
typedef struct {
  char *session; /* NULL: the host */
  const char *path;
} Place;

static void
place_free (gpointer place)
{
  g_free (((Place *)place)->session);
}

/* As scp(1): a colon before any slash ends the name of a session; `./a:b` is a file. */
static gboolean
parse_place (const char *operand, Place *ret, GError **error)
{
  const char *colon = strchr (operand, ':');
  const char *slash = strchr (operand, '/');

  ret->path = operand;
  if (colon != NULL && (slash == NULL || colon < slash))
    {
      ret->session = g_strndup (operand, (gsize)(colon - operand));
      ret->path = colon + 1;
      if (!agb_session_name_check (ret->session, error))
        {
          agb_error_hint (error, "a file of the host with a colon in its name: ./%s", operand);
          return FALSE;
        }
      if (*ret->path == '\0')
        ret->path = ".";
    }
  return TRUE;
}

/* A folder that exists is what it goes into, as cp(1).  NULL and an error: it has to be one. */
static char *
host_target (const char *to, const char *from, gboolean into_folder, GError **error)
{
  g_autofree char *name = g_path_get_basename (from);

  if (g_file_test (to, G_FILE_TEST_IS_DIR))
    return g_build_filename (to, name, NULL);
  if (!into_folder)
    return g_strdup (to);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is no folder", to);
  agb_error_hint (error, "make it: mkdir -p %s", to);
  return NULL;
}

static gboolean
copy_out (AgbEntered *entered, const char *from, const char *to, const AgbCopyFlags *flags,
          GError **error)
{
  g_autofree char *guest_path = agb_enter_path (entered->session, from);
  g_auto (AgbUnpackCount) count = { 0 };

  if (g_str_equal (to, "-"))
    return agb_copy_to_stdout (entered, from, error);
  g_autofree char *target = host_target (to, guest_path, flags->into_folder, error);
  return target != NULL && agb_copy_out (entered, from, target, flags, &count, error);
}

static gboolean
copy_one (AgbContext *ctx, const Place *from, const Place *to, const AgbCopyFlags *flags,
          GError **error)
{
  g_autoptr (AgbEntered) entered
      = agb_enter_open (from->session != NULL ? from->session : to->session, ctx->progress, error);

  if (entered == NULL)
    return FALSE;
  if (from->session != NULL)
    return copy_out (entered, from->path, to->path, flags, error);
  if (g_str_equal (from->path, "-"))
    return agb_copy_from_stdin (entered, to->path, flags->force, error);
  return agb_copy_in (entered, from->path, to->path, flags, error);
}

/* COUNT operands, the last of them the target; PLACES is as long. */
static gboolean
parse_places (char **operands, int count, Place *places, GError **error)
{
  const Place *to = &places[count - 1];

  for (int i = count - 1; i >= 0; i--)
    {
      if (!parse_place (operands[i], &places[i], error))
        return FALSE;
      if (i < count - 1 && (places[i].session == NULL) == (to->session == NULL))
        {
          g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                               "exactly one of source and target has to be <session>:<path>");
          return FALSE;
        }
      if (count > 2 && g_str_equal (operands[i], "-"))
        {
          g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                               "'-' is for the bytes of one file, and several were named");
          return FALSE;
        }
    }
  return TRUE;
}

static const char *const usage[] = {
  "git agbranch cp [-r] [--force] <session>:<guest-path>... (<host-path> | -)",
  "git agbranch cp [-r] [--force] (<host-path>... | -) <session>:<guest-path>",
  NULL,
};

static gboolean
run_cp (AgbContext *ctx, int argc, char **argv, GError **error)
{
  AgbCopyFlags flags = { 0 };
  const GOptionEntry entries[] = {
    { "recursive", 'r', 0, G_OPTION_ARG_NONE, &flags.recursive, "folders too", NULL },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &flags.force, "replace what exists", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, -1, error))
    return FALSE;
  if (argc < 3)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "a source and a target are needed");
      return FALSE;
    }
  int count = argc - 1;
  g_autoptr (GArray) array = g_array_new (FALSE, TRUE, sizeof (Place));
  g_array_set_clear_func (array, place_free);
  g_array_set_size (array, (guint)count);
  Place *places = (Place *)(void *)array->data;
  if (!parse_places (argv + 1, count, places, error))
    return FALSE;
  const Place *to = &places[count - 1];
  flags.into_folder = count > 2 || g_str_has_suffix (to->path, "/");
  for (int i = 0; i < count - 1; i++)
    if (!copy_one (ctx, &places[i], to, &flags, error))
      return FALSE;
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "cp", .usage = usage, .run = run_cp };

  return agb_main (argc, argv, &verb);
}
