#include "guest/lima/limactl.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/io.h"
#include "core/json.h"
#include "guest/lima/host.h"
#include "guest/lima/record.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  LIST_LIMIT = 16 * 1024 * 1024,
  OUTPUT_LIMIT = 1024 * 1024,
  LOG_TAIL = 16 * 1024,
};

/* What Lima appends to the folder of an instance for its longest socket. */
#define LONGEST_SOCKET "/ssh.sock.1234567890123456"
enum { SOCKET_PATH_MAX = 104 };

/* Without KVM: the same machine, emulated; Lima itself would ask for KVM. */
#define TCG_ARGUMENTS "-machine q35 -accel tcg,thread=multi,tb-size=512"

void
agb_lima_free (AgbLima *lima)
{
  if (lima == NULL)
    return;
  g_free (lima->program);
  g_free (lima->version);
  g_free (lima->home);
  g_strfreev (lima->envp);
  g_free (lima->qemu);
  g_free (lima);
}

char *
agb_lima_home (void)
{
  const char *set = g_getenv ("LIMA_HOME");

  if (set != NULL && *set != '\0')
    return g_canonicalize_filename (set, NULL);
  return g_build_filename (g_get_home_dir (), ".lima", NULL);
}

char *
agb_lima_path (const AgbLima *lima, const char *name, const char *file)
{
  return g_build_filename (lima->home, name, file, NULL);
}

gboolean
agb_lima_exists (const AgbLima *lima, const char *name)
{
  g_autofree char *folder = agb_lima_path (lima, name, NULL);

  return g_file_test (folder, G_FILE_TEST_EXISTS);
}

gboolean
agb_lima_check_path (const AgbLima *lima, const char *name, GError **error)
{
  gsize length = strlen (lima->home) + 1 + strlen (name) + strlen (LONGEST_SOCKET);

  if (length < SOCKET_PATH_MAX)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "socket paths of instance '%s' in '%s' would have %" G_GSIZE_FORMAT
               " bytes, %d is the most",
               name, lima->home, length, SOCKET_PATH_MAX - 1);
  if (strlen (lima->home) > 40)
    agb_error_hint (error, "use a shorter folder for Lima: LIMA_HOME=~/.l (now %d bytes)",
                    (int)strlen (lima->home));
  else
    agb_error_hint (error, "use a name that is %d bytes shorter",
                    (int)(length - SOCKET_PATH_MAX + 1));
  return FALSE;
}

/* The text of the last message in LIMACTL's log lines: msg="…" of logrus, else the whole line. */
static char *
last_message (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = g_strv_length (lines); i > 0; i--)
    {
      g_strstrip (lines[i - 1]);
      if (*lines[i - 1] == '\0')
        continue;
      const char *begin = strstr (lines[i - 1], "msg=\"");
      const char *end = strrchr (lines[i - 1], '"');
      if (begin == NULL || end <= begin + strlen ("msg=\""))
        return agb_escape (lines[i - 1], -1);
      begin += strlen ("msg=\"");
      g_autofree char *quoted = g_strndup (begin, (gsize)(end - begin));
      g_autofree char *plain = g_strcompress (quoted);
      return agb_escape (plain, -1);
    }
  return g_strdup ("");
}

char *
agb_lima_last_message (const char *log)
{
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!g_file_get_contents (log, &text, &length, NULL))
    return g_strdup ("");
  return last_message (length > LOG_TAIL ? text + length - LOG_TAIL : text);
}

static GPtrArray *
command_line (const AgbLima *lima, const char *first, va_list args)
{
  GPtrArray *argv = g_ptr_array_new ();

  g_ptr_array_add (argv, lima->program);
  /* No editor and no question, whatever our own streams are. */
  g_ptr_array_add (argv, (gpointer) "--tty=false");
  for (const char *arg = first; arg != NULL; arg = va_arg (args, const char *))
    g_ptr_array_add (argv, (gpointer)arg);
  g_ptr_array_add (argv, NULL);
  return argv;
}

