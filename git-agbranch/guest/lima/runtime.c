#include "guest/lima/lima.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/names.h"
#include "core/paths.h"
#include "core/trace.h"
#include "guest/lima/base-repo.h"
#include "guest/lima/base.h"
#include "guest/lima/exec.h"
#include "guest/lima/host.h"
#include "guest/lima/limactl.h"
#include "guest/lima/machine.h"
#include "guest/lima/record.h"
#include "guest/lima/ssh.h"
#include "guest/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  CLONE_TIMEOUT_MS = 10 * 60 * 1000,
  IDENTITY_TIMEOUT_MS = 3 * 60 * 1000,
  KEYGEN_TIMEOUT_MS = 30 * 1000,
  SEED_BYTES = 64,
};

#define VM_PREFIX "agbranch-"

typedef struct {
  AgbRuntime runtime;
  AgbLima *lima;   /* NULL: see problem */
  GError *problem; /* why Lima cannot be used */
  AgbSettings *settings;
  AgbSettings *own_settings; /* when the caller had none */
} LimaRuntime;

/* The Lima of RUNTIME, or NULL and its problem. */
static const AgbLima *
lima_of (AgbRuntime *runtime, GError **error)
{
  LimaRuntime *self = (LimaRuntime *)runtime;

  if (self->lima == NULL)
    g_propagate_error (error, g_error_copy (self->problem));
  return self->lima;
}

static gboolean
busy_key (const char *vm_name, const AgbGuestRecord *record, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "instance '%s' belongs to %s", vm_name,
               record != NULL && record->key != NULL ? record->key : "nobody we know");
  agb_error_hint (error, "look with: git agbranch doctor");
  return FALSE;
}

/* A base that sessions can be made from. */
static AgbBaseInfo *
usable_base (LimaRuntime *self, const AgbLima *lima, const char *image, GError **error)
{
  g_autoptr (AgbBaseInfo) info = agb_base_look (lima, self->settings, image, error);

  if (info == NULL || !agb_base_check_usable (info, error))
    return NULL;
  return g_steal_pointer (&info);
}

/* Whether the saved state of BASE fits a machine of SPEC: it holds processors and memory. */
static char *
reason_for_cold (LimaRuntime *self, const AgbBaseRecord *base, const AgbGuestSpec *spec)
{
  if (!agb_settings_bool (self->settings, "agbranch.lima.warm"))
    return g_strdup ("agbranch.lima.warm is off");
  if (!base->warm)
    return g_strdup (base->warm_reason != NULL ? base->warm_reason : "the base has no saved state");
  if (base->cpus != spec->cpus || (guint64)base->memory_bytes != spec->memory_bytes
      || (guint64)base->disk_bytes != spec->disk_bytes)
    return g_strdup ("the machine is not of the base's size (cpus, memory, disk)");
  return NULL;
}

static AgbGuestRecord *
new_record (LimaRuntime *self, const AgbBaseRecord *base, const AgbGuestSpec *spec)
{
  AgbGuestRecord *record = g_new0 (AgbGuestRecord, 1);

  record->vm_name = g_strdup (spec->vm_name);
  record->key = g_strdup_printf ("%s.%" G_GINT64_FORMAT, spec->session, spec->attempt);
  record->session = g_strdup (spec->session);
  record->base = g_strdup (base->name);
  record->image = g_strdup (base->image);
  record->network = g_strdup (spec->network);
  record->repo = g_strdup (base->repo);
  record->seeded = g_strdup (base->seeded);
  record->fresh = TRUE;
  record->cold_reason = reason_for_cold (self, base, spec);
  record->warm = record->cold_reason == NULL;
  return record;
}

static gboolean
clone_instance (const AgbLima *lima, const AgbBaseRecord *base, const AgbGuestSpec *spec,
                AgbGuestRecord *record, GError **error)
{
  g_autofree char *size
      = g_strdup_printf (".cpus = %" G_GINT64_FORMAT " | .memory = \"%" G_GUINT64_FORMAT
                         "MiB\" | .disk = \"%" G_GUINT64_FORMAT "MiB\"",
                         spec->cpus, spec->memory_bytes >> 20, spec->disk_bytes >> 20);
  g_autofree char *config = agb_lima_path (lima, spec->vm_name, "ssh.config");

  if (!agb_lima_delete (lima, spec->vm_name, error) || !agb_fault_point ("lima: clone", error)
      || !agb_limactl (lima, CLONE_TIMEOUT_MS, NULL, error, "clone", base->name, spec->vm_name,
                       "--set", size, NULL))
    return FALSE;
  /* It is the base's: whoever connected by it would reach another machine. */
  if (unlink (config) != 0 && errno != ENOENT)
    return agb_error_set_errno (error, errno, "remove", config);
  if (!record->warm && base->image != NULL
      && !agb_lima_new_overlay (lima, spec->vm_name, base->image, (gint64)spec->disk_bytes, error))
    return FALSE;
  record->cloned = TRUE;
  return agb_guest_record_save (lima->home, record, error);
}

