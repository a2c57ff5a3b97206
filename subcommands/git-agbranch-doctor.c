/* doctor: is this machine fit, and is everything as the catalog says?  Changes nothing. */
#include "core/main.h"
#include "core/output.h"
#include "session/doctor.h"

static void
print_human (const AgbDoctor *doctor)
{
  for (guint i = 0; i < doctor->findings->len; i++)
    {
      const AgbFinding *finding = g_ptr_array_index (doctor->findings, i);

      agb_print ("%-8s %-12s %s\n", agb_finding_word (finding->level), finding->check,
                 finding->message);
      if (finding->fix != NULL)
        agb_print ("%-8s %-12s fix: %s\n", "", "", finding->fix);
    }
  agb_print ("%s\n", agb_doctor_ok (doctor) ? "everything is in order"
                                            : "something is wrong: see the lines with 'problem'");
  agb_print ("state root: %s\n", doctor->state_root);
}

static const char *const usage[] = { "git agbranch doctor [--json]", NULL };

static gboolean
run_doctor (AgbContext *ctx, int argc, char **argv, GError **error)
{
  if (!agb_options_parse (ctx, NULL, &argc, &argv, 0, error))
    return FALSE;
  g_autoptr (AgbDoctor) doctor = agb_doctor_run (ctx->progress);

  if (ctx->json)
    {
      g_autoptr (cJSON) object = agb_doctor_to_json (doctor);
      agb_print_json (object, FALSE);
    }
  else
    print_human (doctor);
  ctx->exit_status = agb_doctor_ok (doctor) ? 0 : 1;
  return TRUE;
}

int
main (int argc, char **argv)
{
  static const AgbVerb verb
      = { .name = "doctor", .usage = usage, .flags = AGB_VERB_JSON, .run = run_doctor };

  return agb_main (argc, argv, &verb);
}
