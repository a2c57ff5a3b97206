/* The dispatcher: finds the verb in the one verb table and becomes its program.
 *
 * Uses nothing but the C library, and is linked statically where that can be had: it stands in
 * front of every command, also of `ps` in a shell prompt.  Help, suggestions and versions are the
 * work of git-agbranch-help. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USER = 1, EXIT_INTERNAL = 2, EXIT_USAGE = 129 };

static const struct {
  const char *name;
  const char *program;
} verbs[] = {
#define AGB_VERB(name, program, group, summary) { name, program },
#include "subcommands/verbs.def"
#undef AGB_VERB
};

static const char *
find_program (const char *verb)
{
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp (verbs[i].name, verb) == 0)
      return verbs[i].program;
  return NULL;
}

/* The folder of the verbs' programs, as agb_exec_path in core/paths.h. */
static void
find_exec_path (char path[PATH_MAX])
{
  const char *set = getenv ("GIT_AGBRANCH_EXEC_PATH");
  char program[PATH_MAX];
  char candidate[PATH_MAX + 32];

  if (set != NULL && *set != '\0')
    {
      snprintf (path, PATH_MAX, "%s", set);
      return;
    }
  ssize_t length = readlink ("/proc/self/exe", program, sizeof program - 1);
  program[length > 0 ? length : 0] = '\0';
  char *slash = strrchr (program, '/');
  if (slash != NULL)
    {
      *slash = '\0';
      snprintf (candidate, sizeof candidate, "%s/../libexec/git-agbranch", program);
      if (realpath (candidate, path) != NULL)
        return;
    }
  snprintf (path, PATH_MAX, "%s", AGB_PREFIX "/libexec/git-agbranch");
}

/* Become PROGRAM with ARGV (argv[0] is replaced). */
static int
become (const char *program, char **argv)
{
  char exec_path[PATH_MAX];
  static char file[PATH_MAX + 256];

  find_exec_path (exec_path);
  snprintf (file, sizeof file, "%s/git-agbranch-%s", exec_path, program);
  argv[0] = file;
  execv (file, argv);
  fprintf (stderr, "fatal: cannot run '%s': %s\n", file, strerror (errno));
  fprintf (stderr, "hint: install git agbranch again, or correct GIT_AGBRANCH_EXEC_PATH\n");
  return EXIT_INTERNAL;
}

/* Become the help program with one operand and, maybe, a second. */
static int
become_help (const char *first, const char *second)
{
  char *argv[] = { NULL, (char *)first, (char *)second, NULL };

  return become ("help", argv);
}

int
main (int argc, char **argv)
{
  int next = 1;

  while (next < argc && argv[next][0] == '-')
    {
      const char *option = argv[next];

      if (strcmp (option, "-C") == 0 && next + 1 < argc)
        {
          if (argv[next + 1][0] != '\0' && chdir (argv[next + 1]) != 0)
            {
              fprintf (stderr, "fatal: cannot change to '%s': %s\n", argv[next + 1],
                       strerror (errno));
              return EXIT_USER;
            }
          next += 2;
        }
      else if (strcmp (option, "-h") == 0 || strcmp (option, "--help") == 0)
        return become_help (NULL, NULL);
      else if (strcmp (option, "--version") == 0)
        return become_help (option, NULL);
      else
        {
          fprintf (stderr, "error: unknown option '%s'\n", option);
          fprintf (stderr,
                   "usage: git agbranch [-C <path>] [--version] [--help] <verb> [<args>]\n");
          return EXIT_USAGE;
        }
    }
  if (next == argc)
    return become_help (NULL, NULL);

  const char *program = find_program (argv[next]);
  if (program == NULL)
    return become_help ("--unknown", argv[next]);
  return become (program, argv + next);
}
