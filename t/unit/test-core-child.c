/* Children: status, streams, deadlines, limits, the end of a whole group. */
#include "core/child.h"
#include "core/error.h"
#include "core/process.h"
#include "core/time.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SH(script) ((const char *const[]){ "sh", "-c", script, NULL })

static gboolean
run (const AgbChildSpec *spec, AgbChildResult *ret, GError **error)
{
  return agb_child_run (spec, ret, error);
}

static void
test_status (void)
{
  static const struct {
    const char *script;
    int status, signal;
  } cases[] = {
    { "exit 0", 0, 0 }, { "exit 3", 3, 0 }, { "kill -9 $$", 137, 9 }, { "kill -15 $$", 143, 15 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (AgbChildResult) result = { 0 };
      g_autoptr (GError) error = NULL;
      const AgbChildSpec spec = { .argv = SH (cases[i].script) };

      g_assert_true (run (&spec, &result, &error));
      g_assert_cmpint (result.status, ==, cases[i].status);
      g_assert_cmpint (result.signal, ==, cases[i].signal);
    }
}

static void
test_missing_program (void)
{
  g_autoptr (GError) error = NULL;
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec = { .argv = (const char *const[]){ "no-such-program-here", NULL } };

  g_assert_false (run (&spec, &result, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_CHILD);
  g_assert_cmpstr (error->message, ==,
                   "cannot run 'no-such-program-here': No such file or directory");
}

/* More than a pipe holds goes in and comes out at the same time. */
static void
test_input (void)
{
  gsize length = 3 * 1024 * 1024 + 7;
  g_autofree char *input = g_malloc (length);
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < length; i++)
    input[i] = (char)(i * 31);
  const AgbChildSpec spec
      = { .argv = SH ("tee /dev/stderr"), .input = input, .input_length = length };
  g_assert_true (run (&spec, &result, &error));
  g_assert_cmpmem (input, length, result.output->str, result.output->len);
  g_assert_cmpuint (result.errors->len, ==, 64 * 1024);
  g_assert_cmpmem (input + length - 65536, 65536, result.errors->str, 65536);
}

static void
test_input_not_read (void)
{
  gsize length = 1024 * 1024;
  g_autofree char *input = g_malloc0 (length);
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GError) error = NULL;
  const AgbChildSpec spec = { .argv = SH ("exit 5"), .input = input, .input_length = length };

  signal (SIGPIPE, SIG_IGN);
  g_assert_true (run (&spec, &result, &error));
  g_assert_cmpint (result.status, ==, 5);
}

static void
test_capture_limit (void)
{
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GError) error = NULL;
  const AgbChildSpec spec = { .argv = SH ("yes"), .capture_limit = 100000 };

  g_assert_false (run (&spec, &result, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_CHILD);
  g_assert_nonnull (strstr (error->message, "more than 100000 bytes"));
}

/* Ended, waited for or not: pid 1 of a container may not. */
static gboolean
is_gone (pid_t pid)
{
  gint64 deadline = agb_deadline_in (30000);
  AgbProcessId id;

  while (agb_process_lookup (pid, &id) && agb_deadline_left_ms (deadline) > 0)
    g_usleep (10000);
  return !agb_process_lookup (pid, &id);
}

