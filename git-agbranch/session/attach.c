#include "session/attach.h"

#include "guest/tmux.h"

#include <unistd.h>

gboolean
agb_attach (AgbEntered *entered, const char *window, gboolean read_only, int *ret_status,
            GError **error)
{
  if (!agb_enter_check_terminal (entered, error))
    return FALSE;
  const char *found = agb_enter_window (entered, window, TRUE, error);
  if (found == NULL)
    return FALSE;
  g_auto (GStrv) argv = agb_tmux_attach_argv (entered->session, found, read_only);
  const AgbExecSpec spec = { .argv = (const char *const *)argv };
  return agb_enter_terminal (entered, &spec, ret_status, error);
}

gboolean
agb_attach_agent (const char *session, gboolean wanted, AgbProgress *progress, int *ret_status,
                  GError **error)
{
  if (!wanted || !isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO))
    return TRUE;
  g_autoptr (AgbEntered) entered = agb_enter_open (session, progress, error);
  return entered != NULL && agb_attach (entered, AGB_AGENT_WINDOW, FALSE, ret_status, error);
}
