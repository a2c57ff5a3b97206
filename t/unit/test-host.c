/* What this host gives to virtual machines: KVM that boots, memory, the version of macOS. */
#include "core/error.h"
#include "core/io.h"
#include "guest/lima/host.h"
#include "session/doctor.h"

#include <glib/gstdio.h>
#include <string.h>

static char *
write_program (const char *folder, const char *name, const char *text)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0700), ==, 0);
  return path;
}

/* A QEMU that ends as TEXT says, with a device that can be opened. */
static gboolean
check_with (const char *text, char **ret_reason)
{
  g_autofree char *folder = g_dir_make_tmp ("agbt-host.XXXXXX", NULL);
  g_autofree char *qemu = write_program (folder, "qemu", text);
  g_autofree char *fix = NULL;
  gboolean boots = agb_kvm_check ("/dev/null", qemu, ret_reason, &fix);

  g_assert_null (fix);
  agb_remove_tree (folder, NULL);
  return boots;
}

static void
test_kvm (void)
{
  g_autofree char *fix = NULL;
  g_autofree char *missing = NULL;
  g_autofree char *aborted = NULL;
  g_autofree char *status = NULL;

  g_assert_false (agb_kvm_check ("/no/such/kvm", NULL, &missing, &fix));
  g_assert_cmpstr (missing, ==, "there is no /no/such/kvm");
#ifdef __x86_64__
  char *none = NULL;
  g_assert_true (check_with ("#!/bin/sh\ncase $* in *accel=kvm*) exit 85 ;; esac\n", &none));
  g_assert_null (none);
  g_assert_false (check_with ("#!/bin/sh\necho 'warning: x' >&2\n"
                              "echo 'qemu: error: failed to set MSR 0x10a to 0x69' >&2\n"
                              "kill -ABRT $$\n",
                              &aborted));
  g_assert_cmpstr (aborted, ==, "/dev/null does not boot: failed to set MSR 0x10a to 0x69");
  g_assert_false (check_with ("#!/bin/sh\nexit 0\n", &status));
  g_assert_cmpstr (status, ==, "/dev/null does not boot: QEMU ended with status 0");
#endif
}

/* The code that is booted does what it should: without KVM, where QEMU is installed. */
static void
test_boots_emulated (void)
{
  g_autofree char *program = g_find_program_in_path ("qemu-system-x86_64");
  g_autofree char *reason = NULL;

  if (program == NULL)
    {
      g_test_skip ("QEMU is not installed");
      return;
    }
  g_assert_true (
      check_with ("#!/bin/sh\n"
                  "for word; do shift; case $word in q35,accel=kvm) word=q35,accel=tcg ;; "
                  "host) word=max ;; esac; set -- \"$@\" \"$word\"; done\n"
                  "exec qemu-system-x86_64 \"$@\"\n",
                  &reason));
}

static void
test_memory (void)
{
  g_autoptr (GError) error = NULL;
  guint64 available = agb_host_free_memory ();
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  g_assert_cmpuint (available, >, 0);
  g_assert_true (agb_lima_check_memory (1024 * 1024, &error));
  g_assert_no_error (error);
  g_assert_false (agb_lima_check_memory (G_GUINT64_CONSTANT (1) << 50, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_RUNTIME);
  agb_error_split (error, &message, &hint);
  g_assert_true (g_str_has_prefix (message, "a machine of "));
  g_assert_true (g_str_has_prefix (hint, "what fits: --memory "));
}

static AgbFindingLevel
look_at_macos (const char *version)
{
  g_autofree char *folder = g_dir_make_tmp ("agbt-host.XXXXXX", NULL);
  g_autofree char *text
      = g_strdup_printf ("#!/bin/sh\ntest \"$1\" = -productVersion && echo %s\n", version);
  g_autofree char *program = write_program (folder, "sw_vers", text);
  g_autofree char *path = g_strdup (g_getenv ("PATH"));
  g_autofree char *with = g_strconcat (folder, ":", path, NULL);
  g_autoptr (AgbDoctor) doctor = agb_doctor_new ();

  g_assert_nonnull (program);
  g_setenv ("PATH", with, TRUE);
  agb_doctor_check_macos (doctor);
  g_setenv ("PATH", path, TRUE);
  agb_remove_tree (folder, NULL);
  g_assert_cmpuint (doctor->findings->len, ==, 1);
  const AgbFinding *finding = doctor->findings->pdata[0];
  g_assert_cmpstr (finding->check, ==, "macos");
  return finding->level;
}

static void
test_macos (void)
{
  static const struct {
    const char *version;
    AgbFindingLevel level;
  } cases[] = { { "12.7.6", AGB_FINDING_PROBLEM },
                { "13.0", AGB_FINDING_OK },
                { "13", AGB_FINDING_OK },
                { "26.1", AGB_FINDING_OK },
                { "''", AGB_FINDING_PROBLEM } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (look_at_macos (cases[i].version), ==, cases[i].level);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/kvm", test_kvm);
  g_test_add_func ("/host/boots-emulated", test_boots_emulated);
  g_test_add_func ("/host/memory", test_memory);
  g_test_add_func ("/host/macos", test_macos);
  return g_test_run ();
}
