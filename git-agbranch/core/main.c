#include "core/main.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/output.h"
#include "core/pager.h"
#include "core/paths.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE_SHOWN = 129 };

/* The length of the next piece of TEXT that stays in one line: a word, or for UNITS everything within
 * brackets. */
static gsize
piece_length (const char *text, gboolean units)
{
  int depth = 0;
  gsize length = 0;

  for (; text[length] != '\0' && (text[length] != ' ' || (units && depth > 0)); length++)
    depth += (text[length] == '[' || text[length] == '(')
             - (text[length] == ']' || text[length] == ')');
  return length;
}

/* Print TEXT from column INDENT on, where the cursor is, in lines of at most 80 columns. */
static void
print_wrapped (FILE *stream, const char *text, int indent, gboolean units)
{
  enum { WIDTH = 80 };
  int column = indent;

  while (*text != '\0')
    {
      gsize length = piece_length (text, units);
      int width = (int)g_utf8_strlen (text, (gssize)length);

      if (column > indent && column + 1 + width > WIDTH)
        {
          fprintf (stream, "\n%*s", indent, "");
          column = indent;
        }
      fprintf (stream, "%s%.*s", column > indent ? " " : "", (int)length, text);
      column += width + (column > indent ? 1 : 0);
      text += length + strspn (text + length, " ");
    }
  fputc ('\n', stream);
}

/* Print "usage: A\n   or: B\n" as git does. */
static void
print_usage (FILE *stream, const AgbVerb *verb)
{
  g_autofree char *command = g_strdup_printf ("git agbranch %s ", verb->name);
  int indent = (int)(strlen ("usage: ") + strlen (command));

  for (const char *const *line = verb->usage; *line != NULL; line++)
    {
      const char *rest = *line;
      gboolean usual = g_str_has_prefix (rest, command);

      fprintf (stream, "%s %s", line == verb->usage ? "usage:" : "   or:", usual ? command : "");
      print_wrapped (stream, rest + (usual ? strlen (command) : 0),
                     usual ? indent : (int)strlen ("usage: "), TRUE);
    }
}

static const GOptionEntry end_of_entries[] = { G_OPTION_ENTRY_NULL };

static void
print_options (FILE *stream, const GOptionEntry *entries)
{
  enum { DESCRIPTION = 28 };

  for (; entries->long_name != NULL; entries++)
    {
      if (entries->flags & G_OPTION_FLAG_HIDDEN)
        continue;
      g_autofree char *name
          = g_strdup_printf ("    %s%c%s--%s%s%s", entries->short_name != 0 ? "-" : "",
                             entries->short_name != 0 ? entries->short_name : ' ',
                             entries->short_name != 0 ? ", " : "   ", entries->long_name,
                             entries->arg_description != NULL ? " " : "",
                             entries->arg_description != NULL ? entries->arg_description : "");
      if (strlen (name) < DESCRIPTION)
        fprintf (stream, "%-*s", DESCRIPTION, name);
      else
        fprintf (stream, "%s\n%*s", name, DESCRIPTION, "");
      print_wrapped (stream, entries->description, DESCRIPTION, FALSE);
    }
}

/* For completion scripts: "--name=\tdescription" a line. */
static void
print_option_list (const GOptionEntry *entries)
{
  for (; entries->long_name != NULL; entries++)
    {
      if (entries->flags & G_OPTION_FLAG_HIDDEN)
        continue;
      printf ("--%s%s\t%s\n", entries->long_name, entries->arg_description != NULL ? "=" : "",
              entries->description);
      if (entries->short_name != 0)
        printf ("-%c\t%s\n", entries->short_name, entries->description);
    }
}

void
agb_show_manual (const char *page, int section)
{
  g_autofree char *folder = agb_share_path ("man");
  static const char *const endings[] = { "", ".gz" };

  /* By its file, since man(1) does not find the pages of a build tree by itself. */
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    {
      g_autofree char *file
          = g_strdup_printf ("%s/man%d/%s.%d%s", folder, section, page, section, endings[i]);
      if (g_file_test (file, G_FILE_TEST_EXISTS))
        execlp ("man", "man", file, (char *)NULL);
    }
}

