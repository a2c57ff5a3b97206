#include "session/doctor.h"

#include "core/child.h"
#include "core/error.h"
#include "core/names.h"
#include "guest/agent.h"
#include "guest/bwrap/cgroup.h"
#include "guest/bwrap/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const guint64 disk_low = G_GUINT64_CONSTANT (2) << 30;
static const guint64 disk_full = G_GUINT64_CONSTANT (100) << 20;

typedef struct {
  int major, minor;
} Version;

char *
agb_doctor_program_version (const char *program, const char *option)
{
  const char *argv[] = { program, option, NULL };
  AgbChildSpec spec = { .argv = argv, .timeout_ms = AGB_TIMEOUT_QUICK };
  g_autofree char *output = NULL;

  if (!agb_child_check (&spec, &output, NULL))
    return NULL;
  g_auto (GStrv) words = g_strsplit_set (output, " \n,", -1);
  for (char **word = words; *word != NULL; word++)
    if (g_ascii_isdigit (**word))
      return g_strdup (*word);
  return g_strdup ("unknown");
}

static Version
parse_version (const char *text)
{
  Version version = { 0, 0 };

  sscanf (text, "%d.%d", &version.major, &version.minor);
  return version;
}

gboolean
agb_doctor_is_at_least (const char *text, int major, int minor)
{
  Version version = parse_version (text);

  return version.major > major || (version.major == major && version.minor >= minor);
}

static void
check_git (AgbDoctor *doctor)
{
  g_autofree char *version = agb_doctor_program_version ("git", "--version");

  if (version == NULL)
    agb_doctor_add (doctor, AGB_FINDING_PROBLEM, "git", "sudo apt install git",
                    "git cannot be run");
  else if (!agb_doctor_is_at_least (version, 2, 39))
    agb_doctor_add (doctor, AGB_FINDING_PROBLEM, "git", "sudo apt install git",
                    "git %s is too old: 2.39 or newer is needed", version);
  else
    agb_doctor_add (doctor, AGB_FINDING_OK, "git", NULL, "git %s", version);
}

/* A tool of the embedded sandbox.  Without LEVEL's tool the sandbox still works, or does not. */
static void
check_tool (AgbDoctor *doctor, const char *program, const char *option, AgbFindingLevel level,
            const char *without_it)
{
  g_autofree char *version = agb_doctor_program_version (program, option);
  g_autofree char *fix = g_strdup_printf ("sudo apt install %s",
                                          g_str_equal (program, "bwrap") ? "bubblewrap" : program);

  if (version != NULL)
    agb_doctor_add (doctor, AGB_FINDING_OK, program, NULL, "%s %s", program, version);
  else
    agb_doctor_add (doctor, level, program, fix, "%s cannot be run: %s", program, without_it);
}

/* slirp4netns alone does not make a network. */
static void
check_network (AgbDoctor *doctor)
{
  const char *missing = agb_bwrap_network_missing (geteuid () == 0);
  g_autofree char *program = g_find_program_in_path ("slirp4netns");

  if (missing != NULL && program != NULL)
    agb_doctor_add (doctor, AGB_FINDING_NOTE, "network", "sudo chmod 666 /dev/net/tun",
                    "sandboxes have no network: %s", missing);
}

static void
check_limits (AgbDoctor *doctor)
{
  if (agb_cgroup_needs_linger ())
    agb_doctor_add (
        doctor, AGB_FINDING_NOTE, "limits", "loginctl enable-linger",
        "the memory of a sandbox is counted for each process only: systemd gives you no "
        "control group that outlives your login");
}

static void
check_agents (AgbDoctor *doctor)
{
  g_autoptr (GString) found = g_string_new (NULL);
  const AgbAgentProfile *profiles = agb_agent_profiles ();

  for (const AgbAgentProfile *profile = profiles; profile->name != NULL; profile++)
    {
      g_autofree char *path = g_find_program_in_path (profile->argv[0]);
      if (path != NULL)
        g_string_append_printf (found, "%s%s", found->len > 0 ? ", " : "", profile->argv[0]);
    }
  if (found->len > 0)
    agb_doctor_add (doctor, AGB_FINDING_OK, "agents", NULL, "agents in PATH: %s", found->str);
  else
    agb_doctor_add (doctor, AGB_FINDING_NOTE, "agents", profiles->install,
                    "no agent program is in PATH: sandboxes have none");
}

static void
check_disk (AgbDoctor *doctor)
{
  struct statvfs disk;

  if (statvfs (doctor->state_root, &disk) != 0)
    return;
  guint64 free_bytes = (guint64)disk.f_bavail * disk.f_frsize;
  g_autofree char *size = g_format_size_full (free_bytes, G_FORMAT_SIZE_IEC_UNITS);
  AgbFindingLevel level = free_bytes < disk_full  ? AGB_FINDING_PROBLEM
                          : free_bytes < disk_low ? AGB_FINDING_WARNING
                                                  : AGB_FINDING_OK;
  agb_doctor_add (doctor, level, "disk", level == AGB_FINDING_OK ? NULL : "git agbranch gc",
                  "%s free below the state root", size);
}

static void
check_state_root (AgbDoctor *doctor)
{
  struct stat status;

  if (lstat (doctor->state_root, &status) != 0)
    {
      if (errno == ENOENT)
        agb_doctor_add (doctor, AGB_FINDING_OK, "state-root", NULL,
                        "the state root is made by the first session");
      else
        agb_doctor_add (doctor, AGB_FINDING_PROBLEM, "state-root",
                        "name a folder that you may read in AGBRANCH_STATE_ROOT",
                        "cannot look at '%s': %s", doctor->state_root, g_strerror (errno));
      return;
    }
  g_autofree char *quoted = g_shell_quote (doctor->state_root);
  g_autofree char *fix = g_strdup_printf ("chmod 700 %s", quoted);
  if (status.st_uid != geteuid ())
    agb_doctor_add (doctor, AGB_FINDING_PROBLEM, "state-root",
                    "run git agbranch as that user, or set AGBRANCH_STATE_ROOT",
                    "the state root belongs to user %d", (int)status.st_uid);
  else if (S_ISDIR (status.st_mode) && (status.st_mode & 0077) != 0)
    agb_doctor_add (doctor, AGB_FINDING_PROBLEM, "state-root", fix,
                    "the state root is open to others (mode %04o)", status.st_mode & 07777);
  else
    agb_doctor_add (doctor, AGB_FINDING_OK, "state-root", NULL, "the state root is yours alone");
  check_disk (doctor);
}

void
agb_doctor_check_host (AgbDoctor *doctor)
{
  check_git (doctor);
  agb_doctor_check_lima (doctor);
  if (g_str_equal (doctor->platform, "linux"))
    {
      AgbFindingLevel needed
          = doctor->lima_version == NULL ? AGB_FINDING_PROBLEM : AGB_FINDING_NOTE;

      check_tool (doctor, "bwrap", "--version", needed, "there is no embedded sandbox without it");
      check_tool (doctor, "tmux", "-V", needed, "sandboxes have no windows without it");
      check_tool (doctor, "slirp4netns", "--version",
                  needed == AGB_FINDING_PROBLEM ? AGB_FINDING_WARNING : AGB_FINDING_NOTE,
                  "sandboxes have no network without it");
      check_network (doctor);
      check_limits (doctor);
      check_agents (doctor);
    }
  check_state_root (doctor);
}
