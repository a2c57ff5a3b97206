/* What the files of the gate share; nobody outside gate/ includes it. */
#pragma once

#include "core/child.h"
#include "gate/gate.h"
#include "gate/pack-scan.h"

/* Begins the text in a .keep of ours; the identity of the process follows. */
#define GATE_KEEP_TEXT "agbranch "

typedef struct {
  AgbPackLimits pack;
  guint64 path_length;   /* bytes of one path */
  guint64 path_depth;    /* folders in one path */
  guint64 changed_paths; /* of all commits together */
  gint64 ms;             /* for the whole reception, and again for each check */
} GateLimits;

struct AgbGate {
  AgbRepo *repo;         /* the caller's */
  AgbSettings *settings; /* the caller's */
  AgbProgress *progress; /* the caller's */
  char *session;
  char *base_oid;
  char *old_oid;
  char *new_oid;
  char *review_ref;
  char *staged_path;

  GateLimits limits;
  char **object_dirs;  /* of the repository and its alternates */
  int hold_fd;         /* locked while we live */
  char *quarantine;    /* a bare repository of its own: GIT_DIR of every git of the gate */
  char **envp;         /* for plumbing in the quarantine */
  char *git;           /* the program; NULL: not looked for yet */
  GPtrArray *readable; /* files and folders (strings) that it may read */
  guint64 pack_bytes;  /* of the stream */
  guint pack_objects;  /* as its header says */
  guint pack_depth;    /* no chain of deltas in it is longer */
  char *pack_name;     /* "pack-HASH" in the quarantine; NULL: nothing was received */
  char *keep_path;     /* where its .keep will be; NULL: none */
  gboolean moved;      /* the first file of the pack is in the store */
  GPtrArray *commits;  /* new commits, newest first (GateCommit) */
  GPtrArray *findings; /* strings; NULL-ended once the check is over */
  GHashTable *found;   /* set of the strings in findings */
};

typedef struct {
  char *oid;
  char **parents;
} GateCommit;

/* quarantine.c */
gboolean gate_quarantine_make (AgbGate *gate, GError **error);
char *gate_quarantine_path (AgbGate *gate, const char *name);
void gate_quarantine_remove (AgbGate *gate);
/* NAMES of folders as GIT_ALTERNATE_OBJECT_DIRECTORIES takes them; the caller frees. */
char *gate_join_object_dirs (char **folders);

/* confined.c: git with few rights */

/* What starts `git ARGS` so that it may write in the quarantine only, and read there, in the host's object
 * folders and what gate_git_reads has named (core/confine.h).  The caller frees.  NULL and AGB_ERROR_CHILD when
 * there is no git. */
char **gate_git_argv (AgbGate *gate, const char *const *args, GError **error);
/* The git that are started from now on may also read PATH, and all below it. */
void gate_git_reads (AgbGate *gate, const char *path);
/* FALSE and AGB_ERROR_CHILD when what ended with STATUS never became git: its rights could not be given
 * away, or it could not be run. */
gboolean gate_git_started (int status, const GString *errors, GError **error);

/* run.c: git in the quarantine */

/* One record of the output without its end; FALSE ends the run with *error. */
typedef gboolean (*GateRecordFunc) (const char *record, gsize length, gpointer data,
                                    GError **error);
/* Run `git ARGS`, feed INPUT (may be NULL), call FUNC for each record that ends with DELIMITER.  A
 * non-zero exit is AGB_ERROR_SYNC with the last line of stderr, escaped. */
gboolean gate_git_records (AgbGate *gate, const char *const *args, const GString *input,
                           char delimiter, GateRecordFunc func, gpointer data, GError **error);
/* The same with the raw output in pieces. */
gboolean gate_git_stream (AgbGate *gate, const char *const *args, const GString *input,
                          GateRecordFunc func, gpointer data, GError **error);
/* Capture all (at most LIMIT bytes) of a run whose exit status the caller judges. */
gboolean gate_git_run (AgbGate *gate, const char *const *args, const void *input,
                       gsize input_length, gsize limit, AgbChildResult *ret, GError **error);
/* The same as SPEC says, of which argv and cwd are set here, and envp and timeout_ms where they are not.
 * WHAT is for messages. */
gboolean gate_git_run_spec (AgbGate *gate, const char *what, const char *const *args,
                            const AgbChildSpec *spec, AgbChildResult *ret, GError **error);
