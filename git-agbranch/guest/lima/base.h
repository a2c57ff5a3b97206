/* The base of a Lima session: an instance that is prepared once, sealed into a read-only image, and kept
 * stopped with a thin disk on that image, which holds a saved running state where the driver can.
 *
 * A base is built under another name ("NAME-next") and takes NAME in one short step, so that sessions
 * can be opened meanwhile and a build that is killed leaves the old base as it was. */
#pragma once

#include "core/progress.h"
#include "guest/lima/limactl.h"
#include "guest/lima/record.h"

/* Version of the agreement between the scripts in an image and this program. */
enum { AGB_LIMA_API = 1 };

typedef enum {
  AGB_BASE_MISSING,
  AGB_BASE_BUILDING,   /* a process prepares it now, there is no older one */
  AGB_BASE_HALF_BUILT, /* that process is gone */
  AGB_BASE_FOREIGN,    /* an instance of that name that we did not make */
  AGB_BASE_DAMAGED,
  AGB_BASE_OUTDATED, /* made for another version of this program's guest scripts */
  AGB_BASE_STALE,    /* usable; what it is made from has changed */
  AGB_BASE_READY,
} AgbBaseStatus;

typedef struct {
  char *name;
  const char *name_source; /* "default", "env_override", "config", "argument"; static */
  AgbBaseStatus status;
  char *problem;             /* what is wrong with it, NULL: nothing */
  char *hint;                /* the command that helps, NULL: none */
  char *fingerprint;         /* of what a base would be made from now, in the flavour of this one */
  AgbBaseRecord *record;     /* NULL: none */
  AgbLimaInstance *instance; /* NULL: none */
} AgbBaseInfo;
void agb_base_info_free (AgbBaseInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbBaseInfo, agb_base_info_free)

/* The word for STATUS: missing, preparing, half_built, foreign, damaged, outdated, stale, ready. */
const char *agb_base_status_word (AgbBaseStatus status);

/* The instance that IMAGE means (NULL: the default); *RET_SOURCE (may be NULL) as name_source. The
 * caller frees. */
char *agb_base_name (const char *image, AgbSettings *settings, const char **ret_source);

/* Look at the base that IMAGE means. */
AgbBaseInfo *agb_base_look (const AgbLima *lima, AgbSettings *settings, const char *image,
                            GError **error);

/* FALSE and AGB_ERROR_RUNTIME with the command that helps when no session can be made from it. */
gboolean agb_base_check_usable (const AgbBaseInfo *info, GError **error);

typedef struct {
  const char *name;
  const char *flavour; /* "minimal" or "full" */
  gint64 cpus, memory_bytes, disk_bytes;
  gint64 timeout_ms; /* of the whole build */
  gboolean warm;
  const char *update_image; /* renew only the agents, on this image; NULL: from the template */
} AgbBaseSpec;

/* Build and put in place; *RET (freed by the caller) is its record.  After an error the older base is as
 * it was.  The caller holds the lock on building. */
gboolean agb_base_build (const AgbLima *lima, AgbSettings *settings, const AgbBaseSpec *spec,
                         AgbProgress *progress, AgbBaseRecord **ret, GError **error);

/* The same from the file PATH of agb_base_file_write (guest/lima/base-file.h) with DIGEST ("sha256:…",
 * NULL: not compared): of SPEC only name, timeout_ms and warm count.  Its errors, and those of
 * agb_base_file_read. */
gboolean agb_base_import (const AgbLima *lima, AgbSettings *settings, const AgbBaseSpec *spec,
                          const char *path, const char *digest, AgbProgress *progress,
                          AgbBaseRecord **ret, GError **error);

/* Make the saved running state of the prepared base of RECORD again (it had none, or failed to restore), in a
 * machine beside it that takes its place at the end.  After an error the base is as it was. */
gboolean agb_base_warm (const AgbLima *lima, AgbSettings *settings, const AgbBaseRecord *record,
                        gint64 timeout_ms, AgbProgress *progress, GError **error);

/* The agents' npm packages in force, NULL-ended; the caller frees. */
char **agb_base_agents (AgbSettings *settings);

/* The program that the npm package PACKAGE ("@scope/name@1.2") brings, or NULL. */
const char *agb_base_agent_program (const char *package);

/* Digest of everything that a base of FLAVOUR is made from; the caller frees. */
char *agb_base_fingerprint (AgbSettings *settings, const char *flavour, GError **error);
