#include "guest/bwrap/seccomp.h"

#include "core/error.h"
#include "core/io.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Calls that a sandbox has no business with, whatever their arguments.  Most need a capability that
 * it does not have: the filter is the second wall, and keeps the kernel's less trodden code away.
 * ptrace and process_vm_* stay: the pid namespace bounds them, and debuggers need them. */
static const char *const refused[] = {
  /* keys and what else is not kept apart by namespaces */
  "add_key",
  "keyctl",
  "request_key",
  "syslog",
  "acct",
  "quotactl",
  "quotactl_fd",
  "lookup_dcookie",
  "nfsservctl",
  /* mounts and namespaces */
  "mount",
  "umount",
  "umount2",
  "pivot_root",
  "chroot",
  "setns",
  "open_tree",
  "move_mount",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
  "open_by_handle_at",
  "name_to_handle_at",
  "fanotify_init",
  /* the kernel itself */
  "bpf",
  "perf_event_open",
  "userfaultfd",
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
  "init_module",
  "finit_module",
  "delete_module",
  "create_module",
  "kexec_load",
  "kexec_file_load",
  "reboot",
  "swapon",
  "swapoff",
  "uselib",
  "sysfs",
  "ustat",
  "_sysctl",
  "vmsplice",
  "kcmp",
  "pidfd_getfd",
  /* hardware, clock, names, placement */
  "iopl",
  "ioperm",
  "vm86",
  "vm86old",
  "modify_ldt",
  "settimeofday",
  "stime",
  "clock_settime",
  "clock_settime64",
  "clock_adjtime",
  "adjtimex",
  "sethostname",
  "setdomainname",
  "vhangup",
  "move_pages",
  "migrate_pages",
  "mbind",
  "set_mempolicy",
};

static int
refuse_calls (scmp_filter_ctx filter)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      int call = seccomp_syscall_resolve_name (refused[i]);

      /* Names of other machines, or newer than the library, are not there to be refused. */
      if (call < 0)
        continue;
      int rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), call, 0);
      if (rc != 0)
        return rc;
    }
  /* Its flags are in memory, where a filter cannot look: libraries fall back to clone. */
  return seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
}

static int
refuse_namespaces (scmp_filter_ctx filter)
{
  static const scmp_datum_t flags[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
                                        CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
  int rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (unshare), 1,
                             SCMP_A0 (SCMP_CMP_MASKED_EQ, CLONE_NEWTIME, CLONE_NEWTIME));

  for (gsize i = 0; rc == 0 && i < G_N_ELEMENTS (flags); i++)
    {
      rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (unshare), 1,
                             SCMP_A0 (SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
      if (rc == 0)
        rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
#ifdef __s390__
                               SCMP_A1 (SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
#else
                               SCMP_A0 (SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
#endif
    }
  return rc;
}

/* Typing into a terminal and pasting on a console.  The kernel looks at the low 32 bits only. */
static int
refuse_terminal_input (scmp_filter_ctx filter)
{
  static const scmp_datum_t requests[] = { TIOCSTI, TIOCLINUX };
  int rc = 0;

  for (gsize i = 0; rc == 0 && i < G_N_ELEMENTS (requests); i++)
    rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                           SCMP_A1 (SCMP_CMP_MASKED_EQ, 0xFFFFFFFFUL, requests[i]));
  return rc;
}

/* Only unix, IPv4, IPv6 and netlink sockets: vsock (the way to a hypervisor) and most others are not
 * kept apart by network namespaces. */
static int
refuse_sockets (scmp_filter_ctx filter)
{
  int rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                             SCMP_A0 (SCMP_CMP_GT, AF_NETLINK, 0));

  for (scmp_datum_t family = 0; rc == 0 && family < AF_NETLINK; family++)
    if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
      rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                             SCMP_A0 (SCMP_CMP_EQ, family, 0));
  return rc;
}

/* Personalities that weaken memory protection; asking (all bits set), Linux32 and no randomization
 * (debuggers) pass. */
static int
refuse_personalities (scmp_filter_ctx filter)
{
  static const scmp_datum_t flags[] = { READ_IMPLIES_EXEC, MMAP_PAGE_ZERO };
  const scmp_datum_t query_bit = 0x80000000UL;
  int rc = 0;

  for (gsize i = 0; rc == 0 && i < G_N_ELEMENTS (flags); i++)
    rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (personality), 1,
                           SCMP_A0 (SCMP_CMP_MASKED_EQ, flags[i] | query_bit, flags[i]));
  return rc;
}

int
agb_bwrap_seccomp_fd (gboolean pinned, GError **error)
{
  agb_autofd int fd = memfd_create ("seccomp", MFD_CLOEXEC);
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int rc = filter != NULL && fd >= 0 ? 0 : -ENOMEM;

  /* Calls of the machine's other ABIs (32 bit, x32) would pass the rules by. */
  if (rc == 0)
    rc = seccomp_attr_set (filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO (ENOSYS));
  if (rc == 0)
    rc = refuse_calls (filter);
  if (rc == 0 && pinned)
    rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (sched_setaffinity), 0);
  if (rc == 0)
    rc = refuse_namespaces (filter);
  if (rc == 0)
    rc = refuse_terminal_input (filter);
  if (rc == 0)
    rc = refuse_sockets (filter);
  if (rc == 0)
    rc = refuse_personalities (filter);
  if (rc == 0)
    rc = seccomp_export_bpf (filter, fd);
  if (filter != NULL)
    seccomp_release (filter);
  if (rc != 0 || lseek (fd, 0, SEEK_SET) != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot make the system call filter: %s",
                   g_strerror (rc != 0 ? -rc : errno));
      return -1;
    }
  return agb_steal_fd (&fd);
}
