#include "core/process.h"

#include <signal.h>
#include <stdio.h>
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
