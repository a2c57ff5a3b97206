#include "guest/bwrap/network.h"

#include "core/error.h"
#include "core/io.h"
#include "core/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <grp.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_TIMEOUT_MS = 5000 };

typedef struct {
  struct in_addr address;
  guint8 bits;
} Net;

/* Private (RFC 1918), shared (RFC 6598), link-local (RFC 3927, cloud metadata), "this network",
 * benchmarking, multicast and reserved addresses. */
static const char *const not_public[]
    = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
        "0.0.0.0/8",  "192.0.0.0/24",  "198.18.0.0/15",  "224.0.0.0/4",   "240.0.0.0/4" };
static const char *const never[] = { "169.254.0.0/16" };

const char *
agb_bwrap_network_missing (uid_t guest_uid)
{
  g_autofree char *program = g_find_program_in_path ("slirp4netns");

  if (program == NULL)
    return "slirp4netns is not installed";
  /* For a guest of root's the keeper makes a device that it can open. */
  if (guest_uid == 0 && access ("/dev/net/tun", R_OK | W_OK) != 0)
    return "/dev/net/tun cannot be opened";
  return NULL;
}

static void
refuse (AgbBwrapNetwork *network, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 2);
  Net net = { .bits = (guint8)atoi (parts[1]) };

  if (inet_pton (AF_INET, parts[0], &net.address) == 1)
    g_array_append_val (network->refused, net);
}

/* The host's own addresses, public ones too: services that listen there are not the world's. */
static void
refuse_own_addresses (AgbBwrapNetwork *network)
{
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return;
  for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
    if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET
        && (one->ifa_flags & IFF_LOOPBACK) == 0)
      {
        Net net
            = { .address = ((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr, .bits = 32 };
        g_array_append_val (network->refused, net);
      }
  freeifaddrs (all);
}

gboolean
agb_bwrap_network_prepare (const char *policy, AgbBwrapNetwork *ret, GError **error)
{
  int ready[2], go[2];
  gboolean is_public = !g_str_equal (policy, "open");

  if (!g_unix_open_pipe (ready, FD_CLOEXEC, error))
    {
      agb_error_adopt (error, AGB_ERROR_RUNTIME, "cannot make a pipe: ");
      return FALSE;
    }
  if (!g_unix_open_pipe (go, FD_CLOEXEC, error))
    {
      close (ready[0]);
      close (ready[1]);
      agb_error_adopt (error, AGB_ERROR_RUNTIME, "cannot make a pipe: ");
      return FALSE;
    }
  *ret = (AgbBwrapNetwork){ .keeper_ready_fd = ready[0],
                            .ready_fd = ready[1],
                            .go_fd = go[0],
                            .keeper_go_fd = go[1],
                            .refused = g_array_new (FALSE, FALSE, sizeof (Net)) };
  for (gsize i = 0; i < (is_public ? G_N_ELEMENTS (not_public) : G_N_ELEMENTS (never)); i++)
    refuse (ret, is_public ? not_public[i] : never[i]);
  if (is_public)
    refuse_own_addresses (ret);
  return TRUE;
}

void
agb_bwrap_network_clear (AgbBwrapNetwork *network)
{
  if (network->refused == NULL)
    return;
  agb_close (&network->ready_fd);
  agb_close (&network->go_fd);
  agb_close (&network->keeper_ready_fd);
  agb_close (&network->keeper_go_fd);
  g_clear_pointer (&network->refused, g_array_unref);
}

/* --- in the sandbox's process --- */

static gboolean
write_self (const char *file, const char *text)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/%s", file);
  agb_autofd int fd = open (path, O_WRONLY | O_CLOEXEC);

  return fd >= 0 && write (fd, text, strlen (text)) == (ssize_t)strlen (text);
}

/* Map our own uid and gid to themselves: the program that is run next then has no capability in this
 * namespace (capabilities(7), execve by a user who is not root). */
static gboolean
enter_namespaces (void)
{
  g_autofree char *uid_map = g_strdup_printf ("%u %u 1", geteuid (), geteuid ());
  g_autofree char *gid_map = g_strdup_printf ("%u %u 1", getegid (), getegid ());

  /* A change of the uid has closed /proc/self to us. */
  return prctl (PR_SET_DUMPABLE, 1) == 0 && unshare (CLONE_NEWUSER | CLONE_NEWNET) == 0
         && write_self ("setgroups", "deny") && write_self ("uid_map", uid_map)
         && write_self ("gid_map", gid_map);
}

static gboolean
bring_up_loopback (void)
{
  agb_autofd int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

  return fd >= 0 && ioctl (fd, SIOCSIFFLAGS, &request) == 0;
}

