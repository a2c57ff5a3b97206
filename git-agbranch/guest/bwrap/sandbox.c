#include "guest/bwrap/sandbox.h"

#include "core/error.h"
#include "core/io.h"
#include "guest/bwrap/mounts.h"
#include "guest/bwrap/network.h"
#include "guest/bwrap/protocol.h"
#include "guest/bwrap/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AGB_BWRAP_PATH                                 \
  AGB_GUEST_HOME "/.local/bin:" AGB_BWRAP_PROGRAMS_DIR \
                 ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The command line under way, and the descriptors that it names. */
typedef struct {
  GByteArray *bytes;
  GArray *fds;
  GError *error; /* the first one */
} Arguments;

static void
arguments_clear (Arguments *arguments)
{
  for (guint i = 0; arguments->fds != NULL && i < arguments->fds->len; i++)
    close (g_array_index (arguments->fds, int, i));
  g_clear_pointer (&arguments->fds, g_array_unref);
  g_clear_pointer (&arguments->bytes, g_byte_array_unref);
  g_clear_error (&arguments->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, arguments_clear)

static void G_GNUC_NULL_TERMINATED
add (Arguments *arguments, const char *first, ...)
{
  va_list args;

  va_start (args, first);
  for (const char *text = first; text != NULL; text = va_arg (args, const char *))
    g_byte_array_append (arguments->bytes, (const guint8 *)text, (guint)strlen (text) + 1);
  va_end (args);
}

static int
keep_fd (Arguments *arguments, int fd)
{
  g_array_append_val (arguments->fds, fd);
  return fd;
}

static int
memory_file (Arguments *arguments, const void *contents, gsize length)
{
  int fd = memfd_create ("agbranch", MFD_CLOEXEC);

  if (fd < 0 || write (fd, contents, length) != (ssize_t)length || lseek (fd, 0, SEEK_SET) != 0)
    {
      if (arguments->error == NULL)
        agb_error_set_errno (&arguments->error, errno, "make", "memory file");
      agb_close (&fd);
      return -1;
    }
  return keep_fd (arguments, fd);
}

/* OPTION (--file, --ro-bind-data) that makes TEXT the contents of PATH. */
static void
add_text (Arguments *arguments, const char *option, const char *path, const char *text)
{
  g_autofree char *fd = g_strdup_printf ("%d", memory_file (arguments, text, strlen (text)));

  add (arguments, "--perms", "0444", option, fd, path, NULL);
}

/* A tmpfs at PATH; where the keeper has mounted one with a bound on files too (NAME), that one. */
static void
add_tmpfs (Arguments *arguments, const AgbBwrapSandbox *sandbox, const char *name, const char *path,
           const char *mode, guint64 bytes)
{
  if (sandbox->memory != NULL)
    {
      g_autofree char *mounted = g_build_filename (sandbox->memory, name, NULL);
      add (arguments, "--bind", mounted, path, NULL);
      return;
    }
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, bytes);

  add (arguments, "--perms", mode, "--size", size, "--tmpfs", path, NULL);
}

static void
add_namespaces (Arguments *arguments, const AgbBwrapSandbox *sandbox)
{
  add (arguments, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
       "--unshare-cgroup", "--uid", AGB_BWRAP_AGENT_UID, "--gid", AGB_BWRAP_AGENT_UID, "--hostname",
       sandbox->spec->session, "--cap-drop", "ALL", "--as-pid-1", "--die-with-parent", NULL);
  if (sandbox->own_network)
    add (arguments, "--unshare-net", NULL);
}

/* Programs and libraries: /usr, and the names beside it, links where they are links. */
static void
add_programs (Arguments *arguments, const char *image)
{
  static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
  g_autofree char *usr = g_build_filename (image, "usr", NULL);

  add (arguments, "--ro-bind", usr, "/usr", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (image, names[i], NULL);
      g_autofree char *inside = g_build_filename ("/", names[i], NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL)
        add (arguments, "--symlink", target, inside, NULL);
      else if (g_file_test (path, G_FILE_TEST_IS_DIR))
        add (arguments, "--ro-bind", path, inside, NULL);
    }
}

