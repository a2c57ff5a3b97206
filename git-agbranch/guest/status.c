#include "guest/runtime.h"

void
agb_guest_status_clear (AgbGuestStatus *status)
{
  g_clear_pointer (&status->reason, g_free);
  g_clear_pointer (&status->arch, g_free);
  g_clear_pointer (&status->vm_type, g_free);
}

const char *
agb_guest_state_word (AgbGuestState state)
{
  static const char *const words[]
      = { "absent", "starting", "running", "stopping", "stopped", "failed", "lost", "unreachable" };

  return (gsize)state < G_N_ELEMENTS (words) ? words[state] : "unreachable";
}

void
agb_runtime_free (AgbRuntime *runtime)
{
  if (runtime != NULL)
    runtime->klass->free (runtime);
}
