/* What a sandbox looks like from inside, as a command line of bwrap (bwrap(1)). */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "guest/bwrap/folder.h"
#include "guest/bwrap/programs.h"

/* Where the parts of a sandbox are, as the process that starts bwrap sees them. */
typedef struct {
  const AgbBwrapSpec *spec;
  const char *home;
  const char *const *object_dirs;
  const AgbBwrapPrograms *programs;
  const char *const *program_paths; /* where each of programs->paths is */
  const char *execd;
  const char *memory;   /* AgbBwrapMounts.memory */
  gboolean own_network; /* bwrap makes an empty network namespace; otherwise SETUP has made one */
  gboolean pinned;      /* see seccomp.h */
  const char *const *limits; /* arguments of execd, "processes=4096" */
} AgbBwrapSandbox;

typedef struct {
  pid_t pid;
  int pidfd;
  int stderr_fd; /* bwrap's messages, then execd's "ready" */
  int status_fd; /* bwrap's JSON: child-pid, exit-code */
} AgbBwrapProcess;

/* Called in the new process between fork and exec: nothing but system calls. FALSE ends it. */
typedef gboolean (*AgbBwrapSetup) (gpointer data);

/* Start bwrap with LISTENER as the exec socket.  SETUP (may be NULL) runs in the child first.  What it
 * runs dies with the calling process. AGB_ERROR_CHILD, AGB_ERROR_RUNTIME. */
gboolean agb_bwrap_sandbox_start (const AgbBwrapSandbox *sandbox, int listener, AgbBwrapSetup setup,
                                  gpointer setup_data, AgbBwrapProcess *ret, GError **error);
