#include "guest/lima/base.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/json.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/time.h"
#include "core/trace.h"
#include "guest/lima/host.h"
#include "guest/lima/machine.h"
#include "guest/lima/provision.h"
#include "guest/lima/template.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SNAPSHOT_TIMEOUT_MS = 3 * 60 * 1000, CREATE_TIMEOUT_MS = 30 * 60 * 1000 };

#define BASE_PREFIX "agbranch-base-"

void
agb_base_info_free (AgbBaseInfo *info)
{
  if (info == NULL)
    return;
  g_free (info->name);
  g_free (info->problem);
  g_free (info->hint);
  g_free (info->fingerprint);
  agb_base_record_free (info->record);
  agb_lima_instance_free (info->instance);
  g_free (info);
}

const char *
agb_base_status_word (AgbBaseStatus status)
{
  static const char *const words[] = { "missing", "preparing", "half_built", "foreign",
                                       "damaged", "outdated",  "stale",      "ready" };

  return words[status];
}

char *
agb_base_name (const char *image, AgbSettings *settings, const char **ret_source)
{
  const char *env = g_getenv ("AGBRANCH_PREPARED_BASE_NAME");
  const char *set = agb_settings_string (settings, "agbranch.lima.base");
  const char *source = "default";
  char *name;

  if (image != NULL)
    {
      source = "argument";
      name = g_str_has_prefix (image, BASE_PREFIX) ? g_strdup (image)
                                                   : g_strconcat (BASE_PREFIX, image, NULL);
    }
  else if (env != NULL && *env != '\0')
    {
      source = "env_override";
      name = g_strdup (env);
    }
  else if (set != NULL)
    {
      source = "config";
      name = g_strdup (set);
    }
  else
    name = g_strconcat (BASE_PREFIX, agb_template_platform (), NULL);
  if (ret_source != NULL)
    *ret_source = source;
  return name;
}

char **
agb_base_agents (AgbSettings *settings)
{
  static const char *const all[] = { "@anthropic-ai/claude-code",
                                     "@openai/codex",
                                     "@google/gemini-cli",
                                     "opencode-ai",
                                     "@github/copilot",
                                     "aider-chat",
                                     NULL };
  const char *const *list = agb_settings_list (settings, "agbranch.lima.agents");

  if (*list == NULL)
    return g_strdupv ((char **)all);
  return g_str_equal (*list, "none") ? g_new0 (char *, 1) : g_strdupv ((char **)list);
}

/* Everything goes in with its name and length, so that two parts cannot stand for one another. */
static void
digest_part (GChecksum *digest, const char *name, const char *text)
{
  g_autofree char *head
      = g_strdup_printf ("%s %" G_GSIZE_FORMAT "\n", name, text != NULL ? strlen (text) : 0);

  g_checksum_update (digest, (const guchar *)head, -1);
  if (text != NULL)
    g_checksum_update (digest, (const guchar *)text, -1);
}

static gboolean
digest_assets (GChecksum *digest, GError **error)
{
  static const char *const files[]
      = { "provision/10-packages.sh", "provision/20-agents.sh",  "provision/30-docker.sh",
          "provision/40-browser.sh",  "provision/50-session.sh", "provision/90-seal.sh",
          "guest/guard.sh",           "guest/probe.sh",          "guest/browser.sh" };
  g_autofree char *template = g_strdup_printf ("safe-sync-%s.yaml", agb_template_platform ());
  g_autofree char *text = agb_asset_read (template, error);

  if (text == NULL)
    return FALSE;
  digest_part (digest, template, text);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *script = agb_asset_read (files[i], error);
      if (script == NULL)
        return FALSE;
      digest_part (digest, files[i], script);
    }
  return TRUE;
}

static void
digest_file (GChecksum *digest, const char *path)
{
  g_autofree char *text = NULL;

  if (path != NULL)
    g_file_get_contents (path, &text, NULL, NULL);
  digest_part (digest, "own script", text);
}

