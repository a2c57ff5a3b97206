#include "session/doctor.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/paths.h"

#include <sys/utsname.h>

static void
finding_free (gpointer data)
{
  AgbFinding *finding = data;

  g_free (finding->check);
  g_free (finding->message);
  g_free (finding->fix);
  g_free (finding);
}

void
agb_doctor_free (AgbDoctor *doctor)
{
  g_ptr_array_unref (doctor->findings);
  g_ptr_array_unref (doctor->provider_paths);
  g_free (doctor->platform);
  g_free (doctor->arch);
  g_free (doctor->lima_version);
  g_free (doctor->kvm_reason);
  g_free (doctor->state_root);
  cJSON_Delete (doctor->prepared_base);
  g_free (doctor);
}

void
agb_doctor_add (AgbDoctor *doctor, AgbFindingLevel level, const char *check, const char *fix,
                const char *format, ...)
{
  AgbFinding *finding = g_new0 (AgbFinding, 1);
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  finding->level = level;
  finding->check = g_strdup (check);
  finding->message = agb_escape (message, -1);
  finding->fix = g_strdup (fix);
  g_ptr_array_add (doctor->findings, finding);
}

void
agb_doctor_add_error (AgbDoctor *doctor, AgbFindingLevel level, const char *check,
                      const GError *error)
{
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  agb_error_split (error, &message, &hint);
  agb_doctor_add (doctor, level, check, hint, "%s", message);
}

gboolean
agb_doctor_ok (const AgbDoctor *doctor)
{
  for (guint i = 0; i < doctor->findings->len; i++)
    if (((AgbFinding *)g_ptr_array_index (doctor->findings, i))->level == AGB_FINDING_PROBLEM)
      return FALSE;
  return TRUE;
}

const char *
agb_finding_word (AgbFindingLevel level)
{
  static const char *const words[] = { "ok", "note", "warning", "problem" };

  return words[level];
}

/* Where the agents that we know keep their settings on the host (never read here). */
static void
find_provider_paths (AgbDoctor *doctor)
{
  static const char *const below_home[]
      = { ".claude", ".claude.json", ".codex", ".gemini", ".config/opencode", ".aider.conf.yml" };

  for (gsize i = 0; i < G_N_ELEMENTS (below_home); i++)
    {
      g_autofree char *path = g_build_filename (g_get_home_dir (), below_home[i], NULL);
      if (g_file_test (path, G_FILE_TEST_EXISTS))
        g_ptr_array_add (doctor->provider_paths, g_steal_pointer (&path));
    }
}

AgbDoctor *
agb_doctor_new (void)
{
  AgbDoctor *doctor = g_new0 (AgbDoctor, 1);

  doctor->findings = g_ptr_array_new_with_free_func (finding_free);
  doctor->provider_paths = g_ptr_array_new_with_free_func (g_free);
  return doctor;
}

AgbDoctor *
agb_doctor_run (AgbProgress *progress)
{
  AgbDoctor *doctor = agb_doctor_new ();
  g_autoptr (GError) error = NULL;
  struct utsname host;

  doctor->state_root = agb_state_root ();
  uname (&host);
  doctor->platform = g_strdup (g_str_equal (host.sysname, "Darwin") ? "macos" : "linux");
  doctor->arch = g_strdup (host.machine);
  find_provider_paths (doctor);

  agb_progress_phase (progress, "looking at this machine");
  agb_doctor_check_host (doctor);
  agb_progress_phase (progress, "looking at the sessions");
  g_autoptr (AgbEnv) env = agb_env_open (AGB_ENV_READ_ONLY, NULL, progress, &error);
  if (env != NULL)
    agb_doctor_check_state (doctor, env);
  else
    agb_doctor_add_error (doctor, AGB_FINDING_PROBLEM,
                          error->code == AGB_ERROR_CATALOG ? "catalog" : "settings", error);
  agb_progress_phase (progress, NULL);
  return doctor;
}

static cJSON *
finding_to_json (const AgbFinding *finding)
{
  cJSON *object = cJSON_CreateObject ();

  agb_json_add_string (object, "check", finding->check);
  agb_json_add_string (object, "level", agb_finding_word (finding->level));
  agb_json_add_string (object, "message", finding->message);
  agb_json_add_string (object, "fix", finding->fix);
  return object;
}

cJSON *
agb_doctor_to_json (const AgbDoctor *doctor)
{
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddBoolToObject (object, "ok", agb_doctor_ok (doctor));
  agb_json_add_string (object, "platform", doctor->platform);
  agb_json_add_string (object, "arch", doctor->arch);
  agb_json_add_string (object, "lima_version", doctor->lima_version);
  if (doctor->has_kvm || doctor->kvm_reason != NULL)
    {
      cJSON *kvm = cJSON_AddObjectToObject (object, "kvm");
      cJSON_AddBoolToObject (kvm, "boots", doctor->has_kvm);
      agb_json_add_string (kvm, "reason", doctor->kvm_reason);
    }
  else
    cJSON_AddNullToObject (object, "kvm");
  cJSON *messages = cJSON_AddArrayToObject (object, "messages");
  cJSON *checks = cJSON_AddArrayToObject (object, "checks");
  for (guint i = 0; i < doctor->findings->len; i++)
    {
      const AgbFinding *finding = g_ptr_array_index (doctor->findings, i);
      if (finding->level >= AGB_FINDING_WARNING)
        cJSON_AddItemToArray (messages, cJSON_CreateString (finding->message));
      cJSON_AddItemToArray (checks, finding_to_json (finding));
    }
  agb_json_add_string (object, "state_root", doctor->state_root);
  if (doctor->prepared_base != NULL)
    cJSON_AddItemToObject (object, "prepared_base", cJSON_Duplicate (doctor->prepared_base, TRUE));
  else
    cJSON_AddNullToObject (object, "prepared_base");
  cJSON *paths = cJSON_AddArrayToObject (object, "provider_config_paths");
  for (guint i = 0; i < doctor->provider_paths->len; i++)
    cJSON_AddItemToArray (paths,
                          cJSON_CreateString (g_ptr_array_index (doctor->provider_paths, i)));
  return object;
}
