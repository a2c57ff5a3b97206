#include "guest/lima/host.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/io.h"
#include "core/names.h"
#include "guest/lima/record.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  KVM_TIMEOUT_MS = 10 * 1000,
  DISK_BYTES = 1024 * 1024, /* SeaBIOS boots from nothing smaller than a cylinder */
  DEBUG_EXIT = 0x2a << 1 | 1,
};

/* A boot sector: on to long mode with the first 2 MiB mapped, then 0x2a to the port of
 * isa-debug-exit.
 *
 *     cli; xor ax,ax; mov ds,ax; mov es,ax
 *     mov edi,0x1000; mov cr3,edi; xor eax,eax; mov cx,3072; cld; rep stosd
 *     mov word [0x1000],0x2003; mov word [0x2000],0x3003; mov byte [0x3000],0x83
 *     mov eax,cr4; or al,0x20; mov cr4,eax                      ; PAE
 *     mov ecx,0xc0000080; rdmsr; or ah,1; wrmsr                 ; EFER.LME
 *     mov eax,cr0; or eax,0x80000001; mov cr0,eax; lgdt [gdtr]; jmp 8:long
 * long: mov al,0x2a; out 0xf4,al; hlt; jmp $-1
 * gdt:  dq 0, 0x00209a0000000000
 * gdtr: dw 15; dd gdt */
static const guchar boot_sector[]
    = { 0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x66, 0xbf, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22,
        0xdf, 0x66, 0x31, 0xc0, 0xb9, 0x00, 0x0c, 0xfc, 0x66, 0xf3, 0xab, 0xc7, 0x06, 0x00, 0x10,
        0x03, 0x20, 0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, 0xc6, 0x06, 0x00, 0x30, 0x83, 0x0f, 0x20,
        0xe0, 0x0c, 0x20, 0x0f, 0x22, 0xe0, 0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x80,
        0xcc, 0x01, 0x0f, 0x30, 0x0f, 0x20, 0xc0, 0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, 0x0f, 0x22,
        0xc0, 0x0f, 0x01, 0x16, 0x70, 0x7c, 0xea, 0x56, 0x7c, 0x08, 0x00, 0xb0, 0x2a, 0xe6, 0xf4,
        0xf4, 0xeb, 0xfd, 0x0f, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, 0x0f, 0x00, 0x60, 0x7c, 0x00, 0x00 };

/* The device belongs to root and a group: that group's members may use it. */
static char *
rights_fix (const struct stat *device)
{
  const struct group *group = getgrgid (device->st_gid);

  if (group != NULL && device->st_gid != 0 && (device->st_mode & 0060) == 0060)
    return g_strdup_printf ("sudo usermod -aG %s \"$USER\", and log in again", group->gr_name);
  return g_strdup ("sudo chgrp kvm /dev/kvm && sudo chmod g+rw /dev/kvm && "
                   "sudo usermod -aG kvm \"$USER\", and log in again");
}

static gboolean
write_disk (char **ret_path, GError **error)
{
  guchar sector[512] = { 0 };
  g_autofree char *path = NULL;
  agb_autofd int fd = g_file_open_tmp ("agbranch-kvm-XXXXXX", &path, error);

  if (fd < 0)
    return FALSE;
  memcpy (sector, boot_sector, sizeof boot_sector);
  sector[510] = 0x55;
  sector[511] = 0xaa;
  if (!agb_write_all (fd, sector, sizeof sector, path, error) || ftruncate (fd, DISK_BYTES) != 0)
    {
      if (error != NULL && *error == NULL)
        agb_error_set_errno (error, errno, "write", path);
      unlink (path);
      return FALSE;
    }
  *ret_path = g_steal_pointer (&path);
  return TRUE;
}

/* Why QEMU ended with RESULT, in its own words when it has some. */
static char *
reason_of (const AgbChildResult *result)
{
  g_auto (GStrv) lines = g_strsplit (result->errors->str, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    if (strstr (*line, "error: ") != NULL)
      return agb_escape (strstr (*line, "error: ") + strlen ("error: "), -1);
  if (*lines != NULL && **lines != '\0')
    return agb_escape (*lines, -1);
  return g_strdup_printf ("QEMU ended with status %d", result->status);
}

static gboolean
boot_with_kvm (const char *qemu, const char *disk, char **ret_reason)
{
  static const char *const options[] = { "-machine",
                                         "q35,accel=kvm",
                                         "-cpu",
                                         "host",
                                         "-m",
                                         "32",
                                         "-nodefaults",
                                         "-no-user-config",
                                         "-display",
                                         "none",
                                         "-no-reboot",
                                         "-device",
                                         "isa-debug-exit,iobase=0xf4,iosize=4",
                                         "-drive" };
  g_autofree char *drive = g_strdup_printf ("file=%s,format=raw,if=ide", disk);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_auto (GStrv) words = NULL;
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GError) error = NULL;

  if (!g_shell_parse_argv (qemu, NULL, &words, &error))
    {
      *ret_reason = g_strdup (error->message);
      return FALSE;
    }
  for (char **word = words; *word != NULL; word++)
    g_ptr_array_add (argv, *word);
  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    g_ptr_array_add (argv, (gpointer)options[i]);
  g_ptr_array_add (argv, drive);
  g_ptr_array_add (argv, NULL);
  AgbChildSpec spec = { .argv = (const char *const *)argv->pdata, .timeout_ms = KVM_TIMEOUT_MS };
  if (agb_child_run (&spec, &result, &error))
    {
      if (result.status != DEBUG_EXIT)
        *ret_reason = reason_of (&result);
      return result.status == DEBUG_EXIT;
    }
  if (g_error_matches (error, AGB_ERROR, AGB_ERROR_TIMEOUT))
    *ret_reason = g_strdup_printf ("nothing ran in it within %d seconds", KVM_TIMEOUT_MS / 1000);
  else
    agb_error_split (error, ret_reason, NULL);
  return FALSE;
}