char *
agb_base_fingerprint (AgbSettings *settings, const char *flavour, GError **error)
{
  static const char *const names[]
      = { "agbranch.lima.image",  "agbranch.lima.digest",  "agbranch.lima.kernel",
          "agbranch.lima.initrd", "agbranch.lima.cmdline", "agbranch.lima.caCerts" };
  g_autoptr (GChecksum) digest = g_checksum_new (G_CHECKSUM_SHA256);
  g_auto (GStrv) agents = agb_base_agents (settings);
  g_autofree char *own = agb_provision_user_script ();

  digest_part (digest, "flavour", flavour);
  if (!digest_assets (digest, error))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    digest_part (digest, names[i], agb_settings_text (settings, names[i]));
  for (char **agent = agents; *agent != NULL; agent++)
    digest_part (digest, "agent", *agent);
  for (const char *const *path = agb_settings_list (settings, "agbranch.lima.provision");
       *path != NULL; path++)
    digest_file (digest, *path);
  digest_file (digest, own);
  return g_strdup (g_checksum_get_string (digest));
}

/* The first problem of a base whose record says that it is prepared; NULL: none. */
static char *
find_damage (const AgbLima *lima, const AgbBaseInfo *info)
{
  const AgbBaseRecord *record = info->record;
  struct stat status;

  if (info->instance == NULL)
    return g_strdup ("its instance is gone");
  if (g_strcmp0 (info->instance->status, "Broken") == 0)
    return g_strdup_printf ("Lima calls its instance broken%s%s",
                            info->instance->problem != NULL ? ": " : "",
                            info->instance->problem != NULL ? info->instance->problem : "");
  g_autofree char *disk = agb_lima_path (lima, info->name, "disk");
  if (stat (disk, &status) != 0)
    return g_strdup ("its disk is gone");
  if (record->image == NULL)
    return NULL;
  g_autofree char *image = agb_lima_record_path (lima->home, "images", record->image);
  if (stat (image, &status) != 0)
    return g_strdup_printf ("its image '%s' is gone", record->image);
  if (status.st_size != record->image_bytes)
    return g_strdup_printf ("its image '%s' has %" G_GINT64_FORMAT " bytes, not %" G_GINT64_FORMAT,
                            record->image, (gint64)status.st_size, record->image_bytes);
  return NULL;
}

static gboolean
owner_lives (const AgbBaseRecord *record)
{
  AgbProcessId owner;

  return record->owner != NULL && agb_process_parse (record->owner, &owner)
         && agb_process_alive (&owner);
}

/* A first build under way, or cut off, has only the record of the name it is built under. */
static AgbBaseStatus
status_without_record (const AgbLima *lima, AgbBaseInfo *info)
{
  g_autofree char *next = g_strconcat (info->name, "-next", NULL);

  if (info->instance != NULL)
    {
      info->problem = g_strdup ("git agbranch did not make this instance");
      return AGB_BASE_FOREIGN;
    }
  g_autoptr (AgbBaseRecord) record = agb_base_record_load (lima->home, next, NULL);
  if (record == NULL)
    return AGB_BASE_MISSING;
  if (owner_lives (record))
    {
      info->problem = g_strdup ("it is being prepared");
      return AGB_BASE_BUILDING;
    }
  info->problem = g_strdup ("the command that prepared it did not end");
  return AGB_BASE_HALF_BUILT;
}

static void
judge (const AgbLima *lima, AgbBaseInfo *info)
{
  g_autofree char *option = info->name_source != NULL && g_str_equal (info->name_source, "argument")
                                ? g_strconcat (" --name ", info->name, NULL)
                                : g_strdup ("");

  info->hint = g_strconcat ("git agbranch base prepare", option, NULL);
  if (info->record == NULL)
    {
      info->status = status_without_record (lima, info);
      if (info->status != AGB_BASE_FOREIGN)
        return;
      g_free (info->hint);
      info->hint = g_strdup_printf ("limactl rename %s <other-name>, or another base: git agbranch "
                                    "base prepare --name <name>",
                                    info->name);
      return;
    }
  if (g_strcmp0 (info->record->state, AGB_BASE_PREPARED) != 0)
    {
      info->status = owner_lives (info->record) ? AGB_BASE_BUILDING : AGB_BASE_HALF_BUILT;
      info->problem = g_strdup (info->status == AGB_BASE_BUILDING
                                    ? "it is being prepared"
                                    : "the command that prepared it did not end");
      return;
    }
  info->problem = find_damage (lima, info);
  if (info->problem != NULL)
    {
      info->status = AGB_BASE_DAMAGED;
      g_free (info->hint);
      info->hint = g_strconcat ("git agbranch base prepare --rebuild", option, NULL);
    }
  else if (info->record->api != AGB_LIMA_API)
    {
      info->status = AGB_BASE_OUTDATED;
      info->problem = g_strdup_printf ("it speaks version %d of the guest scripts, not %d",
                                       (int)info->record->api, AGB_LIMA_API);
    }
  else if (g_strcmp0 (info->fingerprint, info->record->fingerprint) != 0)
    {
      info->status = AGB_BASE_STALE;
      info->problem = g_strdup ("what it is made from has changed");
    }
  else
    {
      info->status = AGB_BASE_READY;
      g_clear_pointer (&info->hint, g_free);
    }
}

