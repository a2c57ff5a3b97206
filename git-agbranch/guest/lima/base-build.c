#include "guest/lima/base-build.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/json.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/time.h"
#include "core/trace.h"
#include "guest/lima/base-repo.h"
#include "guest/lima/exec.h"
#include "guest/lima/host.h"
#include "guest/lima/machine.h"
#include "guest/lima/provision.h"
#include "guest/lima/template.h"
#include "guest/transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  SNAPSHOT_TIMEOUT_MS = 3 * 60 * 1000,
  READY_TIMEOUT_MS = 2 * 60 * 1000,
  CREATE_TIMEOUT_MS = 30 * 60 * 1000,
};

void
agb_build_clear (AgbBuild *build)
{
  agb_base_record_free (build->record);
  g_free (build->next);
  g_free (build->log);
  cJSON_Delete (build->steps);
}

static gint64
left_ms (const AgbBuild *build)
{
  return MAX (agb_deadline_left_ms (build->deadline), 1);
}

char *
agb_build_import_folder (const AgbLima *lima)
{
  return agb_lima_record_path (lima->home, "import", NULL);
}

gboolean
agb_build_clone (AgbBuild *build, const char *base, const char *image, GError **error)
{
  g_autofree char *config = agb_lima_path (build->lima, build->next, "ssh.config");
  g_autoptr (AgbLock) lock = agb_lima_lock (build->lima->home, "base", error);

  if (lock == NULL || !agb_lima_delete (build->lima, build->next, error)
      || !agb_limactl (build->lima, MIN (left_ms (build), CREATE_TIMEOUT_MS), NULL, error, "clone",
                       base, build->next, NULL)
      || !agb_lima_new_overlay (build->lima, build->next, image, build->record->disk_bytes, error))
    return FALSE;
  if (unlink (config) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", config);
  return TRUE;
}

gboolean
agb_build_create (AgbBuild *build, const AgbTemplateSpec *machine, GError **error)
{
  g_autofree char *text = agb_template_render (machine, build->settings, error);
  g_autofree char *file = agb_lima_record_path (build->lima->home, "template.yaml", NULL);
  g_autofree char *name = g_strconcat ("--name=", build->next, NULL);

  if (text == NULL || !agb_lima_delete (build->lima, build->next, error)
      || !agb_file_replace (file, text, strlen (text), 0600, error)
      || !agb_fault_point ("base: create", error))
    return FALSE;
  agb_trace ("lima template:\n%s", text);
  return agb_limactl (build->lima, MIN (left_ms (build), CREATE_TIMEOUT_MS), NULL, error, "create",
                      name, file, NULL);
}

static gboolean
create_instance (AgbBuild *build, GError **error)
{
  const AgbTemplateSpec machine = { .cpus = build->spec->cpus,
                                    .memory_bytes = build->spec->memory_bytes,
                                    .disk_bytes = build->spec->disk_bytes,
                                    .tcg = build->lima->tcg };

  return build->spec->update_image != NULL
             ? agb_build_clone (build, build->spec->name, build->spec->update_image, error)
             : agb_build_create (build, &machine, error);
}

gboolean
agb_build_boot (AgbBuild *build, GError **error)
{
  return agb_lima_cold_start (build->lima, build->next,
                              MIN (left_ms (build), build->lima->start_timeout_ms), error);
}

static gboolean
provision (AgbBuild *build, GError **error)
{
  return agb_provision_run (build->lima, build->settings, build->next, build->spec->flavour,
                            build->spec->update_image != NULL, build->log, build->deadline,
                            build->progress, build->steps, error);
}

static gboolean
probe (AgbBuild *build, GError **error)
{
  g_autoptr (cJSON) versions = NULL;
  g_autoptr (cJSON) agents = NULL;

  if (!agb_provision_probe (build->lima, build->settings, build->next, build->spec->flavour,
                            &versions, &agents, error))
    return FALSE;
  build->record->versions_json = agb_json_print (versions, FALSE);
  build->record->agents_json = agb_json_print (agents, FALSE);
  return TRUE;
}

static gboolean
seal (AgbBuild *build, GError **error)
{
  AgbBaseRecord *record = build->record;
  g_autoptr (AgbLimaInstance) instance = NULL;
  struct stat status;

  if (!agb_provision_seal (build->lima, build->next, error)
      || !agb_lima_stop (build->lima, build->next, FALSE, error))
    return FALSE;
  instance = agb_lima_find (build->lima, build->next, error);
  if (instance == NULL)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "instance '%s' is gone", build->next);
      return FALSE;
    }
  if (!agb_lima_can_overlay (build->lima, instance))
    {
      g_clear_pointer (&record->image, g_free);
      record->warm_reason
          = g_strdup_printf ("the driver '%s' has no saved states", instance->vm_type);
      return TRUE;
    }
  if (!agb_lima_seal_disk (build->lima, build->next, record->image, record->disk_bytes, error))
    return FALSE;
  g_autofree char *image = agb_lima_record_path (build->lima->home, "images", record->image);
  if (stat (image, &status) != 0)
    return agb_error_set_errno (error, errno, "look at", image);
  record->image_bytes = status.st_size;
  return TRUE;
}

