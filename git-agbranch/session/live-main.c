/* agbranch-live: what `ps` shows and the catalog has not.
 *
 *   agbranch-live                 "VM STATE" a line for every guest of every runtime that works here
 *   agbranch-live overview|cpu    for every open session a line of its name and the measured columns
 *                                 (session/columns.h), with tabs between; "-" is unknown.  Only with cpu,
 *                                 which takes two seconds, is that known
 *
 * A program of its own so that `ps` needs neither runtimes nor settings unless it is asked for these. */
#include "core/error.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/output.h"
#include "core/time.h"
#include "guest/runtime.h"
#include "session/overview.h"
#include "store/settings.h"

#include <stdio.h>

enum { ANSWER_MS = 5000 }; /* of guests; one that hangs is unknown */

static void
print_guest (const char *vm_name, const char *key, AgbGuestState state, gpointer data)
{
  (void)key;
  (void)data;
  agb_print ("%s %s\n", vm_name, agb_guest_state_word (state));
}

static int
failed (const GError *error)
{
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  agb_error_split (error, &message, &hint);
  fprintf (stderr, "%s\n", message);
  return error->code;
}

static void
print_number (gint64 number)
{
  if (number < 0)
    agb_print ("\t-");
  else
    agb_print ("\t%" G_GINT64_FORMAT, number);
}

static void
print_size (gint64 bytes)
{
  g_autofree char *text = bytes >= 0 ? agb_size_format ((guint64)bytes) : NULL;

  agb_print ("\t%s", text != NULL ? text : "-");
}

static void
print_row (const AgbOverviewRow *row)
{
  agb_print ("%s", row->session->name);
  print_number (row->ahead);
  print_number (row->changed);
  print_number (row->conflicts);
  print_number (row->cpu_percent);
  agb_print (row->cpu_percent >= 0 ? "%%" : "");
  print_size (row->memory_bytes);
  print_size (row->disk_bytes);
  agb_print ("\n");
}

static gboolean
print_overview (gboolean cpu, GError **error)
{
  gint64 deadline = agb_deadline_in (ANSWER_MS);
  g_autoptr (AgbEnv) env = agb_env_open (0, NULL, NULL, error);
  g_autoptr (AgbOverview) overview = env != NULL ? agb_overview_new (env, error) : NULL;

  if (overview == NULL)
    return FALSE;
  do
    if (!agb_overview_wait (overview, NULL, 0, deadline, error))
      return FALSE;
  while (!agb_overview_is_known (overview, cpu) && agb_deadline_left_ms (deadline) > 0);

  const GPtrArray *rows = agb_overview_rows (overview);
  for (guint i = 0; i < rows->len; i++)
    print_row (g_ptr_array_index (rows, i));
  return TRUE;
}

static gboolean
print_guests (GError **error)
{
  static const char *const names[] = { "lima", "bwrap" };
  g_autoptr (AgbSettings) settings = agb_settings_load (NULL, error);

  if (settings == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AgbRuntime) runtime = agb_runtime_new (names[i], settings, NULL);

      /* One that cannot work here has no guests here. */
      if (runtime != NULL && runtime->klass->probe (runtime, NULL)
          && !runtime->klass->list (runtime, print_guest, NULL, error))
        return FALSE;
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  agb_interrupt_init ();
  if (argc > 1 ? !print_overview (g_str_equal (argv[1], "cpu"), &error) : !print_guests (&error))
    return failed (error);
  return agb_print_flush (NULL) ? 0 : AGB_ERROR_FILE;
}