/* No folder of the host may be in a session's machine, whatever Lima's own defaults say. */
static gboolean
check_no_mounts (const AgbLima *lima, const char *vm_name, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbLimaInstance) instance = agb_lima_find (lima, vm_name, &problem);

  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (instance == NULL || !instance->has_mounts)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "instance '%s' would see folders of the host (mounts)", vm_name);
  agb_error_hint (error, "take the mounts out of %s/_config/override.yaml and default.yaml",
                  lima->home);
  return FALSE;
}

static gboolean
lima_create (AgbRuntime *runtime, const AgbGuestSpec *given, AgbProgress *progress, GError **error)
{
  LimaRuntime *self = (LimaRuntime *)runtime;
  const AgbLima *lima = lima_of (runtime, error);
  g_autoptr (GError) problem = NULL;

  if (lima == NULL || !agb_lima_check_path (lima, given->vm_name, error))
    return FALSE;
  g_autoptr (AgbLock) lock = agb_lima_lock (lima->home, "clone", error);
  g_autoptr (AgbGuestRecord) record
      = lock != NULL ? agb_guest_record_load (lima->home, given->vm_name, &problem) : NULL;
  g_autofree char *key = g_strdup_printf ("%s.%" G_GINT64_FORMAT, given->session, given->attempt);
  if (lock == NULL)
    return FALSE;
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (record != NULL && g_strcmp0 (record->key, key) != 0)
    return busy_key (given->vm_name, record, error);
  if (record == NULL && agb_lima_exists (lima, given->vm_name))
    return busy_key (given->vm_name, NULL, error);
  if (record != NULL && record->cloned && agb_lima_exists (lima, given->vm_name))
    return TRUE;

  g_autoptr (AgbBaseInfo) base = usable_base (self, lima, given->image, error);
  if (base == NULL)
    return FALSE;
  if (base->status == AGB_BASE_STALE)
    agb_progress_warn (progress,
                       "base '%s' is stale (%s); renew it with: git agbranch base prepare",
                       base->name, base->problem);
  AgbGuestSpec spec = *given;
  if (spec.disk_bytes == 0)
    spec.disk_bytes = (guint64)base->record->disk_bytes;
  if (!agb_lima_check_memory (spec.memory_bytes, error))
    return FALSE;
  g_clear_pointer (&record, agb_guest_record_free);
  g_autoptr (AgbBaseRecord) seeded
      = spec.repo != NULL ? agb_base_repo_find (lima, base->record, spec.repo) : NULL;
  const AgbBaseRecord *from = seeded != NULL ? seeded : base->record;
  record = new_record (self, from, &spec);
  return agb_guest_record_save (lima->home, record, error)
         && clone_instance (lima, from, &spec, record, error)
         && check_no_mounts (lima, spec.vm_name, error);
}

static void
append_hex (GString *request, const char *name, const void *bytes, gsize length)
{
  g_string_append_printf (request, "%s ", name);
  for (gsize i = 0; i < length; i++)
    g_string_append_printf (request, "%02x", ((const guchar *)bytes)[i]);
  g_string_append_c (request, '\n');
}

static void
append_seed (GString *request)
{
  guint32 words[SEED_BYTES / 4];

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    words[i] = g_random_int ();
  FILE *source = fopen ("/dev/urandom", "re");
  if (source != NULL)
    {
      if (fread (words, sizeof words, 1, source) != 1)
        agb_trace ("lima: /dev/urandom gives nothing");
      fclose (source);
    }
  append_hex (request, "seed", words, sizeof words);
}

