#include "core/error.h"
#include "core/fault.h"
#include "core/io.h"
#include "guest/lima/base-build.h"
#include "guest/lima/base-file.h"
#include "guest/lima/host.h"
#include "guest/lima/machine.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { EMPTY_BYTES = 1024 * 1024 };

typedef struct {
  const char *path, *digest;
} ImportSource;

/* What the record of an imported base has from its exporter. */
static void
take_origin (AgbBaseRecord *record, AgbBaseRecord *from)
{
  g_free (record->flavour);
  record->flavour = g_steal_pointer (&from->flavour);
  g_free (record->fingerprint);
  record->fingerprint = g_steal_pointer (&from->fingerprint);
  record->versions_json = g_steal_pointer (&from->versions_json);
  record->agents_json = g_steal_pointer (&from->agents_json);
  record->cpus = from->cpus;
  record->memory_bytes = from->memory_bytes;
  record->disk_bytes = from->disk_bytes;
}

/* Lima copies the image of a template: it gets an empty one, and the disk is put on the real one then. */
static gboolean
create_on_image (AgbBuild *build, const AgbBaseFile *file, const char *folder, GError **error)
{
  AgbBaseRecord *record = build->record;
  g_autofree char *empty = g_build_filename (folder, "empty", NULL);
  const AgbTemplateSpec machine = { .cpus = record->cpus,
                                    .memory_bytes = record->memory_bytes,
                                    .disk_bytes = record->disk_bytes,
                                    .tcg = build->lima->tcg,
                                    .image = empty,
                                    .kernel = file->kernel,
                                    .initrd = file->initrd,
                                    .cmdline = file->cmdline };
  g_autofree char *zeros = g_malloc0 (EMPTY_BYTES);
  g_autoptr (AgbLimaInstance) instance = NULL;

  if (!agb_file_replace (empty, zeros, EMPTY_BYTES, 0600, error)
      || !agb_build_create (build, &machine, error))
    return FALSE;
  instance = agb_lima_find (build->lima, build->next, error);
  if (instance != NULL && agb_lima_can_overlay (build->lima, instance))
    return agb_lima_new_overlay (build->lima, build->next, record->image, record->disk_bytes,
                                 error);
  if (error != NULL && *error == NULL)
    g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                         "an exported base needs machines of QEMU, and qemu-img");
  return FALSE;
}

static gboolean
unpack_import (AgbBuild *build, GError **error)
{
  const ImportSource *from = build->data;
  AgbBaseRecord *record = build->record;
  g_autofree char *folder = agb_build_import_folder (build->lima);
  g_autofree char *images = agb_lima_record_path (build->lima->home, "images", NULL);
  g_autofree char *image = g_build_filename (images, record->image, NULL);
  g_autoptr (AgbBaseFile) file = NULL;
  struct stat status;

  if (!agb_remove_tree (folder, error) || !agb_mkdirs (folder, 0700, error)
      || !agb_mkdirs (images, 0700, error)
      || !agb_base_file_read (from->path, from->digest, folder, &file, error))
    return FALSE;
  take_origin (record, file->record);
  if (!agb_lima_check_memory ((guint64)record->memory_bytes, error)
      || !agb_fault_point ("base: take imported image", error))
    return FALSE;
  if (chmod (file->image, 0400) != 0 || rename (file->image, image) != 0
      || stat (image, &status) != 0)
    return agb_error_set_errno (error, errno, "move", image);
  record->image_bytes = status.st_size;
  return agb_fsync_folder (images, error) && create_on_image (build, file, folder, error)
         && agb_remove_tree (folder, error);
}

static const AgbBuildStep import_steps[] = {
  { "unpack", "unpacking and checking it", unpack_import },
  { "warm", "saving a running state for warm starts", agb_build_warm },
  { "publish", "putting it in place", agb_build_publish },
};

gboolean
agb_base_import (const AgbLima *lima, AgbSettings *settings, const AgbBaseSpec *spec,
                 const char *path, const char *digest, AgbProgress *progress, AgbBaseRecord **ret,
                 GError **error)
{
  ImportSource from = { .path = path, .digest = digest };
  g_auto (AgbBuild) build
      = { .lima = lima, .settings = settings, .spec = spec, .progress = progress, .data = &from };

  return agb_build_run (&build, import_steps, G_N_ELEMENTS (import_steps), ret, error);
}
