/* agbranch-keeper STATE_ROOT VM_NAME [PROGRAM...]: the parent of one sandbox, for as long as it lives.
 *
 * It detaches from its caller, takes the lock of the session folder (the lock is held exactly as long
 * as the sandbox lives), starts bwrap with execd in it, and tells its caller over stdout, which ends
 * then: lines "note TEXT", and at last "ready" or "error TEXT".  After that it only waits: for the end of
 * the sandbox, or for SIGTERM, which ends the sandbox.  When it dies, everything in the sandbox dies
 * with it (bwrap --die-with-parent, and pid 1 takes its namespace along). */
#include "core/error.h"
#include "core/io.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/bwrap/folder.h"
#include "guest/bwrap/limits.h"
#include "guest/bwrap/mounts.h"
#include "guest/bwrap/network.h"
#include "guest/bwrap/programs.h"
#include "guest/bwrap/protocol.h"
#include "guest/bwrap/sandbox.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  READY_TIMEOUT_MS = 20 * 1000,
  MESSAGE_MAX = 4096,
};

typedef struct {
  const char *state_root;
  const char *vm_name;
  AgbBwrapSpec spec;
  const char *const *program_names;
  AgbBwrapPrograms programs;
  AgbBwrapMounts mounts;
  AgbBwrapLimits limits;
  AgbBwrapNetwork network;
  gboolean has_network;
  AgbBwrapProcess bwrap;
  pid_t slirp;
  int report_fd;
  int listener;
  int signals;
} Keeper;

static void
keeper_clear (Keeper *keeper)
{
  agb_bwrap_spec_clear (&keeper->spec);
  agb_bwrap_programs_clear (&keeper->programs);
  agb_bwrap_mounts_clear (&keeper->mounts);
  agb_bwrap_limits_clear (&keeper->limits);
  agb_bwrap_network_clear (&keeper->network);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Keeper, keeper_clear)

static void G_GNUC_PRINTF (2, 3) report (Keeper *keeper, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_strdelimit (text, "\n", ' ');
  g_autofree char *line = g_strconcat (text, "\n", NULL);
  /* The caller may have gone: the sandbox stays all the same. */
  if (write (keeper->report_fd, line, strlen (line)) < 0)
    agb_close (&keeper->report_fd);
}

/* The system call itself: the C library keeps the numbers that it uses for threads out of reach, and
 * they can be inherited as ignored like all others. */
static void
reset_signals (void)
{
  const struct {
    void *handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask[2];
  } by_default = { 0 };

  for (int i = 1; i < NSIG; i++)
    syscall (SYS_rt_sigaction, i, &by_default, NULL, NSIG / 8);
}

/* What nohup, a background job or a careless parent left behind must not reach the sandbox. */
static void
reset_process (void)
{
  sigset_t none;

  reset_signals ();
  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  close_range (3, ~0U, 0);
  umask (077);
}

/* Become a process of its own session that nobody waits for; stdout goes on as the report. */
static gboolean
detach (int *ret_report_fd)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

  /* Also keeps the number of the exec socket (protocol.h) free of others. */
  if (null != AGB_EXECD_LISTEN_FD || chdir ("/") != 0)
    return FALSE;
  pid_t pid = fork ();
  if (pid != 0)
    _exit (pid < 0);
  setsid ();
  pid = fork ();
  if (pid != 0)
    _exit (pid < 0);
  *ret_report_fd = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, AGB_EXECD_LISTEN_FD + 1);
  for (int i = 0; i < 3; i++)
    dup2 (null, i);
  return *ret_report_fd >= 0;
}

static gboolean
listen_in_folder (Keeper *keeper, GError **error)
{
  g_autofree char *path = agb_bwrap_path (keeper->state_root, keeper->vm_name, NULL);
  agb_autofd int folder = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  if (folder < 0)
    return agb_error_set_errno (error, errno, "open", path);
  unlinkat (folder, "sock", 0);
  unlinkat (folder, "sock.new", 0);
  unlinkat (folder, "guest", 0);
  keeper->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  /* The folder's own path may be longer than a socket's address. */
  g_snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock.new", folder);
  if (keeper->listener < 0
      || bind (keeper->listener, (struct sockaddr *)&address, sizeof address) != 0
      || listen (keeper->listener, 128) != 0)
    return agb_error_set_errno (error, errno, "listen in", path);
  return TRUE;
}

static gboolean
become_guest_uid (uid_t uid)
{
  return uid == 0
         || (setgroups (0, NULL) == 0 && setresgid (uid, uid, uid) == 0
             && setresuid (uid, uid, uid) == 0);
}

