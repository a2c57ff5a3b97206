/* help: the list of verbs, the page of one, versions, and the suggestion for an unknown verb. */
#include "core/error.h"
#include "core/main.h"
#include "core/names.h"
#include "core/output.h"
#include "core/paths.h"

#include <archive.h>
#include <git2.h>
#include <glib.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <unistd.h>
#include <yaml.h>

static const struct {
  const char *name;
  const char *program;
  const char *group;
  const char *summary;
} verbs[] = {
#define AGB_VERB(name, program, group, summary) { name, program, group, summary },
#include "subcommands/verbs.def"
#undef AGB_VERB
};

static const char *const groups[][2] = {
  { "session", "start and end a session" },
  { "work", "work in a session" },
  { "look", "look at sessions" },
  { "care", "keep things in order" },
  { "set-up", "set up" },
};

static void
print_verbs (void)
{
  agb_print ("usage: git agbranch [-C <path>] [--version] [--help] <verb> [<args>]\n");
  for (gsize g = 0; g < G_N_ELEMENTS (groups); g++)
    {
      gboolean headed = FALSE;
      for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
        if (g_str_equal (verbs[i].group, groups[g][0])
            && g_str_equal (verbs[i].name, verbs[i].program))
          {
            if (!headed)
              agb_print ("\n%s\n", groups[g][1]);
            headed = TRUE;
            agb_print ("   %-11s %s\n", verbs[i].name, verbs[i].summary);
          }
    }
  agb_print ("\n'git agbranch help <verb>' shows the page of a verb, 'git agbranch help\n"
             "tutorial' the way in; the file formats are in agbranch-formats(5).\n");
}

static void
print_version (void)
{
  int major, minor, revision;

  git_libgit2_version (&major, &minor, &revision);
  agb_print ("git agbranch %s\n", AGB_VERSION);
  agb_print ("glib %u.%u.%u\nlibgit2 %d.%d.%d\nsqlite %s\ncjson %s\nlibyaml %s\n%s\n",
             glib_major_version, glib_minor_version, glib_micro_version, major, minor, revision,
             sqlite3_libversion (), cJSON_Version (), yaml_get_version_string (),
             archive_version_string ());
  const struct scmp_version *seccomp = seccomp_version ();
  agb_print ("libseccomp %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
}

static gboolean
unknown_verb (const char *verb, GError **error)
{
  const char *names[G_N_ELEMENTS (verbs) + 1] = { NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    names[i] = verbs[i].name;
  g_autofree char *shown = g_strescape (verb, NULL);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a verb of git agbranch", shown);
  const char *nearest = agb_nearest (verb, names);
  if (nearest != NULL)
    agb_error_hint (error, "did you mean: git agbranch %s", nearest);
  else
    agb_error_hint (error, "for the list of verbs: git agbranch help");
  return FALSE;
}

static const struct {
  const char *topic;
  const char *page;
  int section;
} pages[] = {
  { "agbranch", "git-agbranch", 1 },
  { "tutorial", "agbranchtutorial", 7 },
  { "security", "agbranch-security", 7 },
  { "formats", "agbranch-formats", 5 },
};

/* The page of TOPIC: the verb's own program shows it, so that its usage can stand in where there is
 * no man. */
static gboolean
show_page (const char *topic, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (pages); i++)
    if (g_str_equal (pages[i].topic, topic))
      {
        agb_show_manual (pages[i].page, pages[i].section);
        g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "cannot show the page %s(%d)", pages[i].page,
                     pages[i].section);
        agb_error_hint (error, "install man, or build the pages: make man");
        return FALSE;
      }
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].name, topic))
      {
        g_autofree char *folder = agb_exec_path ();
        g_autofree char *file = g_strdup_printf ("%s/git-agbranch-%s", folder, verbs[i].program);
        execl (file, file, "--help", (char *)NULL);
        g_set_error (error, AGB_ERROR, AGB_ERROR_INTERNAL, "cannot run '%s'", file);
        return FALSE;
      }
  return unknown_verb (topic, error);
}

static const char *const usage[]
    = { "git agbranch help [<verb>|agbranch|tutorial|security|formats]",
        "git agbranch help --version", NULL };

static gboolean
run_help (AgbContext *ctx, int argc, char **argv, GError **error)
{
  gboolean version = FALSE, names = FALSE;
  g_autofree char *unknown = NULL;
  const GOptionEntry entries[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, &version,
      "the versions of this program and its libraries", NULL },
    { "list-verbs", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &names, "", NULL },
    { "unknown", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &unknown, "", "<verb>" },
    G_OPTION_ENTRY_NULL,
  };

  if (!agb_options_parse (ctx, entries, &argc, &argv, 1, error))
    return FALSE;
  if (unknown != NULL)
    return unknown_verb (unknown, error);
  if (version)
    print_version ();
  else if (names)
    for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
      agb_print ("%s\t%s\n", verbs[i].name, verbs[i].summary);
  else if (argc == 2)
    return show_page (argv[1], error);
  else
    print_verbs ();
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb = { .name = "help", .usage = usage, .run = run_help };

  return agb_main (argc, argv, &verb);
}
