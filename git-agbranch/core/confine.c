#include "core/confine.h"

#include "core/error.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
/* Its search for leaks starts a thread that traces this one: both are given away. */
const char *__asan_default_options (void);
const char *
__asan_default_options (void)
{
  return "detect_leaks=0";
}
#endif

/* Newer than the headers of Debian 12. */
#define ACCESS_FS_REFER (1ULL << 13)     /* Landlock 2 */
#define ACCESS_FS_TRUNCATE (1ULL << 14)  /* 3 */
#define ACCESS_FS_IOCTL_DEV (1ULL << 15) /* 5 */
#define ACCESS_NET_TCP 3ULL              /* 4: bind, connect */
#define SCOPE_ALL 3ULL                   /* 6: abstract sockets, signals */

typedef struct {
  __u64 files;
  __u64 net;
  __u64 scoped;
} LandlockRules;

static LandlockRules
rules_of (long abi)
{
  LandlockRules rules = { .files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 };

  if (abi >= 2)
    rules.files |= ACCESS_FS_REFER;
  if (abi >= 3)
    rules.files |= ACCESS_FS_TRUNCATE;
  if (abi >= 4)
    rules.net = ACCESS_NET_TCP;
  if (abi >= 5)
    rules.files |= ACCESS_FS_IOCTL_DEV;
  if (abi >= 6)
    rules.scoped = SCOPE_ALL;
  return rules;
}

/* The kernel takes a struct of its own version's size. */
static size_t
size_of_rules (long abi)
{
  if (abi < 4)
    return offsetof (LandlockRules, net);
  return abi < 6 ? offsetof (LandlockRules, scoped) : sizeof (LandlockRules);
}

static gboolean
allow_below (int ruleset, int folder_fd, __u64 files)
{
  const struct landlock_path_beneath_attr beneath
      = { .allowed_access
          = files
            & ~(__u64)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR
                       | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO
                       | LANDLOCK_ACCESS_FS_MAKE_SOCK | ACCESS_FS_IOCTL_DEV),
          .parent_fd = folder_fd };

  return syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
}

/* FALSE only when the kernel has Landlock and refuses. */
static gboolean
restrict_files (int folder_fd)
{
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1)
    return TRUE;

  const LandlockRules rules = rules_of (abi);
  int ruleset = (int)syscall (SYS_landlock_create_ruleset, &rules, size_of_rules (abi), 0);
  gboolean done = ruleset >= 0 && (folder_fd < 0 || allow_below (ruleset, folder_fd, rules.files))
                  && syscall (SYS_landlock_restrict_self, ruleset, 0) == 0;

  if (ruleset >= 0)
    close (ruleset);
  return done;
}

/* Memory, time, waking up, the end. */
static const char *const always[] = {
  "brk",         "clock_gettime", "clock_gettime64", "exit",           "exit_group",
  "futex",       "futex_time64",  "getrandom",       "gettimeofday",   "madvise",
  "mremap",      "munmap",        "restart_syscall", "rt_sigprocmask", "rt_sigreturn",
#ifdef __SANITIZE_ADDRESS__ /* before a function that does not return */
  "sigaltstack",
#endif
  "sigreturn",
};

/* What making files needs; where is Landlock's business, and openat2's. */
static const char *const with_folder[] = { "access",
                                           "chdir",
                                           "chmod",
                                           "close",
                                           "dup",
                                           "faccessat",
                                           "faccessat2",
                                           "fadvise64",
                                           "fchdir",
                                           "fchmod",
                                           "fchmodat",
                                           "fchmodat2",
                                           "fcntl",
                                           "fcntl64",
                                           "fstat",
                                           "fstat64",
                                           "fstatat64",
                                           "ftruncate",
                                           "futimesat",
                                           "getcwd",
                                           "getdents64",
                                           "getegid",
                                           "geteuid",
                                           "getgid",
                                           "getpid",
                                           "getuid",
                                           "link",
                                           "linkat",
                                           "lseek",
                                           "_llseek",
                                           "lstat",
                                           "lstat64",
                                           "mkdir",
                                           "mkdirat",
                                           "newfstatat",
                                           "open",
                                           "openat",
                                           "openat2",
                                           "pread64",
                                           "pwrite64",
                                           "read",
                                           "readlink",
                                           "readlinkat",
                                           "readv",
                                           "rename",
                                           "renameat",
                                           "renameat2",
                                           "rmdir",
                                           "stat",
                                           "stat64",
                                           "statx",
                                           "symlink",
                                           "symlinkat",
                                           "truncate",
                                           "umask",
                                           "unlink",
                                           "unlinkat",
                                           "utimensat",
                                           "utimensat_time64",
                                           "utimes",
                                           "write",
                                           "writev",
                                           "ftruncate64" };

