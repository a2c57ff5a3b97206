/* Programs of the host that a sandbox has besides those in /usr: agents that a user has installed below
 * the home, with npm, nvm, pipx or their own installer.
 *
 * Each is bound read-only, at its own path, with what it is made of: the npm package, the Python
 * environment, the interpreter that its first line names; otherwise the one file.  Never the user's home,
 * or a folder that it lies in. */
#pragma once

#include <glib.h>

#define AGB_BWRAP_PROGRAMS_DIR "/run/agb/bin" /* in the sandbox, in front of PATH */

typedef struct {
  GPtrArray *paths; /* files and folders to bind, absolute */
  GPtrArray *names; /* programs, found first by the sandbox's PATH */
  GPtrArray *files; /* what each of NAMES is */
  GPtrArray *notes; /* what is not given, and why: for the user */
} AgbBwrapPrograms;

/* Look NAMES up in this process's PATH; an absolute path is a program, or a folder that is bound as it
 * is.  One that is not there is left out.  Those in /usr need nothing and are not in *RET. */
void agb_bwrap_programs_find (const char *const *names, AgbBwrapPrograms *ret);

void agb_bwrap_programs_clear (AgbBwrapPrograms *programs);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbBwrapPrograms, agb_bwrap_programs_clear)
