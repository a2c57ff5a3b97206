#include "guest/lima/exec.h"

#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "core/trace.h"
#include "guest/lima/record.h"
#include "guest/lima/ssh.h"
#include "guest/stream.h"
#include "guest/transport.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  FORWARD_TIMEOUT_MS = 5 * 1000,
  ANSWER_TIMEOUT_MS = 30 * 1000,
  SEND_TIMEOUT_MS = 10 * 1000,
  LINE_SIZE = 64,
};

/* The number is the version of what is said: a saved state may hold an older server. */
#define SERVER_FOLDER AGB_GUEST_HOME "/.agbranch"
#define SERVER_SOCKET SERVER_FOLDER "/exec.1.sock"

/* The connections of one command. */
enum { CONTROL, INPUT, OUTPUT, ERRORS, CONNECTIONS };
static const char *const roles[CONNECTIONS] = { "run", "in", "out", "err" };

typedef struct {
  AgbGuestProcess process;
  const AgbLima *lima;
  char *vm_name;
  char *token;
  int control_fd;
  gboolean ended;
} ServedProcess;

typedef enum {
  SERVED,
  ABSENT,   /* nothing was run; there is no server, or no way to it */
  DECLINED, /* nothing was run; there is one, which will know the login environment soon */
  FAILED,   /* error is set */
} Outcome;

/* On the host the way to the server is the socket "run/INSTANCE" of our folder, not of the instance's: Lima
 * copies what is in that when it clones. */
static char *
socket_path (const AgbLima *lima, const char *vm_name)
{
  return agb_lima_record_path (lima->home, "run", vm_name);
}

void
agb_lima_exec_forget (const AgbLima *lima, const char *vm_name)
{
  g_autofree char *path = socket_path (lima, vm_name);

  unlink (path);
}

