/* One attempt to get out of a sandbox, by name; prints "done" when the system let it happen, else the
 * name of the error.  Also the host's side of some: `serve-abstract NAME`, `serve-tcp ADDRESS` print a
 * line when they listen, and end with their standard input. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int
abstract_address (const char *name, struct sockaddr_un *address)
{
  *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  size_t length = strlen (name);
  memcpy (address->sun_path + 1, name, length);
  return (int)(offsetof (struct sockaddr_un, sun_path) + 1 + length);
}

static long
try_abstract (const char *name)
{
  struct sockaddr_un address;
  int length = abstract_address (name, &address);
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  return fd < 0 ? -1 : connect (fd, (struct sockaddr *)&address, (socklen_t)length);
}

/* "ADDRESS:PORT"; BOUND: through the interface tap0, past the routes. */
static long
try_tcp (const char *target, int bound)
{
  char *copy = strdup (target), *port = strrchr (copy, ':');
  struct sockaddr_in address = { .sin_family = AF_INET };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  socklen_t length = sizeof errno;
  int failure = 0;

  *port++ = '\0';
  address.sin_port = htons ((uint16_t)atoi (port));
  inet_pton (AF_INET, copy, &address.sin_addr);
  free (copy);
  if (fd < 0 || (bound && setsockopt (fd, SOL_SOCKET, SO_BINDTODEVICE, "tap0", 5) != 0))
    return -1;
  if (connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return -1;
  struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
  if (poll (&poll_fd, 1, 1500) <= 0)
    {
      errno = ETIMEDOUT;
      return -1;
    }
  getsockopt (fd, SOL_SOCKET, SO_ERROR, &failure, &length);
  errno = failure;
  return failure == 0 ? 0 : -1;
}

static long
try_vsock (void)
{
  struct sockaddr_vm address
      = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 1 };
  int fd = socket (AF_VSOCK, SOCK_STREAM, 0);

  (void)address;
  return fd;
}

static int
nothing (void *argument)
{
  (void)argument;
  return 0;
}

static long
try_clone (int flags)
{
  static char stack[65536] __attribute__ ((aligned (16)));
  int pid = clone (nothing, stack + sizeof stack, flags | SIGCHLD, NULL);

  return pid > 0 ? (waitpid (pid, NULL, 0), 0) : -1;
}

static long
try_terminal (unsigned long request)
{
  char byte = request == TIOCSTI ? 'x' : 0;
  int fd = open ("/dev/tty", O_RDWR);

  /* The high half of the register is not the kernel's business. */
  return fd < 0 ? -1 : syscall (SYS_ioctl, fd, request | 0x100000000UL, &byte);
}

static long
try_write (const char *path)
{
  int fd = open (path, O_WRONLY | O_APPEND);

  return fd < 0 ? -1 : write (fd, "", 0);
}

static long
try_process_vm (pid_t pid)
{
  char byte;
  struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };

  return process_vm_readv (pid, &local, 1, &remote, 1, 0);
}

/* How many descriptors above stderr this process was born with. */
static long
count_leaked (void)
{
  DIR *list = opendir ("/proc/self/fd");
  struct dirent *entry;
  long count = 0;

  while ((entry = readdir (list)) != NULL)
    if (atoi (entry->d_name) > 2 && atoi (entry->d_name) != dirfd (list))
      count++;
  closedir (list);
  errno = EBADF;
  return count > 0 ? 0 : -1;
}

#ifdef __x86_64__
static long
try_int80 (void)
{
  long result;

  /* keyctl of the 32-bit ABI */
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(288), "b"(0L), "c"(-3L), "d"(0L) : "memory");
  errno = result < 0 ? (int)-result : 0;
  return result < 0 ? -1 : 0;
}