static gboolean
allow_calls (scmp_filter_ctx filter, const char *const *names, gsize count)
{
  for (gsize i = 0; i < count; i++)
    {
      int number = seccomp_syscall_resolve_name (names[i]);

      /* Names of other machines, or newer than the library, are not there to be allowed. */
      if (number >= 0 && seccomp_rule_add (filter, SCMP_ACT_ALLOW, number, 0) != 0)
        return FALSE;
    }
  return TRUE;
}

/* Memory that no file is behind and nothing can be run in. */
static gboolean
allow_memory (scmp_filter_ctx filter)
{
  const struct scmp_arg_cmp no_exec = SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  const struct scmp_arg_cmp no_file = SCMP_A4 (SCMP_CMP_MASKED_EQ, 0xFFFFFFFFUL, 0xFFFFFFFFUL);

  return seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (mmap), 2, no_exec, no_file) == 0
         && seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (mprotect), 1, no_exec) == 0;
}

static gboolean
allow_streams (scmp_filter_ctx filter)
{
  const struct scmp_arg_cmp in = SCMP_A0 (SCMP_CMP_EQ, STDIN_FILENO, 0);
  const struct scmp_arg_cmp out = SCMP_A0 (SCMP_CMP_EQ, STDOUT_FILENO, 0);
  const struct scmp_arg_cmp err = SCMP_A0 (SCMP_CMP_EQ, STDERR_FILENO, 0);

  return seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (read), 1, in) == 0
         && seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (write), 1, out) == 0
         && seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (write), 1, err) == 0;
}

static gboolean
restrict_calls (gboolean has_folder)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO (EPERM));
  gboolean done
      = filter != NULL
        && seccomp_attr_set (filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO (ENOSYS)) == 0
        && allow_calls (filter, always, G_N_ELEMENTS (always)) && allow_memory (filter)
        && (has_folder ? allow_calls (filter, with_folder, G_N_ELEMENTS (with_folder))
                       : allow_streams (filter))
        && seccomp_load (filter) == 0;

  if (filter != NULL)
    seccomp_release (filter);
  return done;
}

static gboolean
limit (int resource, guint64 value)
{
  struct rlimit now;

  if (getrlimit (resource, &now) != 0)
    return FALSE;
  /* Not above what whoever started us allows. */
  now.rlim_max = MIN (now.rlim_max, (rlim_t)value);
  now.rlim_cur = now.rlim_max;
  return setrlimit (resource, &now) == 0;
}

static gboolean
restrict_resources (const AgbConfinement *confinement)
{
#ifndef __SANITIZE_ADDRESS__
  if (!limit (RLIMIT_AS, confinement->memory_bytes))
    return FALSE;
#endif
  return limit (RLIMIT_CORE, 0) && limit (RLIMIT_NPROC, 0)
         && limit (RLIMIT_FSIZE, confinement->file_bytes)
         && (confinement->folder_fd >= 0 || limit (RLIMIT_NOFILE, STDERR_FILENO + 1));
}

gboolean
agb_confine (const AgbConfinement *confinement, GError **error)
{
  /* An error of write is enough. */
  signal (SIGXFSZ, SIG_IGN);
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
      && restrict_files (confinement->folder_fd) && restrict_resources (confinement)
      && restrict_calls (confinement->folder_fd >= 0))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot give rights away: %s",
               g_strerror (errno));
  return FALSE;
}
