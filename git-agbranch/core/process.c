#include "core/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
read_boot_id (char boot_id[37])
{
  g_autofree char *text = NULL;

  boot_id[0] = '\0';
  if (g_file_get_contents ("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
    g_strlcpy (boot_id, g_strstrip (text), 37);
}

gboolean
agb_process_lookup (pid_t pid, AgbProcessId *ret_id)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int)pid);
  g_autofree char *stat = NULL;
  char state;
  unsigned long long start_time;

  if (pid <= 0 || !g_file_get_contents (path, &stat, NULL, NULL))
    return FALSE;
  /* The second field is the program's name in parentheses and may hold anything, also ')'. */
  const char *fields = strrchr (stat, ')');
  if (fields == NULL
      || sscanf (fields + 1,
                 " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                 "%*d %*d %*d %llu",
                 &state, &start_time)
             != 2
      || state == 'Z' || state == 'X')
    return FALSE;

  ret_id->pid = pid;
  ret_id->start_time = start_time;
  read_boot_id (ret_id->boot_id);
  return TRUE;
}

/* utime + stime, and with WAITED_FOR cutime + cstime (proc(5)), in microseconds. */
static gint64
read_cpu_usec (pid_t pid, gboolean waited_for)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int)pid);
  g_autofree char *stat = NULL;
  unsigned long long user, system;
  long long waited_user, waited_system;
  long ticks = sysconf (_SC_CLK_TCK);

  if (pid <= 0 || ticks <= 0 || !g_file_get_contents (path, &stat, NULL, NULL))
    return -1;
  const char *fields = strrchr (stat, ')');
  if (fields == NULL
      || sscanf (fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                 &user, &system, &waited_user, &waited_system)
             != 4)
    return -1;
  guint64 sum = user + system;
  if (waited_for)
    sum += (guint64)(waited_user + waited_system);
  return (gint64)(sum * (G_USEC_PER_SEC / (guint64)ticks));
}

gint64
agb_process_cpu_usec (pid_t pid)
{
  return read_cpu_usec (pid, FALSE);
}

/* Append what the threads of PID have started. */
static void
add_children (GArray *pids, pid_t pid)
{
  g_autofree char *tasks = g_strdup_printf ("/proc/%d/task", (int)pid);
  g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
  const char *task;

  while (dir != NULL && (task = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (tasks, task, "children", NULL);
      g_autofree char *text = NULL;

      if (!g_file_get_contents (path, &text, NULL, NULL))
        continue;
      for (char *next = text, *end; *next != '\0'; next = end)
        {
          pid_t child = (pid_t)strtol (next, &end, 10);
          if (end == next)
            break;
          g_array_append_val (pids, child);
        }
    }
}

gint64
agb_process_tree_cpu_usec (pid_t pid)
{
  enum { MOST = 65536 };
  g_autoptr (GArray) pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
  gint64 sum = read_cpu_usec (pid, TRUE);

  if (sum < 0)
    return -1;
  add_children (pids, pid);
  for (guint i = 0; i < pids->len && i < MOST; i++)
    {
      gint64 one = read_cpu_usec (g_array_index (pids, pid_t, i), TRUE);
      sum += MAX (one, 0);
      add_children (pids, g_array_index (pids, pid_t, i));
    }
  return sum;
}

void
agb_process_self (AgbProcessId *ret_id)
{
  if (!agb_process_lookup (getpid (), ret_id))
    *ret_id = (AgbProcessId){ .pid = getpid () };
}

gboolean
agb_process_alive (const AgbProcessId *id)
{
  AgbProcessId now;

  return agb_process_lookup (id->pid, &now) && now.start_time == id->start_time
         && (id->boot_id[0] == '\0' || strcmp (now.boot_id, id->boot_id) == 0);
}

char *
agb_process_format (const AgbProcessId *id)
{
  return g_strdup_printf ("%d %" G_GUINT64_FORMAT " %s", (int)id->pid, id->start_time,
                          id->boot_id[0] != '\0' ? id->boot_id : "-");
}

gboolean
agb_process_parse (const char *text, AgbProcessId *ret_id)
{
  AgbProcessId id = { 0 };
  int pid;
  unsigned long long start_time;
  char boot_id[37];

  if (text == NULL || sscanf (text, "%d %llu %36s", &pid, &start_time, boot_id) != 3 || pid <= 0)
    return FALSE;
  id.pid = pid;
  id.start_time = start_time;
  if (strcmp (boot_id, "-") != 0)
    g_strlcpy (id.boot_id, boot_id, sizeof id.boot_id);
  *ret_id = id;
  return TRUE;
}
