#include "session/base.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/lima/base-file.h"
#include "guest/lima/base-repo.h"
#include "guest/lima/base.h"
#include "guest/runtime.h"
#include "session/clone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NPM_TIMEOUT_MS = 60 * 1000 };

static AgbLock *
lock_base (const char *operation, GError **error)
{
  g_autofree char *path = agb_state_path (error, "locks", "base.lock", NULL);

  return path != NULL ? agb_lock_take (path, operation, 0, error) : NULL;
}

/* JSON text of ours (a record's) as a value; an object or array that is empty when there is none. */
static cJSON *
value_of (const char *text, gboolean array)
{
  cJSON *value = text != NULL ? cJSON_Parse (text) : NULL;

  if (value != NULL)
    return value;
  return array ? cJSON_CreateArray () : cJSON_CreateObject ();
}

static cJSON *
prepare_json (const AgbBaseRecord *record, gboolean done)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "prepared_base", record->name);
  agb_json_add_string (object, "started_at", record->started_at);
  agb_json_add_string (object, "prepared_at", record->prepared_at);
  cJSON_AddNumberToObject (object, "duration_ms", (double)record->duration_ms);
  cJSON_AddItemToObject (object, "steps",
                         done ? value_of (record->steps_json, TRUE) : cJSON_CreateArray ());
  cJSON_AddItemToObject (object, "agent_cli_versions", value_of (record->agents_json, FALSE));
  cJSON_AddItemToObject (object, "versions", value_of (record->versions_json, FALSE));
  agb_json_add_string (object, "flavour", record->flavour);
  cJSON_AddBoolToObject (object, "warm", record->warm);
  agb_json_add_string (object, "warm_reason", record->warm_reason);
  cJSON_AddBoolToObject (object, "changed", done);
  return object;
}

/* Whether REQUEST leaves the base as it is. */
static gboolean
is_satisfied (const AgbBaseRequest *request, const AgbBaseInfo *info)
{
  return !request->rebuild && !request->update && info->status == AGB_BASE_READY
         && (request->flavour == NULL || g_strcmp0 (request->flavour, info->record->flavour) == 0);
}

static gboolean
check_buildable (const AgbBaseRequest *request, const AgbBaseInfo *info, GError **error)
{
  if (info->status == AGB_BASE_FOREIGN)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "instance '%s' is there already: %s",
                   info->name, info->problem);
      agb_error_hint (error, "%s", info->hint);
      return FALSE;
    }
  if (!request->update || (info->status >= AGB_BASE_STALE && info->record->image != NULL))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' cannot be updated: it is %s",
               info->name, agb_base_status_word (info->status));
  agb_error_hint (error, "git agbranch base prepare");
  return FALSE;
}

gboolean
agb_session_base_prepare (AgbSettings *settings, const AgbBaseRequest *request,
                          AgbProgress *progress, cJSON **ret, GError **error)
{
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbLock) lock = lima != NULL ? lock_base ("base prepare", error) : NULL;
  g_autoptr (AgbBaseInfo) info
      = lock != NULL ? agb_base_look (lima, settings, request->image, error) : NULL;
  g_autoptr (AgbBaseRecord) built = NULL;

  if (info == NULL || !check_buildable (request, info, error))
    return FALSE;
  if (is_satisfied (request, info))
    {
      *ret = prepare_json (info->record, FALSE);
      return TRUE;
    }
  const AgbBaseRecord *old = info->record;
  const AgbBaseSpec spec = {
    .name = info->name,
    .flavour = request->flavour != NULL              ? request->flavour
               : old != NULL && old->flavour != NULL ? old->flavour
                                                     : "full",
    .cpus = agb_settings_int (settings, "agbranch.cpus"),
    .memory_bytes
    = (gint64)(request->memory_bytes > 0 ? request->memory_bytes
                                         : agb_settings_size (settings, "agbranch.memory")),
    .disk_bytes = (gint64)(request->disk_bytes > 0 ? request->disk_bytes
                                                   : agb_settings_size (settings, "agbranch.disk")),
    .timeout_ms = request->timeout_ms,
    .warm = agb_settings_bool (settings, "agbranch.lima.warm"),
    .update_image = request->update ? old->image : NULL,
  };
  if (!agb_base_build (lima, settings, &spec, progress, &built, error))
    return FALSE;
  *ret = prepare_json (built, TRUE);
  return TRUE;
}

