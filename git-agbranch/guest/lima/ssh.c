#include "guest/lima/ssh.h"

#include "core/error.h"
#include "core/escape.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/time.h"
#include "guest/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
  SIGNAL_TIMEOUT_MS = 15000,
  CONNECT_SECONDS = 15,
  RETRY_PAUSE_MS = 100,
  SSH_FAILED = 255,
  /* What fits into one variable (execve(2), MAX_ARG_STRLEN) beside its name. */
  VARIABLES_MAX = 120 * 1024,
};

/* In which the variables for a command travel: sshd takes LC_* from clients on the usual distributions,
 * and by provision/50-session.sh here.  Their values must be in nobody's argument list. */
#define VARIABLES "LC_AGBRANCH_ENV"

typedef struct {
  AgbGuestProcess process;
  const AgbLima *lima;
  char *vm_name;
  char *token; /* in the environment of everything that the command starts */
  AgbChild child;
  int log_fd;    /* what ssh itself has to say */
  int master_fd; /* our end of the terminal, -1 without one */
  gboolean ended;
} LimaProcess;

char *
agb_lima_ssh_alias (const char *vm_name)
{
  return g_strconcat ("lima-", vm_name, NULL);
}

char *
agb_lima_quote (const char *text)
{
  GString *quoted = g_string_new ("'");

  for (; *text != '\0'; text++)
    if (*text == '\'')
      g_string_append (quoted, "'\\''");
    else
      g_string_append_c (quoted, *text);
  g_string_append_c (quoted, '\'');
  return g_string_free (quoted, FALSE);
}

static void
append_quoted (GString *text, const char *word)
{
  g_autofree char *quoted = agb_lima_quote (word);

  g_string_append_c (text, ' ');
  g_string_append (text, quoted);
}

static gboolean
has_variables (const AgbExecSpec *spec)
{
  return spec->env != NULL && *spec->env != NULL;
}

/* The variables of SPEC as text for a shell. */
static GString *
variables_text (const AgbExecSpec *spec)
{
  GString *text = g_string_new (NULL);

  for (const char *const *env = spec->env; env != NULL && *env != NULL; env++)
    {
      const char *value = strchr (*env, '=') + 1;
      g_autofree char *quoted = agb_lima_quote (value);
      g_string_append_printf (text, "export %.*s%s\n", (int)(value - *env), *env, quoted);
    }
  return text;
}

gboolean
agb_lima_check_variables (const AgbExecSpec *spec, GError **error)
{
  g_autoptr (GString) text = variables_text (spec);

  if (text->len <= VARIABLES_MAX)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "variables of %" G_GSIZE_FORMAT " bytes are too many for a command, %d is the most",
               text->len, VARIABLES_MAX);
  agb_error_hint (error, "bring a file in: git agbranch cp <file> <session>:<path>");
  return FALSE;
}

static char **
environment_of_ssh (const AgbExecSpec *spec)
{
  char **envp = g_get_environ ();

  if (!has_variables (spec))
    return envp;
  g_autoptr (GString) text = variables_text (spec);
  return g_environ_setenv (envp, VARIABLES, text->str, TRUE);
}

#define PROFILES "for f in /etc/profile ~/.profile; do test ! -r $f || . $f; done"

/* The login environment.  What the profiles set is kept in a file until one of them, or a folder that they
 * look for, is newer: without KVM they are most of what a short command takes.  They are read for that file
 * in an environment of their own, so that nothing of one command is kept for the next.  What says which
 * session this is, is never kept: the file may be that of a base. */
#define LOGIN_ENVIRONMENT                                                                        \
  "l=~/.agbranch/login; s=/etc/profile.d/agbranch.sh; k=; test ! -r $l || k=1; "                 \
  "for f in /etc/environment /etc/profile /etc/profile.d /etc/profile.d/* ~/.profile ~/.bashrc " \
  "~/bin ~/.local/bin; do test ! $f -nt $l || k=; done; "                                        \
  "if test -n \"$k\" || "                                                                        \
  "(umask 077; env -i HOME=\"$HOME\" USER=\"$USER\" LOGNAME=\"$LOGNAME\" SHELL=\"$SHELL\" "      \
  "PATH=\"$PATH\" sh -c '{ " PROFILES                                                            \
  "; } </dev/null >/dev/null 2>&1; unset PWD OLDPWD; export -p' "                                \
  ">$l.$$ && mv $l.$$ $l) 2>/dev/null; then . $l; test ! -r $s || . $s; else { " PROFILES        \
  "; } </dev/null >/dev/null 2>&1; fi; unset l s k f; "