static void
show_verb_manual (const AgbVerb *verb)
{
  g_autofree char *page = g_strdup_printf ("git-agbranch-%s", verb->name);

  agb_show_manual (page, 1);
}

static gboolean
take_session (AgbContext *ctx, int *argc, char ***argv, GError **error)
{
  const char *operand = NULL;

  if (*argc > 1 && (ctx->session_option == NULL || *argc == 2))
    operand = (*argv)[1];
  if (operand != NULL && ctx->session_option != NULL && !g_str_equal (operand, ctx->session_option))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "two sessions are named: '%s' and '%s'",
                   operand, ctx->session_option);
      return FALSE;
    }
  if (operand != NULL)
    {
      (*argv)[1] = (*argv)[0];
      (*argv)++;
      (*argc)--;
    }
  ctx->session = operand != NULL ? operand : ctx->session_option;
  return ctx->session == NULL || agb_session_name_check (ctx->session, error);
}

static void
add_common_entries (AgbContext *ctx, GArray *all, gboolean *help, gboolean *manual, gboolean *list,
                    gboolean *verbose)
{
  const AgbVerb *verb = ctx->verb;
  const GOptionEntry common[] = {
    { "session", 0, verb->flags & AGB_VERB_SESSION ? 0 : G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING,
      &ctx->session_option, "the session, instead of the operand", "<name>" },
    { "json", 0, verb->flags & AGB_VERB_JSON ? 0 : G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE,
      &ctx->json, "print JSON", NULL },
    { "null", 'z', verb->flags & AGB_VERB_NUL ? 0 : G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE,
      &ctx->nul, "end fields with NUL, records with an empty field", NULL },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &ctx->quiet, "no progress and no notes", NULL },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, verbose, "show every program that is run", NULL },
    { "h", 'h', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, help, "", NULL },
    { "help", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, manual, "", NULL },
    { "list-options", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, list, "", NULL },
  };
  const AgbVerbFlags needed[G_N_ELEMENTS (common)]
      = { AGB_VERB_SESSION, AGB_VERB_JSON, AGB_VERB_NUL };

  for (gsize i = 0; i < G_N_ELEMENTS (common); i++)
    if (needed[i] == 0 || (verb->flags & needed[i]) != 0)
      g_array_append_val (all, common[i]);
}

static AgbProgressStyle
progress_style (const AgbContext *ctx)
{
  if (ctx->quiet)
    return AGB_PROGRESS_QUIET;
  return isatty (STDERR_FILENO) ? AGB_PROGRESS_BAR : AGB_PROGRESS_LINES;
}

gboolean
agb_options_parse (AgbContext *ctx, const GOptionEntry *entries, int *argc, char ***argv,
                   int max_operands, GError **error)
{
  g_autoptr (GArray) all = g_array_new (TRUE, TRUE, sizeof (GOptionEntry));
  g_autoptr (GOptionContext) options = g_option_context_new (NULL);
  gboolean help = FALSE, manual = FALSE, list = FALSE, verbose = FALSE;

  for (const GOptionEntry *entry = entries; entry != NULL && entry->long_name != NULL; entry++)
    g_array_append_val (all, *entry);
  add_common_entries (ctx, all, &help, &manual, &list, &verbose);

  for (int i = 1; i < *argc; i++)
    if (g_str_equal ((*argv)[i], "--"))
      {
        ctx->command = *argv + i + 1;
        (*argv)[i] = NULL;
        *argc = i;
        break;
      }

  g_option_context_set_help_enabled (options, FALSE);
  g_option_context_add_main_entries (options, (const GOptionEntry *)(void *)all->data, NULL);
  if (!g_option_context_parse (options, argc, argv, error))
    {
      agb_error_adopt (error, AGB_ERROR_USAGE, "%s", "");
      return FALSE;
    }
  if (help || manual || list)
    {
      const GOptionEntry *shown = (const GOptionEntry *)(void *)all->data;

      ctx->exit_status = help ? EXIT_USAGE_SHOWN : 0;
      if (manual)
        show_verb_manual (ctx->verb); /* comes back only where there is no man, or no page */
      if (list)
        print_option_list (shown);
      else
        {
          print_usage (stdout, ctx->verb);
          puts ("");
          print_options (stdout, shown != NULL ? shown : end_of_entries);
        }
      return FALSE;
    }
  if (ctx->command != NULL && (ctx->verb->flags & AGB_VERB_COMMAND) == 0)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USAGE, "no command is taken after '--'");
      return FALSE;
    }
  if (verbose && g_getenv ("AGBRANCH_TRACE") == NULL)
    g_setenv ("AGBRANCH_TRACE", "1", TRUE);
  ctx->progress = agb_progress_new (progress_style (ctx));

  if ((ctx->verb->flags & AGB_VERB_SESSION) != 0 && !take_session (ctx, argc, argv, error))
    return FALSE;
  if (max_operands >= 0 && *argc - 1 > max_operands)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "unexpected operand '%s'",
                   (*argv)[max_operands + 1]);
      return FALSE;
    }
  return TRUE;
}

