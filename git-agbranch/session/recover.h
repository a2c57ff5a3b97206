/* What becomes of an operation whose process died: finished forward where all that was needed had
 * happened, undone otherwise.  Called by agb_env_lock for every command that takes a session's lock,
 * and by `repair`. */
#pragma once

#include "session/env.h"

typedef enum {
  AGB_RECOVER_NOTHING,     /* there was no unfinished operation */
  AGB_RECOVER_RESUMED,     /* finished forward */
  AGB_RECOVER_ROLLED_BACK, /* undone */
} AgbRecovery;

/* Recover the unfinished operation of session NAME, whose lock the caller holds.  *RET (may be NULL)
 * says how.  A repeat finds nothing.  On an error the operation stays for the next try. */
gboolean agb_recover_unfinished (AgbEnv *env, const char *name, AgbRecovery *ret, GError **error);