/* What the guest's shell is given: sshd takes one string, so every word is quoted.  The login
 * environment comes first; the shell stays (its traps let it outlive what ends the command, so that a
 * command that a signal ends still has a status; what the shell says about that is dropped). */
static char *
remote_command (const AgbExecSpec *spec, const char *before, const char *token)
{
  GString *text = g_string_new (before);
  const char *folder = spec->cwd;

  g_string_append (text, "trap : HUP INT QUIT TERM USR1 USR2; ");
  /* On a terminal profiles may look at it. */
  g_string_append (text, spec->tty ? "{ " PROFILES "; } </dev/null >/dev/null 2>&1; "
                                   : LOGIN_ENVIRONMENT);

  if (folder != NULL)
    {
      g_string_append (text, "cd");
      append_quoted (text, folder);
      g_string_append (text, " || exit 255; ");
    }
  if (has_variables (spec))
    g_string_append (text,
                     "test -n \"$" VARIABLES "\" || { echo 'agbranch: sshd in the guest takes "
                     "no variables (AcceptEnv LC_*)' >&2; exit 255; }; ");
  /* exec: a word of the user's is never a builtin of this shell. */
  g_string_append_printf (text,
                          "exec 3>&2 2>/dev/null; (AGBRANCH_EXEC=%s; export AGBRANCH_EXEC; "
                          "exec 2>&3 3>&-; exec",
                          token);
  /* Not by this shell: it may be bash, to which some names are read-only (UID). */
  if (has_variables (spec))
    g_string_append (text, " sh -c 'eval \"$" VARIABLES "\"; unset " VARIABLES "; exec \"$@\"' sh");
  for (const char *const *arg = spec->argv; *arg != NULL; arg++)
    append_quoted (text, *arg);
  g_string_append (text, "); exit $?");
  return g_string_free (text, FALSE);
}

char *
agb_lima_token (void)
{
  return g_strdup_printf ("%08x%08x%08x", g_random_int (), g_random_int (), g_random_int ());
}

/* The way to the guest is this machine's loopback: the key agreement that takes a guest without KVM least. */
#define KEY_AGREEMENT "KexAlgorithms=^curve25519-sha256"

static GPtrArray *
ssh_argv (const AgbLima *lima, const char *vm_name)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (argv, g_strdup ("ssh"));
  g_ptr_array_add (argv, g_strdup ("-F"));
  g_ptr_array_add (argv, agb_lima_path (lima, vm_name, "ssh.config"));
  g_ptr_array_add (argv, g_strdup ("-o"));
  g_ptr_array_add (argv, g_strdup (KEY_AGREEMENT));
  return argv;
}

static void
add_words (GPtrArray *argv, const char *first, ...)
{
  va_list args;

  va_start (args, first);
  for (const char *word = first; word != NULL; word = va_arg (args, const char *))
    g_ptr_array_add (argv, g_strdup (word));
  va_end (args);
}

/* Whether a process of the instance lives, by Lima's pid files: a machine that has gone down by itself is
 * told here, not by a connection that fails. */