/* A key for the guest's sshd: made here, where it takes a hundredth of the time. */
static gboolean
append_host_key (const AgbLima *lima, const char *vm_name, GString *request, GError **error)
{
  g_autofree char *path = agb_lima_path (lima, vm_name, "agbranch-host-key");
  g_autofree char *public_path = g_strconcat (path, ".pub", NULL);
  const char *argv[]
      = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path, NULL };
  AgbChildSpec spec = { .argv = argv, .timeout_ms = KEYGEN_TIMEOUT_MS };
  g_autofree char *key = NULL;
  g_autofree char *public_key = NULL;
  gsize length = 0;

  unlink (path);
  gboolean made = agb_child_check (&spec, NULL, error)
                  && g_file_get_contents (path, &key, &length, error)
                  && g_file_get_contents (public_path, &public_key, NULL, error);
  unlink (path);
  unlink (public_path);
  if (!made)
    return FALSE;
  append_hex (request, "hostkey", key, length);
  g_string_append_printf (request, "hostpub %s\n", g_strchomp (public_key));
  return TRUE;
}

static gboolean
check_api (const char *vm_name, const char *output, GError **error)
{
  const char *line = strstr (output, "api ");
  int api = line != NULL ? (int)g_ascii_strtoll (line + strlen ("api "), NULL, 10) : 0;

  if (api == AGB_LIMA_API)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "guest '%s' speaks version %d of the guest scripts, this program version %d",
               vm_name, api, AGB_LIMA_API);
  agb_error_hint (error, "git agbranch base prepare --rebuild");
  return FALSE;
}

/* Make the started guest that of its session: names, keys, clock, random state, network guard. */
static gboolean
set_identity (const AgbLima *lima, const AgbGuestRecord *record, gboolean restored, GError **error)
{
  g_autofree char *guard = agb_asset_read ("guest/guard.sh", error);
  g_autoptr (GString) request = g_string_new (NULL);
  g_autofree char *output = NULL;

  if (guard == NULL)
    return FALSE;
  g_string_append_printf (request, "session %s\nnow %.3f\nnew %d\nrestored %d\nnetwork %s\n",
                          record->session, (double)g_get_real_time () / 1e6, record->fresh,
                          restored, record->network != NULL ? record->network : "public");
  append_hex (request, "guard", guard, strlen (guard));
  append_seed (request);
  return (!record->fresh || append_host_key (lima, record->vm_name, request, error))
         && agb_lima_ask_standby (lima, record->vm_name, "identity.pl", request,
                                  IDENTITY_TIMEOUT_MS, &output, error)
         && check_api (record->vm_name, output, error);
}

/* The base's state does not restore: it is made again at the next prepare or `base warm`. */
static void
distrust_base (const AgbLima *lima, const AgbGuestRecord *record)
{
  g_autoptr (AgbLock) lock = agb_lima_lock (lima->home, "base", NULL);
  g_autoptr (AgbBaseRecord) base
      = lock != NULL ? agb_base_record_load (lima->home, record->base, NULL) : NULL;

  if (base == NULL || g_strcmp0 (base->image, record->image) != 0)
    return;
  base->warm = FALSE;
  g_free (base->warm_reason);
  base->warm_reason = g_strconcat ("its saved state did not restore: ", record->cold_reason, NULL);
  agb_base_record_save (lima->home, base, NULL);
}

/* From the saved state.  FALSE without error: it did not work, the disk is a clean one now, a cold start
 * follows. */
static gboolean
try_warm (const AgbLima *lima, AgbGuestRecord *record, AgbProgress *progress, GError **error)
{
  g_auto (AgbChild) start = { .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbLimaInstance) instance = NULL;

  if (agb_lima_warm_start (lima, record->vm_name, &start, &problem)
      && set_identity (lima, record, TRUE, &problem))
    {
      agb_lima_leave (&start);
      return TRUE;
    }
  agb_interrupt_shield ();
  agb_child_clear (&start);
  agb_lima_stop (lima, record->vm_name, TRUE, NULL);
  agb_interrupt_unshield ();
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  g_autofree char *message = NULL;
  agb_error_split (problem, &message, NULL);
  agb_progress_warn (progress, "warm start failed, starting cold: %s", message);
  record->warm = FALSE;
  g_free (record->cold_reason);
  record->cold_reason = g_strdup (message);
  distrust_base (lima, record);
  instance = agb_lima_find (lima, record->vm_name, error);
  if (instance == NULL)
    return FALSE;
  if (record->image != NULL
      && !agb_lima_new_overlay (lima, record->vm_name, record->image, instance->disk_bytes, error))
    return FALSE;
  agb_guest_record_save (lima->home, record, error);
  return FALSE;
}

