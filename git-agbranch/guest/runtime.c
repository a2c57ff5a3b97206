#include "guest/runtime.h"

#include "core/error.h"
#include "core/io.h"
#include "guest/lima/lima.h"

#include <unistd.h>

/* In the order in which "auto" tries them. */
static const struct {
  const char *name;
  gboolean (*is_preferred) (void); /* NULL: always */
  AgbRuntime *(*make) (AgbSettings *settings);
} runtimes[] = {
  { "lima", agb_lima_is_preferred, agb_lima_runtime_new },
  { "bwrap", NULL, agb_bwrap_runtime_new },
};

static AgbRuntime *
make_by_name (const char *name, AgbSettings *settings)
{
  gboolean automatic = g_str_equal (name, "auto");

  for (gsize i = 0; i < G_N_ELEMENTS (runtimes); i++)
    if (automatic ? runtimes[i].is_preferred == NULL || runtimes[i].is_preferred ()
                  : g_str_equal (name, runtimes[i].name))
      return runtimes[i].make (settings);
  return NULL;
}

void
agb_guest_follow_clear (AgbGuestFollow *follow)
{
  agb_close (&follow->fd);
  agb_child_clear (&follow->child);
}

void
agb_guest_follow_drain (AgbGuestFollow *follow)
{
  char buffer[4096];

  /* A descriptor of a process cannot be read: it has told all that it can. */
  if (follow->fd >= 0 && read (follow->fd, buffer, sizeof buffer) <= 0)
    agb_guest_follow_clear (follow);
}

AgbRuntime *
agb_runtime_new (const char *name, AgbSettings *settings, GError **error)
{
  g_autoptr (AgbRuntime) runtime = make_by_name (name, settings);

  if (runtime == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "unknown runtime '%s'", name);
      agb_error_hint (error, "git config agbranch.runtime auto");
      return NULL;
    }
  if (settings != NULL && agb_settings_bool (settings, "agbranch.requireVm")
      && (runtime->klass->flags & AGB_RUNTIME_IS_VM) == 0)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "agbranch.requireVm is set, and runtime '%s' has no kernel of its own",
                   runtime->klass->name);
      agb_error_hint (error,
                      "install Lima 2.1 or newer, or: git config --unset agbranch.requireVm");
      return NULL;
    }
  return g_steal_pointer (&runtime);
}
