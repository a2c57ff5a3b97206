#include "core/fault.h"

#include "core/error.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void
list_point (const char *name)
{
  const char *path = g_getenv ("AGB_FAIL_LIST");

  if (path == NULL)
    return;
  int fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  g_autofree char *line = g_strdup_printf ("%s\n", name);
  if (fd < 0 || write (fd, line, strlen (line)) < 0)
    g_error ("cannot append to '%s'", path);
  close (fd);
}

gboolean
agb_fault_point (const char *name, GError **error)
{
  static guint64 reached;
  const char *plan = g_getenv ("AGB_FAIL_AT");
  char *kind = NULL;

  list_point (name);
  if (plan == NULL || g_ascii_strtoull (plan, &kind, 10) != ++reached)
    return TRUE;
  if (g_str_equal (kind, ":kill"))
    kill (getpid (), SIGKILL);
  if (g_str_equal (kind, ":term"))
    return kill (getpid (), SIGTERM) == 0;
  g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "fault point %s: %s", plan, name);
  return FALSE;
}
