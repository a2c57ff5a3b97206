/* The catalog: one SQLite database (state.db in the state root) for all sessions of this user.
 *
 * It is an index and a journal: what was accepted lives in the repositories, and `repair` can
 * rebuild the catalog from refs and the runtimes' own lists.  Tables: agbranch-formats(5).
 * Every writer uses BEGIN IMMEDIATE, WAL, synchronous=FULL, foreign keys and a long busy timeout:
 * what was acknowledged survives a kill and a power loss.
 *
 * All functions set AGB_ERROR_CATALOG unless said otherwise; then nothing was changed. */
#pragma once

#include <glib.h>

#include "core/process.h"

typedef struct AgbCatalog AgbCatalog;

typedef enum {
  AGB_CATALOG_READ_ONLY = 1 << 0, /* no file is made; no database is an empty catalog */
} AgbCatalogFlags;

/* Open (and make, and migrate forward) the catalog of the state root.  A newer schema than this
 * program knows is an error with a hint, and the file stays untouched. */
AgbCatalog *agb_catalog_open (AgbCatalogFlags flags, GError **error);
void agb_catalog_close (AgbCatalog *catalog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbCatalog, agb_catalog_close)

/* Move a damaged catalog out of the way, to "state.db.damaged-TIME" in the state root (*ret_path, the
 * caller frees), so that the next agb_catalog_open makes a new one for `repair --all` to fill. */
gboolean agb_catalog_set_aside (char **ret_path, GError **error);

/* A copy of the whole database, "state.db.backup-TIME" in the state root (*ret_path, the caller frees). */
gboolean agb_catalog_back_up (AgbCatalog *catalog, char **ret_path, GError **error);

/* A row of `sessions`.  Strings may be NULL where the column may be; the words of the enumerations
 * are those of CONTRACTS ("lifecycle_state", "sync_state").  The second block are columns of ours
 * that agbranch 0.1 does not have. */
typedef struct {
  char *name;
  char *vm_name;
  char *session_mode;   /* repo, sandbox */
  char *repo_sync_mode; /* git_native, NULL for sandbox */
  char *host_context_path;
  char *guest_workspace_path;
  char *seed_host_path;
  char *host_git_root;
  char *host_head_oid_at_open;
  char *host_head_ref_at_open;
  gint64 host_dirty_at_open;
  char *base_ref;
  char *review_branch;    /* agbranch/<name> */
  char *session_ref_base; /* refs/agbranch/sessions/<name>/base */
  char *session_ref_head;
  char *provider_kind;
  char *imported_provider_files_json;
  char *guest_tmux_socket_path;
  char *shell_window_name;
  char *agent_window_name;
  char *agent_launch_preset;
  char *lifecycle_state;
  char *sync_state;
  gint64 lock_owner_pid;
  char *lock_operation;
  char *created_at;
  char *last_started_at;
  char *last_stopped_at;
  char *last_used_at;
  char *closed_at;

  char *runtime;        /* bwrap, lima, or the name of a runtime helper */
  gint64 attempt;       /* counts the guests that this session has had; key = name.attempt */
  char *git_common_dir; /* absolute; where refs and objects of the repository are */
  char *base_oid;
  char *image;
  gint64 cpus;
  gint64 memory_bytes;
  gint64 disk_bytes;
  char *network;            /* public, open, none */
  char *agent_command_json; /* argv array of the agent window, NULL: none */
  char *options_json;       /* what else a restart needs, one object */
} AgbSession;

/* Attempt 1, everything else empty. */
AgbSession *agb_session_new (const char *name);
AgbSession *agb_session_copy (const AgbSession *session);
void agb_session_free (AgbSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbSession, agb_session_free)

/* Insert, or replace all columns of the row of that name.  A live row of that name that belongs to
 * another git_common_dir is AGB_ERROR_USER and says where it lives; a closed one is replaced (its
 * events and sync runs stay). */
gboolean agb_catalog_insert_session (AgbCatalog *catalog, const AgbSession *session,
                                     GError **error);
gboolean agb_catalog_save_session (AgbCatalog *catalog, const AgbSession *session, GError **error);

/* Set single columns of one session in one transaction: pairs of column and value (NULL: SQL NULL),
 * ended by NULL.  An unknown session is AGB_ERROR_USER. */
gboolean agb_catalog_update_session (AgbCatalog *catalog, const char *name, GError **error,
                                     const char *column, const char *value,
                                     ...) G_GNUC_NULL_TERMINATED;

/* The row of NAME.  Not there: NULL and AGB_ERROR_USER "no session 'NAME'" with a hint that names
 * the nearest one. */
AgbSession *agb_catalog_get_session (AgbCatalog *catalog, const char *name, GError **error);

typedef struct {
  gboolean include_closed;
  const char *search;         /* substring of name, path, branch; NULL: all */
  const char *state;          /* lifecycle_state; NULL: all */
  const char *git_common_dir; /* only of this repository; NULL: all */
  const char *sort;           /* a column, "-" in front: descending; NULL: created_at */
  const char *const *columns; /* the ones that are read, the others are NULL or 0; NULL: all */
} AgbSessionFilter;

/* Calls FUNC for each row in order until it returns FALSE; the row belongs to the catalog and ends
 * with the call.  FUNC must not write to the catalog (in all foreach functions): list, then write.  An unknown sort column or state is AGB_ERROR_USER. */
