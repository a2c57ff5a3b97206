#include "core/confine.h"

#include "core/error.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

#define READ_FILES (__u64) (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define NEVER                                                             \
  (__u64) (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR      \
           | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO \
           | LANDLOCK_ACCESS_FS_MAKE_SOCK | ACCESS_FS_IOCTL_DEV)
#define ON_A_FILE                                                    \
  (__u64) (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE \
           | LANDLOCK_ACCESS_FS_WRITE_FILE)

/* Where the programs and libraries of a system are, and what its loader and C library read. */
static const char *const system_places[] = { "/usr",
                                             "/bin",
                                             "/lib",
                                             "/lib32",
                                             "/lib64",
                                             "/opt",
                                             "/nix/store",
                                             "/gnu/store",
                                             "/home/linuxbrew/.linuxbrew",
                                             "/etc/ld.so.cache",
                                             "/etc/ld.so.preload",
                                             "/sys/devices/system/cpu/online",
                                             "/dev/urandom",
                                             NULL };

static const char *const null_device[] = { "/dev/null", NULL };

static gboolean
allow_below (int ruleset, int fd, __u64 files)
{
  const struct landlock_path_beneath_attr beneath = { .allowed_access = files, .parent_fd = fd };

  return syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
}

/* What is not there, or not to be reached, needs no rule. */
static gboolean
allow_places (int ruleset, const char *const *paths, __u64 files)
{
  for (; *paths != NULL; paths++)
    {
      agb_autofd int fd = open (*paths, O_PATH | O_CLOEXEC);
      struct stat info;

      if (fd < 0)
        continue;
      if (fstat (fd, &info) != 0
          || !allow_below (ruleset, fd, S_ISDIR (info.st_mode) ? files : files & ON_A_FILE))
        return FALSE;
    }
  return TRUE;
}

static gboolean
allow_program (int ruleset, const AgbConfinedProgram *program)
{
  const __u64 read_and_start = READ_FILES | LANDLOCK_ACCESS_FS_EXECUTE;

  return allow_places (ruleset, system_places, read_and_start)
         && allow_places (ruleset, program->readable, read_and_start)
         && allow_places (ruleset, null_device, READ_FILES | LANDLOCK_ACCESS_FS_WRITE_FILE);
}

/* Write below FOLDER_FD (-1: nowhere), and read what PROGRAM (NULL: nothing) needs.  FALSE only when the
 * kernel has Landlock and refuses. */
static gboolean
restrict_files (int folder_fd, const AgbConfinedProgram *program)
{
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1)
    return TRUE;

  const LandlockRules rules = rules_of (abi);
  agb_autofd int ruleset
      = (int)syscall (SYS_landlock_create_ruleset, &rules, size_of_rules (abi), 0);
  return ruleset >= 0 && (folder_fd < 0 || allow_below (ruleset, folder_fd, rules.files & ~NEVER))
         && (program == NULL || allow_program (ruleset, program))
         && syscall (SYS_landlock_restrict_self, ruleset, 0) == 0;
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
static const char *const with_folder[]
    = { "access",     "chdir",   "close",   "dup",       "faccessat", "faccessat2", "fadvise64",
        "fchdir",     "fstat",   "fstat64", "fstatat64", "ftruncate", "getcwd",     "getdents64",
        "getegid",    "geteuid", "getgid",  "getpid",    "getuid",    "link",       "linkat",
        "lseek",      "_llseek", "lstat",   "lstat64",   "mkdir",     "mkdirat",    "newfstatat",
        "open",       "openat",  "openat2", "pread64",   "pwrite64",  "read",       "readlink",
        "readlinkat", "readv",   "rename",  "renameat",  "renameat2", "rmdir",      "stat",
        "stat64",     "statx",   "umask",   "unlink",    "unlinkat",  "write",      "writev",
        "ftruncate64" };

/* What Landlock does not know: no list of a program that is not ours has them unasked. */
static const char *const for_modes[] = { "chmod", "fchmod", "fchmodat", "fchmodat2" };

/* Modes and times only of what is open, which Landlock has let through. */
static const char *const for_archives[] = { "fchmod", "symlink", "symlinkat" };
static const char *const for_times[] = { "utimensat", "utimensat_time64" };

