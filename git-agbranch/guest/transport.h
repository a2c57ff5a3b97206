/* Running things in a guest, whatever the runtime: capture, stream, terminal. */
#pragma once

#include "core/child.h"
#include "guest/runtime.h"

void agb_guest_process_free (AgbGuestProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbGuestProcess, agb_guest_process_free)

AgbGuestProcess *agb_guest_exec (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec,
                                 GError **error);

/* Wait for the end until DEADLINE (core/time.h). */
gboolean agb_guest_process_wait (AgbGuestProcess *process, gint64 deadline_usec, int *ret_status,
                                 GError **error);

/* Run to the end with INPUT on stdin and capture: at most LIMIT bytes of stdout (more is
 * AGB_ERROR_RUNTIME), the last 64 KiB of stderr.  The status is in *ret. */
gboolean agb_guest_capture (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec,
                            const void *input, gsize input_length, gsize limit, gint64 timeout_ms,
                            AgbChildResult *ret, GError **error);

/* Run SCRIPT of the assets ("guest/seed.sh") as `sh -c TEXT NAME ARGS…` in the guest. */
gboolean agb_guest_script (AgbRuntime *runtime, const char *vm_name, const char *script,
                           const char *const *args, const char *cwd, const void *input,
                           gsize input_length, gint64 timeout_ms, AgbChildResult *ret,
                           GError **error);
/* The same, started: for streams in or out. */
AgbGuestProcess *agb_guest_script_start (AgbRuntime *runtime, const char *vm_name,
                                         const char *script, const char *const *args,
                                         const char *cwd, GError **error);

/* Copy bytes between our own stdin, stdout, stderr and the process until it ends: `run`, `shell`,
 * `attach`.  With a tty our terminal is raw meanwhile and restored on every way out, window changes
 * are passed on, and guest bytes go through the terminal filter (SECURITY, row 18).  Without one,
 * SIGINT and SIGTERM are passed on.  Our stdin is never handed to the guest. */
gboolean agb_guest_relay (AgbGuestProcess *process, gint64 timeout_ms, int *ret_status,
                          GError **error);
