/* A prepared base as one file: a tar archive with base.json (what the base is, and the digest of each
 * other member), then image.qcow2, and kernel and initrd where the machine has them outside. */
#pragma once

#include "core/progress.h"
#include "guest/lima/limactl.h"
#include "guest/lima/record.h"

/* Version of the archive's form. */
enum { AGB_BASE_FILE_FORMAT = 1 };

typedef struct {
  AgbBaseRecord *record; /* what the exporter's record says of its origin and content */
  char *arch;            /* of the machine, "x86_64" */
  char *cmdline;         /* of the kernel; NULL: the image has its own */
  char *image;           /* the unpacked members, NULL: not in it */
  char *kernel, *initrd;
} AgbBaseFile;
void agb_base_file_free (AgbBaseFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbBaseFile, agb_base_file_free)

/* Write the prepared base of RECORD to PATH, which appears whole or not at all; one that is there is
 * replaced with FORCE only (AGB_ERROR_USER).  *RET_DIGEST (freed by the caller): "sha256:…" of the file. */
gboolean agb_base_file_write (const AgbLima *lima, const AgbBaseRecord *record, const char *path,
                              gboolean force, char **ret_digest, GError **error);

/* Unpack PATH into FOLDER, which is there and empty.  Before TRUE everything is checked: the digest of
 * the file (DIGEST, "sha256:…", NULL: none was given) and of each member, and that the image stands by
 * itself.  AGB_ERROR_USER when it is no such file or a digest is wrong; AGB_ERROR_RUNTIME when it is
 * one that this program or machine cannot use.  What was unpacked until an error stays in FOLDER. */
gboolean agb_base_file_read (const char *path, const char *digest, const char *folder,
                             AgbBaseFile **ret, GError **error);
