/* Bringing an instance up and down, cold and warm, and its disk as a thin overlay on a sealed image. */
#pragma once

#include "core/progress.h"
#include "guest/lima/limactl.h"

/* The tag of the saved running state in a disk. */
#define AGB_LIMA_WARM_TAG "warm"

/* Start INSTANCE and wait until Lima says it is ready.  After an error it is stopped. */
gboolean agb_lima_cold_start (const AgbLima *lima, const char *instance, gint64 timeout_ms,
                              GError **error);
/* Start INSTANCE, a clone of a warm base, from the state in its disk: returns as soon as it runs.  It may
 * not answer by ssh yet, its identity is still the base's, and *RET_START, the limactl that waits for it
 * to be ready, still runs: agb_lima_leave it after identity.pl.  After an error it is stopped. */
gboolean agb_lima_warm_start (const AgbLima *lima, const char *instance, AgbChild *ret_start,
                              GError **error);
/* To stopped; FORCE: at once.  A repeat is ok.  Only processes of INSTANCE are ended, whoever has the numbers
 * in its pid files by now. */
gboolean agb_lima_stop (const AgbLima *lima, const char *instance, gboolean force, GError **error);
/* Delete INSTANCE and prove that it is gone: no process of it, no file.  A repeat is ok. */
gboolean agb_lima_delete (const AgbLima *lima, const char *instance, GError **error);

/* Whether the disk of INSTANCE can be an overlay here: a qcow2 of QEMU, and qemu-img. */
gboolean agb_lima_can_overlay (const AgbLima *lima, const AgbLimaInstance *instance);
/* Move the disk of stopped INSTANCE to the read-only image IMAGE, and make a new disk on it. */
gboolean agb_lima_seal_disk (const AgbLima *lima, const char *instance, const char *image,
                             gint64 disk_bytes, GError **error);
/* Replace the disk of stopped INSTANCE by an empty overlay of BYTES on IMAGE. */
gboolean agb_lima_new_overlay (const AgbLima *lima, const char *instance, const char *image,
                               gint64 disk_bytes, GError **error);

/* Run a script as `sh -c TEXT NAME ARGS…` by root in INSTANCE. */
gboolean agb_lima_root_script (const AgbLima *lima, const char *instance, const char *name,
                               const char *text, const char *const *args, gint64 timeout_ms,
                               AgbChildResult *ret, GError **error);
/* Leave a process in INSTANCE that waits for agb_lima_ask_standby, for the state that is saved of it.  After
 * an error there is none. */
gboolean agb_lima_hold_standby (const AgbLima *lima, const char *instance, gint64 timeout_ms,
                                GError **error);
/* Run the Perl program PROGRAM of the guest's assets as root on REQUEST, by the process that waits for it
 * or by sudo; *RET_OUTPUT, to be freed, is what it printed.  By agb_lima_ssh_first: the guest may not answer
 * yet, and the program may be begun again when the connection breaks. */
gboolean agb_lima_ask_standby (const AgbLima *lima, const char *instance, const char *program,
                               const GString *request, gint64 timeout_ms, char **ret_output,
                               GError **error);