AgbBaseInfo *
agb_base_look (const AgbLima *lima, AgbSettings *settings, const char *image, GError **error)
{
  g_autoptr (AgbBaseInfo) info = g_new0 (AgbBaseInfo, 1);
  g_autoptr (GError) problem = NULL;

  info->name = agb_base_name (image, settings, &info->name_source);
  info->record = agb_base_record_load (lima->home, info->name, &problem);
  if (problem == NULL)
    info->instance = agb_lima_find (lima, info->name, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  const char *flavour
      = info->record != NULL && info->record->flavour != NULL ? info->record->flavour : "full";
  info->fingerprint = agb_base_fingerprint (settings, flavour, error);
  if (info->fingerprint == NULL)
    return NULL;
  judge (lima, info);
  return g_steal_pointer (&info);
}

gboolean
agb_base_check_usable (const AgbBaseInfo *info, GError **error)
{
  if (info->status >= AGB_BASE_STALE)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' is %s%s%s", info->name,
               info->status == AGB_BASE_MISSING ? "not prepared"
                                                : agb_base_status_word (info->status),
               info->problem != NULL ? ": " : "", info->problem != NULL ? info->problem : "");
  agb_error_hint (error, "%s", info->hint);
  return FALSE;
}

/* One build under way. */
typedef struct {
  const AgbLima *lima;
  AgbSettings *settings;
  const AgbBaseSpec *spec;
  AgbProgress *progress;
  AgbBaseRecord *record; /* of the name it is built under */
  char *next;
  char *log;
  cJSON *steps;
  gint64 deadline;
  gint64 started;
} Build;

static void
build_clear (Build *build)
{
  agb_base_record_free (build->record);
  g_free (build->next);
  g_free (build->log);
  cJSON_Delete (build->steps);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Build, build_clear)

static gint64
left_ms (const Build *build)
{
  return MAX (agb_deadline_left_ms (build->deadline), 1);
}

