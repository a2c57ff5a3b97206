/* Locks between processes, and the identity of a process. */
#include "core/error.h"
#include "core/lock.h"
#include "core/process.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *folder;
static char *path;

/* A process that holds the lock until it is killed, or TELL is closed. */
static pid_t
start_holder (int *ret_tell)
{
  int ready[2], tell[2];
  char byte;

  g_assert_cmpint (pipe (ready), ==, 0);
  g_assert_cmpint (pipe (tell), ==, 0);
  pid_t pid = fork ();
  if (pid == 0)
    {
      close (tell[1]);
      AgbLock *lock = agb_lock_take (path, "sync", -1, NULL);
      if (lock == NULL || write (ready[1], "", 1) != 1)
        _exit (1);
      if (read (tell[0], &byte, 1) < 0)
        _exit (1);
      agb_lock_release (lock);
      _exit (0);
    }
  close (ready[1]);
  close (tell[0]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  *ret_tell = tell[1];
  return pid;
}

static void
test_busy (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *operation = NULL;
  AgbProcessId owner;
  struct stat status;
  int tell;
  pid_t pid = start_holder (&tell);

  g_assert_null (agb_lock_take (path, "close", 0, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_USER);
  g_assert_true (g_str_has_prefix (error->message, "'x' is busy: process "));
  g_assert_true (agb_lock_peek (path, &owner, &operation));
  g_assert_cmpint (owner.pid, ==, pid);
  g_assert_cmpstr (operation, ==, "sync");
  g_assert_cmpint (stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);
  close (tell);
  g_autoptr (AgbLock) lock = agb_lock_take (path, "close", 30000, NULL);
  g_assert_nonnull (lock);
  waitpid (pid, NULL, 0);
}

/* The end of the holder, however it comes, wakes the one that waits: well before its deadline. */
static void
test_wakes (void)
{
  for (int round = 0; round < 200; round++)
    {
      int tell;
      pid_t pid = start_holder (&tell);
      pid_t killer = fork ();

      if (killer == 0)
        {
          g_usleep ((gulong)(round % 20) * 100);
          if (round % 2 == 0)
            kill (pid, SIGKILL);
          else
            close (tell);
          _exit (0);
        }
      if (round % 2 == 1)
        close (tell);
      gint64 started = g_get_monotonic_time ();
      g_autoptr (AgbLock) lock = agb_lock_take (path, "close", 60000, NULL);
      g_assert_nonnull (lock);
      g_assert_cmpint (g_get_monotonic_time () - started, <, 20 * G_USEC_PER_SEC);
      waitpid (killer, NULL, 0);
      if (round % 2 == 0)
        close (tell);
      waitpid (pid, NULL, 0);
    }
}

static void
test_one_at_a_time (void)
{
  g_autofree char *counter = g_build_filename (folder, "counter", NULL);
  pid_t pids[8];

  g_file_set_contents (counter, "0", -1, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (pids); i++)
    {
      pids[i] = fork ();
      if (pids[i] != 0)
        continue;
      for (int round = 0; round < 25; round++)
        {
          g_autoptr (AgbLock) lock = agb_lock_take (path, "count", -1, NULL);
          g_autofree char *text = NULL;
          if (lock == NULL || !g_file_get_contents (counter, &text, NULL, NULL))
            _exit (1);
          g_autofree char *next = g_strdup_printf ("%d", (int)g_ascii_strtoll (text, NULL, 10) + 1);
          g_file_set_contents (counter, next, -1, NULL);
        }
      _exit (0);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (pids); i++)
    {
      int status = -1;
      waitpid (pids[i], &status, 0);
      g_assert_cmpint (status, ==, 0);
    }
  g_autofree char *total = NULL;
  g_assert_true (g_file_get_contents (counter, &total, NULL, NULL));
  g_assert_cmpstr (total, ==, "200");
  g_unlink (counter);
}

static void
test_stale_file (void)
{
  AgbProcessId owner;
  g_autofree char *operation = NULL;

  g_file_set_contents (path, "1 1 no-boot\nsync\n", -1, NULL);
  g_assert_false (agb_lock_peek (path, &owner, &operation));
  g_autoptr (AgbLock) lock = agb_lock_take (path, "close", 0, NULL);
  g_assert_nonnull (lock);
}

static void
test_link_is_refused (void)
{
  g_autofree char *link_path = g_build_filename (folder, "link.lock", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (symlink ("/etc/passwd", link_path), ==, 0);
  g_assert_null (agb_lock_take (link_path, "close", 0, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_FILE);
  g_unlink (link_path);
}

static void
test_process_identity (void)
{
  AgbProcessId self, parsed;

  agb_process_self (&self);
  g_autofree char *text = agb_process_format (&self);
  g_assert_true (agb_process_parse (text, &parsed));
  g_assert_true (agb_process_alive (&parsed));

  /* The pid of another time, and another boot. */
  parsed.start_time++;
  g_assert_false (agb_process_alive (&parsed));
  parsed.start_time--;
  g_strlcpy (parsed.boot_id, "00000000-0000-0000-0000-000000000000", sizeof parsed.boot_id);
  g_assert_false (agb_process_alive (&parsed));

  static const char *const bad[] = { "", "x", "1", "1 2", "-1 2 -", "0 2 -" };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (agb_process_parse (bad[i], &parsed));
  g_assert_false (agb_process_parse (NULL, &parsed));

  pid_t zombie = fork ();
  if (zombie == 0)
    _exit (0);
  siginfo_t ended;
  waitid (P_PID, (id_t)zombie, &ended, WEXITED | WNOWAIT);
  g_assert_false (agb_process_lookup (zombie, &parsed));
  waitpid (zombie, NULL, 0);
}

/* What a child, and a child of it that it has waited for, have computed is counted in the tree of this
 * process, not in its own time. */
static void
test_process_cpu (void)
{
  int ready[2], tell[2];
  char byte;

  g_assert_cmpint (pipe (ready), ==, 0);
  g_assert_cmpint (pipe (tell), ==, 0);
  gint64 own = agb_process_cpu_usec (getpid ());
  gint64 tree = agb_process_tree_cpu_usec (getpid ());
  g_assert_cmpint (own, >=, 0);
  g_assert_cmpint (tree, >=, own);
  pid_t pid = fork ();
  if (pid == 0)
    {
      pid_t grandchild = fork ();
      while (agb_process_cpu_usec (getpid ()) < 100 * 1000)
        ;
      if (grandchild == 0)
        _exit (0);
      waitpid (grandchild, NULL, 0);
      close (tell[1]);
      _exit (write (ready[1], "", 1) != 1 || read (tell[0], &byte, 1) != 0);
    }
  close (tell[0]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  g_assert_cmpint (agb_process_cpu_usec (pid), >=, 100 * 1000);
  g_assert_cmpint (agb_process_tree_cpu_usec (pid), >=, 200 * 1000);
  g_assert_cmpint (agb_process_tree_cpu_usec (getpid ()) - tree, >=, 200 * 1000);
  close (tell[1]);
  waitpid (pid, NULL, 0);
  close (ready[0]);
  close (ready[1]);
  g_assert_cmpint (agb_process_cpu_usec (pid), ==, -1);
  g_assert_cmpint (agb_process_tree_cpu_usec (-1), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("agb-lock-XXXXXX", NULL);
  path = g_build_filename (folder, "x.lock", NULL);
  g_test_add_func ("/lock/busy", test_busy);
  g_test_add_func ("/lock/wakes", test_wakes);
  g_test_add_func ("/lock/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/lock/stale-file", test_stale_file);
  g_test_add_func ("/lock/link-is-refused", test_link_is_refused);
  g_test_add_func ("/process/identity", test_process_identity);
  g_test_add_func ("/process/cpu", test_process_cpu);
  int result = g_test_run ();
  g_unlink (path);
  g_rmdir (folder);
  return result;
}