gboolean
agb_session_base_export (AgbSettings *settings, const char *image, const char *path, gboolean force,
                         AgbProgress *progress, cJSON **ret, GError **error)
{
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbBaseInfo) info = lima != NULL ? agb_base_look (lima, settings, image, error) : NULL;
  g_autofree char *file = g_canonicalize_filename (path, NULL);
  g_autofree char *digest = NULL;
  struct stat status;

  if (info == NULL || !agb_base_check_usable (info, error))
    return FALSE;
  if (info->record->image == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' cannot be exported: %s",
                   info->name, "only machines of QEMU have an image");
      return FALSE;
    }
  agb_progress_phase (progress, "packing the base");
  if (!agb_base_file_write (lima, info->record, file, force, &digest, error))
    return FALSE;
  agb_progress_phase (progress, NULL);
  if (stat (file, &status) != 0)
    return agb_error_set_errno (error, errno, "look at", file);
  *ret = cJSON_CreateObject ();
  agb_json_add_string (*ret, "name", info->name);
  agb_json_add_string (*ret, "file", file);
  cJSON_AddNumberToObject (*ret, "bytes", (double)status.st_size);
  agb_json_add_string (*ret, "digest", digest);
  return TRUE;
}

/* A foreign one is never replaced, ours only when told to. */
static gboolean
check_importable (const AgbBaseRequest *request, const AgbBaseInfo *info, GError **error)
{
  if (!check_buildable (request, info, error))
    return FALSE;
  if (request->rebuild || info->status == AGB_BASE_MISSING || info->status == AGB_BASE_HALF_BUILT)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "base '%s' is there already (%s)", info->name,
               agb_base_status_word (info->status));
  agb_error_hint (error, "replace it with --rebuild, or take another name: --name <name>");
  return FALSE;
}

gboolean
agb_session_base_import (AgbSettings *settings, const AgbBaseRequest *request, const char *path,
                         const char *digest, AgbProgress *progress, cJSON **ret, GError **error)
{
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbLock) lock = lima != NULL ? lock_base ("base import", error) : NULL;
  g_autoptr (AgbBaseInfo) info
      = lock != NULL ? agb_base_look (lima, settings, request->image, error) : NULL;
  g_autoptr (AgbBaseRecord) built = NULL;

  if (info == NULL || !check_importable (request, info, error))
    return FALSE;
  const AgbBaseSpec spec = { .name = info->name,
                             .flavour = "full",
                             .timeout_ms = request->timeout_ms,
                             .warm = agb_settings_bool (settings, "agbranch.lima.warm") };
  if (!agb_base_import (lima, settings, &spec, path, digest, progress, &built, error))
    return FALSE;
  if (g_strcmp0 (built->fingerprint, info->fingerprint) != 0)
    agb_progress_note (progress,
                       "base '%s' is made from other scripts or settings than yours: "
                       "it is taken for stale",
                       info->name);
  *ret = prepare_json (built, TRUE);
  return TRUE;
}

static void
add_sizes (cJSON *object, const AgbLima *lima, const AgbBaseInfo *info)
{
  gint64 bytes = 0;
  struct stat status;

  if (info->instance != NULL)
    {
      g_autofree char *disk = agb_lima_path (lima, info->name, "disk");
      if (stat (disk, &status) == 0)
        bytes += (gint64)status.st_blocks * 512;
    }
  if (info->record != NULL && info->record->image != NULL)
    {
      g_autofree char *image = agb_lima_record_path (lima->home, "images", info->record->image);
      if (stat (image, &status) == 0)
        bytes += (gint64)status.st_blocks * 512;
    }
  cJSON_AddNumberToObject (object, "size_bytes", (double)bytes);
  cJSON_AddNumberToObject (object, "disk_bytes",
                           info->instance != NULL ? (double)info->instance->disk_bytes : 0);
}

static void
add_record (cJSON *object, const AgbBaseRecord *record)
{
  agb_json_add_string (object, "created_at", record != NULL ? record->started_at : NULL);
  agb_json_add_string (object, "prepared_at", record != NULL ? record->prepared_at : NULL);
  agb_json_add_string (object, "prepared_provision_fingerprint",
                       record != NULL ? record->fingerprint : NULL);
  cJSON_AddItemToObject (object, "agent_cli_versions",
                         value_of (record != NULL ? record->agents_json : NULL, FALSE));
  cJSON_AddItemToObject (object, "versions",
                         value_of (record != NULL ? record->versions_json : NULL, FALSE));
  agb_json_add_string (object, "flavour", record != NULL ? record->flavour : NULL);
  agb_json_add_string (object, "image", record != NULL ? record->image : NULL);
  cJSON_AddBoolToObject (object, "warm", record != NULL && record->warm);
  agb_json_add_string (object, "warm_reason", record != NULL ? record->warm_reason : NULL);
}

