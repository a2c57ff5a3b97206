/* The template of a machine: the asset safe-sync-PLATFORM.yaml with what the user set merged in. */
#pragma once

#include "store/settings.h"

typedef struct {
  gint64 cpus;
  gint64 memory_bytes;
  gint64 disk_bytes;
  gboolean tcg; /* emulated: a processor that needs no KVM */
  /* Another image than the settings', with its kernel, initrd and cmdline (NULL: none). */
  const char *image, *kernel, *initrd, *cmdline;
} AgbTemplateSpec;

/* The merged template as text: resources of SPEC, and from SETTINGS another image with its kernel
 * (agbranch.lima.image, digest, kernel, initrd, cmdline) and the host's certificate authorities
 * (agbranch.lima.caCerts).  AGB_ERROR_USER for a setting that cannot be used, AGB_ERROR_FILE for the
 * asset.  The caller frees. */
char *agb_template_render (const AgbTemplateSpec *spec, AgbSettings *settings, GError **error);

/* The same of the template TEXT, which messages call NAME. */
char *agb_template_merge (const char *text, const char *name, const AgbTemplateSpec *spec,
                          AgbSettings *settings, GError **error);

/* "linux" or "macos". */
const char *agb_template_platform (void);
