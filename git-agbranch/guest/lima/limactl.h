/* Running limactl: which program, with which environment, with a deadline and bounded output, and what
 * it says about its instances.
 *
 * Nothing of Lima's own state is written here; its folder ($LIMA_HOME, ~/.lima) is read only for
 * "is there such an instance", which needs no process. */
#pragma once

#include "core/child.h"
#include "store/settings.h"

/* The oldest Lima that has what is used here (clone, snapshot, protect, user in the template). */
#define AGB_LIMA_OLDEST "2.1.0"

typedef struct {
  char *program; /* path of limactl */
  char *version; /* "2.2.0" */
  char *home;    /* Lima's folder, canonical */
  char **envp;   /* environment of limactl: ours, and QEMU with its accelerator */
  char *qemu;    /* QEMU_SYSTEM_X86_64 in it, NULL: Lima's own choice */
  gboolean tcg;  /* machines are emulated: no KVM for us */
  gint64 start_timeout_ms;
} AgbLima;

/* Find limactl in PATH and look at its version.  AGB_ERROR_RUNTIME with a hint when there is none, it is
 * too old, or we are root, whom it refuses.  The caller frees. */
AgbLima *agb_lima_open (AgbSettings *settings, GError **error);
void agb_lima_free (AgbLima *lima);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbLima, agb_lima_free)

/* $LIMA_HOME or ~/.lima; the caller frees. */
char *agb_lima_home (void);

/* limactl ARGS (NULL-ended) to its end.  A status other than 0 is AGB_ERROR_RUNTIME "limactl clone:
 * its last message".  ret_output (may be NULL): the caller frees. */
gboolean agb_limactl (const AgbLima *lima, gint64 timeout_ms, char **ret_output, GError **error,
                      const char *first, ...) G_GNUC_NULL_TERMINATED;

/* The same, with both streams and the status in *RET. */
gboolean agb_limactl_run (const AgbLima *lima, gint64 timeout_ms, AgbChildResult *ret,
                          GError **error, const char *first, ...) G_GNUC_NULL_TERMINATED;

/* Start limactl ARGS in the environment ENVP (NULL: that of LIMA) with both output streams in the file LOG (made anew).  The caller ends it with
 * agb_child_clear, or leaves it behind with agb_lima_leave. */
gboolean agb_limactl_start (const AgbLima *lima, char **envp, const char *log, AgbChild *ret,
                            GError **error, const char *first, ...) G_GNUC_NULL_TERMINATED;
/* Let CHILD run on by itself. */
void agb_lima_leave (AgbChild *child);
/* The last message of limactl in the file LOG as one escaped line, "" when there is none; the caller
 * frees. */
char *agb_lima_last_message (const char *log);

typedef struct {
  char *name;
  char *status; /* Lima's word: Running, Stopped, Broken, … */
  char *dir;
  char *vm_type;
  char *arch;
  char *problem; /* its first error, or NULL */
  gint64 cpus;
  gint64 memory_bytes;
  gint64 disk_bytes;
  gboolean is_protected;
  gboolean has_mounts; /* a folder of the host is in it */
} AgbLimaInstance;
void agb_lima_instance_free (AgbLimaInstance *instance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbLimaInstance, agb_lima_instance_free)

/* All instances (NAME NULL), or the one called NAME (an empty array: there is none).  NULL and an error
 * when limactl does not answer, or not in JSON. */
GPtrArray *agb_lima_list (const AgbLima *lima, const char *name, GError **error);
/* That one; NULL without error when there is none. */
AgbLimaInstance *agb_lima_find (const AgbLima *lima, const char *name, GError **error);

/* FILE (NULL: the folder) of instance NAME in Lima's folder; the caller frees. */
char *agb_lima_path (const AgbLima *lima, const char *name, const char *file);
/* Whether Lima's folder has an instance NAME, or what is left of one. */
gboolean agb_lima_exists (const AgbLima *lima, const char *name);

/* FALSE and AGB_ERROR_USER when the sockets of an instance NAME would not fit into a socket address. */
gboolean agb_lima_check_path (const AgbLima *lima, const char *name, GError **error);