/* How a program starts, sees where it is, waits, and makes its files durable. */
static const char *const with_program[] = {
  "arch_prctl",
  "clock_nanosleep",
  "clock_nanosleep_time64",
  "fdatasync",
  "fsync",
  "getrlimit",
  "gettid",
  "nanosleep",
  "pipe",
  "pipe2",
  "poll",
  "ppoll",
  "ppoll_time64",
  "rseq",
  "rt_sigaction",
  "sched_getaffinity",
  "sched_yield",
  "set_robust_list",
  "set_tid_address",
  "sigaltstack",
  "sync_file_range",
  "sysinfo",
  "ugetrlimit",
  "uname",
};

#define ALLOW_ALL(filter, names) allow_calls (filter, names, G_N_ELEMENTS (names))

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

/* Not who gets the signals of a descriptor. */
static gboolean
allow_fcntl (scmp_filter_ctx filter)
{
  static const char *const names[] = { "fcntl", "fcntl64" };
  const struct scmp_arg_cmp first = SCMP_A1 (SCMP_CMP_LE, F_SETLKW, 0);
  const struct scmp_arg_cmp dup = SCMP_A1 (SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      int number = seccomp_syscall_resolve_name (names[i]);

      if (number >= 0
          && (seccomp_rule_add (filter, SCMP_ACT_ALLOW, number, 1, first) != 0
              || seccomp_rule_add (filter, SCMP_ACT_ALLOW, number, 1, dup) != 0))
        return FALSE;
    }
  return TRUE;
}

/* futimens(3): utimensat(2) without a path. */
static gboolean
allow_times (scmp_filter_ctx filter)
{
  const struct scmp_arg_cmp no_path = SCMP_A1 (SCMP_CMP_EQ, 0, 0);

  for (gsize i = 0; i < G_N_ELEMENTS (for_times); i++)
    {
      int number = seccomp_syscall_resolve_name (for_times[i]);

      if (number >= 0 && seccomp_rule_add (filter, SCMP_ACT_ALLOW, number, 1, no_path) != 0)
        return FALSE;
    }
  return TRUE;
}

/* lchmod(3) of a symlink, which libarchive tries: the C library takes ENOSYS for a kernel without it, and knows
 * what to do then. */
static gboolean
lack_fchmodat2 (scmp_filter_ctx filter)
{
  int number = seccomp_syscall_resolve_name ("fchmodat2");

  return number < 0 || seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), number, 0) == 0;
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

/* What the loader does with libraries. */
static gboolean
allow_files_in_memory (scmp_filter_ctx filter)
{
  static const int calls[] = { SCMP_SYS (mmap), SCMP_SYS (mprotect) };
  const struct scmp_arg_cmp no_exec = SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  const struct scmp_arg_cmp no_write = SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_WRITE, 0);

  for (gsize i = 0; i < G_N_ELEMENTS (calls); i++)
    if (seccomp_rule_add (filter, SCMP_ACT_ALLOW, calls[i], 1, no_exec) != 0
        || seccomp_rule_add (filter, SCMP_ACT_ALLOW, calls[i], 1, no_write) != 0)
      return FALSE;
  return TRUE;
}

/* Threads, in no namespace of their own; signals and limits of the process itself.  (What clone3 is to
 * do stands in memory, where a filter does not see it.) */
static gboolean
allow_itself (scmp_filter_ctx filter)
{
  const scmp_datum_t kinds = CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS
                             | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  const struct scmp_arg_cmp thread = SCMP_A0 (SCMP_CMP_MASKED_EQ, kinds, CLONE_THREAD);
  const struct scmp_arg_cmp own = SCMP_A0 (SCMP_CMP_EQ, (scmp_datum_t)getpid (), 0);
  const struct scmp_arg_cmp of_it = SCMP_A0 (SCMP_CMP_EQ, 0, 0);
  const struct scmp_arg_cmp reads = SCMP_A2 (SCMP_CMP_EQ, 0, 0);

  return seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (clone), 1, thread) == 0
         && seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (tgkill), 1, own) == 0
         && seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (prlimit64), 2, of_it, reads) == 0;
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

/* What every filter begins with; a call that none of its rules names is ERROR_NUMBER.  NULL: not to be had. */
static scmp_filter_ctx
filter_new (int error_number)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO ((uint16_t)error_number));

  if (filter != NULL
      && seccomp_attr_set (filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO (ENOSYS)) == 0
      && ALLOW_ALL (filter, always))
    return filter;
  if (filter != NULL)
    seccomp_release (filter);
  return NULL;
}