/* What the first minute of a session needs is in memory when the state is saved: as programs, as the kept
 * login environment, and as a process that waits to give the guest its identity. */
static gboolean
get_ready (const AgbLima *lima, const char *instance, GError **error)
{
  g_autofree char *text = agb_asset_read ("guest/rehearse.sh", error);
  const char *argv[] = { "sh", "-c", text, "rehearse.sh", NULL };
  const AgbExecSpec spec = { .argv = argv };
  g_autoptr (AgbGuestProcess) process
      = text != NULL ? agb_lima_exec (lima, instance, &spec, error) : NULL;
  int status = 0;

  if (process == NULL
      || !agb_guest_process_wait (process, agb_deadline_in (READY_TIMEOUT_MS), &status, error))
    return FALSE;
  if (status == 0)
    return agb_lima_hold_standby (lima, instance, READY_TIMEOUT_MS, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "rehearse.sh in guest '%s': status %d",
               instance, status);
  return FALSE;
}

/* Boot INSTANCE, save its running state in its disk, stop it. */
static gboolean
save_state (const AgbLima *lima, const char *instance, gint64 timeout_ms, GError **error)
{
  g_autofree char *list = NULL;

  if (!agb_lima_cold_start (lima, instance, MIN (timeout_ms, lima->start_timeout_ms), error))
    return FALSE;
  gboolean saved = get_ready (lima, instance, error)
                   && agb_limactl (lima, SNAPSHOT_TIMEOUT_MS, NULL, error, "snapshot", "create",
                                   instance, "--tag", AGB_LIMA_WARM_TAG, NULL)
                   && agb_limactl (lima, SNAPSHOT_TIMEOUT_MS, &list, error, "snapshot", "list",
                                   instance, NULL);
  if (saved && strstr (list, AGB_LIMA_WARM_TAG) == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "Lima saved no state of '%s'", instance);
      saved = FALSE;
    }
  if (saved)
    return agb_lima_stop (lima, instance, FALSE, error);
  agb_interrupt_shield ();
  agb_lima_stop (lima, instance, TRUE, NULL);
  agb_interrupt_unshield ();
  return FALSE;
}

/* Without a saved state a base is whole, its sessions only start slower. */
static gboolean
warm_up (const AgbLima *lima, const char *instance, AgbBaseRecord *record, gint64 timeout_ms,
         AgbProgress *progress, GError **error)
{
  g_autoptr (GError) problem = NULL;

  g_clear_pointer (&record->warm_reason, g_free);
  record->warm = save_state (lima, instance, timeout_ms, &problem);
  if (record->warm)
    return TRUE;
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  g_autofree char *message = NULL;
  agb_error_split (problem, &message, NULL);
  record->warm_reason = g_strdup (message);
  agb_progress_warn (progress, "no warm starts from '%s': %s", record->name, message);
  return TRUE;
}

gboolean
agb_build_warm (AgbBuild *build, GError **error)
{
  AgbBaseRecord *record = build->record;

  if (record->image == NULL)
    return TRUE;
  if (!build->spec->warm)
    {
      record->warm_reason = g_strdup ("agbranch.lima.warm is off");
      return TRUE;
    }
  return warm_up (build->lima, build->next, record, left_ms (build), build->progress, error);
}