static gboolean
lives (const AgbLima *lima, const char *vm_name)
{
  static const char *const files[] = { "ha.pid", "qemu.pid", "vz.pid" };

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = agb_lima_path (lima, vm_name, files[i]);
      g_autofree char *text = NULL;
      gint64 pid
          = g_file_get_contents (path, &text, NULL, NULL) ? g_ascii_strtoll (text, NULL, 10) : 0;
      if (pid > 0 && kill ((pid_t)pid, 0) == 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
agb_lima_require_running (const AgbLima *lima, const char *vm_name, GError **error)
{
  g_autofree char *config = agb_lima_path (lima, vm_name, "ssh.config");

  if (g_file_test (config, G_FILE_TEST_EXISTS) && lives (lima, vm_name))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' is not running", vm_name);
  if (g_str_has_prefix (vm_name, "agbranch-"))
    agb_error_hint (error, "start it with: git agbranch start %s", vm_name + strlen ("agbranch-"));
  return FALSE;
}

typedef enum {
  OWN,    /* a connection of its own */
  SHARED, /* the connection that is kept for the instance, when it is there */
  KEPT,   /* the same, and when it is not there this one is kept */
} Connection;

static gboolean
run_once (const AgbLima *lima, const char *vm_name, const char *const *argv, const void *input,
          gsize input_length, Connection connection, gint64 timeout_ms, AgbChildResult *ret,
          GError **error)
{
  g_autofree char *limit = g_strdup_printf ("ConnectTimeout=%d", CONNECT_SECONDS);
  g_autofree char *alias = agb_lima_ssh_alias (vm_name);
  g_autoptr (GString) command = g_string_new (NULL);

  if (!agb_lima_require_running (lima, vm_name, error))
    return FALSE;
  for (; *argv != NULL; argv++)
    append_quoted (command, *argv);
  g_autoptr (GPtrArray) words = ssh_argv (lima, vm_name);
  add_words (words, "-o", "LogLevel=ERROR", "-o", limit, NULL);
  if (connection != KEPT) /* the instance's ssh.config says "auto" */
    add_words (words, "-o", "ControlMaster=no", NULL);
  if (connection == OWN)
    add_words (words, "-o", "ControlPath=none", NULL);
  add_words (words, "--", alias, command->str, NULL);
  g_ptr_array_add (words, NULL);
  /* What is kept must not hold on to our folder. */
  AgbChildSpec spec = { .argv = (const char *const *)words->pdata,
                        .cwd = connection == KEPT ? "/" : NULL,
                        .timeout_ms = timeout_ms,
                        .input = input != NULL ? input : "",
                        .input_length = input_length };
  return agb_child_run (&spec, ret, error);
}

/* The first line that ssh wrote itself; NULL: none. */
static char *
ssh_message (int log_fd)
{
  char text[1024];
  ssize_t length = pread (log_fd, text, sizeof text - 1, 0);

  if (length <= 0)
    return NULL;
  text[length] = '\0';
  text[strcspn (text, "\r\n")] = '\0';
  return *text != '\0' ? agb_escape (text, -1) : NULL;
}

static int
process_wait_fd (AgbGuestProcess *process)
{
  return ((LimaProcess *)process)->child.pidfd;
}

/* 255 is also what ssh says when it fails; then it has written why. */
static gboolean
process_finish (AgbGuestProcess *process, int *ret_status, GError **error)
{
  LimaProcess *self = (LimaProcess *)process;
  int status = 0;

  if (!agb_child_wait (&self->child, agb_deadline_in (1000), &status, error))
    return FALSE;
  self->ended = TRUE;
  if (status == SSH_FAILED)
    {
      g_autofree char *message = ssh_message (self->log_fd);
      if (message != NULL)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' does not answer: %s",
                       self->vm_name, message);
          agb_error_hint (error, "look with: git agbranch doctor");
          return FALSE;
        }
    }
  *ret_status = status;
  return TRUE;
}

void
agb_lima_signal (const AgbLima *lima, const char *vm_name, const char *token, int signal_number)
{
  g_autofree char *script = g_strdup_printf (
      "for f in $(grep -lsx -z AGBRANCH_EXEC=%s /proc/[0-9]*/environ); do f=${f#/proc/}; "
      "kill -%d ${f%%/environ} 2>/dev/null; done; exit 0",
      token, signal_number);
  const char *const argv[] = { "sh", "-c", script, NULL };
  g_auto (AgbChildResult) result = { 0 };

  agb_interrupt_shield ();
  run_once (lima, vm_name, argv, NULL, 0, SHARED, SIGNAL_TIMEOUT_MS, &result, NULL);
  agb_interrupt_unshield ();
}

/* ssh has no way to pass a signal on. */
static void
process_signal (AgbGuestProcess *process, int signal_number)
{
  LimaProcess *self = (LimaProcess *)process;

  agb_lima_signal (self->lima, self->vm_name, self->token, signal_number);
}

