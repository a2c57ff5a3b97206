/* ssh to an instance, over the connection that Lima keeps open for it, with the instance's own ssh.config:
 * one process of ssh a command, no new connection. */
#pragma once

#include "core/child.h"
#include "guest/lima/limactl.h"
#include "guest/runtime.h"

/* The host alias of an instance in its ssh.config; the caller frees. */
char *agb_lima_ssh_alias (const char *vm_name);

/* FALSE and AGB_ERROR_RUNTIME when no process of the instance lives, which Lima's pid files tell. */
gboolean agb_lima_require_running (const AgbLima *lima, const char *vm_name, GError **error);

/* exec of the runtime interface, for a SPEC that passed agb_lima_check_variables.  BEFORE is a command for
 * the guest's shell, with its end ("; "), that runs first; "": none. */
AgbGuestProcess *agb_lima_ssh_exec (const AgbLima *lima, const char *vm_name,
                                    const AgbExecSpec *spec, const char *before, GError **error);
/* FALSE and AGB_ERROR_USER when the variables of SPEC are more than a command takes. */
gboolean agb_lima_check_variables (const AgbExecSpec *spec, GError **error);

/* A word for one command: in its environment as AGBRANCH_EXEC, so that what it starts can be found.  The
 * caller frees. */
char *agb_lima_token (void);
/* Send SIGNAL_NUMBER to everything that has TOKEN, by a command of its own; never ended by an interrupt. */
void agb_lima_signal (const AgbLima *lima, const char *vm_name, const char *token,
                      int signal_number);

/* Have the open connection listen on SOCKET of the host for GUEST_SOCKET.  FALSE when there is no open
 * connection, or it does not. */
gboolean agb_lima_forward (const AgbLima *lima, const char *vm_name, const char *socket,
                           const char *guest_socket, gint64 timeout_ms);

/* Run ARGV with INPUT to its end and capture it, over a connection of its own: for a guest that is
 * just coming up.  ssh's own failure is status 255. */
gboolean agb_lima_ssh_once (const AgbLima *lima, const char *vm_name, const char *const *argv,
                            const void *input, gsize input_length, gint64 timeout_ms,
                            AgbChildResult *ret, GError **error);
/* The same for a guest that runs but may not answer yet: again and
 * again while ssh itself fails, until DEADLINE (core/time.h).  The connection stays, for all commands
 * that come later, and ends with the guest. */
gboolean agb_lima_ssh_first (const AgbLima *lima, const char *vm_name, const char *const *argv,
                             const void *input, gsize input_length, gint64 deadline_usec,
                             AgbChildResult *ret, GError **error);
/* TEXT as one word for a POSIX shell; the caller frees. */
char *agb_lima_quote (const char *text);