/* The machine of the base there is, with an empty disk on its image. */
static gboolean
create_from_base (Build *build, GError **error)
{
  g_autofree char *config = agb_lima_path (build->lima, build->next, "ssh.config");
  g_autoptr (AgbLock) lock = agb_lima_lock (build->lima->home, "base", error);

  if (lock == NULL || !agb_lima_delete (build->lima, build->next, error)
      || !agb_limactl (build->lima, MIN (left_ms (build), CREATE_TIMEOUT_MS), NULL, error, "clone",
                       build->spec->name, build->next, NULL)
      || !agb_lima_new_overlay (build->lima, build->next, build->spec->update_image,
                                build->record->disk_bytes, error))
    return FALSE;
  if (unlink (config) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", config);
  return TRUE;
}

static gboolean
create_instance (Build *build, GError **error)
{
  if (build->spec->update_image != NULL)
    return create_from_base (build, error);

  const AgbTemplateSpec machine = { .cpus = build->spec->cpus,
                                    .memory_bytes = build->spec->memory_bytes,
                                    .disk_bytes = build->spec->disk_bytes,
                                    .tcg = build->lima->tcg };
  g_autofree char *text = agb_template_render (&machine, build->settings, error);
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
boot (Build *build, GError **error)
{
  return agb_lima_cold_start (build->lima, build->next,
                              MIN (left_ms (build), build->lima->start_timeout_ms), error);
}

static gboolean
provision (Build *build, GError **error)
{
  return agb_provision_run (build->lima, build->settings, build->next, build->spec->flavour,
                            build->spec->update_image != NULL, build->log, build->deadline,
                            build->progress, build->steps, error);
}

static gboolean
probe (Build *build, GError **error)
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
seal (Build *build, GError **error)
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

/* Boot INSTANCE, save its running state in its disk, stop it. */
static gboolean
save_state (const AgbLima *lima, const char *instance, gint64 timeout_ms, GError **error)
{
  g_autofree char *list = NULL;

  if (!agb_lima_cold_start (lima, instance, MIN (timeout_ms, lima->start_timeout_ms), error))
    return FALSE;
  gboolean saved = agb_limactl (lima, SNAPSHOT_TIMEOUT_MS, NULL, error, "snapshot", "create",
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

static gboolean
warm (Build *build, GError **error)
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

/* Put the built instance in the place of the older one.  Killed in between, the record of the name says
 * "preparing": the next prepare begins anew. */
static gboolean
publish (Build *build, GError **error)
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
  record->prepared_at = agb_time_now ();
  record->duration_ms = (g_get_monotonic_time () - build->started) / 1000;
  record->steps_json = agb_json_print (build->steps, FALSE);
  return agb_base_record_save (lima->home, record, error)
         && agb_lima_record_remove (lima->home, "bases", build->next, error)
         && agb_lima_images_collect (lima->home, FALSE, NULL, error);
}

static const struct {
  const char *name;
  const char *phase;
  gboolean (*run) (Build *build, GError **error);
} build_steps[] = {
  { "create", "making the machine of the base", create_instance },
  { "boot", "booting it", boot },
  { NULL, NULL, provision },
  { "probe", "looking at what it has", probe },
  { "seal", "sealing it", seal },
  { "warm", "saving a running state for warm starts", warm },
  { "publish", "putting it in place", publish },
};

static AgbBaseRecord *
new_record (const Build *build, GError **error)
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
abandon (Build *build)
{
  agb_interrupt_shield ();
  if (agb_lima_delete (build->lima, build->next, NULL)
      && !g_str_equal (build->record->name, build->spec->name)
      && agb_lima_record_remove (build->lima->home, "bases", build->next, NULL))
    agb_lima_images_collect (build->lima->home, FALSE, NULL, NULL);
  agb_interrupt_unshield ();
}

gboolean
agb_base_build (const AgbLima *lima, AgbSettings *settings, const AgbBaseSpec *spec,
                AgbProgress *progress, AgbBaseRecord **ret, GError **error)
{
  g_auto (Build) build = { .lima = lima, .settings = settings, .spec = spec, .progress = progress };
  g_autofree char *log = g_strconcat (spec->name, "-provision.log", NULL);

  build.started = g_get_monotonic_time ();
  build.deadline = agb_deadline_in (spec->timeout_ms);
  build.next = g_strconcat (spec->name, "-next", NULL);
  build.log = agb_lima_record_path (lima->home, log, NULL);
  build.steps = cJSON_CreateArray ();
  build.record = new_record (&build, error);
  if (build.record == NULL || !agb_lima_check_path (lima, build.next, error)
      || !agb_lima_check_memory ((guint64)spec->memory_bytes, error)
      || !agb_base_record_save (lima->home, build.record, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (build_steps); i++)
    {
      gint64 started = g_get_monotonic_time ();
      if (build_steps[i].phase != NULL)
        agb_progress_phase (progress, build_steps[i].phase);
      if (agb_interrupted (error) || !build_steps[i].run (&build, error))
        {
          abandon (&build);
          return FALSE;
        }
      if (build_steps[i].name != NULL)
        agb_provision_add_step (build.steps, build_steps[i].name, started);
    }
  agb_progress_phase (progress, NULL);
  *ret = g_steal_pointer (&build.record);
  return TRUE;
}

gboolean
agb_base_warm (const AgbLima *lima, AgbBaseRecord *record, gint64 timeout_ms, AgbProgress *progress,
               GError **error)
{
  g_autoptr (AgbLock) lock = agb_lima_lock (lima->home, "base", error);

  if (lock == NULL)
    return FALSE;
  if (record->image == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' cannot be warm: %s",
                   record->name,
                   record->warm_reason != NULL ? record->warm_reason : "it has no image");
      return FALSE;
    }
  record->warm = FALSE;
  if (!agb_base_record_save (lima->home, record, error)
      || !agb_lima_new_overlay (lima, record->name, record->image, record->disk_bytes, error)
      || !warm_up (lima, record->name, record, timeout_ms, progress, error))
    return FALSE;
  return agb_base_record_save (lima->home, record, error);
}