/* /etc/profile of the image sets PATH anew: a login shell finds what any other process finds. */
static void
add_profile (Arguments *arguments, const char *image)
{
  g_autofree char *path = g_build_filename (image, "etc/profile", NULL);
  g_autofree char *theirs = NULL;
  gsize length = 0;

  if (g_file_get_contents (path, &theirs, &length, NULL) && strlen (theirs) != length)
    g_clear_pointer (&theirs, g_free);
  g_autofree char *text
      = g_strconcat ("agbranch_path=$PATH\n", theirs != NULL ? theirs : "",
                     "\ncase :$agbranch_path: in *:$PATH:*) PATH=$agbranch_path ;; "
                     "*) PATH=$agbranch_path:$PATH ;; esac\nexport PATH\nunset agbranch_path\n",
                     NULL);
  add_text (arguments, "--file", "/etc/profile", text);
}

/* Of /etc only what programs need to run; who the user is and what the network is like is our own. */
static void
add_settings (Arguments *arguments, const AgbBwrapSandbox *sandbox, const char *image)
{
  static const char *const names[] = {
    "alternatives",
    "ssl",
    "ca-certificates",
    "ca-certificates.conf",
    "pki",
    "crypto-policies",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "timezone",
    "mime.types",
    "magic",
    "services",
    "protocols",
    "bash.bashrc",
    "profile.d",
    "inputrc",
    "terminfo",
    "fonts",
    "os-release",
    "debian_version",
    "lsb-release",
    "python3",
    "perl",
    "xdg",
    "vim",
  };
  g_autofree char *hosts
      = g_strdup_printf ("127.0.0.1 localhost %s\n::1 localhost\n", sandbox->spec->session);
  g_autofree char *hostname = g_strconcat (sandbox->spec->session, "\n", NULL);

  add (arguments, "--dir", "/etc", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (image, "etc", names[i], NULL);
      g_autofree char *inside = g_build_filename ("/etc", names[i], NULL);

      if (g_file_test (path, G_FILE_TEST_EXISTS))
        add (arguments, "--ro-bind", path, inside, NULL);
    }
  /* A distribution's own sets PATH anew. */
  g_autofree char *profile = g_build_filename (image, "etc/profile", NULL);
  if (g_file_test (profile, G_FILE_TEST_EXISTS))
    add (arguments, "--ro-bind", profile, "/etc/profile.image", NULL);
  add_text (arguments, "--file", "/etc/profile",
            "path=$PATH\n"
            "test ! -r /etc/profile.image || . /etc/profile.image\n"
            "PATH=$path; unset path; export PATH\n");
  g_autofree char *keys = g_build_filename (image, "etc/ssl/private", NULL);
  if (g_file_test (keys, G_FILE_TEST_IS_DIR))
    add (arguments, "--perms", "0555", "--tmpfs", "/etc/ssl/private", "--remount-ro",
         "/etc/ssl/private", NULL);
  add_profile (arguments, image);
  add_text (arguments, "--file", "/etc/passwd",
            "root:x:0:0:root:/root:/usr/sbin/nologin\n"
            "agent:x:" AGB_BWRAP_AGENT_UID ":" AGB_BWRAP_AGENT_UID ":agent:" AGB_GUEST_HOME
            ":/bin/bash\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
  add_text (arguments, "--file", "/etc/group",
            "root:x:0:\ntty:x:5:\nagent:x:" AGB_BWRAP_AGENT_UID ":\nnogroup:x:65534:\n");
  add_text (arguments, "--file", "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n");
  add_text (arguments, "--file", "/etc/hosts", hosts);
  add_text (arguments, "--file", "/etc/hostname", hostname);
  add_text (arguments, "--file", "/etc/resolv.conf",
            sandbox->own_network ? "" : "nameserver " AGB_BWRAP_RESOLVER "\n");
}

/* /proc as the kernel gives it to a pid namespace, but for what is the whole machine's.  For a host
 * root's sandbox /proc/sys would be writable: its files are checked against the host's uid. */
static void
add_proc (Arguments *arguments)
{
  static const char *const hidden_files[]
      = { "/proc/keys",          "/proc/key-users",     "/proc/timer_list", "/proc/sched_debug",
          "/proc/latency_stats", "/proc/sysrq-trigger", "/proc/kcore",      "/proc/kpagecount" };
  static const char *const hidden_folders[] = { "/proc/acpi", "/proc/scsi", "/proc/irq" };

  add (arguments, "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (hidden_files); i++)
    if (g_file_test (hidden_files[i], G_FILE_TEST_EXISTS))
      add (arguments, "--ro-bind", "/dev/null", hidden_files[i], NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (hidden_folders); i++)
    if (g_file_test (hidden_folders[i], G_FILE_TEST_IS_DIR))
      add (arguments, "--perms", "0555", "--tmpfs", hidden_folders[i], "--remount-ro",
           hidden_folders[i], NULL);
}

/* Every tmpfs is bounded, and what need not be written is read-only: an unbounded one is the host's
 * whole memory. */
static void
add_writable (Arguments *arguments, const AgbBwrapSandbox *sandbox)
{
  guint64 bytes = agb_bwrap_mounts_tmp_bytes (sandbox->spec);

  add (arguments, "--dev", "/dev", NULL);
  add_tmpfs (arguments, sandbox, "shm", "/dev/shm", "1777", bytes / 2);
  add (arguments, "--remount-ro", "/dev", NULL);
  add_tmpfs (arguments, sandbox, "run", "/run", "0755", AGB_BWRAP_RUN_BYTES);
  add (arguments, "--perms", "0700", "--dir", "/run/user/" AGB_BWRAP_AGENT_UID, "--ro-bind",
       sandbox->execd, "/run/agb/execd", NULL);
  add_tmpfs (arguments, sandbox, "tmp", "/tmp", "1777", bytes);
  add (arguments, "--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--dir", "/root", "--bind",
       sandbox->home, AGB_GUEST_HOME, "--chdir", AGB_GUEST_HOME, NULL);
}

/* The host's object folders.  The paths in their own info/alternates do not exist inside (all of them
 * are listed for the guest instead), and only a regular empty file hides them: /dev/null is "Permission
 * denied" on a bind without devices. */
static void
add_objects (Arguments *arguments, const AgbBwrapSandbox *sandbox)
{
  for (gsize i = 0; sandbox->object_dirs[i] != NULL; i++)
    {
      g_autofree char *inside = g_strdup_printf ("/run/o/%" G_GSIZE_FORMAT, i);
      g_autofree char *alternates
          = g_build_filename (sandbox->object_dirs[i], "info/alternates", NULL);
      g_autofree char *masked = g_build_filename (inside, "info/alternates", NULL);

      add (arguments, "--ro-bind", sandbox->object_dirs[i], inside, NULL);
      if (g_file_test (alternates, G_FILE_TEST_EXISTS))
        add_text (arguments, "--ro-bind-data", masked, "");
    }
}

/* At their own paths; what is made on the way to them lies in what is new at each start. */
static void
add_host_programs (Arguments *arguments, const AgbBwrapSandbox *sandbox)
{
  const AgbBwrapPrograms *programs = sandbox->programs;

  for (gsize i = 0; sandbox->program_paths[i] != NULL; i++)
    add (arguments, "--ro-bind", sandbox->program_paths[i], g_ptr_array_index (programs->paths, i),
         NULL);
  for (guint i = 0; i < programs->names->len; i++)
    {
      g_autofree char *link
          = g_build_filename (AGB_BWRAP_PROGRAMS_DIR, g_ptr_array_index (programs->names, i), NULL);
      add (arguments, "--symlink", g_ptr_array_index (programs->files, i), link, NULL);
    }
}

static void
add_environment (Arguments *arguments, const AgbBwrapSandbox *sandbox, const char *image)
{
  g_autofree char *bash = g_build_filename (image, "usr/bin/bash", NULL);

  add (arguments, "--clearenv", "--setenv", "PATH", AGB_BWRAP_PATH, "--setenv", "HOME",
       AGB_GUEST_HOME, "--setenv", "USER", "agent", "--setenv", "LOGNAME", "agent", "--setenv",
       "SHELL", g_file_test (bash, G_FILE_TEST_IS_EXECUTABLE) ? "/bin/bash" : "/bin/sh", "--setenv",
       "LANG", "C.UTF-8", "--setenv", "TERM", "dumb", "--setenv", "XDG_RUNTIME_DIR",
       "/run/user/" AGB_BWRAP_AGENT_UID, "--setenv", "AGBRANCH_SESSION", sandbox->spec->session,
       NULL);
}

static void
add_everything (Arguments *arguments, const AgbBwrapSandbox *sandbox, int status_fd)
{
  const char *image = sandbox->spec->image != NULL ? sandbox->spec->image : "/";
  g_autofree char *status = g_strdup_printf ("%d", status_fd);
  int filter_fd = agb_bwrap_seccomp_fd (sandbox->pinned, &arguments->error);
  g_autofree char *filter = g_strdup_printf ("%d", filter_fd);

  if (filter_fd < 0)
    return;
  keep_fd (arguments, filter_fd);
  add_namespaces (arguments, sandbox);
  add_programs (arguments, image);
  add_settings (arguments, sandbox, image);
  add_proc (arguments);
  add_writable (arguments, sandbox);
  add_objects (arguments, sandbox);
  add_host_programs (arguments, sandbox);
  add (arguments, "--remount-ro", "/", NULL);
  add_environment (arguments, sandbox, image);
  add (arguments, "--seccomp", filter, "--json-status-fd", status, NULL);
}

/* In the new process: only what bwrap is to inherit stays open across exec. */
static void G_GNUC_NORETURN
become_bwrap (const Arguments *arguments, char **argv, int listener, int stderr_fd, int status_fd,
              pid_t parent, AgbBwrapSetup setup, gpointer setup_data)
{
  static char *const no_environment[] = { NULL };

  dup2 (stderr_fd, STDERR_FILENO);
  if (setup != NULL && !setup (setup_data))
    {
      int reason = errno;
      dprintf (STDERR_FILENO, "cannot prepare the sandbox: %s\n", strerror (reason));
      _exit (1);
    }
  umask (022);
  for (guint i = 0; i < arguments->fds->len; i++)
    fcntl (g_array_index (arguments->fds, int, i), F_SETFD, 0);
  fcntl (status_fd, F_SETFD, 0);
  dup2 (listener, AGB_EXECD_LISTEN_FD);
  if (listener == AGB_EXECD_LISTEN_FD)
    fcntl (listener, F_SETFD, 0);
  /* After setup: a change of the uid takes the death signal back. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (1);
  execve (argv[0], argv, no_environment);
  int reason = errno;
  dprintf (STDERR_FILENO, "cannot run '%s': %s\n", argv[0], strerror (reason));
  _exit (127);
}

static char **
bwrap_argv (Arguments *arguments, const AgbBwrapSandbox *sandbox, GError **error)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autofree char *program = g_find_program_in_path ("bwrap");

  if (program == NULL)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_CHILD, "cannot run 'bwrap': not in PATH");
      agb_error_hint (error, "install the package bubblewrap");
      return NULL;
    }
  g_autofree char *fd = g_strdup_printf (
      "%d", memory_file (arguments, arguments->bytes->data, arguments->bytes->len));
  if (arguments->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&arguments->error));
      return NULL;
    }
  g_strv_builder_add_many (argv, program, "--args", fd, "--", "/run/agb/execd", NULL);
  g_strv_builder_addv (argv, (const char **)sandbox->limits);
  return g_strv_builder_end (argv);
}

gboolean
agb_bwrap_sandbox_start (const AgbBwrapSandbox *sandbox, int listener, AgbBwrapSetup setup,
                         gpointer setup_data, AgbBwrapProcess *ret, GError **error)
{
  g_auto (Arguments) arguments
      = { .bytes = g_byte_array_new (), .fds = g_array_new (FALSE, FALSE, sizeof (int)) };
  int errors[2] = { -1, -1 }, status[2] = { -1, -1 };

  if (!g_unix_open_pipe (errors, FD_CLOEXEC, error)
      || !g_unix_open_pipe (status, FD_CLOEXEC, error))
    {
      agb_error_adopt (error, AGB_ERROR_CHILD, "cannot make a pipe: ");
      return FALSE;
    }
  agb_autofd int errors_in = errors[0], errors_out = errors[1];
  agb_autofd int status_in = status[0], status_out = status[1];
  add_everything (&arguments, sandbox, status_out);
  g_auto (GStrv) argv = bwrap_argv (&arguments, sandbox, error);
  if (argv == NULL)
    return FALSE;

  pid_t parent = getpid ();
  pid_t pid = fork ();
  if (pid == 0)
    become_bwrap (&arguments, argv, listener, errors_out, status_out, parent, setup, setup_data);
  if (pid < 0)
    return agb_error_set_errno (error, errno, "start", argv[0]);
  *ret = (AgbBwrapProcess){
    .pid = pid,
    .pidfd = (int)syscall (SYS_pidfd_open, pid, 0),
    .stderr_fd = agb_steal_fd (&errors_in),
    .status_fd = agb_steal_fd (&status_in),
  };
  return TRUE;
}