static gboolean
run (const AgbLima *lima, const GPtrArray *argv, gint64 timeout_ms, gsize limit,
     AgbChildResult *result, GError **error)
{
  AgbChildSpec spec = { .argv = (const char *const *)argv->pdata,
                        .envp = lima->envp,
                        .timeout_ms = timeout_ms,
                        .capture_limit = limit };

  if (agb_child_run (&spec, result, error))
    return TRUE;
  if (g_error_matches (*error, AGB_ERROR, AGB_ERROR_TIMEOUT))
    {
      g_clear_error (error);
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "limactl %s did not answer within %d seconds", (const char *)argv->pdata[2],
                   (int)(timeout_ms / 1000));
      agb_error_hint (error, "look with: limactl list");
    }
  else if (g_error_matches (*error, AGB_ERROR, AGB_ERROR_CHILD))
    (*error)->code = AGB_ERROR_RUNTIME;
  return FALSE;
}

static gboolean
check_status (const GPtrArray *argv, const AgbChildResult *result, GError **error)
{
  if (result->status == 0)
    return TRUE;
  g_autofree char *message = last_message (result->errors->str);
  if (*message != '\0')
    g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "limactl %s: %s",
                 (const char *)argv->pdata[2], message);
  else
    g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "limactl %s failed with status %d",
                 (const char *)argv->pdata[2], result->status);
  return FALSE;
}

gboolean
agb_limactl (const AgbLima *lima, gint64 timeout_ms, char **ret_output, GError **error,
             const char *first, ...)
{
  g_auto (AgbChildResult) result = { 0 };
  va_list args;

  va_start (args, first);
  g_autoptr (GPtrArray) argv = command_line (lima, first, args);
  va_end (args);
  if (!run (lima, argv, timeout_ms, OUTPUT_LIMIT, &result, error)
      || !check_status (argv, &result, error))
    return FALSE;
  if (ret_output != NULL)
    *ret_output = g_string_free (g_steal_pointer (&result.output), FALSE);
  return TRUE;
}

gboolean
agb_limactl_run (const AgbLima *lima, gint64 timeout_ms, AgbChildResult *ret, GError **error,
                 const char *first, ...)
{
  va_list args;

  va_start (args, first);
  g_autoptr (GPtrArray) argv = command_line (lima, first, args);
  va_end (args);
  return run (lima, argv, timeout_ms, OUTPUT_LIMIT, ret, error);
}

