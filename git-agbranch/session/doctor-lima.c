#include "session/doctor.h"

#include "core/error.h"
#include "guest/lima/host.h"

static void
check_kvm (AgbDoctor *doctor)
{
  g_autoptr (AgbSettings) settings = agb_settings_load (NULL, NULL);
  const char *qemu = settings != NULL ? agb_settings_string (settings, "agbranch.lima.qemu") : NULL;
  g_autofree char *fix = NULL;

  doctor->has_kvm = agb_kvm_check ("/dev/kvm", qemu, &doctor->kvm_reason, &fix);
  if (doctor->has_kvm)
    agb_doctor_add (doctor, AGB_FINDING_OK, "kvm", NULL, "KVM boots");
  else
    agb_doctor_add (doctor, AGB_FINDING_WARNING, "kvm", fix,
                    "%s: virtual machines are emulated, which is slow", doctor->kvm_reason);
}

void
agb_doctor_check_macos (AgbDoctor *doctor)
{
  g_autofree char *version = agb_doctor_program_version ("sw_vers", "-productVersion");

  if (version == NULL)
    agb_doctor_add (doctor, AGB_FINDING_WARNING, "macos", "put /usr/bin in PATH",
                    "sw_vers does not tell the version of macOS");
  else if (!agb_doctor_is_at_least (version, 13, 0))
    agb_doctor_add (doctor, AGB_FINDING_PROBLEM, "macos",
                    "update macOS: System Settings, General, Software Update",
                    "macOS %s is too old: 13 or newer is needed for Lima's vz machines", version);
  else
    agb_doctor_add (doctor, AGB_FINDING_OK, "macos", NULL, "macOS %s", version);
}

void
agb_doctor_check_lima (AgbDoctor *doctor)
{
  g_autofree char *program = g_find_program_in_path ("limactl");
  gboolean is_macos = g_str_equal (doctor->platform, "macos");

  if (is_macos)
    agb_doctor_check_macos (doctor);
  if (program == NULL)
    {
      agb_doctor_add (doctor, AGB_FINDING_NOTE, "lima",
                      "install Lima 2.1 or newer: https://lima-vm.io",
                      "no limactl: sessions are namespace sandboxes, weaker than virtual machines");
      return;
    }
  doctor->lima_version = agb_doctor_program_version (program, "--version");
  if (doctor->lima_version == NULL)
    agb_doctor_add (doctor, AGB_FINDING_WARNING, "lima",
                    "install Lima 2.1 or newer: https://lima-vm.io", "'%s --version' fails",
                    program);
  else if (!agb_doctor_is_at_least (doctor->lima_version, 2, 1))
    agb_doctor_add (doctor, AGB_FINDING_WARNING, "lima",
                    "install Lima 2.1 or newer: https://lima-vm.io",
                    "limactl %s is too old: 2.1 or newer is needed", doctor->lima_version);
  else
    {
      agb_doctor_add (doctor, AGB_FINDING_OK, "lima", NULL, "limactl %s", doctor->lima_version);
      if (!is_macos)
        check_kvm (doctor);
    }
}
