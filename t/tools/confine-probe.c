/* confine-probe free|given|streams|folder WHAT: agb_confine as agbranch-scan ("streams") or agbranch-unpack
 * ("folder": the working directory) use it, or not at all ("given": since agbranch-git has started us), and
 * then try WHAT.  Exit 0: it was done; 1: it was refused, with the reason on stderr; 2: the probe itself did
 * not work. */
#include "core/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  FILE_BYTES = 100,
  MEMORY_BYTES = 64 * 1024 * 1024,
};

/* Made before rights are given away, so that only the call itself is tried. */
typedef struct {
  int listener;
  int client;
  struct sockaddr_un name;
  socklen_t name_length;
  int file; /* of 1000 bytes */
  pid_t self;
  pid_t parent;
} Things;

static gboolean
make_sockets (Things *things)
{
  things->name = (struct sockaddr_un){ .sun_family = AF_UNIX };
  things->name_length
      = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + 1
                    + (gsize)snprintf (things->name.sun_path + 1, 40, "agb-%d", (int)getpid ()));
  things->listener = socket (AF_UNIX, SOCK_STREAM, 0);
  things->client = socket (AF_UNIX, SOCK_STREAM, 0);
  return bind (things->listener, (struct sockaddr *)&things->name, things->name_length) == 0
         && listen (things->listener, 1) == 0;
}

static gboolean
make_things (Things *things, gboolean sockets)
{
  static const char text[1000];

  things->self = getpid ();
  things->parent = getppid ();
  things->file = open ("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  return things->file >= 0 && write (things->file, text, sizeof text) == sizeof text
         && lseek (things->file, 0, SEEK_SET) == 0 && (!sockets || make_sockets (things));
}

/* No matter what the kernel makes of it. */
static gboolean
reaches_kernel (long number)
{
  return syscall (number, -1L, -1L, -1L, -1L, -1L) >= 0 || errno != ENOSYS;
}

static gpointer
do_nothing (gpointer data)
{
  return data;
}

static gboolean
do_thread (void)
{
  int one = 1;
  g_autoptr (GThread) thread = g_thread_new ("nothing", do_nothing, &one);

  return g_thread_join (g_steal_pointer (&thread)) == &one;
}

static gboolean
do_fork (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  return pid > 0;
}

static gboolean
do_map (int fd, int protection)
{
  int flags = MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0);

  return mmap (NULL, 4096, protection, flags, fd, 0) != MAP_FAILED;
}

