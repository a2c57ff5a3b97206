/* Drives the gate without a guest, for t2xxx:
 *
 *   gate-tool sync BASE OLD NEW STAGED [STOP] <stream    STOP: receive, check, hook, accept, refs
 *   gate-tool stage BASE OLD STAGED
 *   gate-tool patch BASE NEW FILE
 *   gate-tool refs JSON MESSAGE
 *   gate-tool recover OWNER JSON MESSAGE
 *   gate-tool self
 *   gate-tool sweep
 *
 * "sync" moves refs/heads/agbranch/s and refs/agbranch/sessions/s/head from OLD to NEW. */
#include "core/error.h"
#include "core/interrupt.h"
#include "core/json.h"
#include "gate/gate.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char review_ref[] = "refs/heads/agbranch/s";
static const char head_ref[] = "refs/agbranch/sessions/s/head";

static gboolean
move_refs (AgbRepo *repo, const char *new_oid, GError **error)
{
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  g_autofree char *head = agb_repo_read_ref (repo, head_ref);
  g_autofree char *review = agb_repo_read_ref (repo, review_ref);

  agb_ref_updates_add (updates, head_ref, head, new_oid);
  agb_ref_updates_add (updates, review_ref, review, new_oid);
  return agb_ref_updates_apply (repo, updates, "agbranch: sync", error);
}

static gboolean
stops_at (const char *stop, const char *step)
{
  return g_strcmp0 (stop, step) == 0;
}

static AgbGate *
gate_for (AgbRepo *repo, AgbSettings *settings, AgbProgress *progress, char **argv, GError **error)
{
  const AgbGateRequest request = { .session = "s",
                                   .base_oid = argv[0],
                                   .old_oid = argv[1],
                                   .new_oid = argv[2],
                                   .review_ref = review_ref,
                                   .staged_path = argv[3] };

  return agb_gate_new (repo, settings, &request, progress, error);
}

static gboolean
run_sync (AgbRepo *repo, AgbSettings *settings, AgbProgress *progress, char **argv, GError **error)
{
  const char *stop = argv[4];
  g_autoptr (AgbGate) gate = gate_for (repo, settings, progress, argv, error);

  if (gate == NULL || !agb_gate_receive (gate, 0, error))
    return FALSE;
  if (stops_at (stop, "receive"))
    return TRUE;
  if (!agb_gate_check (gate, error))
    return FALSE;
  for (const char *const *finding = agb_gate_findings (gate); *finding != NULL; finding++)
    printf ("finding %s\n", *finding);
  if (stops_at (stop, "check"))
    return TRUE;
  if (!agb_gate_run_hook (gate, error))
    return FALSE;
  if (stops_at (stop, "hook"))
    return TRUE;
  if (!agb_gate_accept (gate, error))
    return FALSE;
  printf ("keep %s\n", agb_gate_keep_path (gate) != NULL ? agb_gate_keep_path (gate) : "none");
  if (stops_at (stop, "accept"))
    return TRUE;
  if (!move_refs (repo, argv[2], error))
    return FALSE;
  if (!stops_at (stop, "refs"))
    agb_gate_finish (gate);
  return TRUE;
}

static gboolean
run_patch (AgbRepo *repo, AgbSettings *settings, AgbProgress *progress, char **argv, GError **error)
{
  char *all[] = { argv[0], argv[0], argv[1], argv[2] };
  g_autoptr (AgbGate) gate = gate_for (repo, settings, progress, all, error);

  return gate != NULL && agb_gate_export_patch (gate, argv[2], error);
}

static AgbRefUpdates *
updates_of (const char *json, GError **error)
{
  g_autoptr (cJSON) array = agb_json_parse (json, strlen (json), "argument", AGB_ERROR_USER, error);

  return array != NULL ? agb_ref_updates_from_json (array, error) : NULL;
}

static gboolean
run_recover (AgbRepo *repo, char **argv, GError **error)
{
  AgbProcessId owner;
  g_autoptr (AgbRefUpdates) updates = updates_of (argv[1], error);

  if (updates == NULL)
    return FALSE;
  if (!agb_process_parse (argv[0], &owner))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is no process", argv[0]);
      return FALSE;
    }
  return agb_ref_updates_recover (repo, updates, &owner, argv[2], error);
}

static gboolean
run_refs (AgbRepo *repo, char **argv, GError **error)
{
  g_autoptr (AgbRefUpdates) updates = updates_of (argv[0], error);

  return updates != NULL && agb_ref_updates_apply (repo, updates, argv[1], error);
}

static gboolean
run_self (void)
{
  AgbProcessId self;

  agb_process_self (&self);
  g_autofree char *text = agb_process_format (&self);
  printf ("%s\n", text);
  return TRUE;
}

static void
print_path (const char *path, gpointer data)
{
  (void)data;
  printf ("swept %s\n", path);
}

static gboolean
run (int argc, char **argv, GError **error)
{
  const char *command = argc > 1 ? argv[1] : "";
  g_autoptr (AgbProgress) progress = agb_progress_new (AGB_PROGRESS_LINES);

  if (strcmp (command, "self") == 0)
    return run_self ();
  g_autoptr (AgbRepo) repo = agb_repo_open (NULL, TRUE, error);
  g_autoptr (AgbSettings) settings = repo != NULL ? agb_settings_load (repo, error) : NULL;
  if (settings == NULL)
    return FALSE;
  if (strcmp (command, "sync") == 0 && argc >= 6)
    return run_sync (repo, settings, progress, argv + 2, error);
  if (strcmp (command, "stage") == 0 && argc == 5)
    {
      const AgbGateRequest request = { "s", argv[2], argv[3], argv[3], review_ref, argv[4] };
      return agb_gate_stage_existing (repo, &request, error);
    }
  if (strcmp (command, "patch") == 0 && argc == 5)
    return run_patch (repo, settings, progress, argv + 2, error);
  if (strcmp (command, "refs") == 0 && argc == 4)
    return run_refs (repo, argv + 2, error);
  if (strcmp (command, "recover") == 0 && argc == 5)
    return run_recover (repo, argv + 2, error);
  if (strcmp (command, "sweep") == 0)
    return agb_gate_sweep (repo, FALSE, print_path, NULL, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_USAGE, "gate-tool: see its first lines");
  return FALSE;
}

static long
cpu_ms (const struct rusage *usage)
{
  return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000
         + (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

/* With GATE_TOOL_PEAK: the largest resident size of ourselves and of the children, in KiB; and the time
 * that all of them took of a processor, in milliseconds. */
static void
print_peak (void)
{
  struct rusage self, children;

  if (g_getenv ("GATE_TOOL_PEAK") != NULL && getrusage (RUSAGE_SELF, &self) == 0
      && getrusage (RUSAGE_CHILDREN, &children) == 0)
    printf ("peak %ld %ld\ncpu %ld\n", self.ru_maxrss, children.ru_maxrss,
            cpu_ms (&self) + cpu_ms (&children));
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  agb_interrupt_init ();
  gboolean good = run (argc, argv, &error);
  print_peak ();
  if (good)
    return 0;
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;
  agb_error_split (error, &message, &hint);
  fprintf (stderr, "fatal: %s\n", message);
  if (hint != NULL)
    fprintf (stderr, "hint: %s\n", hint);
  return error->code;
}
