/* What runs a guest.  The interface has the shape of the runtime helper contract (FLEET): create is
 * idempotent by key; `lost` and `unreachable` are not `stopped`; data in and out goes through exec's
 * own streams; destroy verifies the key.  Runtimes: bwrap (guest/bwrap/), lima (guest/lima/).
 *
 * Everything that comes out of a guest is hostile: callers bound what they read, escape what they
 * print, and let only the gate read git data.
 *
 * Errors: AGB_ERROR_RUNTIME unless said otherwise; AGB_ERROR_TIMEOUT for a deadline,
 * AGB_ERROR_INTERRUPTED for a signal, AGB_ERROR_CHILD when a program (limactl, bwrap) cannot be run. */
#pragma once

#include <glib.h>

#include "core/child.h"
#include "core/json.h"
#include "core/progress.h"
#include "store/settings.h"

typedef enum {
  AGB_RUNTIME_IS_VM = 1 << 0, /* a kernel of its own; otherwise only namespaces */
  AGB_RUNTIME_BORROWS_OBJECTS
  = 1 << 1, /* the guest can be given the host's object folders read-only */
  AGB_RUNTIME_HAS_SSH = 1 << 2,
  AGB_RUNTIME_HAS_BASE = 1 << 3, /* needs a prepared base */
} AgbRuntimeFlags;

typedef enum {
  AGB_GUEST_ABSENT, /* never made, or destroyed */
  AGB_GUEST_STARTING,
  AGB_GUEST_RUNNING,
  AGB_GUEST_STOPPING,
  AGB_GUEST_STOPPED,
  AGB_GUEST_FAILED,
  AGB_GUEST_LOST,        /* the engine does not know it any more, though it was not destroyed */
  AGB_GUEST_UNREACHABLE, /* the engine does not answer */
} AgbGuestState;

/* What a guest is made from.  Strings belong to the caller. */
typedef struct {
  const char *session; /* the session's name: AGBRANCH_SESSION, hostname */
  const char *vm_name; /* the handle: "agbranch-<session>" */
  gint64 attempt;      /* with the session's name the key: "<session>.<attempt>" */
  gboolean sandbox;    /* workspace ~/sandbox/<s>, not ~/workspaces/<s>/repo */
  gint64 cpus;
  guint64 memory_bytes;
  guint64 disk_bytes;   /* 0: the runtime's default */
  gboolean disk_wanted; /* the user named the disk: worth a file system of its own */
  gint64 pids;          /* most processes; 0: the runtime's default */
  gboolean
      limits_wanted;   /* the user named cpus, memory or disk: say when they cannot be enforced */
  const char *network; /* "public", "open", "none" */
  const char *image;   /* prepared image, NULL: the default */
  const char *repo;    /* common folder of the repository whose objects may be in the guest's image,
                          NULL: none may */
  const char *const *object_dirs; /* host object folders to borrow (BORROWS_OBJECTS); NULL: none */
} AgbGuestSpec;

typedef struct {
  AgbGuestState state;
  char *reason;  /* one line, may be NULL */
  char *arch;    /* x86_64 */
  char *vm_type; /* "bwrap", "qemu", "vz" */
  gint64 cpus;
  guint64 memory_bytes;
  guint64 disk_bytes;
  /* How each limit is kept: "enforced", "advisory" or "none". */
  const char *cpu_limit, *memory_limit, *pids_limit, *disk_limit;
} AgbGuestStatus;
void agb_guest_status_clear (AgbGuestStatus *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbGuestStatus, agb_guest_status_clear)

/* One process in a guest. */
typedef struct {
  const char *const *argv; /* run without a shell; argv[0] is looked up in the guest's PATH */
  const char *cwd;         /* in the guest, NULL: its home */
  const char *const *env;  /* "NAME=value" on top of the guest's login environment, NULL: none */
  gboolean tty;            /* a terminal in the guest: stdin and stdout are one stream, no stderr */
  const char *term;        /* TERM for the terminal, NULL: "xterm-256color" */
  guint16 rows, columns;
  gboolean forward_ssh_agent; /* HAS_SSH only */
} AgbExecSpec;

typedef struct AgbGuestProcess AgbGuestProcess;

struct AgbGuestProcess {
  int stdin_fd;  /* ours: close (agb_close) ends the guest's input */
  int stdout_fd; /* ours, to read; with a tty the same stream as stdin, still two descriptors */
  int stderr_fd; /* ours, -1 with a tty */

  /* private to the runtime */
  const struct AgbGuestProcessClass *klass;
};

struct AgbGuestProcessClass {
  /* The streams end by themselves when the command has ended, whatever still holds them in the guest: they
   * are read to their end. */
  gboolean streams_end;
  /* The event that the process has ended: a descriptor that polls readable, valid until free. */
  int (*wait_fd) (AgbGuestProcess *process);
  /* After wait_fd is readable: exit code, or 128 + signal.  AGB_ERROR_RUNTIME when the connection
   * broke before the guest told the status. */
  gboolean (*finish) (AgbGuestProcess *process, int *ret_status, GError **error);
  void (*signal) (AgbGuestProcess *process, int signal_number);
  void (*resize) (AgbGuestProcess *process, guint16 rows, guint16 columns);
  void (*free) (AgbGuestProcess *process); /* kills what still runs */
};

