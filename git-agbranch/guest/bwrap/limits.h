/* How cpu, memory, processes and disk of a sandbox are limited.
 *
 * By control groups (version 1 or 2) where we may make them, or are given one (cgroup.h): then the kernel
 * counts the whole sandbox.
 * Otherwise the sandbox gets as many processors as it may have, and rlimits that execd sets inside:
 * processes are still counted for the whole sandbox (its user namespace has counters of its own), memory
 * and file size only for each process. */
#pragma once

#include <glib.h>
#include <sched.h>

#include "guest/bwrap/folder.h"

typedef struct {
  GArray *join_fds; /* cgroup.procs files, for agb_bwrap_limits_join */
  gboolean pinned;  /* to these processors; the sandbox must not be able to change it */
  cpu_set_t processors;
  char **execd_limits; /* arguments of execd */
  char *words;         /* "cpu memory pids disk", each enforced, advisory or none */
  char *note;          /* what cannot be kept although the user asked; NULL: nothing */
} AgbBwrapLimits;

void agb_bwrap_limits_clear (AgbBwrapLimits *limits);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbBwrapLimits, agb_bwrap_limits_clear)

/* Make what is needed.  The control groups are written down in the session folder first. */
gboolean agb_bwrap_limits_prepare (const AgbBwrapSpec *spec, const char *state_root,
                                   AgbBwrapLimits *ret, GError **error);

/* Move the calling process in.  Only system calls. */
gboolean agb_bwrap_limits_join (const AgbBwrapLimits *limits);

/* What the control groups of VM_NAME have counted of processor time, in microseconds; -1: there is
 * none that counts. */
gint64 agb_bwrap_limits_cpu_usec (const char *state_root, const char *vm_name);

/* Remove the control groups of VM_NAME, which nothing runs in any more; a repeat is ok. */
void agb_bwrap_limits_remove (const char *state_root, const char *vm_name);