static gboolean
start_cold (const AgbLima *lima, const AgbGuestRecord *record, GError **error)
{
  if (!agb_lima_cold_start (lima, record->vm_name, lima->start_timeout_ms, error))
    return FALSE;
  /* An adopted one has the identity that its own program gave it, and nothing of our base. */
  if (record->base == NULL)
    return TRUE;
  if (set_identity (lima, record, FALSE, error))
    return TRUE;
  agb_interrupt_shield ();
  agb_lima_stop (lima, record->vm_name, TRUE, NULL);
  agb_interrupt_unshield ();
  return FALSE;
}

static AgbGuestRecord *
require_record (const AgbLima *lima, const char *vm_name, GError **error)
{
  AgbGuestRecord *record = agb_guest_record_load (lima->home, vm_name, error);

  if (record == NULL && error != NULL && *error == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "there is no guest '%s'", vm_name);
      agb_error_hint (error, "look with: git agbranch doctor");
    }
  return record;
}

static gboolean
lima_start (AgbRuntime *runtime, const char *vm_name, AgbProgress *progress, GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);
  g_autoptr (AgbGuestRecord) record = lima != NULL ? require_record (lima, vm_name, error) : NULL;
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbLimaInstance) instance = NULL;

  if (record == NULL)
    return FALSE;
  instance = agb_lima_find (lima, vm_name, &problem);
  if (instance == NULL)
    {
      if (problem != NULL)
        g_propagate_error (error, g_steal_pointer (&problem));
      else
        g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "instance '%s' is gone", vm_name);
      return FALSE;
    }
  if (strcmp (instance->status, "Running") == 0 && !record->fresh)
    return TRUE;
  if (!agb_lima_check_memory ((guint64)instance->memory_bytes, error))
    return FALSE;
  if (strcmp (instance->status, "Stopped") != 0 && !agb_lima_stop (lima, vm_name, TRUE, error))
    return FALSE;
  if (!record->fresh || !record->warm || !try_warm (lima, record, progress, &problem))
    {
      if (problem != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      if (record->fresh && !record->warm && record->cold_reason != NULL && progress != NULL)
        agb_trace ("lima: '%s' starts cold: %s", vm_name, record->cold_reason);
      if (!start_cold (lima, record, error))
        return FALSE;
    }
  if (!record->fresh)
    return TRUE;
  record->fresh = FALSE;
  return agb_guest_record_save (lima->home, record, error);
}

static gboolean
lima_stop (AgbRuntime *runtime, const char *vm_name, gboolean force, GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);

  return lima != NULL && agb_lima_stop (lima, vm_name, force, error);
}

static AgbGuestState
state_of (const AgbLimaInstance *instance)
{
  if (strcmp (instance->status, "Running") == 0)
    return AGB_GUEST_RUNNING;
  if (strcmp (instance->status, "Stopped") == 0)
    return AGB_GUEST_STOPPED;
  return AGB_GUEST_FAILED;
}

static void
fill_status (AgbGuestStatus *ret, const AgbLimaInstance *instance)
{
  ret->state = state_of (instance);
  if (ret->state == AGB_GUEST_FAILED)
    {
      g_autofree char *word = agb_escape (instance->status, -1);
      ret->reason = instance->problem != NULL ? g_strdup (instance->problem)
                                              : g_strdup_printf ("Lima calls it %s", word);
    }
  ret->arch = g_strdup (instance->arch);
  ret->vm_type = g_strdup (instance->vm_type);
  ret->cpus = instance->cpus;
  ret->memory_bytes = (guint64)instance->memory_bytes;
  ret->disk_bytes = (guint64)instance->disk_bytes;
  ret->cpu_limit = ret->memory_limit = ret->disk_limit = "enforced";
  ret->pids_limit = "none";
}

static gboolean
lima_status (AgbRuntime *runtime, const char *vm_name, AgbGuestStatus *ret, GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbLimaInstance) instance = NULL;
  g_autoptr (AgbGuestRecord) record = NULL;

  if (lima == NULL)
    return FALSE;
  instance = agb_lima_find (lima, vm_name, &problem);
  if (instance != NULL)
    {
      fill_status (ret, instance);
      return TRUE;
    }
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (problem != NULL)
    {
      ret->state = AGB_GUEST_UNREACHABLE;
      agb_error_split (problem, &ret->reason, NULL);
      return TRUE;
    }
  record = agb_guest_record_load (lima->home, vm_name, NULL);
  if (record == NULL && agb_lima_exists (lima, vm_name))
    {
      /* Not ours, and no instance either: nothing that may be taken. */
      ret->state = AGB_GUEST_FAILED;
      ret->reason = g_strdup ("a folder of that name, which is no instance, is in Lima's folder");
      return TRUE;
    }
  ret->state = record != NULL && record->cloned ? AGB_GUEST_LOST : AGB_GUEST_ABSENT;
  return TRUE;
}