/* The repositories whose objects are kept in an image on BASE. */
static void
add_repositories (cJSON *object, const AgbLima *lima, const char *base)
{
  g_auto (GStrv) names = agb_lima_record_names (lima->home, "bases");
  cJSON *array = cJSON_AddArrayToObject (object, "repositories");

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (AgbBaseRecord) record = agb_base_record_load (lima->home, *name, NULL);
      if (record == NULL || record->repo == NULL || g_strcmp0 (record->parent, base) != 0
          || g_strcmp0 (record->state, AGB_BASE_PREPARED) != 0)
        continue;
      cJSON *item = cJSON_CreateObject ();
      cJSON_AddItemToArray (array, item);
      agb_json_add_string (item, "repo", record->repo);
      agb_json_add_string (item, "commit", record->seeded);
      agb_json_add_string (item, "name", record->name);
      agb_json_add_string (item, "prepared_at", record->prepared_at);
      cJSON_AddNumberToObject (item, "image_bytes", (double)record->image_bytes);
      cJSON_AddBoolToObject (item, "warm", record->warm);
    }
}

cJSON *
agb_session_base_show (AgbSettings *settings, const char *image, gboolean *ret_ready,
                       char **ret_hint, GError **error)
{
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbBaseInfo) info = lima != NULL ? agb_base_look (lima, settings, image, error) : NULL;
  cJSON *object;

  if (info == NULL)
    return NULL;
  g_autofree char *location = agb_lima_path (lima, info->name, NULL);
  object = cJSON_CreateObject ();
  agb_json_add_string (object, "name", info->name);
  agb_json_add_string (object, "name_source", info->name_source);
  agb_json_add_string (object, "status", agb_base_status_word (info->status));
  agb_json_add_string (object, "problem", info->problem);
  agb_json_add_string (object, "location", info->instance != NULL ? location : NULL);
  cJSON_AddBoolToObject (object, "protected",
                         info->instance != NULL && info->instance->is_protected);
  cJSON_AddBoolToObject (object, "prepared", info->status >= AGB_BASE_STALE);
  add_sizes (object, lima, info);
  agb_json_add_string (object, "provision_fingerprint", info->fingerprint);
  cJSON_AddBoolToObject (object, "provision_stale", info->status == AGB_BASE_STALE);
  add_record (object, info->record);
  add_repositories (object, lima, info->name);
  if (ret_ready != NULL)
    *ret_ready = info->status == AGB_BASE_READY;
  if (ret_hint != NULL)
    *ret_hint = g_strdup (info->hint);
  return object;
}

gboolean
agb_session_base_warm (AgbSettings *settings, const char *image, gint64 timeout_ms,
                       AgbProgress *progress, GError **error)
{
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbLock) lock = lima != NULL ? lock_base ("base warm", error) : NULL;
  g_autoptr (AgbBaseInfo) info = lock != NULL ? agb_base_look (lima, settings, image, error) : NULL;

  if (info == NULL)
    return FALSE;
  if (info->status < AGB_BASE_STALE)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "base '%s' is %s", info->name,
                   agb_base_status_word (info->status));
      agb_error_hint (error, "%s", info->hint);
      return FALSE;
    }
  return agb_base_warm (lima, settings, info->record, timeout_ms, progress, error);
}

typedef struct {
  AgbRepo *repo;
  const char *oid;
} Sent;

static gboolean
send_objects (AgbGuestProcess *process, gpointer data, GError **error)
{
  const Sent *sent = data;

  return agb_clone_send (sent->repo, sent->oid, NULL, process, error);
}

static gboolean
check_whole (AgbRepo *repo, GError **error)
{
  if (!agb_repo_is_shallow (repo) && !agb_repo_is_partial (repo))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is a %s clone: its objects are not kept",
               agb_repo_common_dir (repo), agb_repo_is_shallow (repo) ? "shallow" : "partial");
  agb_error_hint (error, "fetch the rest: git fetch --unshallow, or clone it whole");
  return FALSE;
}

