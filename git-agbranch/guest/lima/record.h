/* Our own notes about what is ours in Lima's folder: $LIMA_HOME/_agbranch/ (Lima leaves names that
 * begin with '_' alone).
 *
 *   limactl              the version of the limactl that was asked last
 *   bases/NAME.json      a base: what it was made from, how far it is
 *   sessions/NAME.json   the guest of a session: its key, what it was cloned from
 *   images/ID.qcow2      sealed images, read-only; disks of bases and sessions are overlays on them
 *
 * They lie beside the instances, not in the state root: what backs a disk goes where the disk goes. */
#pragma once

#include <glib.h>

#include "core/lock.h"

/* Held while a base is replaced, cloned, or images are collected; short. */
AgbLock *agb_lima_lock (const char *home, const char *operation, GError **error);

/* A file below $LIMA_HOME/_agbranch; the caller frees. */
char *agb_lima_record_path (const char *home, const char *first, const char *second);

/* How far a base is. */
#define AGB_BASE_PREPARING "preparing"
#define AGB_BASE_PREPARED "prepared"

typedef struct {
  char *name;    /* of the instance */
  char *state;   /* AGB_BASE_… */
  char *owner;   /* the process that prepares it (core/process.h) */
  char *flavour; /* "minimal", "full" */
  char *fingerprint;
  char *image; /* file name in images/, NULL: none yet */
  gint64 image_bytes;
  gint64 cpus, memory_bytes, disk_bytes;
  gint64 api; /* of the agreement between guest scripts and program */
  gint64 duration_ms;
  gboolean warm;
  char *warm_reason; /* why not warm; NULL */
  char *started_at, *prepared_at;
  char *versions_json; /* object: program -> version */
  char *agents_json;   /* object: agent -> version */
  char *steps_json;    /* array of {name, ms} */
  /* Of the warm image of a repository (guest/lima/base-repo.h); NULL otherwise. */
  char *repo;         /* its common folder */
  char *seeded;       /* the commit that is in the image with all it reaches */
  char *parent;       /* the base that it was made from */
  char *parent_image; /* and that one's image, which this one stands on */
} AgbBaseRecord;
void agb_base_record_free (AgbBaseRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbBaseRecord, agb_base_record_free)

/* NULL without error when there is none; AGB_ERROR_RUNTIME when it cannot be read. */
AgbBaseRecord *agb_base_record_load (const char *home, const char *name, GError **error);
gboolean agb_base_record_save (const char *home, const AgbBaseRecord *record, GError **error);

typedef struct {
  char *vm_name;
  char *key; /* "<session>.<attempt>" */
  char *session;
  char *base;        /* the base's instance; NULL: adopted, made by another program */
  char *image;       /* what its disk is an overlay on */
  char *network;     /* mode of the guard */
  gboolean cloned;   /* the clone is complete */
  gboolean fresh;    /* never started: the identity is still the base's */
  gboolean warm;     /* its disk holds the base's saved state, to be restored at the first start */
  char *cold_reason; /* why it did not start warm; NULL */
  char *repo;        /* as in AgbBaseRecord, when it was made from such an image */
  char *seeded;
} AgbGuestRecord;
void agb_guest_record_free (AgbGuestRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbGuestRecord, agb_guest_record_free)

AgbGuestRecord *agb_guest_record_load (const char *home, const char *vm_name, GError **error);
gboolean agb_guest_record_save (const char *home, const AgbGuestRecord *record, GError **error);

/* Names (without ".json") of the records in FOLDER ("bases", "sessions"), sorted; the caller frees. */
char **agb_lima_record_names (const char *home, const char *folder);
/* Remove one; no error when it is not there. */
gboolean agb_lima_record_remove (const char *home, const char *folder, const char *name,
                                 GError **error);

/* Remove images that no base and no session has any more, and no image that they have stands on; *RET_PATHS (may be NULL; freed with
 * g_strfreev) tells which, with DRY_RUN which would be. */
gboolean agb_lima_images_collect (const char *home, gboolean dry_run, char ***ret_paths,
                                  GError **error);