static AgbGuestProcess *
lima_exec (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec, GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);

  if (lima == NULL)
    return NULL;
  /* An adopted one has nothing of ours in it. */
  g_autoptr (AgbGuestRecord) record = agb_guest_record_load (lima->home, vm_name, NULL);
  if (record != NULL && record->base != NULL)
    return agb_lima_exec (lima, vm_name, spec, error);
  return agb_lima_check_variables (spec, error) ? agb_lima_ssh_exec (lima, vm_name, spec, "", error)
                                                : NULL;
}

static gboolean
lima_destroy (AgbRuntime *runtime, const char *vm_name, const char *key, GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);
  g_autoptr (GError) problem = NULL;
  g_autoptr (AgbGuestRecord) record = NULL;

  if (lima == NULL)
    return FALSE;
  g_autoptr (AgbLock) lock = agb_lima_lock (lima->home, "destroy", error);
  if (lock == NULL)
    return FALSE;
  record = agb_guest_record_load (lima->home, vm_name, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (record == NULL)
    return !agb_lima_exists (lima, vm_name) || busy_key (vm_name, NULL, error);
  if (g_strcmp0 (record->key, key) != 0)
    return busy_key (vm_name, record, error);
  return agb_lima_delete (lima, vm_name, error)
         && agb_lima_record_remove (lima->home, "sessions", vm_name, error)
         && agb_lima_images_collect (lima->home, FALSE, NULL, error);
}

static gboolean
lima_adopt (AgbRuntime *runtime, const char *vm_name, const char *key, const char *session,
            GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);
  g_autoptr (GError) problem = NULL;

  if (lima == NULL)
    return FALSE;
  g_autoptr (AgbLock) lock = agb_lima_lock (lima->home, "adopt", error);
  if (lock == NULL)
    return FALSE;
  g_autoptr (AgbGuestRecord) record = agb_guest_record_load (lima->home, vm_name, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (record != NULL)
    return g_strcmp0 (record->key, key) == 0 || busy_key (vm_name, record, error);
  record = g_new0 (AgbGuestRecord, 1);
  record->vm_name = g_strdup (vm_name);
  record->key = g_strdup (key);
  record->session = g_strdup (session);
  record->network = g_strdup ("open");
  record->cloned = TRUE;
  return agb_guest_record_save (lima->home, record, error);
}

/* Ours is what has a record: an instance that somebody else called "agbranch-x" is not. */
static gboolean
lima_list (AgbRuntime *runtime,
           void (*func) (const char *vm_name, const char *key, AgbGuestState state, gpointer data),
           gpointer data, GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);
  g_auto (GStrv) names = NULL;
  g_autoptr (GPtrArray) instances = NULL;

  if (lima == NULL)
    return FALSE;
  names = agb_lima_record_names (lima->home, "sessions");
  if (*names == NULL)
    return TRUE;
  instances = agb_lima_list (lima, NULL, error);
  if (instances == NULL)
    return FALSE;
  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (AgbGuestRecord) record = agb_guest_record_load (lima->home, *name, error);
      AgbGuestState state = AGB_GUEST_LOST;

      if (record == NULL)
        return FALSE;
      for (guint i = 0; i < instances->len; i++)
        if (strcmp (((AgbLimaInstance *)instances->pdata[i])->name, *name) == 0)
          state = state_of (instances->pdata[i]);
      func (*name, record->key, state, data);
    }
  return TRUE;
}

/* The machine is one process of the host: QEMU, or with vz the host agent itself. */
static gint64
lima_cpu_usec (AgbRuntime *runtime, const char *vm_name)
{
  static const char *const files[] = { "qemu.pid", "vz.pid" };
  const AgbLima *lima = lima_of (runtime, NULL);

  for (gsize i = 0; lima != NULL && i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = agb_lima_path (lima, vm_name, files[i]);
      g_autofree char *text = NULL;

      if (g_file_get_contents (path, &text, NULL, NULL))
        return agb_process_cpu_usec ((pid_t)g_ascii_strtoll (text, NULL, 10));
    }
  return -1;
}