gboolean
agb_limactl_start (const AgbLima *lima, char **envp, const char *log, AgbChild *ret, GError **error,
                   const char *first, ...)
{
  agb_autofd int fd = open (log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  va_list args;

  if (fd < 0)
    return agb_error_set_errno (error, errno, "write", log);
  va_start (args, first);
  g_autoptr (GPtrArray) argv = command_line (lima, first, args);
  va_end (args);
  AgbChildSpec spec = { .argv = (const char *const *)argv->pdata,
                        .envp = envp != NULL ? envp : lima->envp,
                        .stdout_fd = fd,
                        .stderr_fd = fd };
  if (agb_child_start (&spec, FALSE, ret, error))
    return TRUE;
  (*error)->code = AGB_ERROR_RUNTIME;
  return FALSE;
}

void
agb_lima_leave (AgbChild *child)
{
  child->pid = 0;
  agb_child_clear (child);
}

/* "2.2.0" out of "limactl version 2.2.0"; NULL when it says something else. */
static char *
parse_version (const char *output)
{
  const char *begin = strstr (output, "version ");
  unsigned major, minor, patch;

  if (begin == NULL
      || (sscanf (begin, "version %u.%u.%u", &major, &minor, &patch) != 3
          && sscanf (begin, "version v%u.%u.%u", &major, &minor, &patch) != 3))
    return NULL;
  return g_strdup_printf ("%u.%u.%u", major, minor, patch);
}

static gboolean
version_is_old (const char *version)
{
  unsigned have[3] = { 0 };
  unsigned need[3] = { 0 };

  sscanf (version, "%u.%u.%u", &have[0], &have[1], &have[2]);
  sscanf (AGB_LIMA_OLDEST, "%u.%u.%u", &need[0], &need[1], &need[2]);
  for (int i = 0; i < 3; i++)
    if (have[i] != need[i])
      return have[i] < need[i];
  return FALSE;
}

/* limactl is asked once: the answer is kept beside the identity of the file that gave it. */
static gboolean
find_version (AgbLima *lima, GError **error)
{
  g_autofree char *known = agb_lima_record_path (lima->home, "limactl", NULL);
  g_autofree char *text = NULL;
  g_autofree char *output = NULL;
  struct stat status;

  if (stat (lima->program, &status) != 0)
    return agb_error_set_errno (error, errno, "look at", lima->program);
  g_autofree char *identity = g_strdup_printf (
      "%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld ", lima->program, (gint64)status.st_size,
      (gint64)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  if (g_file_get_contents (known, &text, NULL, NULL) && g_str_has_prefix (text, identity))
    {
      lima->version = g_strdup (text + strlen (identity));
      return TRUE;
    }
  if (!agb_limactl (lima, AGB_TIMEOUT_QUICK, &output, error, "--version", NULL))
    return FALSE;
  lima->version = parse_version (output);
  if (lima->version == NULL)
    {
      output[strnlen (output, 80)] = '\0';
      g_autofree char *shown = agb_escape (output, -1);
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "'%s' does not tell its version: %s",
                   lima->program, shown);
      return FALSE;
    }
  /* Only a saving: without it limactl is asked again. */
  g_autofree char *folder = g_path_get_dirname (known);
  g_autofree char *kept = g_strconcat (identity, lima->version, NULL);
  if (agb_mkdirs (folder, 0700, NULL))
    agb_file_replace (known, kept, strlen (kept), 0600, NULL);
  return TRUE;
}

/* KVM is used when it boots and nobody says otherwise. */
static void
choose_accelerator (AgbLima *lima, AgbSettings *settings)
{
  const char *accel = agb_settings_string (settings, "agbranch.lima.accel");
  const char *qemu = agb_settings_string (settings, "agbranch.lima.qemu");
  const char *set = g_getenv ("QEMU_SYSTEM_X86_64");

  if (qemu == NULL && set != NULL && *set != '\0')
    {
      lima->qemu = g_strdup (set);
      lima->tcg = strstr (set, "tcg") != NULL;
      return;
    }
#ifdef __linux__
  lima->tcg = g_strcmp0 (accel, "tcg") == 0
              || (g_strcmp0 (accel, "kvm") != 0 && !agb_kvm_works (lima->home, qemu, NULL));
#else
  lima->tcg = FALSE;
#endif
  if (lima->tcg)
    lima->qemu = g_strdup_printf ("%s " TCG_ARGUMENTS, qemu != NULL ? qemu : "qemu-system-x86_64");
  else
    lima->qemu = g_strdup (qemu);
  if (lima->qemu != NULL)
    lima->envp = g_environ_setenv (lima->envp, "QEMU_SYSTEM_X86_64", lima->qemu, TRUE);
}

static gboolean
check_usable (const AgbLima *lima, GError **error)
{
  if (!version_is_old (lima->version))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "Lima %s is too old, %s or newer is needed",
               lima->version, AGB_LIMA_OLDEST);
  agb_error_hint (error, "update Lima, or use: git config agbranch.runtime bwrap");
  return FALSE;
}

AgbLima *
agb_lima_open (AgbSettings *settings, GError **error)
{
  g_autoptr (AgbLima) lima = g_new0 (AgbLima, 1);

  lima->program = g_find_program_in_path ("limactl");
  if (lima->program == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME, "limactl is not installed");
      agb_error_hint (error, "install Lima (https://lima-vm.io), or use: "
                             "git config agbranch.runtime bwrap");
      return NULL;
    }
  if (geteuid () == 0)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME, "Lima does not run as root");
      agb_error_hint (error, "run git agbranch as an ordinary user, or use: "
                             "git config agbranch.runtime bwrap");
      return NULL;
    }
  lima->home = agb_lima_home ();
  lima->envp = g_environ_setenv (g_get_environ (), "LIMA_HOME", lima->home, TRUE);
  lima->start_timeout_ms = agb_settings_duration_ms (settings, "agbranch.lima.startTimeout");
  choose_accelerator (lima, settings);
  if (!find_version (lima, error) || !check_usable (lima, error))
    return NULL;
  return g_steal_pointer (&lima);
}

