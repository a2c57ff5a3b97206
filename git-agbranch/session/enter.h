/* Entering a session: a process in its guest, its windows, its ssh.
 *
 * The guest is taken at the catalog's word: a session that is said to run is entered at once.  Only when
 * that fails, or the session is not said to run, `start` is run as a program of its own.  So entering
 * needs neither repository nor settings, and the programs that enter carry nothing of them. */
#pragma once

#include "core/progress.h"
#include "guest/transport.h"
#include "store/catalog.h"

typedef struct {
  AgbCatalog *catalog;
  AgbSession *session;
  AgbRuntime *runtime;
  AgbProgress *progress; /* the caller's */
} AgbEntered;

/* Find session NAME (NULL: the one of this repository, which `start` finds out). */
AgbEntered *agb_enter_open (const char *name, AgbProgress *progress, GError **error);
void agb_entered_free (AgbEntered *entered);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbEntered, agb_entered_free)

/* Start the guest unless it is said to run. */
gboolean agb_enter_wake (AgbEntered *entered, GError **error);

/* Start a process; without a cwd in the session's workspace.  To be freed before ENTERED. */
AgbGuestProcess *agb_enter_exec (AgbEntered *entered, const AgbExecSpec *spec, GError **error);

/* AGB_ERROR_USER without a terminal on both stdin and stdout. */
gboolean agb_enter_check_terminal (AgbEntered *entered, GError **error);

/* Run SPEC's argv on our terminal to its end (agb_guest_relay); the terminal is filled in here. */
gboolean agb_enter_terminal (AgbEntered *entered, const AgbExecSpec *spec, int *ret_status,
                             GError **error);

/* The window that `attach` means: NAMED (NULL: agent when it lives, else shell).  Static string, or
 * NULL and AGB_ERROR_USER with the command that makes a missing one.  A guest that does not answer is
 * started first when MAY_START. */
const char *agb_enter_window (AgbEntered *entered, const char *named, gboolean may_start,
                              GError **error);

/* AGB_ERROR_USER when the session's runtime has no ssh. */
gboolean agb_enter_check_ssh (AgbEntered *entered, GError **error);

/* The ssh configuration of the guest and the host alias in it; AGB_ERROR_USER when its runtime has
 * none.  Both may be NULL, the caller frees. */
gboolean agb_enter_ssh (AgbEntered *entered, char **ret_config_file, char **ret_host_alias,
                        GError **error);

/* PATH in the guest, absolute: `~/x` below the guest's home, also when the host's shell has made it a
 * path below the host's home; a relative one below the workspace.  The caller frees. */
char *agb_enter_path (const AgbSession *session, const char *path);

typedef struct {
  AgbChildResult output;
  gboolean timed_out;
  gint64 duration_ms;
} AgbCollected;
void agb_collected_clear (AgbCollected *collected);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbCollected, agb_collected_clear)

/* Give PROCESS our stdin and keep what it prints, at most LIMIT bytes each of stdout and stderr (more
 * is AGB_ERROR_RUNTIME), until it ends.  After TIMEOUT_MS (-1: none) it gets TERM, then KILL, and
 * timed_out is set. */
gboolean agb_enter_collect (AgbGuestProcess *process, gsize limit, gint64 timeout_ms,
                            AgbCollected *ret, GError **error);
