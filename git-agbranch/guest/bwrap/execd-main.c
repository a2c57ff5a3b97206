/* agbranch-execd: pid 1 of a sandbox.  It starts the commands that the host asks for over a listening
 * socket it was born with (protocol.h), hands out terminals, and reaps orphans.
 *
 * It uses the C library only and is linked statically, since the sandbox's libraries need not be the
 * host's.  One process, one poll loop: what runs inside may kill, stop or trace any process but
 * pid 1, and /proc/1 is closed to it (PR_SET_DUMPABLE). */
#include "guest/bwrap/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_CONNECTIONS = 1024,
  POLLS_EACH = 4, /* the connection, terminal, terminal's input and output */
  HANGUP_GRACE_MS = 1000,
};

typedef struct {
  char bytes[16384];
  size_t start, end;
} Buffer;

typedef struct Connection {
  struct Connection *next;
  int fd; /* -1: the client has gone */
  int streams[3];
  AgbExecdRequest request;
  char *body;
  size_t received; /* of request and body */
  pid_t pid;       /* the command, leader of its session; 0: not started or reaped */
  bool has_ended;
  AgbExecdMessage outcome;
  int64_t kill_at_ms; /* when what a vanished client left is killed; 0: not planned */
  int terminal;       /* the master, -1: none */
  int slave;          /* kept open while the command runs, so that the master never hangs up */
  bool terminal_hung_up;
  Buffer to_terminal, from_terminal;
} Connection;

static Connection *connections;
static int connection_count;
static int64_t shut_down_at_ms;
static int oom_score_fd;

static int64_t
now_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
set_nonblocking (int fd)
{
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
}

static void
accept_connection (int listener)
{
  int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd < 0)
    return;
  Connection *new = connection_count < MAX_CONNECTIONS ? calloc (1, sizeof *new) : NULL;
  if (new == NULL)
    {
      close (fd);
      return;
    }
  new->fd = fd;
  new->terminal = new->slave = -1;
  for (int i = 0; i < 3; i++)
    new->streams[i] = -1;
  new->next = connections;
  connections = new;
  connection_count++;
}

static void
free_connection (Connection *connection)
{
  close_fd (&connection->fd);
  close_fd (&connection->terminal);
  close_fd (&connection->slave);
  for (int i = 0; i < 3; i++)
    close_fd (&connection->streams[i]);
  free (connection->body);
  free (connection);
  connection_count--;
}

/* Kill every process of the session that LEADER leads: also those that job control has put into
 * groups of their own.  LEADER has not been reaped, so the number is not another's. */
static void
kill_session (pid_t leader)
{
  DIR *list = opendir ("/proc");
  struct dirent *entry;

  kill (-leader, SIGKILL);
  while (list != NULL && (entry = readdir (list)) != NULL)
    {
      char path[64], stat[512];
      int session = 0;
      pid_t pid = atoi (entry->d_name);

      if (pid <= 1)
        continue;
      snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
      int fd = open (path, O_RDONLY | O_CLOEXEC);
      ssize_t length = fd >= 0 ? read (fd, stat, sizeof stat - 1) : -1;
      close_fd (&fd);
      if (length <= 0)
        continue;
      stat[length] = '\0';
      const char *fields = strrchr (stat, ')');
      if (fields != NULL && sscanf (fields + 1, " %*c %*d %*d %d", &session) == 1
          && session == leader)
        kill (pid, SIGKILL);
    }
  if (list != NULL)
    closedir (list);
}

/* The client has gone without waiting: what it ran must not stay.  A terminal hangs up first, as it
 * does for a person who closes the window. */
static void
lose_client (Connection *connection)
{
  close_fd (&connection->fd);
  for (int i = 0; i < 3; i++)
    close_fd (&connection->streams[i]);
  if (connection->pid == 0)
    return;
  if (connection->terminal >= 0)
    {
      close_fd (&connection->slave);
      close_fd (&connection->terminal);
      connection->kill_at_ms = now_ms () + HANGUP_GRACE_MS;
    }
  else
    kill_session (connection->pid);
}

static void
reply (Connection *connection, uint32_t kind, int value)
{
  connection->outcome = (AgbExecdMessage){ .kind = kind, .value = value };
  connection->has_ended = true;
}