gboolean
agb_can_ask (const AgbContext *ctx)
{
  return !ctx->json && isatty (STDIN_FILENO) && isatty (STDERR_FILENO);
}

gboolean
agb_confirm (AgbContext *ctx, const char *question, const char *hint, gboolean *ret_yes,
             GError **error)
{
  char answer[16] = "";

  if (!agb_can_ask (ctx))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_ACTION, "confirmation is needed: %s", question);
      agb_error_hint (error, "%s", hint);
      return FALSE;
    }
  fprintf (stderr, "%s [y/N] ", question);
  /* read(2), not stdio, so that Ctrl-C ends the question (the handler restarts read: poll first). */
  GPollFD fds[2] = { { .fd = STDIN_FILENO, .events = G_IO_IN },
                     { .fd = agb_interrupt_fd (), .events = G_IO_IN } };
  g_poll (fds, 2, -1);
  if (agb_interrupted (error))
    {
      fputs ("\n", stderr); /* what follows is no answer */
      return FALSE;
    }
  ssize_t length = read (STDIN_FILENO, answer, sizeof answer - 1);
  *ret_yes = length > 0 && (answer[0] == 'y' || answer[0] == 'Y');
  return TRUE;
}

static void
print_error_json (int code, const char *message, const char *hint)
{
  g_autoptr (cJSON) top = cJSON_CreateObject ();
  cJSON *object = cJSON_AddObjectToObject (top, "error");

  cJSON_AddNumberToObject (object, "code", code);
  agb_json_add_string (object, "kind", agb_error_kind (code));
  agb_json_add_string (object, "message", message);
  agb_json_add_string (object, "hint", hint);
  agb_print_json (top, FALSE);
}

static int
report (const AgbContext *ctx, gboolean json, const GError *error)
{
  int code = error->domain == AGB_ERROR ? error->code : AGB_ERROR_INTERNAL;
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  agb_error_split (error, &message, &hint);
  if (code == AGB_ERROR_INTERRUPTED && hint == NULL && (ctx->verb->flags & AGB_VERB_CHANGES) != 0)
    hint = g_strdup ("run the same command again; what it began is finished or taken back by the "
                     "next one, or by: git agbranch repair");
  if (json)
    print_error_json (code, message, hint);
  else
    {
      fprintf (stderr, "%s: %s\n", code == AGB_ERROR_USAGE ? "error" : "fatal", message);
      if (hint != NULL)
        fprintf (stderr, "hint: %s\n", hint);
      if (code == AGB_ERROR_USAGE)
        print_usage (stderr, ctx->verb);
    }
  return code;
}

int
agb_main (int argc, char **argv, const AgbVerb *verb)
{
  AgbContext ctx = { .verb = verb };
  g_autoptr (GError) error = NULL;
  gboolean json = FALSE;

  setlocale (LC_CTYPE, "");
  agb_interrupt_init ();
  for (int i = 1; i < argc && !g_str_equal (argv[i], "--"); i++)
    json = json || (g_str_equal (argv[i], "--json") && (verb->flags & AGB_VERB_JSON) != 0);

  gboolean done = verb->run (&ctx, argc, argv, &error);
  g_clear_pointer (&ctx.progress, agb_progress_free);

  int status = ctx.exit_status;
  if (!done && error != NULL)
    status = report (&ctx, json, error);
  g_clear_error (&error);
  if (!agb_print_flush (&error) && status == 0)
    status = report (&ctx, FALSE, error);
  agb_pager_finish ();
  g_free (ctx.session_option);
  return status;
}