static gboolean
lima_follow (AgbRuntime *runtime, const char *vm_name, AgbGuestFollow *ret)
{
  const AgbLima *lima = lima_of (runtime, NULL);

  if (lima == NULL || !agb_lima_exists (lima, vm_name))
    return FALSE;
  const char *argv[] = { lima->program, "--tty=false", "watch", "--json", vm_name, NULL };
  agb_autofd int nowhere = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  AgbChildSpec spec = { .argv = argv, .envp = lima->envp, .stderr_fd = nowhere };
  if (nowhere < 0 || !agb_child_start (&spec, FALSE, &ret->child, NULL))
    return FALSE;
  ret->fd = agb_steal_fd (&ret->child.stdout_fd);
  return TRUE;
}

static char *
lima_seeded (AgbRuntime *runtime, const char *vm_name, const char *repo)
{
  const AgbLima *lima = lima_of (runtime, NULL);
  g_autoptr (AgbGuestRecord) record
      = lima != NULL ? agb_guest_record_load (lima->home, vm_name, NULL) : NULL;

  return record != NULL && g_strcmp0 (record->repo, repo) == 0 ? g_strdup (record->seeded) : NULL;
}

static gboolean
lima_ssh (AgbRuntime *runtime, const char *vm_name, char **ret_config_file, char **ret_host_alias,
          GError **error)
{
  const AgbLima *lima = lima_of (runtime, error);

  if (lima == NULL)
    return FALSE;
  *ret_config_file = agb_lima_path (lima, vm_name, "ssh.config");
  *ret_host_alias = agb_lima_ssh_alias (vm_name);
  return TRUE;
}

static char *
lima_log_path (AgbRuntime *runtime, const char *vm_name, const char *source)
{
  const AgbLima *lima = lima_of (runtime, NULL);
  g_autoptr (AgbGuestRecord) record = NULL;

  if (lima == NULL)
    return NULL;
  if (g_str_equal (source, "kernel"))
    return agb_lima_path (lima, vm_name, "serial.log");
  if (g_str_equal (source, "guest"))
    return agb_lima_path (lima, vm_name, "ha.stderr.log");
  if (!g_str_equal (source, "provision"))
    return NULL;
  record = agb_guest_record_load (lima->home, vm_name, NULL);
  if (record == NULL || record->base == NULL)
    return NULL;
  g_autofree char *file = g_strconcat (record->base, "-provision.log", NULL);
  return agb_lima_record_path (lima->home, file, NULL);
}

static gboolean
lima_probe (AgbRuntime *runtime, GError **error)
{
  return lima_of (runtime, error) != NULL;
}

static void
lima_free (AgbRuntime *runtime)
{
  LimaRuntime *self = (LimaRuntime *)runtime;

  agb_lima_free (self->lima);
  agb_settings_free (self->own_settings);
  g_clear_error (&self->problem);
  g_free (self);
}

static const struct AgbRuntimeClass lima_class = {
  .name = "lima",
  .flags = AGB_RUNTIME_IS_VM | AGB_RUNTIME_HAS_SSH | AGB_RUNTIME_HAS_BASE,
  .create = lima_create,
  .start = lima_start,
  .stop = lima_stop,
  .status = lima_status,
  .exec = lima_exec,
  .destroy = lima_destroy,
  .list = lima_list,
  .adopt = lima_adopt,
  .cpu_usec = lima_cpu_usec,
  .follow = lima_follow,
  .seeded = lima_seeded,
  .ssh = lima_ssh,
  .log_path = lima_log_path,
  .probe = lima_probe,
  .free = lima_free,
};

AgbRuntime *
agb_lima_runtime_new (AgbSettings *settings)
{
  LimaRuntime *self = g_new0 (LimaRuntime, 1);

  self->runtime.klass = &lima_class;
  if (settings == NULL)
    settings = self->own_settings = agb_settings_load (NULL, &self->problem);
  self->settings = settings;
  if (settings != NULL)
    self->lima = agb_lima_open (settings, &self->problem);
  return &self->runtime;
}

gboolean
agb_lima_is_preferred (void)
{
  g_autofree char *program = g_find_program_in_path ("limactl");

  return program != NULL && geteuid () != 0;
}

char *
agb_lima_cold_reason (const char *vm_name)
{
  g_autofree char *home = agb_lima_home ();
  g_autoptr (AgbGuestRecord) record = agb_guest_record_load (home, vm_name, NULL);

  return record != NULL ? g_strdup (record->cold_reason) : NULL;
}
