/* A home whose size the kernel keeps: an ext4 file system in a sparse file of the session folder,
 * "disk.img", mounted over home/ in the keeper's own mount namespace (mounts.h).  Only where root is the
 * host user, and only for sandboxes that ask for it: spec.own_disk.
 *
 * The guest sees files, never the image: what it can write is bounded in bytes and in files. */
#pragma once

#include <glib.h>

#include "guest/bwrap/folder.h"

/* NULL where such a disk can be had; otherwise what is missing.  Static. */
const char *agb_bwrap_disk_missing (void);

/* Make the image, with what is in home/ in it; a repeat is ok.  AGB_ERROR_RUNTIME. */
gboolean agb_bwrap_disk_make (const AgbBwrapSpec *spec, const char *state_root, GError **error);

/* Mount it at FOLDER.  The loop device goes with the last use of the file system, also when this
 * process is killed.  AGB_ERROR_RUNTIME. */
gboolean agb_bwrap_disk_mount (const AgbBwrapSpec *spec, const char *state_root, const char *folder,
                               GError **error);

/* Wait until the image is in no loop device any more: it must never be mounted twice.  The kernel
 * unmounts some time after the last process of a mount namespace has gone, and tells nobody.
 * AGB_ERROR_TIMEOUT. */
gboolean agb_bwrap_disk_wait (const char *state_root, const char *vm_name, GError **error);
