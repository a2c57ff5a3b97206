/* Where root is the host user: a mount namespace of the keeper's own, in which the parts of a sandbox
 * lie where the guest's uid can reach them.
 *
 * A guest is never uid 0 of the host (SECURITY, row 22).  But the session folder and a repository of
 * root lie below folders that are closed to that uid, so they are bound to a folder beside. */
#pragma once

#include <glib.h>

#include "guest/bwrap/folder.h"
#include "guest/bwrap/programs.h"

enum { AGB_BWRAP_RUN_BYTES = 16 * 1024 * 1024 }; /* of /run */

typedef struct {
  char *home;
  char **object_dirs;
  char **programs; /* parallel to AgbBwrapPrograms.paths */
  char *execd;
  char *memory; /* a folder with tmp, run and shm, bounded in bytes and files; NULL: bwrap's own */
} AgbBwrapMounts;

void agb_bwrap_mounts_clear (AgbBwrapMounts *mounts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbBwrapMounts, agb_bwrap_mounts_clear)

/* The paths as they are, for a host user who is not root. */
void agb_bwrap_mounts_plain (const AgbBwrapSpec *spec, const char *state_root, const char *execd,
                             const AgbBwrapPrograms *programs, AgbBwrapMounts *ret);

/* Give this process a private mount namespace with everything bound.  Nothing of it is seen, or left,
 * outside.  AGB_ERROR_RUNTIME. */
gboolean agb_bwrap_mounts_private (const AgbBwrapSpec *spec, const char *state_root,
                                   const char *execd, const AgbBwrapPrograms *programs,
                                   AgbBwrapMounts *ret, GError **error);

/* How much of memory may lie in /tmp, and half of it in /dev/shm. */
guint64 agb_bwrap_mounts_tmp_bytes (const AgbBwrapSpec *spec);

/* After agb_bwrap_mounts_private: a /dev/net/tun that the guest's uid may open, in this process's mount
 * namespace only.  The guest has a /dev of its own, without it. */
gboolean agb_bwrap_mounts_tun (const AgbBwrapMounts *mounts, GError **error);