/* The deadline ends the child and what it started, also what ignores TERM. */
static void
test_deadline (void)
{
  g_autofree char *folder = g_dir_make_tmp ("agb-child-XXXXXX", NULL);
  g_autofree char *pid_file = g_build_filename (folder, "pid", NULL);
  g_autofree char *text = NULL;
  g_auto (AgbChildResult) result = { 0 };
  g_autoptr (GError) error = NULL;
  const AgbChildSpec spec = { .argv = SH ("trap '' TERM; sh -c \"trap '' TERM; echo \\$\\$ >pid; "
                                          "while :; do sleep 1000; done\" & wait; wait"),
                              .cwd = folder,
                              .timeout_ms = 1000 };
  gint64 started = g_get_monotonic_time ();

  g_assert_false (run (&spec, &result, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT);
  g_assert_cmpint (g_get_monotonic_time () - started, <, 60 * G_USEC_PER_SEC);
  g_assert_true (g_file_get_contents (pid_file, &text, NULL, NULL));
  g_assert_true (is_gone ((pid_t)g_ascii_strtoll (text, NULL, 10)));
  g_unlink (pid_file);
  g_rmdir (folder);
}

static guint64
signal_mask (const char *status, const char *field)
{
  const char *line = strstr (status, field);

  g_assert_nonnull (line);
  /* 32 and 33 are the C library's own: posix_spawn leaves them ignored. */
  return g_ascii_strtoull (line + strlen (field), NULL, 16) & G_MAXINT32;
}

/* A child sees its three descriptors, no others, and default signals. */
static void
test_descriptors_and_signals (void)
{
  g_auto (AgbChildResult) result = { 0 };
  g_autofree char *status = NULL;
  int leaked = open ("/dev/null", O_RDONLY); /* inheritable on purpose */
  const AgbChildSpec list = { .argv = (const char *const[]){ "ls", "/proc/self/fd", NULL } };
  const AgbChildSpec show = { .argv = (const char *const[]){ "cat", "/proc/self/status", NULL } };

  signal (SIGPIPE, SIG_IGN);
  g_assert_true (run (&list, &result, NULL));
  close (leaked);
  g_assert_cmpstr (result.output->str, ==, "0\n1\n2\n3\n"); /* 3: the folder that is listed */
  g_assert_true (agb_child_check (&show, &status, NULL));
  g_assert_cmpuint (signal_mask (status, "SigBlk:"), ==, 0);
  g_assert_cmpuint (signal_mask (status, "SigIgn:"), ==, 0);
}

static void
test_environment_and_folder (void)
{
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;
  char *envp[] = { (char *)"ONLY=this", NULL };
  const AgbChildSpec spec
      = { .argv = (const char *const[]){ "/bin/sh", "-c", "pwd; echo $ONLY$HOME", NULL },
          .cwd = "/",
          .envp = envp };

  g_assert_true (agb_child_check (&spec, &output, &error));
  g_assert_cmpstr (output, ==, "/\nthis\n");
}

static void
test_check (void)
{
  g_autoptr (GError) error = NULL;
  const AgbChildSpec spec = { .argv = SH ("echo one >&2; echo the reason >&2; exit 4") };

  g_assert_false (agb_child_check (&spec, NULL, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_CHILD);
  g_assert_nonnull (strstr (error->message, "status 4: the reason"));
}

static void
test_stream (void)
{
  g_auto (AgbChild) child
      = { .pid = 0, .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  g_autoptr (GError) error = NULL;
  const AgbChildSpec spec = { .argv = SH ("read line; exit \"$line\""), .stderr_fd = 2 };
  int status = -1;

  g_assert_true (agb_child_start (&spec, TRUE, &child, &error));
  g_assert_cmpint (child.stderr_fd, ==, -1);
  g_assert_cmpint (write (child.stdin_fd, "7\n", 2), ==, 2);
  g_assert_true (agb_child_wait (&child, agb_deadline_in (30000), &status, &error));
  g_assert_cmpint (status, ==, 7);
}

static void
test_clear_ends_it (void)
{
  AgbChild child = { .pid = 0, .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  const AgbChildSpec spec = { .argv = SH ("sleep 1000") };

  g_assert_true (agb_child_start (&spec, FALSE, &child, NULL));
  pid_t pid = child.pid;
  agb_child_clear (&child);
  agb_child_clear (&child);
  g_assert_true (is_gone (pid));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/child/status", test_status);
  g_test_add_func ("/child/missing-program", test_missing_program);
  g_test_add_func ("/child/input", test_input);
  g_test_add_func ("/child/input-not-read", test_input_not_read);
  g_test_add_func ("/child/capture-limit", test_capture_limit);
  g_test_add_func ("/child/deadline", test_deadline);
  g_test_add_func ("/child/descriptors-and-signals", test_descriptors_and_signals);
  g_test_add_func ("/child/environment-and-folder", test_environment_and_folder);
  g_test_add_func ("/child/check", test_check);
  g_test_add_func ("/child/stream", test_stream);
  g_test_add_func ("/child/clear-ends-it", test_clear_ends_it);
  return g_test_run ();
}