static void
process_resize (AgbGuestProcess *process, guint16 rows, guint16 columns)
{
  LimaProcess *self = (LimaProcess *)process;
  struct winsize size = { .ws_row = rows, .ws_col = columns };

  if (self->master_fd < 0 || self->child.pid <= 0)
    return;
  ioctl (self->master_fd, TIOCSWINSZ, &size);
  /* Its terminal does not control ssh, so the kernel does not tell it. */
  kill (self->child.pid, SIGWINCH);
}

static void
process_free (AgbGuestProcess *process)
{
  LimaProcess *self = (LimaProcess *)process;

  if (!self->ended && self->child.pid > 0)
    {
      struct pollfd over = { .fd = self->child.pidfd, .events = POLLIN };
      if (poll (&over, 1, 0) == 0)
        process_signal (process, SIGKILL);
    }
  agb_child_clear (&self->child);
  agb_close (&self->log_fd);
  agb_close (&self->master_fd);
  g_free (self->vm_name);
  g_free (self->token);
  g_free (self);
}

static const struct AgbGuestProcessClass process_class = {
  .wait_fd = process_wait_fd,
  .finish = process_finish,
  .signal = process_signal,
  .resize = process_resize,
  .free = process_free,
};

/* Two ends of a terminal: ssh gets the slave, so that it asks for one in the guest of that size. */
static gboolean
open_terminal (const AgbExecSpec *spec, int *ret_master, int *ret_slave, GError **error)
{
  struct winsize size = { .ws_row = spec->rows != 0 ? spec->rows : 24,
                          .ws_col = spec->columns != 0 ? spec->columns : 80 };

  if (openpty (ret_master, ret_slave, NULL, NULL, &size) != 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "cannot open a terminal: %s",
                   g_strerror (errno));
      return FALSE;
    }
  fcntl (*ret_master, F_SETFD, FD_CLOEXEC);
  fcntl (*ret_slave, F_SETFD, FD_CLOEXEC);
  g_unix_set_fd_nonblocking (*ret_master, TRUE, NULL);
  return TRUE;
}

static gboolean
start_with_terminal (LimaProcess *self, AgbChildSpec *child, const AgbExecSpec *spec, char ***envp,
                     GError **error)
{
  agb_autofd int slave = -1;
  const char *term = spec->term != NULL ? spec->term : "xterm-256color";

  if (!open_terminal (spec, &self->master_fd, &slave, error))
    return FALSE;
  *envp = g_environ_setenv (*envp, "TERM", term, TRUE);
  child->envp = *envp;
  child->stdin_fd = child->stdout_fd = child->stderr_fd = slave;
  if (!agb_child_start (child, FALSE, &self->child, error))
    return FALSE;
  self->process.stdin_fd = fcntl (self->master_fd, F_DUPFD_CLOEXEC, 3);
  self->process.stdout_fd = fcntl (self->master_fd, F_DUPFD_CLOEXEC, 3);
  return TRUE;
}

static gboolean
start_with_pipes (LimaProcess *self, AgbChildSpec *child, GError **error)
{
  if (!agb_child_start (child, TRUE, &self->child, error))
    return FALSE;
  self->process.stdin_fd = agb_steal_fd (&self->child.stdin_fd);
  self->process.stdout_fd = agb_steal_fd (&self->child.stdout_fd);
  self->process.stderr_fd = agb_steal_fd (&self->child.stderr_fd);
  return TRUE;
}

static LimaProcess *
process_new (const AgbLima *lima, const char *vm_name)
{
  LimaProcess *self = g_new0 (LimaProcess, 1);

  self->process = (AgbGuestProcess){
    .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .klass = &process_class
  };
  self->lima = lima;
  self->vm_name = g_strdup (vm_name);
  self->token = agb_lima_token ();
  self->child = (AgbChild){ .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  self->master_fd = -1;
  self->log_fd = memfd_create ("ssh", MFD_CLOEXEC);
  return self;
}

gboolean
agb_lima_forward (const AgbLima *lima, const char *vm_name, const char *socket,
                  const char *guest_socket, gint64 timeout_ms)
{
  g_autofree char *alias = agb_lima_ssh_alias (vm_name);
  g_autofree char *forward = g_strconcat (socket, ":", guest_socket, NULL);
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_lima_require_running (lima, vm_name, NULL))
    return FALSE;
  g_autoptr (GPtrArray) argv = ssh_argv (lima, vm_name);
  add_words (argv, "-o", "LogLevel=ERROR", "-O", "forward", "-L", forward, "--", alias, NULL);
  g_ptr_array_add (argv, NULL);
  AgbChildSpec spec = { .argv = (const char *const *)argv->pdata, .timeout_ms = timeout_ms };
  return agb_child_run (&spec, &result, NULL) && result.status == 0;
}