/* Runs in the new process; comes back only by _exit. */
static void
become_command (Connection *connection, char **argv, char **env)
{
  const char *folder = connection->body;
  int slave = connection->slave;
  sigset_t none;

  setsid ();
  if (slave >= 0)
    ioctl (slave, TIOCSCTTY, 0);
  for (int i = 0; i < 3; i++)
    dup2 (slave >= 0 ? slave : connection->streams[i], i);
  signal (SIGPIPE, SIG_DFL); /* the only one that is not: the keeper saw to it */
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);

  if (chdir (folder) != 0)
    {
      AgbExecdMessage message = { .kind = AGB_EXECD_NO_FOLDER, .value = errno };
      send (connection->fd, &message, sizeof message, MSG_NOSIGNAL);
      _exit (126);
    }
  for (; *env != NULL; env++)
    putenv (*env);
  execvp (argv[0], argv);
  int reason = errno;
  dprintf (2, "agbranch: cannot run '%s': %s\n", argv[0], strerror (reason));
  _exit (reason == ENOENT ? 127 : 126);
}

/* Split the body into arguments and environment; NULL when it is not what the request says. */
static char **
split_body (Connection *connection, char ***ret_env)
{
  const AgbExecdRequest *request = &connection->request;
  char *next = connection->body, *end = connection->body + request->body_length;
  size_t strings = (size_t)request->argc + request->envc;

  if (request->body_length == 0 || end[-1] != '\0' || request->argc == 0
      || strings > request->body_length)
    return NULL;
  char **all = calloc (strings + 2, sizeof *all);
  if (all == NULL)
    return NULL;
  for (size_t i = 0; i < strings; i++)
    {
      next += strlen (next) + 1;
      if (next >= end)
        {
          free (all);
          return NULL;
        }
      all[i < request->argc ? i : i + 1] = next;
    }
  *ret_env = all + request->argc + 1;
  return all;
}

static bool
open_terminal (Connection *connection)
{
  struct winsize size = { .ws_row = (unsigned short)connection->request.rows,
                          .ws_col = (unsigned short)connection->request.columns };

  if (openpty (&connection->terminal, &connection->slave, NULL, NULL, &size) != 0)
    return false;
  fcntl (connection->terminal, F_SETFD, FD_CLOEXEC);
  fcntl (connection->slave, F_SETFD, FD_CLOEXEC);
  set_nonblocking (connection->terminal);
  set_nonblocking (connection->streams[0]);
  set_nonblocking (connection->streams[1]);
  return true;
}

/* When memory runs out, a command goes before pid 1 (whose end is the end of all) and before the
 * host's own programs.  A process may lower its score again to where it was; a child keeps what was in
 * force when it was made. */
static pid_t
fork_command (void)
{
  if (oom_score_fd >= 0 && write (oom_score_fd, "500", 3) != 3)
    close_fd (&oom_score_fd);
  pid_t pid = fork ();
  if (pid != 0 && oom_score_fd >= 0 && write (oom_score_fd, "0", 1) != 1)
    close_fd (&oom_score_fd);
  return pid;
}

static void
start_command (Connection *connection)
{
  bool tty = (connection->request.flags & AGB_EXECD_TTY) != 0;
  char **env = NULL;
  char **argv = split_body (connection, &env);

  if (argv == NULL || connection->streams[tty ? 1 : 2] < 0)
    {
      reply (connection, AGB_EXECD_NO_START, EPROTO);
      free (argv);
      return;
    }
  if (tty && !open_terminal (connection))
    {
      reply (connection, AGB_EXECD_NO_START, errno);
      free (argv);
      return;
    }
  pid_t pid = fork_command ();
  if (pid == 0)
    become_command (connection, argv, env);
  if (pid < 0)
    reply (connection, AGB_EXECD_NO_START, errno);
  else
    connection->pid = pid;
  free (argv);
  free (connection->body);
  connection->body = NULL;
  if (!tty)
    for (int i = 0; i < 3; i++)
      close_fd (&connection->streams[i]);
}

static void
begin_shut_down (uint32_t grace_ms)
{
  if (shut_down_at_ms != 0)
    return;
  shut_down_at_ms = now_ms () + grace_ms;
  kill (-1, SIGTERM);
  kill (-1, SIGHUP); /* interactive shells ignore TERM */
  kill (-1, SIGCONT);
}

