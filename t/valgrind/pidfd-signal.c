/* Valgrind (3.27) does not know pidfd_send_signal(2).  Preloaded in front of the programs that memcheck looks at
 * (t/run-valgrind.sh), this makes it a kill(2) of the same process; every other call goes on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The process of a pidfd; -1 once it has been waited for. */
static int
process_of (int pidfd)
{
  char path[64], line[256];
  int pid = -1;

  snprintf (path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  FILE *file = fopen (path, "re");
  while (file != NULL && fgets (line, sizeof line, file) != NULL)
    if (sscanf (line, "Pid: %d", &pid) == 1)
      break;
  if (file != NULL)
    fclose (file);
  return pid;
}

long
syscall (long number, ...)
{
  long (*next) (long, ...) = (long (*) (long, ...))dlsym (RTLD_NEXT, "syscall");
  long argument[6];
  va_list args;

  va_start (args, number);
  for (int i = 0; i < 6; i++)
    argument[i] = va_arg (args, long);
  va_end (args);
  if (number != SYS_pidfd_send_signal)
    return next (number, argument[0], argument[1], argument[2], argument[3], argument[4],
                 argument[5]);

  int pid = process_of ((int)argument[0]);
  if (pid <= 0)
    {
      errno = ESRCH;
      return -1;
    }
  return kill (pid, (int)argument[1]);
}