gboolean
agb_kvm_check (const char *device, const char *qemu, char **ret_reason, char **ret_fix)
{
  g_autofree char *disk = NULL;
  g_autofree char *reason = NULL;
  g_autoptr (GError) error = NULL;
  struct stat status;

  *ret_fix = NULL;
  if (stat (device, &status) != 0)
    *ret_reason = g_strdup_printf ("there is no %s", device);
  else if (access (device, R_OK | W_OK) != 0)
    {
      *ret_reason = g_strdup_printf ("%s may not be used by you", device);
      *ret_fix = rights_fix (&status);
    }
#ifdef __x86_64__
  else if (!write_disk (&disk, &error))
    *ret_reason = g_strdup (error->message);
  else
    {
      gboolean boots = boot_with_kvm (qemu != NULL ? qemu : "qemu-system-x86_64", disk, &reason);
      unlink (disk);
      if (boots)
        return TRUE;
      *ret_reason = g_strdup_printf ("%s does not boot: %s", device, reason);
    }
  return FALSE;
#else
  else
    return TRUE;
  return FALSE;
#endif
}

/* What the answer depends on: this boot, the device and our rights on it, the program. */
static char *
kvm_identity (const char *qemu)
{
  g_autofree char *boot = NULL;
  g_auto (GStrv) words = NULL;
  g_autofree char *program = NULL;
  struct stat status = { 0 };

  g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL);
  if (g_shell_parse_argv (qemu, NULL, &words, NULL))
    program = g_find_program_in_path (words[0]);
  if (program != NULL && stat (program, &status) != 0)
    memset (&status, 0, sizeof status);
  return g_strdup_printf ("%s %d %s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n",
                          boot != NULL ? g_strstrip (boot) : "-",
                          access ("/dev/kvm", R_OK | W_OK) == 0, qemu, (gint64)status.st_size,
                          (gint64)status.st_mtim.tv_sec);
}

gboolean
agb_kvm_works (const char *home, const char *qemu, char **ret_reason)
{
  const char *command = qemu != NULL ? qemu : "qemu-system-x86_64";
  g_autofree char *identity = kvm_identity (command);
  g_autofree char *path = agb_lima_record_path (home, "kvm", NULL);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *text = NULL;
  g_autofree char *reason = NULL;
  g_autofree char *fix = NULL;
  gboolean works;

  if (g_file_get_contents (path, &text, NULL, NULL) && g_str_has_prefix (text, identity))
    {
      reason = g_strdup (text + strlen (identity));
      works = *reason == '\0';
    }
  else
    {
      works = agb_kvm_check ("/dev/kvm", command, &reason, &fix);
      g_autofree char *kept = g_strconcat (identity, works ? "" : reason, NULL);
      /* Only a saving: without it the machine is tried again. */
      if (agb_mkdirs (folder, 0700, NULL))
        agb_file_replace (path, kept, strlen (kept), 0600, NULL);
    }
  if (!works && ret_reason != NULL)
    *ret_reason = g_steal_pointer (&reason);
  return works;
}

guint64
agb_host_free_memory (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL)
      || (line = strstr (text, "MemAvailable:")) == NULL)
    return 0;
  return g_ascii_strtoull (line + strlen ("MemAvailable:"), NULL, 10) * 1024;
}

gboolean
agb_lima_check_memory (guint64 bytes, GError **error)
{
  guint64 available = agb_host_free_memory ();

  if (available == 0 || bytes <= available)
    return TRUE;
  g_autofree char *wanted = agb_size_format (bytes);
  /* The host needs some for itself, and the emulator beside the guest's memory. */
  guint64 fits = (available >> 20) * 3 / 4 / 64 * 64;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "a machine of %s of memory does not fit: %" G_GUINT64_FORMAT " MiB are free", wanted,
               available >> 20);
  if (fits >= 512)
    agb_error_hint (error, "what fits: --memory %" G_GUINT64_FORMAT "M", fits);
  else
    agb_error_hint (error, "stop a session: git agbranch stop <session>");
  return FALSE;
}
