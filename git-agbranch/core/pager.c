#include "core/pager.h"

#include "core/child.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pager_pid; /* a process has one stdout */

/* What a git command prints, without the end of its line; NULL when it fails. */
static char *
ask_git (const char *const *argv)
{
  const AgbChildSpec spec = { .argv = argv, .timeout_ms = AGB_TIMEOUT_QUICK };
  g_auto (AgbChildResult) result = { 0 };

  if (!agb_child_run (&spec, &result, NULL) || result.status != 0)
    return NULL;
  return g_strchomp (g_strdup (result.output->str));
}

static char *
choose_pager (void)
{
  static const char *const own[] = { "git", "config", "--get", "agbranch.pager", NULL };
  static const char *const gits[] = { "git", "var", "GIT_PAGER", NULL };
  char *pager = g_strdup (g_getenv ("GIT_PAGER"));

  if (pager == NULL)
    pager = ask_git (own);
  return pager != NULL ? pager : ask_git (gits);
}

/* In our process group, so that Ctrl-C reaches it too and it may read the terminal. */
static gboolean
spawn_pager (const char *pager, int *ret_fd)
{
  const char *argv[] = { "sh", "-c", pager, NULL };
  g_auto (GStrv) envp = g_get_environ ();
  GPid pid;

  envp = g_environ_setenv (envp, "LESS", "FRX", FALSE);
  envp = g_environ_setenv (envp, "LV", "-c", FALSE);
  if (!g_spawn_async_with_pipes (NULL, (char **)argv, envp,
                                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                 ret_fd, NULL, NULL, NULL))
    return FALSE;
  pager_pid = pid;
  return TRUE;
}

void
agb_pager_start (void)
{
  g_autofree char *pager = NULL;
  int fd = -1;

  if (pager_pid != 0 || !isatty (STDOUT_FILENO))
    return;
  pager = choose_pager ();
  if (pager == NULL || *pager == '\0' || g_str_equal (pager, "cat") || !spawn_pager (pager, &fd))
    return;
  fflush (stdout);
  dup2 (fd, STDOUT_FILENO);
  close (fd);
  /* As git says it: tables and colours are still for a terminal. */
  g_setenv ("GIT_PAGER_IN_USE", "true", TRUE);
}

void
agb_pager_finish (void)
{
  int status;

  if (pager_pid == 0)
    return;
  fclose (stdout);
  while (waitpid (pager_pid, &status, 0) < 0)
    continue;
  pager_pid = 0;
}