static gboolean
drop_old_repos (const AgbLima *lima, GError **error)
{
  g_auto (GStrv) names = agb_base_repo_old (lima->home);

  for (char **name = names; *name != NULL; name++)
    if (!agb_base_repo_drop (lima, *name, error))
      return FALSE;
  return TRUE;
}

/* Put the built instance in the place of the older one.  Killed in between, the record of the name says
 * "preparing": the next prepare begins anew. */
gboolean
agb_build_publish (AgbBuild *build, GError **error)
{
  const AgbLima *lima = build->lima;
  const char *name = build->spec->name;
  g_autoptr (AgbLock) lock = agb_lima_lock (lima->home, "base", error);
  AgbBaseRecord *record = build->record;

  if (lock == NULL)
    return FALSE;
  g_free (record->name);
  record->name = g_strdup (name);
  if (!agb_base_record_save (lima->home, record, error)
      || !agb_fault_point ("base: replace", error))
    return FALSE;
  if (agb_lima_exists (lima, name))
    {
      /* A half-made one cannot be unprotected, and need not be. */
      agb_limactl (lima, AGB_TIMEOUT_QUICK, NULL, NULL, "unprotect", name, NULL);
      if (!agb_lima_delete (lima, name, error))
        return FALSE;
    }
  if (!agb_limactl (lima, AGB_TIMEOUT_QUICK * 3, NULL, error, "rename", build->next, name, NULL)
      || !agb_limactl (lima, AGB_TIMEOUT_QUICK, NULL, error, "protect", name, NULL))
    return FALSE;
  g_free (record->state);
  record->state = g_strdup (AGB_BASE_PREPARED);
  g_clear_pointer (&record->owner, g_free);
  /* One that is only made warm again is as old as it was. */
  if (record->prepared_at == NULL)
    {
      record->prepared_at = agb_time_now ();
      record->duration_ms = (g_get_monotonic_time () - build->started) / 1000;
      record->steps_json = agb_json_print (build->steps, FALSE);
    }
  return agb_base_record_save (lima->home, record, error)
         && agb_lima_record_remove (lima->home, "bases", build->next, error)
         && drop_old_repos (lima, error)
         && agb_lima_images_collect (lima->home, FALSE, NULL, error);
}

static const AgbBuildStep build_steps[] = {
  { "create", "making the machine of the base", create_instance },
  { "boot", "booting it", agb_build_boot },
  { NULL, NULL, provision },
  { "probe", "looking at what it has", probe },
  { "seal", "sealing it", seal },
  { "warm", "saving a running state for warm starts", agb_build_warm },
  { "publish", "putting it in place", agb_build_publish },
};

static AgbBaseRecord *
new_record (const AgbBuild *build, GError **error)
{
  const AgbBaseSpec *spec = build->spec;
  g_autoptr (AgbBaseRecord) record = g_new0 (AgbBaseRecord, 1);
  AgbProcessId self;

  agb_process_self (&self);
  record->name = g_strdup (build->next);
  record->state = g_strdup (AGB_BASE_PREPARING);
  record->owner = agb_process_format (&self);
  record->flavour = g_strdup (spec->flavour);
  record->fingerprint = agb_base_fingerprint (build->settings, spec->flavour, error);
  record->image
      = g_strdup_printf ("%s-%08x%08x.qcow2", spec->name, g_random_int (), g_random_int ());
  record->cpus = spec->cpus;
  record->memory_bytes = spec->memory_bytes;
  record->disk_bytes = spec->disk_bytes;
  record->api = AGB_LIMA_API;
  record->started_at = agb_time_now ();
  return record->fingerprint != NULL ? g_steal_pointer (&record) : NULL;
}

/* After an error: nothing of the half-built one stays, except when it had begun to take the name. */
static void
abandon (AgbBuild *build)
{
  agb_interrupt_shield ();
  g_autofree char *import = agb_build_import_folder (build->lima);
  agb_remove_tree (import, NULL);
  if (agb_lima_delete (build->lima, build->next, NULL)
      && !g_str_equal (build->record->name, build->spec->name)
      && agb_lima_record_remove (build->lima->home, "bases", build->next, NULL))
    agb_lima_images_collect (build->lima->home, FALSE, NULL, NULL);
  agb_interrupt_unshield ();
}