static gboolean
do_exec_page (void)
{
  void *page = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  return page != MAP_FAILED && mprotect (page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static gboolean
do_raise_limit (void)
{
  struct rlimit none = { 0, 0 };

  return setrlimit (RLIMIT_NOFILE, &none) == 0;
}

static gboolean
do_write (const char *path)
{
  int fd = open (path, O_WRONLY | O_CREAT, 0600);

  return fd >= 0 && write (fd, "x", 1) == 1;
}

static gboolean
try_file (const char *what, const Things *things)
{
  char byte;

  if (strcmp (what, "open") == 0)
    return open ("/etc/passwd", O_RDONLY) >= 0;
  if (strcmp (what, "create") == 0)
    return do_write ("created");
  if (strcmp (what, "create-above") == 0)
    return do_write ("../above");
  if (strcmp (what, "unlink") == 0)
    return unlink ("file") == 0;
  if (strcmp (what, "mkdir") == 0)
    return mkdir ("folder", 0700) == 0;
  if (strcmp (what, "stat") == 0)
    return access ("/etc/passwd", F_OK) == 0;
  if (strcmp (what, "fifo") == 0)
    return mkfifo ("fifo", 0600) == 0;
  if (strcmp (what, "read-other") == 0)
    return read (things->file, &byte, 1) == 1;
  if (strcmp (what, "write-other") == 0)
    return write (things->file, "x", 1) == 1;
  if (strcmp (what, "truncate") == 0)
    return ftruncate (things->file, 0) == 0;
  if (strcmp (what, "truncate-path") == 0)
    return truncate ("file", 0) == 0;
  if (strcmp (what, "chmod-path") == 0)
    return chmod ("file", 0600) == 0;
  if (strcmp (what, "times-path") == 0)
    return utimensat (AT_FDCWD, "file", NULL, 0) == 0;
  if (strcmp (what, "modes-and-times") == 0)
    return fchmod (things->file, 0600) == 0 && futimens (things->file, NULL) == 0;
  if (strcmp (what, "seek") == 0)
    return lseek (STDIN_FILENO, 0, SEEK_SET) == 0;
  if (strcmp (what, "pwrite") == 0)
    return pwrite (STDOUT_FILENO, "x", 1, 0) == 1;
  if (strcmp (what, "dup") == 0)
    return dup (STDIN_FILENO) >= 0;
  if (strcmp (what, "memfd") == 0)
    return memfd_create ("x", 0) >= 0;
  if (strcmp (what, "large-file") == 0)
    {
      static const char text[2 * FILE_BYTES];
      return write (STDOUT_FILENO, text, sizeof text) == sizeof text;
    }
  fprintf (stderr, "what is '%s'?\n", what);
  exit (2);
}

static gboolean
try_kernel (const char *what, const Things *things)
{
  if (strcmp (what, "thread") == 0)
    return do_thread ();
  if (strcmp (what, "mount") == 0)
    return reaches_kernel (SYS_mount);
  if (strcmp (what, "unshare") == 0)
    return reaches_kernel (SYS_unshare);
  if (strcmp (what, "setns") == 0)
    return reaches_kernel (SYS_setns);
  if (strcmp (what, "memory-of-others") == 0)
    return reaches_kernel (SYS_process_vm_readv);
  if (strcmp (what, "bpf") == 0)
    return reaches_kernel (SYS_bpf);
  if (strcmp (what, "filter") == 0)
    return reaches_kernel (SYS_seccomp);
  if (strcmp (what, "owner") == 0)
    return fcntl (things->file, F_SETOWN, things->parent) == 0;
  if (strcmp (what, "write-exec") == 0)
    return do_map (-1, PROT_READ | PROT_WRITE | PROT_EXEC);
  if (strcmp (what, "chmod") == 0)
    return chmod ("file", 0666) == 0;
  if (strcmp (what, "touch") == 0)
    return utimensat (AT_FDCWD, "file", NULL, 0) == 0;
  return try_file (what, things);
}

static gboolean
try (const char *what, const Things *things)
{
  if (strcmp (what, "connect") == 0)
    return connect (things->client, (const struct sockaddr *)&things->name, things->name_length)
           == 0;
  if (strcmp (what, "socket") == 0)
    return socket (AF_INET, SOCK_STREAM, 0) >= 0;
  if (strcmp (what, "fork") == 0)
    return do_fork ();
  if (strcmp (what, "exec") == 0)
    return execl ("/bin/true", "true", (char *)NULL) == 0;
  if (strcmp (what, "kill") == 0)
    return kill (things->parent, 0) == 0;
  if (strcmp (what, "trace") == 0)
    return ptrace (PTRACE_TRACEME, 0, NULL, NULL) == 0;
  if (strcmp (what, "peek") == 0)
    return syscall (SYS_pidfd_open, things->self, 0) >= 0;
  if (strcmp (what, "priority") == 0)
    return setpriority (PRIO_PROCESS, 0, 10) == 0;
  if (strcmp (what, "limits") == 0)
    return do_raise_limit ();
  if (strcmp (what, "map-exec") == 0)
    return do_map (-1, PROT_READ | PROT_EXEC);
  if (strcmp (what, "map-file") == 0)
    return do_map (things->file, PROT_READ);
  if (strcmp (what, "make-exec") == 0)
    return do_exec_page ();
  if (strcmp (what, "large-memory") == 0)
    return malloc (2 * MEMORY_BYTES) != NULL;
  return try_kernel (what, things);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Things things = { .listener = -1, .client = -1 };
  gboolean is_given = argc == 3 && strcmp (argv[1], "given") == 0;

  if (argc != 3 || !make_things (&things, !is_given))
    {
      fprintf (stderr, "confine-probe: see its first lines\n");
      return 2;
    }
  const AgbConfinement confinement
      = { .folder_fd = strcmp (argv[1], "folder") == 0 ? open (".", O_PATH | O_DIRECTORY) : -1,
          .file_bytes = FILE_BYTES,
          .memory_bytes = MEMORY_BYTES };
  if (!is_given && strcmp (argv[1], "free") != 0 && !agb_confine (&confinement, &error))
    {
      fprintf (stderr, "%s\n", error->message);
      return 2;
    }
  gboolean done = try (argv[2], &things);
  int errnum = errno;

  if (!done)
    {
      const char *reason = strerrorname_np (errnum);
      if (write (STDERR_FILENO, reason, strlen (reason)) < 0 || write (STDERR_FILENO, "\n", 1) < 0)
        _exit (2);
    }
  _exit (done ? 0 : 1);
}