/* In the process that becomes bwrap. */
static gboolean
set_up_child (gpointer data)
{
  const Keeper *keeper = data;

  return agb_bwrap_limits_join (&keeper->limits) && become_guest_uid (keeper->spec.uid)
         && (!keeper->has_network || agb_bwrap_network_enter (&keeper->network));
}

/* Append what FD has to TEXT; FALSE at its end. */
static gboolean
read_some (int fd, GString *text)
{
  char buffer[1024];
  ssize_t length = read (fd, buffer, sizeof buffer);

  if (length > 0 && text->len < MESSAGE_MAX)
    g_string_append_len (text, buffer, length);
  return length > 0 || (length < 0 && errno == EINTR);
}

/* Wait until execd says that it serves; what came instead is bwrap's message. */
static gboolean
wait_for_execd (Keeper *keeper, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 deadline = agb_deadline_in (READY_TIMEOUT_MS);

  while (!g_str_has_suffix (text->str, "ready\n"))
    {
      struct pollfd poll_fd = { .fd = keeper->bwrap.stderr_fd, .events = POLLIN };
      int ready = poll (&poll_fd, 1, agb_deadline_left_ms (deadline));

      if (ready < 0 && errno == EINTR)
        continue;
      if (ready <= 0 || !read_some (keeper->bwrap.stderr_fd, text))
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot start the sandbox: %s",
                       ready <= 0 ? "it is not ready in time" : g_strchomp (text->str));
          return FALSE;
        }
    }
  return TRUE;
}

/* bwrap has written {"child-pid": N …} before its child ran. */
static gboolean
note_guest_pid (Keeper *keeper, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  AgbProcessId id;

  while (strchr (text->str, '}') == NULL && read_some (keeper->bwrap.status_fd, text))
    ;
  cJSON *status = cJSON_Parse (text->str);
  double pid = cJSON_GetNumberValue (cJSON_GetObjectItemCaseSensitive (status, "child-pid"));
  cJSON_Delete (status);
  if (!(pid > 1 && pid < G_MAXINT) || !agb_process_lookup ((pid_t)pid, &id))
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the sandbox ended at once");
      return FALSE;
    }
  g_autofree char *line = agb_process_format (&id);
  return agb_bwrap_write (keeper->state_root, keeper->vm_name, "guest", line, error);
}

static gboolean
publish_socket (Keeper *keeper, GError **error)
{
  g_autofree char *from = agb_bwrap_path (keeper->state_root, keeper->vm_name, "sock.new");
  g_autofree char *to = agb_bwrap_path (keeper->state_root, keeper->vm_name, "sock");

  if (rename (from, to) != 0)
    return agb_error_set_errno (error, errno, "rename", from);
  return TRUE;
}

static void
end_child (pid_t *pid)
{
  if (*pid <= 0)
    return;
  kill (*pid, SIGKILL);
  while (waitpid (*pid, NULL, 0) < 0 && errno == EINTR)
    ;
  *pid = 0;
}

/* With bwrap its child, pid 1 of the sandbox, gets its death signal, and with that all the rest. */
static void
end_sandbox (Keeper *keeper)
{
  g_autofree char *socket_path = agb_bwrap_path (keeper->state_root, keeper->vm_name, "sock");
  g_autofree char *guest = agb_bwrap_read (keeper->state_root, keeper->vm_name, "guest");
  AgbProcessId id;

  unlink (socket_path);
  end_child (&keeper->bwrap.pid);
  end_child (&keeper->slirp);
  /* The control groups can go when the last process has. */
  while (agb_process_parse (guest, &id) && agb_process_alive (&id))
    g_usleep (1000);
  agb_bwrap_limits_remove (keeper->state_root, keeper->vm_name);
}

/* An image has its own programs, and they may be of another system. */
static void
find_programs (Keeper *keeper)
{
  static const char *const none[] = { NULL };

  agb_bwrap_programs_find (keeper->spec.image != NULL ? none : keeper->program_names,
                           &keeper->programs);
  for (guint i = 0; i < keeper->programs.notes->len; i++)
    report (keeper, "note %s", (char *)g_ptr_array_index (keeper->programs.notes, i));
}

static gboolean
make_mounts (Keeper *keeper, GError **error)
{
  g_autofree char *exec_path = agb_exec_path ();
  g_autofree char *execd = g_build_filename (exec_path, "agbranch-execd", NULL);

  find_programs (keeper);
  if (keeper->spec.uid != 0)
    return agb_bwrap_mounts_private (&keeper->spec, keeper->state_root, execd, &keeper->programs,
                                     &keeper->mounts, error);
  agb_bwrap_mounts_plain (&keeper->spec, keeper->state_root, execd, &keeper->programs,
                          &keeper->mounts);
  return TRUE;
}