gboolean
agb_session_base_warm_repo (AgbSettings *settings, const char *image, AgbRepo *repo,
                            gint64 timeout_ms, AgbProgress *progress, cJSON **ret, GError **error)
{
  g_autofree char *oid
      = check_whole (repo, error) ? agb_repo_resolve_commit (repo, NULL, error) : NULL;
  g_autoptr (AgbLima) lima = oid != NULL ? agb_lima_open (settings, error) : NULL;
  g_autoptr (AgbLock) lock = lima != NULL ? lock_base ("base warm", error) : NULL;
  g_autoptr (AgbBaseInfo) info = lock != NULL ? agb_base_look (lima, settings, image, error) : NULL;
  g_autoptr (AgbBaseRecord) built = NULL;

  if (info == NULL || !agb_base_check_usable (info, error))
    return FALSE;
  if (info->record->image == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "base '%s' keeps no objects: only machines of QEMU have an image", info->name);
      return FALSE;
    }
  Sent sent = { .repo = repo, .oid = oid };
  const AgbBaseRepoSpec spec = { .base = info->record,
                                 .repo = agb_repo_common_dir (repo),
                                 .format = agb_repo_object_format (repo),
                                 .oid = oid,
                                 .send = send_objects,
                                 .data = &sent,
                                 .timeout_ms = timeout_ms,
                                 .warm = agb_settings_bool (settings, "agbranch.lima.warm") };
  if (!agb_base_repo_build (lima, settings, &spec, progress, &built, error))
    return FALSE;
  *ret = prepare_json (built, TRUE);
  agb_json_add_string (*ret, "repo", built->repo);
  agb_json_add_string (*ret, "commit", built->seeded);
  return TRUE;
}

/* The newest version of PACKAGE; NULL and an error when npm does not tell. */
static char *
newest_version (const char *package, GError **error)
{
  g_autofree char *name = g_strdup (package);
  char *at = strrchr (name, '@');
  char *output = NULL;

  if (at != NULL && at != name)
    *at = '\0';
  const char *const argv[] = { "npm", "view", "--", name, "version", NULL };
  AgbChildSpec spec = { .argv = argv, .timeout_ms = NPM_TIMEOUT_MS, .capture_limit = 64 * 1024 };
  if (!agb_child_check (&spec, &output, error))
    {
      agb_error_hint (error, "npm on this host is asked for the newest versions");
      return NULL;
    }
  g_strstrip (output);
  output[strnlen (output, 64)] = '\0';
  char *clean = agb_escape (output, -1);
  g_free (output);
  return clean;
}

cJSON *
agb_session_base_check (AgbSettings *settings, const char *image, GError **error)
{
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbBaseInfo) info = lima != NULL ? agb_base_look (lima, settings, image, error) : NULL;
  g_auto (GStrv) packages = NULL;
  g_autoptr (cJSON) array = cJSON_CreateArray ();

  if (info == NULL)
    return NULL;
  g_autoptr (cJSON) versions
      = value_of (info->record != NULL ? info->record->agents_json : NULL, FALSE);
  packages = agb_base_agents (settings);
  for (char **package = packages; *package != NULL; package++)
    {
      const char *program = agb_base_agent_program (*package);
      /* aider comes from Python's index. */
      if (program == NULL || g_str_has_prefix (*package, "aider"))
        continue;
      g_autofree char *newest = newest_version (*package, error);
      if (newest == NULL)
        return NULL;
      const cJSON *have = cJSON_GetObjectItemCaseSensitive (versions, program);
      const char *version = cJSON_IsString (have) ? have->valuestring : NULL;
      cJSON *object = cJSON_CreateObject ();
      cJSON_AddItemToArray (array, object);
      agb_json_add_string (object, "name", program);
      agb_json_add_string (object, "package", *package);
      agb_json_add_string (object, "version", version);
      agb_json_add_string (object, "newest", newest);
      cJSON_AddBoolToObject (object, "newer", g_strcmp0 (version, newest) != 0);
    }
  return g_steal_pointer (&array);
}

gboolean
agb_session_base_require (AgbSettings *settings, const char *runtime_name, const char *image,
                          gboolean *ret_missing, GError **error)
{
  g_autoptr (AgbRuntime) runtime = agb_runtime_new (runtime_name, settings, error);

  *ret_missing = FALSE;
  if (runtime == NULL)
    return FALSE;
  if ((runtime->klass->flags & AGB_RUNTIME_HAS_BASE) == 0)
    return TRUE;
  g_autoptr (AgbLima) lima = agb_lima_open (settings, error);
  g_autoptr (AgbBaseInfo) info = lima != NULL ? agb_base_look (lima, settings, image, error) : NULL;
  if (info == NULL)
    return FALSE;
  *ret_missing = info->status == AGB_BASE_MISSING || info->status == AGB_BASE_HALF_BUILT;
  return agb_base_check_usable (info, error);
}
