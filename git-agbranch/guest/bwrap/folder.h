/* The session folder of the bwrap runtime, STATE_ROOT/bwrap/VM_NAME/:
 *
 *   spec.json  what the guest is made from, and its key; written once, durably, before anything else
 *   home/      /home/agent of the guest: the only thing here that a guest ever sees
 *   disk.img   what is mounted over home/ where the disk has a limit of its own (disk.h)
 *   lock       held by the keeper as long as it lives (core/lock.h)
 *   busy       held by the runtime while it starts, stops or destroys
 *   sock       the exec socket; there exactly from readiness on
 *   guest      process identity of the sandbox's pid 1, as the host sees it
 *   limits     how each limit is kept, "cpu memory pids disk" as words
 *   cgroups    control group folders that the keeper made, one a line
 *
 * The folder is 0700 and the host user's; only home/ belongs to the guest's uid. */
#pragma once

#include <glib.h>

#include "core/process.h"
#include "guest/runtime.h"

#define AGB_BWRAP_AGENT_UID "1000"

enum { AGB_BWRAP_PIDS = 4096 }; /* where nothing else is said */

typedef struct {
  char *key; /* "<session>.<attempt>" */
  char *session;
  char *vm_name;
  gboolean sandbox;
  gint64 cpus;
  guint64 memory_bytes;
  guint64 disk_bytes;
  gboolean limits_wanted;
  char *network;
  char *image;        /* a folder that is used in place of the host's /; NULL: the host's */
  char **object_dirs; /* never NULL */
  gboolean own_disk;  /* home/ lies in disk.img (disk.h) */
  gint64 pids;        /* most processes */
  guint32 uid;        /* the guest's uid on the host; 0: the caller's own */
} AgbBwrapSpec;

void agb_bwrap_spec_clear (AgbBwrapSpec *spec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbBwrapSpec, agb_bwrap_spec_clear)

/* STATE_ROOT/bwrap/VM_NAME/FILE (FILE NULL: the folder); the caller frees. */
char *agb_bwrap_path (const char *state_root, const char *vm_name, const char *file);

/* Read spec.json.  *ret_found FALSE without error: there is none. AGB_ERROR_RUNTIME when it is
 * damaged. */
gboolean agb_bwrap_spec_load (const char *state_root, const char *vm_name, AgbBwrapSpec *ret,
                              gboolean *ret_found, GError **error);
gboolean agb_bwrap_spec_save (const char *state_root, const AgbBwrapSpec *spec, GError **error);

/* The folder that the guest's commands start in unless told otherwise, in the guest: caller frees. */
char *agb_bwrap_workspace (const AgbBwrapSpec *spec);

/* A small file of the folder, NULL when it is not there; the caller frees. */
char *agb_bwrap_read (const char *state_root, const char *vm_name, const char *file);
/* Replace it.  Not synced: what it says does not outlive the machine's boot. */
gboolean agb_bwrap_write (const char *state_root, const char *vm_name, const char *file,
                          const char *text, GError **error);

/* A uid for the guest of VM_NAME when the host user is root: never 0, never a user's.  AGB_ERROR_RUNTIME where the
 * user namespace we are in has none to give. */
gboolean agb_bwrap_guest_uid (const char *vm_name, guint32 *ret_uid, GError **error);
