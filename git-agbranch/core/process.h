/* Identity of a process: a pid alone is reused, a pid with its start time and boot is not. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
  pid_t pid;
  guint64 start_time; /* Linux: clock ticks since boot, field 22 of /proc/PID/stat (proc(5)) */
  char boot_id[37];   /* /proc/sys/kernel/random/boot_id; empty where there is none */
} AgbProcessId;

/* The identity of this process. */
void agb_process_self (AgbProcessId *ret_id);

/* The identity of PID now; FALSE when there is no such process. */
gboolean agb_process_lookup (pid_t pid, AgbProcessId *ret_id);

/* TRUE when exactly this process still lives (a zombie does not count). */
gboolean agb_process_alive (const AgbProcessId *id);

/* Processor time that PID has used, in microseconds; -1: unknown. */
gint64 agb_process_cpu_usec (pid_t pid);
/* The same of PID, of all that it and they have started and that still lives, and of what those have
 * waited for.  It may go back a little when a process ends that nobody waits for. */
gint64 agb_process_tree_cpu_usec (pid_t pid);

/* "PID START BOOT" and back, for files and the journal.  The caller frees. */
char *agb_process_format (const AgbProcessId *id);
gboolean agb_process_parse (const char *text, AgbProcessId *ret_id);