static int
connect_socket (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  agb_autofd int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0
      || g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path
      || connect (fd, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return agb_steal_fd (&fd);
}

/* ssh listens on a name of its own first: of two of us at once, neither takes the other's away. */
static gboolean
make_way (const AgbLima *lima, const char *vm_name, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *fresh = g_strdup_printf ("%s.%06x", path, g_random_int () & 0xffffff);

  if (agb_mkdirs (folder, 0700, NULL)
      && agb_lima_forward (lima, vm_name, fresh, SERVER_SOCKET, FORWARD_TIMEOUT_MS)
      && rename (fresh, path) == 0)
    return TRUE;
  unlink (fresh);
  return FALSE;
}

static int
reach (const AgbLima *lima, const char *vm_name)
{
  g_autofree char *path = socket_path (lima, vm_name);
  int fd = connect_socket (path);

  if (fd < 0 && make_way (lima, vm_name, path))
    fd = connect_socket (path);
  return fd;
}

static void
append_field (GString *text, const char *field)
{
  if (text->len > 0)
    g_string_append_c (text, '\0');
  g_string_append (text, field);
}

static GString *
introduction (int role, const char *token, const AgbExecSpec *spec)
{
  GString *text = g_string_new (NULL);
  guint variables = spec->env != NULL ? g_strv_length ((char **)spec->env) : 0;
  char number[16];

  append_field (text, roles[role]);
  append_field (text, token);
  if (role == CONTROL)
    {
      append_field (text, spec->cwd != NULL ? spec->cwd : "");
      g_snprintf (number, sizeof number, "%u", variables);
      append_field (text, number);
      for (guint i = 0; i < variables; i++)
        append_field (text, spec->env[i]);
      for (const char *const *arg = spec->argv; *arg != NULL; arg++)
        append_field (text, *arg);
    }
  g_snprintf (number, sizeof number, "%08" G_GSIZE_MODIFIER "x", text->len);
  g_string_prepend (text, number);
  return text;
}

/* What fits into a socket's buffer goes at once; a longer list of words waits for the guest. */
static gboolean
send_introduction (int fd, const GString *text, GError **error)
{
  gint64 deadline = agb_deadline_in (SEND_TIMEOUT_MS);
  gsize sent = 0;

  while (sent < text->len)
    {
      struct pollfd writable = { .fd = fd, .events = POLLOUT };
      ssize_t length = send (fd, text->str + sent, text->len - sent, MSG_NOSIGNAL);

      if (length > 0)
        sent += (gsize)length;
      else if (errno != EAGAIN && errno != EINTR)
        return TRUE; /* closed already: how it is answered tells */
      else if (!agb_guest_poll (&writable, 1, deadline, error))
        return FALSE;
    }
  return TRUE;
}

/* The next line on the control connection, without its end; NULL at its end or when what comes is none.
 * Not a byte more is taken: what lies there is the event of process_wait_fd.  The caller frees. */
static char *
read_line (ServedProcess *self, gint64 deadline_usec, GError **error)
{
  char line[LINE_SIZE];

  for (gsize length = 0; length < sizeof line;)
    {
      struct pollfd readable = { .fd = self->control_fd, .events = POLLIN };
      ssize_t got = recv (self->control_fd, line + length, 1, 0);

      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        return NULL;
      if (got < 0 && !agb_guest_poll (&readable, 1, deadline_usec, error))
        return NULL;
      if (got > 0 && line[length++] == '\n')
        return g_strndup (line, length - 1);
    }
  return NULL;
}

static int
process_wait_fd (AgbGuestProcess *process)
{
  return ((ServedProcess *)process)->control_fd;
}

static gboolean
process_finish (AgbGuestProcess *process, int *ret_status, GError **error)
{
  ServedProcess *self = (ServedProcess *)process;
  g_autoptr (GError) problem = NULL;
  g_autofree char *line = read_line (self, agb_deadline_in (ANSWER_TIMEOUT_MS), &problem);
  int status = -1;

  self->ended
      = line != NULL && sscanf (line, "status %3d", &status) == 1 && status >= 0 && status <= 255;
  if (self->ended)
    {
      *ret_status = status;
      return TRUE;
    }
  if (g_error_matches (problem, AGB_ERROR, AGB_ERROR_INTERRUPTED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "guest '%s' does not answer: the connection broke before the command ended",
               self->vm_name);
  agb_error_hint (error, "look with: git agbranch doctor");
  return FALSE;
}

static void
process_signal (AgbGuestProcess *process, int signal_number)
{
  ServedProcess *self = (ServedProcess *)process;

  agb_lima_signal (self->lima, self->vm_name, self->token, signal_number);
}

static void
process_resize (AgbGuestProcess *process, guint16 rows, guint16 columns)
{
  (void)process;
  (void)rows;
  (void)columns;
}

static void
process_free (AgbGuestProcess *process)
{
  ServedProcess *self = (ServedProcess *)process;

  if (!self->ended && self->control_fd >= 0)
    {
      struct pollfd over = { .fd = self->control_fd, .events = POLLIN };
      if (poll (&over, 1, 0) == 0)
        process_signal (process, SIGKILL);
    }
  agb_close (&self->control_fd);
  g_free (self->vm_name);
  g_free (self->token);
  g_free (self);
}

static const struct AgbGuestProcessClass process_class = {
  .streams_end = TRUE,
  .wait_fd = process_wait_fd,
  .finish = process_finish,
  .signal = process_signal,
  .resize = process_resize,
  .free = process_free,
};

static ServedProcess *
process_new (const AgbLima *lima, const char *vm_name)
{
  ServedProcess *self = g_new0 (ServedProcess, 1);

  self->process = (AgbGuestProcess){
    .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .klass = &process_class
  };
  self->lima = lima;
  self->vm_name = g_strdup (vm_name);
  self->token = agb_lima_token ();
  self->control_fd = -1;
  return self;
}

/* Hand SPEC over; what comes back is in the descriptors of SELF. */
static Outcome
ask (ServedProcess *self, const AgbExecSpec *spec, GError **error)
{
  int *const fds[CONNECTIONS] = { &self->control_fd, &self->process.stdin_fd,
                                  &self->process.stdout_fd, &self->process.stderr_fd };

  for (int role = 0; role < CONNECTIONS; role++)
    {
      g_autoptr (GString) text = introduction (role, self->token, spec);
      *fds[role] = reach (self->lima, self->vm_name);
      if (*fds[role] < 0)
        return ABSENT;
      g_unix_set_fd_nonblocking (*fds[role], TRUE, NULL);
      if (!send_introduction (*fds[role], text, error))
        return FAILED;
    }

  g_autofree char *answer = read_line (self, agb_deadline_in (ANSWER_TIMEOUT_MS), error);
  if (g_strcmp0 (answer, "started") == 0)
    return SERVED;
  if (answer == NULL && *error != NULL)
    return FAILED;
  return g_strcmp0 (answer, "declined") == 0 ? DECLINED : ABSENT;
}

/* An answer that is only late must not be taken for "nothing was run": the command is not tried again. */
static Outcome
serve (const AgbLima *lima, const char *vm_name, const AgbExecSpec *spec, AgbGuestProcess **ret,
       GError **error)
{
  ServedProcess *self = process_new (lima, vm_name);
  g_autoptr (GError) problem = NULL;
  Outcome outcome = ask (self, spec, &problem);

  if (outcome == SERVED)
    {
      *ret = &self->process;
      return SERVED;
    }
  if (outcome != FAILED) /* then it may run: it is killed */
    agb_close (&self->control_fd);
  agb_guest_process_free (&self->process);
  if (outcome == FAILED && g_error_matches (problem, AGB_ERROR, AGB_ERROR_TIMEOUT))
    {
      agb_lima_exec_forget (lima, vm_name);
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' does not answer", vm_name);
      agb_error_hint (error, "look with: git agbranch doctor");
    }
  else if (outcome == FAILED)
    g_propagate_error (error, g_steal_pointer (&problem));
  return outcome;
}

/* For the guest's shell: leave a server behind, where a guest of ours has a place for it. */
static char *
start_server (GError **error)
{
  g_autofree char *text = agb_asset_read ("guest/exec.pl", error);

  if (text == NULL)
    return NULL;
  g_autofree char *quoted = agb_lima_quote (text);
  return g_strdup_printf ("test ! -d " SERVER_FOLDER " || (perl -e %s " SERVER_FOLDER
                          " </dev/null >/dev/null 2>&1 &); ",
                          quoted);
}

AgbGuestProcess *
agb_lima_exec (const AgbLima *lima, const char *vm_name, const AgbExecSpec *spec, GError **error)
{
  g_autofree char *before = NULL;
  AgbGuestProcess *process = NULL;

  if (!agb_lima_require_running (lima, vm_name, error) || !agb_lima_check_variables (spec, error))
    return NULL;
  if (spec->tty || spec->forward_ssh_agent)
    return agb_lima_ssh_exec (lima, vm_name, spec, "", error);
  switch (serve (lima, vm_name, spec, &process, error))
    {
    case SERVED:
      agb_trace_child (spec->argv, spec->cwd);
      return process;
    case FAILED:
      return NULL;
    case DECLINED:
      break;
    case ABSENT:
      before = start_server (error);
      if (before == NULL)
        return NULL;
      break;
    }
  return agb_lima_ssh_exec (lima, vm_name, spec, before != NULL ? before : "", error);
}