gboolean
agb_build_run (AgbBuild *build, const AgbBuildStep *steps, gsize count, AgbBaseRecord **ret,
               GError **error)
{
  const AgbLima *lima = build->lima;
  const AgbBaseSpec *spec = build->spec;
  g_autofree char *log = g_strconcat (spec->name, "-provision.log", NULL);

  build->started = g_get_monotonic_time ();
  build->deadline = agb_deadline_in (spec->timeout_ms);
  build->next = g_strconcat (spec->name, "-next", NULL);
  build->log = agb_lima_record_path (lima->home, log, NULL);
  build->steps = cJSON_CreateArray ();
  build->record = new_record (build, error);
  if (build->record == NULL || !agb_lima_check_path (lima, build->next, error)
      || !agb_lima_check_memory ((guint64)spec->memory_bytes, error)
      || !agb_base_record_save (lima->home, build->record, error))
    return FALSE;
  for (gsize i = 0; i < count; i++)
    {
      gint64 started = g_get_monotonic_time ();
      if (steps[i].phase != NULL)
        agb_progress_phase (build->progress, steps[i].phase);
      if (agb_interrupted (error) || !steps[i].run (build, error))
        {
          abandon (build);
          return FALSE;
        }
      if (steps[i].name != NULL)
        agb_provision_add_step (build->steps, steps[i].name, started);
    }
  agb_progress_phase (build->progress, NULL);
  *ret = g_steal_pointer (&build->record);
  return TRUE;
}

gboolean
agb_base_build (const AgbLima *lima, AgbSettings *settings, const AgbBaseSpec *spec,
                AgbProgress *progress, AgbBaseRecord **ret, GError **error)
{
  g_auto (AgbBuild) build
      = { .lima = lima, .settings = settings, .spec = spec, .progress = progress };

  return agb_build_run (&build, build_steps, G_N_ELEMENTS (build_steps), ret, error);
}

/* The record of the base there is, for a machine with the same image. */
static gboolean
clone_again (AgbBuild *build, GError **error)
{
  AgbBaseRecord *made = build->record;
  AgbBaseRecord *record = agb_base_record_load (build->lima->home, build->spec->name, error);

  if (record == NULL)
    return FALSE;
  g_free (record->name);
  g_free (record->state);
  g_free (record->owner);
  record->name = g_steal_pointer (&made->name);
  record->state = g_steal_pointer (&made->state);
  record->owner = g_steal_pointer (&made->owner);
  record->warm = FALSE;
  agb_base_record_free (made);
  build->record = record;
  return agb_base_record_save (build->lima->home, record, error)
         && agb_build_clone (build, build->spec->name, record->image, error);
}

static gboolean
save_again (AgbBuild *build, GError **error)
{
  g_clear_pointer (&build->record->warm_reason, g_free);
  build->record->warm = save_state (build->lima, build->next, left_ms (build), error);
  return build->record->warm;
}

static const AgbBuildStep warm_steps[] = {
  { "create", "making a machine like the base", clone_again },
  { "warm", "saving a running state for warm starts", save_again },
  { "publish", "putting it in place", agb_build_publish },
};

gboolean
agb_base_warm (const AgbLima *lima, AgbSettings *settings, const AgbBaseRecord *record,
               gint64 timeout_ms, AgbProgress *progress, GError **error)
{
  const AgbBaseSpec spec = { .name = record->name,
                             .flavour = record->flavour,
                             .cpus = record->cpus,
                             .memory_bytes = record->memory_bytes,
                             .disk_bytes = record->disk_bytes,
                             .timeout_ms = timeout_ms,
                             .warm = TRUE };
  g_auto (AgbBuild) build
      = { .lima = lima, .settings = settings, .spec = &spec, .progress = progress };
  g_autoptr (AgbBaseRecord) warm = NULL;

  if (record->image != NULL)
    return agb_build_run (&build, warm_steps, G_N_ELEMENTS (warm_steps), &warm, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' cannot be warm: %s", record->name,
               record->warm_reason != NULL ? record->warm_reason : "it has no image");
  return FALSE;
}
