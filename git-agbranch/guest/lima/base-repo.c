#include "guest/lima/base-repo.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/paths.h"
#include "guest/lima/base-build.h"
#include "guest/lima/exec.h"
#include "guest/lima/machine.h"
#include "guest/transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { HASH_LENGTH = 8 };

static char *
instance_name (const char *base, const char *repo)
{
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, repo, -1);

  return g_strdup_printf ("%s-%.*s", base, HASH_LENGTH, hash);
}

static gboolean
create (AgbBuild *build, GError **error)
{
  const AgbBaseRepoSpec *repo = build->data;
  AgbBaseRecord *record = build->record;

  g_free (record->fingerprint);
  record->fingerprint = g_strdup (repo->base->fingerprint);
  record->versions_json = g_strdup (repo->base->versions_json);
  record->agents_json = g_strdup (repo->base->agents_json);
  record->repo = g_strdup (repo->repo);
  record->seeded = g_strdup (repo->oid);
  record->parent = g_strdup (repo->base->name);
  record->parent_image = g_strdup (repo->base->image);
  return agb_build_clone (build, repo->base->name, repo->base->image, error);
}

static gboolean
put_objects (AgbBuild *build, GError **error)
{
  const AgbBaseRepoSpec *repo = build->data;
  g_autofree char *text = agb_asset_read ("guest/objects.sh", error);
  const char *argv[] = { "sh", "-c", text, "objects.sh", repo->format, repo->oid, NULL };
  const AgbExecSpec spec = { .argv = argv };
  AgbGuestProcess *process
      = text != NULL ? agb_lima_exec (build->lima, build->next, &spec, error) : NULL;
  int status = 0;
  gboolean done;

  if (process == NULL)
    return FALSE;
  done = repo->send (process, repo->data, error);
  if (done)
    done = agb_guest_process_wait (process, build->deadline, &status, error);
  agb_guest_process_free (process);
  if (!done || status == 0)
    return done;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "cannot keep the objects of '%s' in the guest (status %d)", repo->repo, status);
  return FALSE;
}

/* The disk as it is becomes the image, a layer on that of the base. */
static gboolean
seal (AgbBuild *build, GError **error)
{
  AgbBaseRecord *record = build->record;
  g_autofree char *disk = agb_lima_path (build->lima, build->next, "disk");
  g_autofree char *image = agb_lima_record_path (build->lima->home, "images", record->image);
  struct stat status;

  if (!agb_lima_stop (build->lima, build->next, FALSE, error)
      || !agb_fault_point ("base: seal repository", error))
    return FALSE;
  if (stat (disk, &status) != 0 || rename (disk, image) != 0 || chmod (image, 0400) != 0)
    return agb_error_set_errno (error, errno, "seal", disk);
  record->image_bytes = status.st_size;
  return agb_lima_new_overlay (build->lima, build->next, record->image, record->disk_bytes, error);
}

static const AgbBuildStep repo_steps[] = {
  { "create", "making a machine for the repository", create },
  { "boot", "booting it", agb_build_boot },
  { "objects", "sending the objects of the repository", put_objects },
  { "seal", "sealing it", seal },
  { "warm", "saving a running state for warm starts", agb_build_warm },
  { "publish", "putting it in place", agb_build_publish },
};

gboolean
agb_base_repo_build (const AgbLima *lima, AgbSettings *settings, const AgbBaseRepoSpec *spec,
                     AgbProgress *progress, AgbBaseRecord **ret, GError **error)
{
  g_autofree char *name = instance_name (spec->base->name, spec->repo);
  const AgbBaseSpec base = { .name = name,
                             .flavour = spec->base->flavour,
                             .cpus = spec->base->cpus,
                             .memory_bytes = spec->base->memory_bytes,
                             .disk_bytes = spec->base->disk_bytes,
                             .timeout_ms = spec->timeout_ms,
                             .warm = spec->warm };
  g_auto (AgbBuild) build = {
    .lima = lima, .settings = settings, .spec = &base, .progress = progress, .data = (gpointer)spec
  };

  return agb_build_run (&build, repo_steps, G_N_ELEMENTS (repo_steps), ret, error);
}

AgbBaseRecord *
agb_base_repo_find (const AgbLima *lima, const AgbBaseRecord *base, const char *repo)
{
  g_autofree char *name = instance_name (base->name, repo);
  g_autoptr (AgbBaseRecord) record = agb_base_record_load (lima->home, name, NULL);
  struct stat status;

  if (record == NULL || g_strcmp0 (record->state, AGB_BASE_PREPARED) != 0
      || record->api != AGB_LIMA_API || g_strcmp0 (record->repo, repo) != 0 || record->image == NULL
      || g_strcmp0 (record->parent_image, base->image) != 0 || !agb_lima_exists (lima, name))
    return NULL;
  g_autofree char *image = agb_lima_record_path (lima->home, "images", record->image);
  if (stat (image, &status) != 0 || status.st_size != record->image_bytes)
    return NULL;
  return g_steal_pointer (&record);
}

static gboolean
is_old (const char *home, const char *name)
{
  g_autoptr (AgbBaseRecord) record = agb_base_record_load (home, name, NULL);
  g_autoptr (AgbBaseRecord) base = NULL;

  if (record == NULL || record->repo == NULL || g_strcmp0 (record->state, AGB_BASE_PREPARED) != 0)
    return FALSE;
  if (!g_file_test (record->repo, G_FILE_TEST_IS_DIR))
    return TRUE;
  base = agb_base_record_load (home, record->parent, NULL);
  return base == NULL || g_strcmp0 (base->image, record->parent_image) != 0;
}

char **
agb_base_repo_old (const char *home)
{
  g_auto (GStrv) names = agb_lima_record_names (home, "bases");
  GPtrArray *old = g_ptr_array_new ();

  for (char **name = names; *name != NULL; name++)
    if (is_old (home, *name))
      g_ptr_array_add (old, g_strdup (*name));
  g_ptr_array_add (old, NULL);
  return (char **)g_ptr_array_free (old, FALSE);
}

gboolean
agb_base_repo_drop (const AgbLima *lima, const char *name, GError **error)
{
  agb_limactl (lima, AGB_TIMEOUT_QUICK, NULL, NULL, "unprotect", name, NULL);
  return agb_lima_delete (lima, name, error)
         && agb_lima_record_remove (lima->home, "bases", name, error);
}