static gboolean
restrict_calls (gboolean has_folder)
{
  scmp_filter_ctx filter = filter_new (EPERM);
  gboolean done = filter != NULL && allow_memory (filter)
                  && (has_folder ? ALLOW_ALL (filter, with_folder)
                                       && ALLOW_ALL (filter, for_archives) && allow_times (filter)
                                       && lack_fchmodat2 (filter) && allow_fcntl (filter)
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

static gboolean
cannot_confine (GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot give rights away: %s",
               g_strerror (errno));
  return FALSE;
}

gboolean
agb_confine (const AgbConfinement *confinement, GError **error)
{
  /* An error of write is enough. */
  signal (SIGXFSZ, SIG_IGN);
  return (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
          && restrict_files (confinement->folder_fd, NULL) && restrict_resources (confinement)
          && restrict_calls (confinement->folder_fd >= 0))
         || cannot_confine (error);
}

/* Who lets the one execve pass.  Made before the filter, so it is not under it, and the execve ends it. */
typedef struct {
  sem_t loaded;
  int listener;
} Doorkeeper;

static gpointer
let_pass (gpointer data)
{
  Doorkeeper *keeper = data;
  struct seccomp_notif *request = NULL;
  struct seccomp_notif_resp *response = NULL;

  while (sem_wait (&keeper->loaded) != 0)
    ;
  if (keeper->listener < 0)
    return NULL;
  if (seccomp_notify_alloc (&request, &response) == 0
      && seccomp_notify_receive (keeper->listener, request) == 0)
    {
      response->id = request->id;
      response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      if (seccomp_notify_respond (keeper->listener, response) == 0)
        return NULL;
    }
  /* Without a listener execve is ENOSYS: better than to wait for ever. */
  close (keeper->listener);
  return NULL;
}

/* EXEC is what becomes of execve. */
static scmp_filter_ctx
program_filter (const AgbConfinedProgram *program, uint32_t exec)
{
  scmp_filter_ctx filter = filter_new (ENOSYS);

  if (filter != NULL && ALLOW_ALL (filter, with_folder) && ALLOW_ALL (filter, with_program)
      && allow_fcntl (filter) && (!program->changes_modes || ALLOW_ALL (filter, for_modes))
      && allow_files_in_memory (filter) && allow_itself (filter)
      && seccomp_rule_add (filter, exec, SCMP_SYS (execve), 0) == 0)
    return filter;
  if (filter != NULL)
    seccomp_release (filter);
  return NULL;
}

/* SECCOMP_USER_NOTIF_FLAG_CONTINUE is of Linux 5.5 and cannot be asked for; this call is of 5.6. */
static gboolean
knows_continue (void)
{
  return syscall (SYS_pidfd_getfd, -1, -1, 0) >= 0 || errno != ENOSYS;
}

/* The listener is closed by the execve itself: any later one is ENOSYS. */
static gboolean
restrict_program (const AgbConfinedProgram *program, Doorkeeper *keeper)
{
  static const uint32_t exec[] = { SCMP_ACT_NOTIFY, SCMP_ACT_ALLOW };
  gboolean done = FALSE;

  for (gsize i = knows_continue () ? 0 : 1; !done && i < G_N_ELEMENTS (exec); i++)
    {
      scmp_filter_ctx filter = program_filter (program, exec[i]);

      done = filter != NULL && seccomp_load (filter) == 0;
      if (done && exec[i] == SCMP_ACT_NOTIFY)
        keeper->listener = seccomp_notify_fd (filter);
      if (filter != NULL)
        seccomp_release (filter);
    }
  sem_post (&keeper->loaded);
  return done;
}

void
agb_confine_exec (const AgbConfinedProgram *program, GError **error)
{
  static Doorkeeper keeper = { .listener = -1 };
  agb_autofd int folder_fd = open (program->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (folder_fd < 0 || sem_init (&keeper.loaded, 0, 0) != 0)
    {
      cannot_confine (error);
      return;
    }
  g_autoptr (GThread) thread = g_thread_try_new ("let-pass", let_pass, &keeper, error);
  if (thread == NULL)
    {
      agb_error_adopt (error, AGB_ERROR_CHILD, "cannot give rights away: ");
      return;
    }
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
      || !limit (RLIMIT_CORE, 0) || !restrict_files (folder_fd, program)
      || !restrict_program (program, &keeper))
    {
      cannot_confine (error);
      return;
    }
  execv (program->argv[0], (char *const *)program->argv);
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot run '%s': %s", program->argv[0],
               g_strerror (errno));
}