typedef gboolean (*AgbSessionFunc) (const AgbSession *session, gpointer data);
gboolean agb_catalog_foreach_session (AgbCatalog *catalog, const AgbSessionFilter *filter,
                                      AgbSessionFunc func, gpointer data, GError **error);
/* The same as an array of AgbSession (free function set). */
GPtrArray *agb_catalog_list_sessions (AgbCatalog *catalog, const AgbSessionFilter *filter,
                                      GError **error);

/* Append an event: LEVEL debug, info, warning, error; KIND one lower_snake_case word. */
gboolean agb_catalog_add_event (AgbCatalog *catalog, const char *session, const char *level,
                                const char *kind, GError **error, const char *format, ...)
    G_GNUC_PRINTF (6, 7);

typedef struct {
  gint64 id;
  const char *session;
  const char *at;
  const char *level;
  const char *kind;
  const char *message;
} AgbEvent;
typedef gboolean (*AgbEventFunc) (const AgbEvent *event, gpointer data);
/* Events after AFTER_ID (0: all) and not before SINCE (RFC 3339, NULL), at most the last LIMIT (0: no limit) of
 * SESSION (NULL: of all), oldest first. */
gboolean agb_catalog_foreach_event (AgbCatalog *catalog, const char *session, gint64 after_id,
                                    const char *since, guint limit, AgbEventFunc func,
                                    gpointer data, GError **error);

typedef struct {
  gint64 id;
  char *session_name;
  char *direction; /* guest_to_host */
  char *result;    /* running, synced, nothing, blocked, refused, error */
  char *started_at;
  char *finished_at;
  char *staging_path;
  char *patch_path;
  char *error_text;
  char *old_oid; /* session head before and after; columns of ours */
  char *new_oid;
  gint64 number; /* N of refs/agbranch/sync/<s>/<N>, 0 when none */
} AgbSyncRun;
void agb_sync_run_clear (AgbSyncRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbSyncRun, agb_sync_run_clear)

/* Insert a row (id is set), and later write all its columns again. */
gboolean agb_catalog_begin_sync_run (AgbCatalog *catalog, AgbSyncRun *run, GError **error);
gboolean agb_catalog_save_sync_run (AgbCatalog *catalog, const AgbSyncRun *run, GError **error);
typedef gboolean (*AgbSyncRunFunc) (const AgbSyncRun *run, gpointer data);
gboolean agb_catalog_foreach_sync_run (AgbCatalog *catalog, const char *session, guint limit,
                                       AgbSyncRunFunc func, gpointer data, GError **error);

/* The highest number N that refs/agbranch/KIND/SESSION/N ever had, as far as it was kept before the ref
 * went; 0: none.  A kept number never gets smaller. */
gboolean agb_catalog_keep_ref_number (AgbCatalog *catalog, const char *kind, const char *session,
                                      gint64 number, GError **error);
gint64 agb_catalog_kept_ref_number (AgbCatalog *catalog, const char *kind, const char *session);

/* The operations journal: a row from before the first durable effect of a mutating verb until after
 * its last one.  DATA_JSON holds what recovery needs (old and new ref values, paths, the step's
 * result); it is replaced as a whole with each step. */
typedef struct {
  gint64 id;
  char *session_name;
  char *operation; /* open, sync, close, start, stop, … */
  char *step;      /* the step that is under way */
  char *data_json; /* NULL: nothing yet */
  AgbProcessId owner;
  char *started_at;
  char *updated_at;
} AgbOperation;
void agb_operation_clear (AgbOperation *operation);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbOperation, agb_operation_clear)

/* Insert with our own process as owner; id and times are set.  A session has at most one operation:
 * a second one is an error, for the lock of the session and recovery come first. */
gboolean agb_catalog_begin_operation (AgbCatalog *catalog, AgbOperation *operation, GError **error);
/* Write step and data (durable when it returns), and our process as the new owner; the fault point "journal: OPERATION STEP" lies
 * before it. */
gboolean agb_catalog_step_operation (AgbCatalog *catalog, AgbOperation *operation, const char *step,
                                     const char *data_json, GError **error);
/* Delete the row: the operation is complete, or undone. */
gboolean agb_catalog_end_operation (AgbCatalog *catalog, AgbOperation *operation, GError **error);
/* The unfinished operation of SESSION, whoever owns it.  *ret_found FALSE: none. */
gboolean agb_catalog_get_operation (AgbCatalog *catalog, const char *session,
                                    AgbOperation *ret_operation, gboolean *ret_found,
                                    GError **error);
typedef gboolean (*AgbOperationFunc) (const AgbOperation *operation, gpointer data);
gboolean agb_catalog_foreach_operation (AgbCatalog *catalog, AgbOperationFunc func, gpointer data,
                                        GError **error);

/* A counter that grows with every committed change by any process (PRAGMA data_version together
 * with our own changes), and the file whose change wakes a watcher (the WAL). */
gint64 agb_catalog_change_counter (AgbCatalog *catalog);
const char *agb_catalog_watch_path (AgbCatalog *catalog);

/* Delete closed rows, events and sync runs older than the given RFC 3339 times (NULL: keep); returns how many
 * rows went, or with DRY_RUN would go, -1 on an error. */
gint64 agb_catalog_prune (AgbCatalog *catalog, const char *closed_before, const char *events_before,
                          const char *sync_runs_before, gboolean dry_run, GError **error);

/* PRAGMA integrity_check and foreign_key_check: FALSE and the first damage as *error. */
gboolean agb_catalog_check (AgbCatalog *catalog, GError **error);
