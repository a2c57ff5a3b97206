/* The logs that are files: of the guest, its kernel, its provisioning.  Their text is the guest's:
 * hostile, escape it. */
#pragma once

#include "session/env.h"

/* The file of SOURCE (provision, guest, kernel) of SESSION: what the runtime names, else
 * logs/<session>/SOURCE.log in the state root.  It need not exist.  The caller frees. */
char *agb_log_path (AgbEnv *env, const AgbSession *session, const char *source);

/* The last LINES lines of PATH (0: all), at most LIMIT bytes from its end.  A file that is not there
 * is empty.  *ret_end is where reading stopped (for agb_log_follow); the caller frees *ret_text. */
gboolean agb_log_read (const char *path, guint lines, gsize limit, char **ret_text,
                       goffset *ret_end, GError **error);

/* Call FUNC with what is appended to PATH after END, until the session is closed (TRUE), FUNC returns
 * FALSE (TRUE), or an interrupt comes.  A file that became shorter is read from its beginning. */
typedef gboolean (*AgbLogFunc) (const char *text, gsize length, gpointer data);
gboolean agb_log_follow (AgbEnv *env, const char *session, const char *path, goffset end,
                         AgbLogFunc func, gpointer data, GError **error);
