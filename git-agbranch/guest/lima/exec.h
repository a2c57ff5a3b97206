/* Commands in an instance: through the server that waits in its guest (guest/exec.pl, which describes what
 * is said to it), or by ssh where there is none yet, for a terminal and for the keys of the ssh agent. */
#pragma once

#include "guest/lima/limactl.h"
#include "guest/runtime.h"

/* exec of the runtime interface, for a guest of a base of ours.  A command that finds no server is run by
 * ssh and leaves one for the next. */
AgbGuestProcess *agb_lima_exec (const AgbLima *lima, const char *vm_name, const AgbExecSpec *spec,
                                GError **error);

/* Forget the way to the server of an instance that is stopped or gone. */
void agb_lima_exec_forget (const AgbLima *lima, const char *vm_name);