/* Keep the descriptors that came with the request. */
static void
take_streams (Connection *connection, struct msghdr *message)
{
  for (struct cmsghdr *header = CMSG_FIRSTHDR (message); header != NULL;
       header = CMSG_NXTHDR (message, header))
    {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        continue;
      size_t count = (header->cmsg_len - CMSG_LEN (0)) / sizeof (int);
      for (size_t i = 0; i < count && i < 3; i++)
        {
          close_fd (&connection->streams[i]);
          memcpy (&connection->streams[i], CMSG_DATA (header) + i * sizeof (int), sizeof (int));
        }
    }
}

static bool
request_is_sound (const AgbExecdRequest *request)
{
  return request->magic == AGB_EXECD_MAGIC && request->body_length <= AGB_EXECD_BODY_MAX
         && (request->kind == AGB_EXECD_RUN || request->kind == AGB_EXECD_SHUT_DOWN);
}

static void
receive_request (Connection *connection)
{
  size_t header = sizeof connection->request;
  union {
    char bytes[CMSG_SPACE (3 * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct iovec part;

  if (connection->received < header)
    part = (struct iovec){ (char *)&connection->request + connection->received,
                           header - connection->received };
  else
    part = (struct iovec){ connection->body + (connection->received - header),
                           header + connection->request.body_length - connection->received };
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  ssize_t length = recvmsg (connection->fd, &message, MSG_CMSG_CLOEXEC);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length <= 0)
    {
      lose_client (connection);
      return;
    }
  take_streams (connection, &message);
  connection->received += (size_t)length;

  if (connection->received == header)
    {
      if (!request_is_sound (&connection->request)
          || (connection->body = malloc (connection->request.body_length + 1)) == NULL)
        {
          lose_client (connection);
          return;
        }
      if (connection->request.kind == AGB_EXECD_SHUT_DOWN)
        begin_shut_down (connection->request.grace_ms);
    }
  if (connection->received == header + connection->request.body_length
      && connection->request.kind == AGB_EXECD_RUN)
    start_command (connection);
}

static void
pass_signal (Connection *connection, int number)
{
  pid_t group = connection->terminal >= 0 ? tcgetpgrp (connection->terminal) : -1;

  if (number > 0 && number < NSIG && connection->pid > 0)
    kill (-(group > 1 ? group : connection->pid), number);
}

static void
receive_message (Connection *connection)
{
  AgbExecdMessage message;
  /* The client sends whole messages of eight bytes, which a stream socket does not split. */
  ssize_t length = recv (connection->fd, &message, sizeof message, 0);

  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length != sizeof message)
    lose_client (connection);
  else if (message.kind == AGB_EXECD_SIGNAL)
    pass_signal (connection, message.value);
  else if (message.kind == AGB_EXECD_RESIZE && connection->terminal >= 0)
    {
      struct winsize size = { .ws_row = (unsigned short)((uint32_t)message.value >> 16),
                              .ws_col = (unsigned short)(message.value & 0xFFFF) };
      ioctl (connection->terminal, TIOCSWINSZ, &size);
    }
}

static bool
is_empty (const Buffer *buffer)
{
  return buffer->start == buffer->end;
}

/* Fill an empty buffer: 1 something came, 0 nothing now, -1 the end. */
static int
fill (int fd, Buffer *buffer)
{
  ssize_t length = read (fd, buffer->bytes, sizeof buffer->bytes);

  buffer->start = 0;
  buffer->end = length > 0 ? (size_t)length : 0;
  if (length > 0)
    return 1;
  return length < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void
flush (int *fd, Buffer *buffer)
{
  ssize_t length
      = *fd >= 0 ? write (*fd, buffer->bytes + buffer->start, buffer->end - buffer->start) : -1;

  if (length >= 0)
    buffer->start += (size_t)length;
  else if (*fd < 0 || (errno != EAGAIN && errno != EINTR))
    {
      close_fd (fd); /* nobody reads any more: what comes is dropped */
      buffer->start = buffer->end;
    }
}

static void
read_input (Connection *connection)
{
  struct termios settings;

  if (fill (connection->streams[0], &connection->to_terminal) >= 0)
    return;
  /* The end of the client's input is, on a terminal, the end-of-file character. */
  close_fd (&connection->streams[0]);
  connection->to_terminal.bytes[0]
      = tcgetattr (connection->terminal, &settings) == 0 ? (char)settings.c_cc[VEOF] : '\4';
  connection->to_terminal.start = 0;
  connection->to_terminal.end = 1;
}

static void
read_terminal (Connection *connection)
{
  if (fill (connection->terminal, &connection->from_terminal) < 0)
    connection->terminal_hung_up = true; /* EIO: nobody has it open */
}

/* The descriptors of one connection, always POLLS_EACH entries; what is of no interest now is -1, so
 * that a hang-up which nobody handles does not make the loop spin. */
static void
plan_polls (const Connection *connection, struct pollfd *polls)
{
  bool has_terminal = connection->terminal >= 0;
  bool wants_output
      = has_terminal && is_empty (&connection->from_terminal) && !connection->terminal_hung_up;
  bool wants_room = has_terminal && !is_empty (&connection->to_terminal);
  bool wants_input = has_terminal && is_empty (&connection->to_terminal);
  bool has_output = has_terminal && !is_empty (&connection->from_terminal);

  polls[0] = (struct pollfd){ .fd = connection->fd, .events = POLLIN };
  polls[1] = (struct pollfd){ .fd = wants_output || wants_room ? connection->terminal : -1,
                              .events
                              = (short)((wants_output ? POLLIN : 0) | (wants_room ? POLLOUT : 0)) };
  polls[2] = (struct pollfd){ .fd = wants_input ? connection->streams[0] : -1, .events = POLLIN };
  polls[3] = (struct pollfd){ .fd = has_output ? connection->streams[1] : -1, .events = POLLOUT };
}

static void
serve_polls (Connection *connection, const struct pollfd *polls)
{
  if (polls[3].revents != 0)
    flush (&connection->streams[1], &connection->from_terminal);
  if (polls[1].revents & (POLLIN | POLLHUP | POLLERR) && is_empty (&connection->from_terminal)
      && !connection->terminal_hung_up)
    read_terminal (connection);
  if (polls[1].revents & (POLLOUT | POLLERR) && !is_empty (&connection->to_terminal))
    {
      int master = connection->terminal;
      flush (&master, &connection->to_terminal);
      if (master < 0)
        connection->terminal = -1;
    }
  if (polls[2].revents != 0 && is_empty (&connection->to_terminal))
    read_input (connection);
  if (polls[0].revents != 0)
    {
      if (connection->pid == 0 && !connection->has_ended)
        receive_request (connection);
      else
        receive_message (connection);
    }
}

/* After the command's end: what it wrote to its terminal before goes out first. */
static bool
has_drained (Connection *connection)
{
  if (connection->terminal < 0 || connection->streams[1] < 0)
    return true;
  while (is_empty (&connection->from_terminal))
    {
      if (connection->terminal_hung_up
          || fill (connection->terminal, &connection->from_terminal) <= 0)
        return true;
      flush (&connection->streams[1], &connection->from_terminal);
    }
  return false;
}

/* TRUE when the connection is over and may be freed. */
static bool
settle (Connection *connection)
{
  if (connection->fd < 0)
    return connection->pid == 0;
  if (!connection->has_ended || !has_drained (connection))
    return false;
  for (int i = 0; i < 3; i++)
    close_fd (&connection->streams[i]);
  send (connection->fd, &connection->outcome, sizeof connection->outcome,
        MSG_NOSIGNAL | MSG_DONTWAIT);
  return true;
}

static void
note_end (pid_t pid, int status)
{
  for (Connection *connection = connections; connection != NULL; connection = connection->next)
    if (connection->pid == pid)
      {
        connection->pid = 0;
        close_fd (&connection->slave);
        if (WIFSIGNALED (status))
          reply (connection, AGB_EXECD_KILLED, WTERMSIG (status));
        else
          reply (connection, AGB_EXECD_EXITED, WEXITSTATUS (status));
      }
}

static void
reap (int signals)
{
  struct signalfd_siginfo info;
  pid_t pid;
  int status;

  while (read (signals, &info, sizeof info) > 0)
    ;
  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    note_end (pid, status);
  if (pid < 0 && errno == ECHILD && shut_down_at_ms != 0)
    _exit (0);
}

/* Milliseconds until the next planned event, -1: none. */
static int
next_event_ms (void)
{
  int64_t next = shut_down_at_ms;

  for (Connection *connection = connections; connection != NULL; connection = connection->next)
    if (connection->kill_at_ms != 0 && (next == 0 || connection->kill_at_ms < next))
      next = connection->kill_at_ms;
  if (next == 0)
    return -1;
  int64_t left = next - now_ms ();
  return left > 0 ? (int)left : 0;
}

static void
run_planned_events (void)
{
  int64_t now = now_ms ();

  /* With pid 1 the kernel kills all the rest. */
  if (shut_down_at_ms != 0 && now >= shut_down_at_ms)
    _exit (0);
  for (Connection *connection = connections; connection != NULL; connection = connection->next)
    if (connection->kill_at_ms != 0 && now >= connection->kill_at_ms)
      {
        connection->kill_at_ms = 0;
        if (connection->pid > 0)
          kill_session (connection->pid);
      }
}

static void
sweep (void)
{
  for (Connection **link = &connections; *link != NULL;)
    {
      Connection *connection = *link;

      if (settle (connection))
        {
          *link = connection->next;
          free_connection (connection);
        }
      else
        link = &connection->next;
    }
}

static void
serve (int listener, int signals)
{
  static struct pollfd polls[2 + MAX_CONNECTIONS * POLLS_EACH];

  for (;;)
    {
      nfds_t count = 2;

      polls[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
      polls[1] = (struct pollfd){ .fd = shut_down_at_ms == 0 ? listener : -1, .events = POLLIN };
      for (Connection *connection = connections; connection != NULL; connection = connection->next)
        {
          plan_polls (connection, polls + count);
          count += POLLS_EACH;
        }
      if (poll (polls, count, next_event_ms ()) < 0 && errno != EINTR)
        _exit (1);

      count = 2;
      for (Connection *connection = connections; connection != NULL; connection = connection->next)
        {
          serve_polls (connection, polls + count);
          count += POLLS_EACH;
        }
      if (polls[1].revents != 0)
        accept_connection (listener);
      reap (signals);
      run_planned_events ();
      sweep ();
    }
}

/* Limits that hold without control groups, "NAME=VALUE" each: for every process that is started from
 * here.  The number of processes is counted in the sandbox's own user namespace. */
static void
set_limits (char **arguments)
{
  static const struct {
    const char *name;
    int resource;
  } known[] = { { "processes", RLIMIT_NPROC },
                { "data", RLIMIT_DATA },
                { "file", RLIMIT_FSIZE },
                { "core", RLIMIT_CORE } };

  for (; *arguments != NULL; arguments++)
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      {
        size_t length = strlen (known[i].name);

        if (strncmp (*arguments, known[i].name, length) != 0 || (*arguments)[length] != '=')
          continue;
        rlim_t value = strtoull (*arguments + length + 1, NULL, 10);
        setrlimit ((__rlimit_resource_t)known[i].resource, &(struct rlimit){ value, value });
      }
}

int
main (int argc, char **argv)
{
  sigset_t children;

  (void)argc;
  close_range (AGB_EXECD_LISTEN_FD + 1, ~0U, 0);
  /* Before /proc/self is closed by the line after. */
  oom_score_fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  prctl (PR_SET_DUMPABLE, 0);
  fcntl (AGB_EXECD_LISTEN_FD, F_SETFD, FD_CLOEXEC);
  set_nonblocking (AGB_EXECD_LISTEN_FD);
  umask (022);
  set_limits (argv + 1);
  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&children);
  sigaddset (&children, SIGCHLD);
  sigprocmask (SIG_BLOCK, &children, NULL);
  int signals = signalfd (-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0)
    return 1;

  /* The keeper reads this line as: from here on, requests are served. */
  if (write (STDERR_FILENO, "ready\n", 6) != 6)
    return 1;
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return 1;
  for (int i = 0; i < 3; i++)
    dup2 (null, i);
  serve (AGB_EXECD_LISTEN_FD, signals);
}
