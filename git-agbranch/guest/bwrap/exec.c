/* The client of execd: one connection, one command (protocol.h). */
#include "guest/bwrap/bwrap.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"
#include "guest/bwrap/folder.h"
#include "guest/bwrap/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  SEND_TIMEOUT_MS = 10 * 1000,
  ANSWER_TIMEOUT_MS = 1000,
};

typedef struct {
  AgbGuestProcess process;
  int connection;
  char *vm_name;
  char *folder;
} BwrapProcess;

int
agb_bwrap_connect (const char *state_root, const char *vm_name, GError **error)
{
  g_autofree char *path = agb_bwrap_path (state_root, vm_name, NULL);
  agb_autofd int folder = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  agb_autofd int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", folder);
  if (folder >= 0 && fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return agb_steal_fd (&fd);
  if (errno == ENOENT || errno == ECONNREFUSED)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' is not running", vm_name);
      if (g_str_has_prefix (vm_name, "agbranch-"))
        agb_error_hint (error, "start it with: git agbranch start %s",
                        vm_name + strlen ("agbranch-"));
    }
  else
    g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot reach guest '%s': %s", vm_name,
                 g_strerror (errno));
  return -1;
}

/* The kernel does not tell a terminal's size or a signal from the guest: everything is one message. */
static void
send_message (BwrapProcess *self, guint32 kind, gint32 value)
{
  AgbExecdMessage message = { .kind = kind, .value = value };

  send (self->connection, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int
process_wait_fd (AgbGuestProcess *process)
{
  return ((BwrapProcess *)process)->connection;
}

static void
process_signal (AgbGuestProcess *process, int signal_number)
{
  send_message ((BwrapProcess *)process, AGB_EXECD_SIGNAL, signal_number);
}

static void
process_resize (AgbGuestProcess *process, guint16 rows, guint16 columns)
{
  send_message ((BwrapProcess *)process, AGB_EXECD_RESIZE, (gint32)((guint32)rows << 16 | columns));
}

static void
process_free (AgbGuestProcess *process)
{
  BwrapProcess *self = (BwrapProcess *)process;

  agb_close (&self->connection);
  g_free (self->vm_name);
  g_free (self->folder);
  g_free (self);
}

static gboolean
interpret (BwrapProcess *self, const AgbExecdMessage *answer, int *ret_status, GError **error)
{
  if (answer->kind == AGB_EXECD_EXITED && answer->value >= 0 && answer->value <= 255)
    *ret_status = answer->value;
  else if (answer->kind == AGB_EXECD_KILLED && answer->value > 0 && answer->value < 128)
    *ret_status = 128 + answer->value;
  else if (answer->kind == AGB_EXECD_NO_FOLDER)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot enter '%s' in guest '%s': %s",
                   self->folder, self->vm_name, g_strerror (answer->value));
      return FALSE;
    }
  else if (answer->kind == AGB_EXECD_NO_START)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot start a process in guest '%s': %s",
                   self->vm_name, g_strerror (answer->value));
      return FALSE;
    }
  else
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' answers what no guest should",
                   self->vm_name);
      return FALSE;
    }
  return TRUE;
}

/* execd is the guest's side: eight bytes are read, within a second, and no more. */
static gboolean
process_finish (AgbGuestProcess *process, int *ret_status, GError **error)
{
  BwrapProcess *self = (BwrapProcess *)process;
  gint64 deadline = agb_deadline_in (ANSWER_TIMEOUT_MS);
  AgbExecdMessage answer;
  gsize received = 0;

  while (received < sizeof answer)
    {
      struct pollfd poll_fd = { .fd = self->connection, .events = POLLIN };
      int ready = poll (&poll_fd, 1, agb_deadline_left_ms (deadline));
      ssize_t length = ready > 0 ? recv (self->connection, (char *)&answer + received,
                                         sizeof answer - received, 0)
                                 : -1;

      if (length < 0 && ready != 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (length <= 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                       "guest '%s' ended before the command did", self->vm_name);
          return FALSE;
        }
      received += (gsize)length;
    }
  return interpret (self, &answer, ret_status, error);
}

static const struct AgbGuestProcessClass process_class = {
  .wait_fd = process_wait_fd,
  .finish = process_finish,
  .signal = process_signal,
  .resize = process_resize,
  .free = process_free,
};

/* Send all of DATA until DEADLINE; the descriptors in MESSAGE's control part go with its first byte. */
static gboolean
send_all (int connection, const void *data, gsize length, const int *fds, guint fd_count,
          gint64 deadline, GError **error)
{
  const char *next = data;
  union {
    char bytes[CMSG_SPACE (3 * sizeof (int))];
    struct cmsghdr align;
  } control = { 0 };

  while (length > 0)
    {
      struct iovec part = { (char *)next, length };
      struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
      struct pollfd poll_fds[2] = { { .fd = connection, .events = POLLOUT },
                                    { .fd = agb_interrupt_fd (), .events = POLLIN } };

      if (fd_count > 0)
        {
          message.msg_control = &control;
          message.msg_controllen = CMSG_SPACE (fd_count * sizeof (int));
          struct cmsghdr *header = CMSG_FIRSTHDR (&message);
          header->cmsg_level = SOL_SOCKET;
          header->cmsg_type = SCM_RIGHTS;
          header->cmsg_len = CMSG_LEN (fd_count * sizeof (int));
          memcpy (CMSG_DATA (header), fds, fd_count * sizeof (int));
        }
      ssize_t sent = sendmsg (connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0)
        {
          next += sent;
          length -= (gsize)sent;
          fd_count = 0;
          continue;
        }
      if (errno != EAGAIN && errno != EINTR)
        return agb_error_set_errno (error, errno, "send to", "guest");
      int ready = poll (poll_fds, 2, agb_deadline_left_ms (deadline));
      if (agb_interrupted (error))
        return FALSE;
      if (ready == 0)
        {
          g_set_error_literal (error, AGB_ERROR, AGB_ERROR_TIMEOUT,
                               "the guest does not take the command in time");
          return FALSE;
        }
    }
  return TRUE;
}

