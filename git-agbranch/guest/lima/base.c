#include "guest/lima/base.h"

#include "core/error.h"
#include "core/paths.h"
#include "core/process.h"
#include "guest/lima/provision.h"
#include "guest/lima/template.h"

#include <string.h>
#include <sys/stat.h>

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