/* No network is no reason not to start: the note says what the user does about it. */
static gboolean
prepare_network (Keeper *keeper, GError **error)
{
  if (g_str_equal (keeper->spec.network, "none"))
    return TRUE;
  const char *missing = agb_bwrap_network_missing (keeper->spec.uid);
  if (missing != NULL)
    {
      report (keeper, "note the sandbox has no network: %s", missing);
      return TRUE;
    }
  keeper->has_network = TRUE;
  return (keeper->spec.uid == 0 || agb_bwrap_mounts_tun (&keeper->mounts, error))
         && agb_bwrap_network_prepare (keeper->spec.network, &keeper->network, error);
}

static void
connect_network (Keeper *keeper)
{
  g_autoptr (GError) error = NULL;

  if (!keeper->has_network)
    return;
  keeper->slirp
      = agb_bwrap_network_connect (&keeper->network, keeper->bwrap.pid, keeper->spec.uid, &error);
  if (error != NULL)
    report (keeper, "note the sandbox has no network: %s", error->message);
  agb_bwrap_network_clear (&keeper->network);
}

static gboolean
load_spec (Keeper *keeper, GError **error)
{
  gboolean found;

  if (!agb_bwrap_spec_load (keeper->state_root, keeper->vm_name, &keeper->spec, &found, error))
    return FALSE;
  if (!found)
    g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "there is no sandbox '%s'", keeper->vm_name);
  return found;
}

static gboolean
start_sandbox (Keeper *keeper, GError **error)
{
  if (!load_spec (keeper, error) || !listen_in_folder (keeper, error)
      || !make_mounts (keeper, error) || !prepare_network (keeper, error))
    return FALSE;
  agb_bwrap_limits_remove (keeper->state_root, keeper->vm_name); /* of a killed keeper */
  if (!agb_bwrap_limits_prepare (&keeper->spec, keeper->state_root, &keeper->limits, error))
    return FALSE;
  if (keeper->limits.note != NULL)
    report (keeper, "note %s", keeper->limits.note);

  AgbBwrapSandbox sandbox = {
    .spec = &keeper->spec,
    .home = keeper->mounts.home,
    .object_dirs = (const char *const *)keeper->mounts.object_dirs,
    .programs = &keeper->programs,
    .program_paths = (const char *const *)keeper->mounts.programs,
    .execd = keeper->mounts.execd,
    .memory = keeper->mounts.memory,
    .own_network = !keeper->has_network,
    .pinned = keeper->limits.pinned,
    .limits = (const char *const *)keeper->limits.execd_limits,
  };
  if (!agb_bwrap_sandbox_start (&sandbox, keeper->listener, set_up_child, keeper, &keeper->bwrap,
                                error))
    return FALSE;
  connect_network (keeper);
  return wait_for_execd (keeper, error) && note_guest_pid (keeper, error)
         && publish_socket (keeper, error);
}

/* Until the sandbox ends, or SIGTERM. */
static void
keep (Keeper *keeper)
{
  struct pollfd fds[2] = { { .fd = keeper->bwrap.pidfd, .events = POLLIN },
                           { .fd = keeper->signals, .events = POLLIN } };

  while (poll (fds, 2, -1) < 0 && errno == EINTR)
    ;
}

static int
block_term (void)
{
  sigset_t ending;

  sigemptyset (&ending);
  sigaddset (&ending, SIGTERM);
  sigprocmask (SIG_BLOCK, &ending, NULL);
  return signalfd (-1, &ending, SFD_CLOEXEC);
}

/* Who finds this lock free takes the keeper for gone.  So it is never released: the kernel does that as
 * the last thing of the process, after whatever still runs when main has returned.  Nobody reads it again:
 * volatile, or it would be gone for the leak checker. */
static AgbLock *volatile life;

int
main (int argc, char **argv)
{
  g_auto (Keeper) keeper = { .report_fd = -1, .listener = -1, .signals = -1 };
  g_autoptr (GError) error = NULL;

  if (argc < 3)
    return AGB_ERROR_USAGE;
  keeper.state_root = argv[1];
  keeper.vm_name = argv[2];
  keeper.program_names = (const char *const *)argv + 3;
  reset_process ();
  if (!detach (&keeper.report_fd))
    return AGB_ERROR_INTERNAL;

  g_autofree char *lock_path = agb_bwrap_path (keeper.state_root, keeper.vm_name, "lock");
  life = agb_lock_take (lock_path, "keeper", 0, &error);
  if (life == NULL || !start_sandbox (&keeper, &error))
    {
      report (&keeper, "error %s", error->message);
      end_sandbox (&keeper);
      return AGB_ERROR_RUNTIME;
    }
  keeper.signals = block_term ();
  report (&keeper, "ready");
  agb_close (&keeper.report_fd);
  agb_close (&keeper.listener);
  keep (&keeper);
  end_sandbox (&keeper);
  return 0;
}
