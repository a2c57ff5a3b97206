/* agbranch-git [-m] FOLDER [READABLE...] -- PROGRAM [ARGUMENT...]: git of the gate, with few rights.
 *
 * What is to be read may come from a guest: before it becomes PROGRAM the process gives away what git
 * does not need for reading objects and for making a pack in the quarantine FOLDER (core/confine.h).  -m:
 * with chmod(2).  Returns only when that cannot be done: then nothing was read, and it ends with the
 * code of AGB_ERROR_CHILD, which no git of the gate ends with. */
#include "core/confine.h"
#include "core/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gboolean changes_modes = argc > 1 && strcmp (argv[1], "-m") == 0;
  char **folder = argv + (changes_modes ? 2 : 1);
  char **end = folder;

  while (*end != NULL && strcmp (*end, "--") != 0)
    end++;
  if (end == folder || *end == NULL || end[1] == NULL)
    {
      fprintf (stderr,
               "usage: agbranch-git [-m] <folder> [<readable>...] -- <program> [<argument>...]\n");
      return AGB_ERROR_USAGE;
    }
  *end = NULL;

  const AgbConfinedProgram program = { .argv = (const char *const *)end + 1,
                                       .folder = folder[0],
                                       .readable = (const char *const *)folder + 1,
                                       .changes_modes = changes_modes };
  /* What is put in front of every program may want more than git may. */
  unsetenv ("LD_PRELOAD");
  agb_confine_exec (&program, &error);
  fprintf (stderr, "fatal: agbranch-git %s\n", error->message);
  return error->code;
}