/* What tells of changes of a guest that other programs make. */
typedef struct {
  int fd;         /* polls readable when the guest may have changed; -1: nothing more will come */
  AgbChild child; /* what tells, when it is a program of its own */
} AgbGuestFollow;
#define AGB_GUEST_FOLLOW_NONE                                                           \
  {                                                                                     \
    .fd = -1, .child = {.pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 } \
  }
void agb_guest_follow_clear (AgbGuestFollow *follow);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbGuestFollow, agb_guest_follow_clear)
/* After fd was readable: take what is there.  Closes and forgets fd when that was the last. */
void agb_guest_follow_drain (AgbGuestFollow *follow);

typedef struct AgbRuntime AgbRuntime;

struct AgbRuntimeClass {
  const char *name;
  AgbRuntimeFlags flags;
  /* Make the guest, do not start it.  The same key again: the same guest, also half-made ones.
   * Held by another key: AGB_ERROR_RUNTIME. */
  gboolean (*create) (AgbRuntime *runtime, const AgbGuestSpec *spec, AgbProgress *progress,
                      GError **error);
  /* To running; a repeat is ok. */
  gboolean (*start) (AgbRuntime *runtime, const char *vm_name, AgbProgress *progress,
                     GError **error);
  /* To stopped, everything in it has ended; a repeat is ok.  FORCE: without asking it first. */
  gboolean (*stop) (AgbRuntime *runtime, const char *vm_name, gboolean force, GError **error);
  gboolean (*status) (AgbRuntime *runtime, const char *vm_name, AgbGuestStatus *ret,
                      GError **error);
  AgbGuestProcess *(*exec) (AgbRuntime *runtime, const char *vm_name, const AgbExecSpec *spec,
                            GError **error);
  /* Remove it and prove that it is gone: no process, no file.  Verifies that VM_NAME is KEY's guest
   * ("<session>.<attempt>"), AGB_ERROR_RUNTIME otherwise.  A repeat is ok. */
  gboolean (*destroy) (AgbRuntime *runtime, const char *vm_name, const char *key, GError **error);
  /* Every guest that is ours, also half-made and orphaned ones: calls FUNC with handle, key and
   * state.  One call of the engine for all. */
  gboolean (*list) (AgbRuntime *runtime,
                    void (*func) (const char *vm_name, const char *key, AgbGuestState state,
                                  gpointer data),
                    gpointer data, GError **error);
  /* Take over the guest VM_NAME, which another program made for SESSION, under KEY; a repeat is ok.
   * NULL function: there is nothing to write down. */
  gboolean (*adopt) (AgbRuntime *runtime, const char *vm_name, const char *key, const char *session,
                     GError **error);
  /* Processor time that the running guest has used, in microseconds from some beginning: only the
   * difference of two is meant, and none when it has gone back (started anew).  -1: unknown. */
  gint64 (*cpu_usec) (AgbRuntime *runtime, const char *vm_name);
  /* Tell of what happens to the running guest from now on, also without us: it stops, its machine ends.
   * FALSE without an error: nothing here can tell. */
  gboolean (*follow) (AgbRuntime *runtime, const char *vm_name, AgbGuestFollow *ret);
  /* The commit of repository REPO (its common folder) that the guest VM_NAME has from its image, with
   * all it reaches, in ~/.agbranch/objects.git; NULL: none.  The caller frees.  NULL function: none. */
  char *(*seeded) (AgbRuntime *runtime, const char *vm_name, const char *repo);
  /* HAS_SSH: the ssh configuration file and the host alias in it.  NULL function: none. */
  gboolean (*ssh) (AgbRuntime *runtime, const char *vm_name, char **ret_config_file,
                   char **ret_host_alias, GError **error);
  /* Text of a log of the guest itself ("guest", "kernel", "provision") as a host path, NULL when
   * there is none; caller frees. */
  char *(*log_path) (AgbRuntime *runtime, const char *vm_name, const char *source);
  /* Whether this runtime can work on this machine; AGB_ERROR_USER/RUNTIME with a hint otherwise. */
  gboolean (*probe) (AgbRuntime *runtime, GError **error);
  void (*free) (AgbRuntime *runtime);
};

struct AgbRuntime {
  const struct AgbRuntimeClass *klass;
};

/* The home folder of the guest's user, "/home/agent". */
#define AGB_GUEST_HOME "/home/agent"

/* Pick a runtime: NAME "auto" (lima when there is a limactl of 2.1 or newer, else bwrap), "lima",
 * "bwrap".  agbranch.requireVm refuses one without AGB_RUNTIME_IS_VM.  AGB_ERROR_USER for an unknown
 * name; AGB_ERROR_RUNTIME with a hint when it cannot work here. */
AgbRuntime *agb_runtime_new (const char *name, AgbSettings *settings, GError **error);
void agb_runtime_free (AgbRuntime *runtime);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbRuntime, agb_runtime_free)

AgbRuntime *agb_bwrap_runtime_new (AgbSettings *settings);
AgbRuntime *agb_lima_runtime_new (AgbSettings *settings);

const char *agb_guest_state_word (AgbGuestState state); /* absent, starting, running, … */
