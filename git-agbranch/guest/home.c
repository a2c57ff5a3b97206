#include "guest/home.h"

#include "guest/runtime.h"

#include <string.h>

char *
agb_guest_home (const AgbSession *session)
{
  const char *path = session->guest_workspace_path != NULL ? session->guest_workspace_path : "";
  g_autofree char *repo = g_strdup_printf ("/workspaces/%s/repo", session->name);
  g_autofree char *sandbox = g_strdup_printf ("/sandbox/%s", session->name);
  const char *const ends[] = { repo, sandbox };

  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++)
    if (*path == '/' && g_str_has_suffix (path, ends[i]) && strlen (path) > strlen (ends[i]))
      return g_strndup (path, strlen (path) - strlen (ends[i]));
  return g_strdup (AGB_GUEST_HOME);
}
