/* agbranch-live: "VM STATE" a line for every guest of every runtime that works here.
 *
 * A program of its own so that `ps` needs neither runtimes nor settings unless --live asks. */
#include "core/error.h"
#include "core/interrupt.h"
#include "core/output.h"
#include "guest/runtime.h"
#include "store/settings.h"

#include <stdio.h>

static void
print_guest (const char *vm_name, const char *key, AgbGuestState state, gpointer data)
{
  (void)key;
  (void)data;
  agb_print ("%s %s\n", vm_name, agb_guest_state_word (state));
}

int
main (void)
{
  static const char *const names[] = { "lima", "bwrap" };
  g_autoptr (GError) error = NULL;

  agb_interrupt_init ();
  g_autoptr (AgbSettings) settings = agb_settings_load (NULL, &error);
  if (settings == NULL)
    {
      fprintf (stderr, "%s\n", error->message);
      return error->code;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AgbRuntime) runtime = agb_runtime_new (names[i], settings, NULL);

      /* One that cannot work here has no guests here. */
      if (runtime == NULL || !runtime->klass->probe (runtime, NULL))
        continue;
      if (!runtime->klass->list (runtime, print_guest, NULL, &error))
        {
          g_autofree char *message = NULL;
          g_autofree char *hint = NULL;
          agb_error_split (error, &message, &hint);
          fprintf (stderr, "%s\n", message);
          return error->code;
        }
    }
  return agb_print_flush (NULL) ? 0 : AGB_ERROR_FILE;
}