AgbGuestProcess *
agb_lima_ssh_exec (const AgbLima *lima, const char *vm_name, const AgbExecSpec *spec,
                   const char *before, GError **error)
{
  g_autofree char *alias = agb_lima_ssh_alias (vm_name);
  g_auto (GStrv) envp = environment_of_ssh (spec);

  if (!agb_lima_require_running (lima, vm_name, error))
    return NULL;
  LimaProcess *self = process_new (lima, vm_name);
  /* Without a folder it starts where ssh logs in: its home, also in a guest that was adopted. */
  g_autofree char *command = remote_command (spec, before, self->token);
  /* ssh's own messages go where they cannot be taken for the command's. It opens the file by name. */
  g_autofree char *log = g_strdup_printf ("/proc/%d/fd/%d", (int)getpid (), self->log_fd);
  g_autoptr (GPtrArray) argv = ssh_argv (lima, vm_name);
  /* The connection that Lima keeps is used when it is there; we never leave one behind. */
  add_words (argv, "-o", "ControlMaster=no", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10",
             "-E", log, NULL);
  /* The open connection was made without the agent, and passes no variables on that it was not made to
   * pass (ssh(1) asks its master): this one is made for them. */
  if (spec->forward_ssh_agent || has_variables (spec))
    add_words (argv, "-o", "ControlPath=none", NULL);
  if (spec->forward_ssh_agent)
    add_words (argv, "-A", NULL);
  if (has_variables (spec))
    add_words (argv, "-o", "SendEnv=" VARIABLES, NULL);
  if (spec->tty)
    add_words (argv, "-tt", NULL);
  add_words (argv, "--", alias, command, NULL);
  g_ptr_array_add (argv, NULL);

  AgbChildSpec child = { .argv = (const char *const *)argv->pdata, .envp = envp };
  if (spec->tty ? start_with_terminal (self, &child, spec, &envp, error)
                : start_with_pipes (self, &child, error))
    return &self->process;
  agb_guest_process_free (&self->process);
  return NULL;
}

gboolean
agb_lima_ssh_once (const AgbLima *lima, const char *vm_name, const char *const *argv,
                   const void *input, gsize input_length, gint64 timeout_ms, AgbChildResult *ret,
                   GError **error)
{
  return run_once (lima, vm_name, argv, input, input_length, OWN, timeout_ms, ret, error);
}

gboolean
agb_lima_ssh_first (const AgbLima *lima, const char *vm_name, const char *const *argv,
                    const void *input, gsize input_length, gint64 deadline_usec,
                    AgbChildResult *ret, GError **error)
{
  for (;;)
    {
      g_auto (AgbChildResult) result = { 0 };
      g_autoptr (GError) problem = NULL;

      if (run_once (lima, vm_name, argv, input, input_length, KEPT,
                    agb_deadline_left_ms (deadline_usec), &result, &problem)
          && result.status != SSH_FAILED)
        {
          *ret = result;
          result = (AgbChildResult){ 0 };
          return TRUE;
        }
      if (agb_interrupted (error))
        return FALSE;
      if (agb_deadline_left_ms (deadline_usec) == 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "guest '%s' does not answer by ssh",
                       vm_name);
          agb_error_hint (error, "look at its console: git agbranch logs --source kernel");
          return FALSE;
        }
      /* There is no event for "sshd listens" on this side of the forward. */
      struct pollfd interrupt = { .fd = agb_interrupt_fd (), .events = POLLIN };
      poll (&interrupt, 1, RETRY_PAUSE_MS);
    }
}