/* Turn AGB_ERROR_TIMEOUT in *error into the refusal by agbranch.limits.seconds.  Returns FALSE. */
gboolean gate_timed_out (AgbGate *gate, const char *what, GError **error);
/* The last line of what a git said, for a message: escaped, without "fatal: ".  Caller frees. */
char *gate_last_line (const char *errors);
/* The same of a git that failed; when it said nothing, how it ended. */
char *gate_last_words (const AgbChildResult *result);

/* "refused: RULE: …" as AGB_ERROR_SYNC, with the hint that names the setting which allows it.  SUBJECT is
 * the path or object (NULL: none), escaped here. */
gboolean gate_refuse (GError **error, const char *rule, const char *subject, const char *format,
                      ...) G_GNUC_PRINTF (4, 5);

/* scan.c: have the stream from IN read by agbranch-scan (AGB_ERROR_CHILD when it cannot be run or
 * cannot give its rights away) and appended as a pack to the file PATH, which is open as FD.  Limits,
 * or what is wrong with it or with what its reader says: AGB_ERROR_SYNC.  A full disk: AGB_ERROR_FILE.
 * Sets pack_bytes, pack_objects and pack_depth. */
gboolean gate_scan (AgbGate *gate, int in, int fd, const char *path, GError **error);

/* depth.c: chains of deltas by the names of their bases, once git has indexed the pack */
gboolean gate_depth (AgbGate *gate, GError **error);

/* walk.c: connectivity; fills gate->commits with what the host does not have */
gboolean gate_walk (AgbGate *gate, GError **error);

/* policy.c */
gboolean gate_policy (AgbGate *gate, GError **error);
/* TRUE when agbranch.allow lists RULE, or RULE:PATH. */
gboolean gate_is_allowed (AgbGate *gate, const char *rule, const char *path);
void gate_add_finding (AgbGate *gate, const char *kind, const char *path);

/* batch.c: many objects through one `git cat-file --batch` */

/* One object in the order of the specs: TYPE is NULL when it is missing, CONTENT is NULL when it has more
 * than the limit.  CONTENT is NUL-terminated and ends with the call. */
typedef gboolean (*GateObjectFunc) (guint index, const char *oid, const char *type,
                                    const char *content, guint64 size, gpointer data,
                                    GError **error);
gboolean gate_batch (AgbGate *gate, GPtrArray *specs, guint64 limit, GateObjectFunc func,
                     gpointer data, GError **error);

/* blobs.c: contents that the policy reads */
typedef enum {
  GATE_BLOB_SYMLINK,
  GATE_BLOB_GITMODULES,
  GATE_BLOB_GITLINK, /* a submodule was added at the path: does .gitmodules know it? */
} GateBlobKind;
typedef struct GateBlobs GateBlobs;
GateBlobs *gate_blobs_new (AgbGate *gate);
void gate_blobs_free (GateBlobs *blobs);
void gate_blobs_add (GateBlobs *blobs, GateBlobKind kind, const char *oid, const char *path,
                     const GateCommit *commit);
gboolean gate_blobs_check (GateBlobs *blobs, GError **error);

/* folders.c: names that are equal for some file system */
typedef struct GateFolders GateFolders;
GateFolders *gate_folders_new (AgbGate *gate);
void gate_folders_free (GateFolders *folders);
/* PATH was added in COMMIT: remember the folders on the way to it. */
void gate_folders_add (GateFolders *folders, const GateCommit *commit, const char *path);
gboolean gate_folders_check (GateFolders *folders, GError **error);

/* accept.c */

/* When the refs have moved, or will not: what nobody needs is left to git's gc. */
void gate_remove_keep (AgbGate *gate);

/* names.c: rules on one path, no git needed */

/* The rule that PATH breaks, or NULL.  *ret_why: a static text. */
const char *gate_path_rule (const char *path, const GateLimits *limits, const char **ret_why);
/* The kind of file that runs later ("ci", "attributes", …), or NULL. */
const char *gate_path_finding (const char *path);
/* What a file system that ignores case and Unicode form makes of NAME; the caller frees. */
char *gate_name_key (const char *name);
/* The rule that a symbolic link at PATH to TARGET breaks, or NULL. */
const char *gate_symlink_rule (const char *path, const char *target, gsize length,
                               const char **ret_why);
/* TRUE for the URLs that a submodule may have. */
gboolean gate_url_is_plain (const char *url);

/* ref-locks.c: nobody else of ours is in a ref transaction */
gboolean gate_remove_stale_locks (AgbRepo *repo, const AgbRefUpdates *updates, GError **error);