static void
append_string (GByteArray *body, const char *text)
{
  g_byte_array_append (body, (const guint8 *)text, (guint)strlen (text) + 1);
}

static GByteArray *
make_request (const AgbExecSpec *spec, const char *folder, AgbExecdRequest *request)
{
  GByteArray *bytes = g_byte_array_new ();

  *request = (AgbExecdRequest){
    .magic = AGB_EXECD_MAGIC,
    .kind = AGB_EXECD_RUN,
    .flags = spec->tty ? AGB_EXECD_TTY : 0,
    .rows = spec->rows != 0 ? spec->rows : 24,
    .columns = spec->columns != 0 ? spec->columns : 80,
  };
  g_byte_array_append (bytes, (const guint8 *)request, sizeof *request);
  append_string (bytes, folder);
  for (const char *const *arg = spec->argv; *arg != NULL; arg++, request->argc++)
    append_string (bytes, *arg);
  if (spec->tty)
    {
      g_autofree char *term
          = g_strconcat ("TERM=", spec->term != NULL ? spec->term : "xterm-256color", NULL);
      append_string (bytes, term);
      request->envc++;
    }
  for (const char *const *env = spec->env; env != NULL && *env != NULL; env++, request->envc++)
    append_string (bytes, *env);
  request->body_length = bytes->len - (guint)sizeof *request;
  memcpy (bytes->data, request, sizeof *request);
  return bytes;
}

/* Index 0 to read, 1 to write, as pipe(2). */
static gboolean
make_pipe (int *ret_read, int *ret_write, GError **error)
{
  int ends[2];

  if (!g_unix_open_pipe (ends, FD_CLOEXEC, error))
    {
      agb_error_adopt (error, AGB_ERROR_RUNTIME, "cannot make a pipe: ");
      return FALSE;
    }
  *ret_read = ends[0];
  *ret_write = ends[1];
  return TRUE;
}

static gboolean
send_request (BwrapProcess *self, const AgbExecSpec *spec, GError **error)
{
  agb_autofd int in = -1, out = -1, err = -1;
  AgbExecdRequest request;
  g_autoptr (GByteArray) bytes = make_request (spec, self->folder, &request);

  if (request.body_length > AGB_EXECD_BODY_MAX)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "the command and its environment are longer than %d bytes", AGB_EXECD_BODY_MAX);
      return FALSE;
    }
  if (!make_pipe (&in, &self->process.stdin_fd, error)
      || !make_pipe (&self->process.stdout_fd, &out, error)
      || (!spec->tty && !make_pipe (&self->process.stderr_fd, &err, error)))
    return FALSE;
  g_unix_set_fd_nonblocking (self->process.stdin_fd, TRUE, NULL);
  g_unix_set_fd_nonblocking (self->process.stdout_fd, TRUE, NULL);
  if (self->process.stderr_fd >= 0)
    g_unix_set_fd_nonblocking (self->process.stderr_fd, TRUE, NULL);

  const int fds[3] = { in, out, err };
  return send_all (self->connection, bytes->data, bytes->len, fds, spec->tty ? 2 : 3,
                   agb_deadline_in (SEND_TIMEOUT_MS), error);
}

AgbGuestProcess *
agb_bwrap_exec (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec, GError **error)
{
  AgbBwrapRuntime *self = (AgbBwrapRuntime *)runtime;
  int connection = agb_bwrap_connect (self->state_root, vm_name, error);

  if (connection < 0)
    return NULL;
  BwrapProcess *process = g_new (BwrapProcess, 1);
  *process = (BwrapProcess){
    .process = { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .klass = &process_class },
    .connection = connection,
    .vm_name = g_strdup (vm_name),
    .folder = g_strdup (spec->cwd != NULL ? spec->cwd : AGB_GUEST_HOME),
  };
  if (!send_request (process, spec, error))
    {
      agb_close (&process->process.stdin_fd);
      agb_close (&process->process.stdout_fd);
      agb_close (&process->process.stderr_fd);
      process_free (&process->process);
      return NULL;
    }
  return &process->process;
}

void
agb_bwrap_ask_to_end (const char *state_root, const char *vm_name, guint grace_ms)
{
  agb_autofd int connection = agb_bwrap_connect (state_root, vm_name, NULL);
  AgbExecdRequest request
      = { .magic = AGB_EXECD_MAGIC, .kind = AGB_EXECD_SHUT_DOWN, .grace_ms = grace_ms };
  gint64 deadline = agb_deadline_in (grace_ms + ANSWER_TIMEOUT_MS);

  if (connection < 0 || !send_all (connection, &request, sizeof request, NULL, 0, deadline, NULL))
    return;
  /* It ends by ending: nothing is answered. */
  struct pollfd poll_fd = { .fd = connection, .events = POLLIN };
  while (poll (&poll_fd, 1, agb_deadline_left_ms (deadline)) < 0 && errno == EINTR)
    ;
}