/* One route of type "prohibit" (ip-route(8)) by rtnetlink(7). */
static gboolean
add_prohibited (int netlink, const Net *net)
{
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    struct rtattr attribute;
    struct in_addr address;
  } request = {
    .header = { .nlmsg_len = sizeof request,
                .nlmsg_type = RTM_NEWROUTE,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK },
    .route = { .rtm_family = AF_INET,
               .rtm_dst_len = net->bits,
               .rtm_table = RT_TABLE_MAIN,
               .rtm_protocol = RTPROT_STATIC,
               .rtm_scope = RT_SCOPE_UNIVERSE,
               .rtm_type = RTN_PROHIBIT },
    .attribute = { .rta_len = RTA_LENGTH (sizeof (struct in_addr)), .rta_type = RTA_DST },
    .address = net->address,
  };
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
  } answer;

  if (send (netlink, &request, sizeof request, 0) != sizeof request
      || recv (netlink, &answer, sizeof answer, 0) < (ssize_t)sizeof answer)
    return FALSE;
  errno = -answer.error.error;
  return answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == 0;
}

static gboolean
set_rules (const AgbBwrapNetwork *network)
{
  agb_autofd int netlink = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

  for (guint i = 0; i < network->refused->len; i++)
    if (!add_prohibited (netlink, &g_array_index (network->refused, Net, i)))
      return FALSE;
  return bring_up_loopback ();
}

gboolean
agb_bwrap_network_enter (const AgbBwrapNetwork *network)
{
  char answer;

  return enter_namespaces () && set_rules (network) && write (network->ready_fd, "", 1) == 1
         && read (network->go_fd, &answer, 1) == 1;
}

/* --- in the keeper --- */

/* One byte of FD in time. */
static gboolean
wait_for_byte (int fd, const char *from, GError **error)
{
  gint64 deadline = agb_deadline_in (READY_TIMEOUT_MS);
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
  char byte;
  int ready;

  while ((ready = poll (&poll_fd, 1, agb_deadline_left_ms (deadline))) < 0 && errno == EINTR)
    ;
  if (ready > 0 && read (fd, &byte, 1) == 1)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "%s %s", from,
               ready > 0 ? "failed" : "is not ready in time");
  return FALSE;
}

static int
open_namespace (pid_t pid, const char *name, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/%s", (int)pid, name);
  int fd = open (path, O_RDONLY); /* slirp4netns inherits it */

  if (fd < 0)
    agb_error_set_errno (error, errno, "open", path);
  return fd;
}

static void G_GNUC_NORETURN
become_slirp (const char *program, int user_ns, int net_ns, int ready_fd, uid_t uid, pid_t parent)
{
  char user_path[64], net_path[64], ready[16];
  static char *const no_environment[] = { NULL };

  snprintf (user_path, sizeof user_path, "--userns-path=/proc/self/fd/%d", user_ns);
  snprintf (net_path, sizeof net_path, "/proc/self/fd/%d", net_ns);
  snprintf (ready, sizeof ready, "--ready-fd=%d", ready_fd);
  char *const argv[] = { (char *)program,
                         (char *)"--configure",
                         (char *)"--mtu=65520",
                         (char *)"--disable-host-loopback",
                         (char *)"--enable-seccomp",
                         (char *)"--netns-type=path",
                         user_path,
                         ready,
                         net_path,
                         (char *)"tap0",
                         NULL };

  if (uid != 0
      && (setgroups (0, NULL) != 0 || setresgid (uid, uid, uid) != 0
          || setresuid (uid, uid, uid) != 0))
    _exit (1);
  fcntl (ready_fd, F_SETFD, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () == parent)
    execve (program, argv, no_environment);
  _exit (127);
}

static pid_t
start_slirp (pid_t pid, uid_t uid, GError **error)
{
  g_autofree char *program = g_find_program_in_path ("slirp4netns");
  agb_autofd int user_ns = open_namespace (pid, "user", error);
  agb_autofd int net_ns = user_ns >= 0 ? open_namespace (pid, "net", error) : -1;
  int ends[2];

  if (net_ns < 0)
    return -1;
  if (program == NULL || !g_unix_open_pipe (ends, FD_CLOEXEC, error))
    return -1;
  agb_autofd int ready_in = ends[0], ready_out = ends[1];
  pid_t parent = getpid ();
  pid_t slirp = fork ();
  if (slirp == 0)
    become_slirp (program, user_ns, net_ns, ready_out, uid, parent);
  agb_close (&ready_out);
  if (slirp > 0 && wait_for_byte (ready_in, "slirp4netns", error))
    return slirp;
  if (slirp > 0)
    {
      kill (slirp, SIGKILL);
      waitpid (slirp, NULL, 0);
    }
  return -1;
}

pid_t
agb_bwrap_network_connect (AgbBwrapNetwork *network, pid_t pid, uid_t guest_uid, GError **error)
{
  agb_close (&network->ready_fd);
  agb_close (&network->go_fd);
  if (!wait_for_byte (network->keeper_ready_fd, "the network namespace", error))
    return -1;
  pid_t slirp = start_slirp (pid, guest_uid, error);
  /* With or without it the sandbox goes on. */
  if (write (network->keeper_go_fd, "", 1) != 1 && slirp > 0)
    agb_error_set_errno (error, errno, "release", "sandbox");
  return slirp;
}
