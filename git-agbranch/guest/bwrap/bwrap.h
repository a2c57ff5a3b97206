/* Shared by the parts of the bwrap runtime. */
#pragma once

#include "guest/runtime.h"

typedef struct {
  AgbRuntime runtime;
  char *state_root;
  char **programs; /* of the host, that a sandbox gets (programs.h) */
} AgbBwrapRuntime;

/* A connection to the exec socket of VM_NAME.  AGB_ERROR_RUNTIME with a hint when it does not run. */
int agb_bwrap_connect (const char *state_root, const char *vm_name, GError **error);

/* AgbRuntimeClass.exec */
AgbGuestProcess *agb_bwrap_exec (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec,
                                 GError **error);

/* Ask execd to end everything within GRACE_MS; no error when it does not answer. */
void agb_bwrap_ask_to_end (const char *state_root, const char *vm_name, guint grace_ms);