static long
try_x32 (void)
{
  return syscall (0x40000000L | SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}
#endif

/* Fork until it fails; how many there were goes to stdout. */
static void
fork_bomb (void)
{
  int count = 0;
  pid_t pid;

  setpgid (0, 0);
  while ((pid = fork ()) > 0)
    count++;
  if (pid == 0)
    pause ();
  printf ("%d\n", count);
  fflush (stdout);
  kill (0, SIGKILL);
}

static long
attempt (const char *name, const char *argument)
{
#define WHEN(text)              \
  if (strcmp (name, text) == 0) \
  return
  WHEN ("tiocsti") try_terminal (TIOCSTI);
  WHEN ("tioclinux") try_terminal (TIOCLINUX);
  WHEN ("keyctl") syscall (SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
  WHEN ("add-key") syscall (SYS_add_key, "user", "agb", "x", 1, KEY_SPEC_PROCESS_KEYRING);
  WHEN ("request-key") syscall (SYS_request_key, "user", "agb-none", NULL, 0);
  WHEN ("clone-user") try_clone (CLONE_NEWUSER);
  WHEN ("unshare-user") unshare (CLONE_NEWUSER);
  WHEN ("unshare-net") unshare (CLONE_NEWNET);
  WHEN ("clone3") syscall (SYS_clone3, NULL, 0);
  WHEN ("mount") mount ("none", "/tmp", "tmpfs", 0, NULL);
  WHEN ("remount") mount (NULL, argument, NULL, MS_REMOUNT | MS_BIND, NULL);
  WHEN ("umount") umount2 (argument, MNT_DETACH);
  WHEN ("fsopen") syscall (SYS_fsopen, "tmpfs", 0);
  WHEN ("open-tree") syscall (SYS_open_tree, AT_FDCWD, "/", 0);
  WHEN ("pivot-root") syscall (SYS_pivot_root, ".", ".");
  WHEN ("chroot") chroot ("/tmp");
  WHEN ("setns") setns (open ("/proc/1/ns/mnt", O_RDONLY), 0);
  WHEN ("bpf") syscall (SYS_bpf, 0, NULL, 0);
  WHEN ("perf") syscall (SYS_perf_event_open, NULL, 0, -1, -1, 0);
  WHEN ("userfaultfd") syscall (SYS_userfaultfd, 1);
  WHEN ("io-uring") syscall (SYS_io_uring_setup, 0, NULL);
  WHEN ("module") syscall (SYS_init_module, NULL, 0, "");
  WHEN ("kexec") syscall (SYS_kexec_load, 0, 0, NULL, 0);
  WHEN ("reboot") syscall (SYS_reboot, 0, 0, 0, NULL);
  WHEN ("settime") clock_settime (CLOCK_REALTIME, &(struct timespec){ 0 });
  WHEN ("hostname") sethostname ("x", 1);
  WHEN ("personality") personality (READ_IMPLIES_EXEC);
  WHEN ("handle") syscall (SYS_open_by_handle_at, AT_FDCWD, NULL, 0);
  WHEN ("vsock") try_vsock ();
  WHEN ("packet") socket (AF_PACKET, SOCK_RAW, 0);
  WHEN ("raw") socket (AF_INET, SOCK_RAW, IPPROTO_ICMP);
  WHEN ("alg") socket (AF_ALG, SOCK_SEQPACKET, 0);
  WHEN ("abstract") try_abstract (argument);
  WHEN ("tcp") try_tcp (argument, 0);
  WHEN ("tcp-bound") try_tcp (argument, 1);
  WHEN ("ptrace") ptrace (PTRACE_SEIZE, atoi (argument), NULL, NULL);
  WHEN ("process-vm") try_process_vm (atoi (argument));
  WHEN ("kill") kill (atoi (argument), SIGKILL);
  WHEN ("mknod") mknod ("/tmp/agb-null", S_IFCHR | 0666, makedev (1, 3));
  WHEN ("setuid") setuid (0);
  WHEN ("setgid") setgid (0);
  WHEN ("chown") chown (argument, 0, 0);
  WHEN ("write") try_write (argument);
  WHEN ("read") open (argument, O_RDONLY);
  WHEN ("list") opendir (argument) != NULL ? 0 : -1;
  WHEN ("leaked-fd") count_leaked ();
#ifdef __x86_64__
  WHEN ("int80") try_int80 ();
  WHEN ("x32") try_x32 ();
#endif
  errno = EDOM;
  return -1;
}

static int
serve (int fd, const char *line)
{
  char byte;

  if (listen (fd, 16) != 0)
    return 1;
  puts (line);
  fflush (stdout);
  while (read (0, &byte, 1) > 0)
    ;
  return 0;
}

static int
serve_tcp (const char *text)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  char line[64];

  inet_pton (AF_INET, text, &address.sin_addr);
  if (bind (fd, (struct sockaddr *)&address, length) != 0
      || getsockname (fd, (struct sockaddr *)&address, &length) != 0)
    return 1;
  snprintf (line, sizeof line, "%s:%d", text, ntohs (address.sin_port));
  return serve (fd, line);
}

int
main (int argc, char **argv)
{
  if (argc < 2)
    return 129;
  if (argc > 2 && strcmp (argv[1], "serve-tcp") == 0)
    return serve_tcp (argv[2]);
  if (argc > 2 && strcmp (argv[1], "serve-abstract") == 0)
    {
      struct sockaddr_un address;
      int length = abstract_address (argv[2], &address);
      int fd = socket (AF_UNIX, SOCK_STREAM, 0);

      return bind (fd, (struct sockaddr *)&address, (socklen_t)length) != 0 || serve (fd, argv[2]);
    }
  if (strcmp (argv[1], "bomb") == 0)
    fork_bomb ();
  errno = 0;
  puts (attempt (argv[1], argc > 2 ? argv[2] : "") >= 0 ? "done" : strerrorname_np (errno));
  return 0;
}