void
agb_lima_instance_free (AgbLimaInstance *instance)
{
  if (instance == NULL)
    return;
  g_free (instance->name);
  g_free (instance->status);
  g_free (instance->dir);
  g_free (instance->vm_type);
  g_free (instance->arch);
  g_free (instance->problem);
  g_free (instance);
}

static char *
optional_string (const cJSON *object, const char *key)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  return cJSON_IsString (item) ? g_strdup (item->valuestring) : NULL;
}

static gint64
optional_int (const cJSON *object, const char *key)
{
  gint64 value = 0;

  return agb_json_get_int64 (object, key, "limactl list", AGB_ERROR_RUNTIME, &value, NULL) ? value
                                                                                           : 0;
}

static AgbLimaInstance *
parse_instance (const char *line, gsize length, GError **error)
{
  g_autoptr (cJSON) object
      = agb_json_parse (line, length, "limactl list", AGB_ERROR_RUNTIME, error);
  if (object == NULL)
    return NULL;
  const char *name = agb_json_get_string (object, "name", "limactl list", AGB_ERROR_RUNTIME, error);
  const char *status = name != NULL ? agb_json_get_string (object, "status", "limactl list",
                                                           AGB_ERROR_RUNTIME, error)
                                    : NULL;
  if (status == NULL)
    return NULL;

  AgbLimaInstance *instance = g_new0 (AgbLimaInstance, 1);
  instance->name = g_strdup (name);
  instance->status = g_strdup (status);
  instance->dir = optional_string (object, "dir");
  instance->vm_type = optional_string (object, "vmType");
  instance->arch = optional_string (object, "arch");
  instance->cpus = optional_int (object, "cpus");
  instance->memory_bytes = optional_int (object, "memory");
  instance->disk_bytes = optional_int (object, "disk");
  instance->is_protected = cJSON_IsTrue (cJSON_GetObjectItemCaseSensitive (object, "protected"));
  const cJSON *config = cJSON_GetObjectItemCaseSensitive (object, "config");
  instance->has_mounts
      = cJSON_GetArraySize (cJSON_GetObjectItemCaseSensitive (config, "mounts")) > 0;
  const cJSON *problem
      = cJSON_GetArrayItem (cJSON_GetObjectItemCaseSensitive (object, "errors"), 0);
  if (cJSON_IsString (problem))
    instance->problem = agb_escape (problem->valuestring, -1);
  return instance;
}

GPtrArray *
agb_lima_list (const AgbLima *lima, const char *name, GError **error)
{
  g_autoptr (GPtrArray) instances
      = g_ptr_array_new_with_free_func ((GDestroyNotify)agb_lima_instance_free);
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  const char *const words[] = { lima->program, "--tty=false", "list", "--format=json", name, NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (argv, (gpointer)words[i]);
  if (!run (lima, argv, AGB_TIMEOUT_QUICK, LIST_LIMIT, &result, error))
    return NULL;
  if (result.status != 0 && name != NULL && strstr (result.errors->str, "unmatched") != NULL)
    return g_steal_pointer (&instances);
  if (!check_status (argv, &result, error))
    return NULL;

  g_auto (GStrv) lines = g_strsplit (result.output->str, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      if (**line == '\0')
        continue;
      AgbLimaInstance *instance = parse_instance (*line, strlen (*line), error);
      if (instance == NULL)
        return NULL;
      if (name == NULL || g_str_equal (instance->name, name))
        g_ptr_array_add (instances, instance);
      else
        agb_lima_instance_free (instance);
    }
  return g_steal_pointer (&instances);
}

AgbLimaInstance *
agb_lima_find (const AgbLima *lima, const char *name, GError **error)
{
  g_autofree char *file = agb_lima_path (lima, name, "lima.yaml");

  if (!g_file_test (file, G_FILE_TEST_EXISTS))
    return NULL;
  g_autoptr (GPtrArray) instances = agb_lima_list (lima, name, error);
  if (instances == NULL || instances->len == 0)
    return NULL;
  return g_ptr_array_steal_index (instances, 0);
}
