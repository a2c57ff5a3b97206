/* Removing what nobody needs any more, by the ages in the settings (agbranch.…Days).
 *
 * Kept whatever its age: everything of an open session but the bundles of its older, successful
 * syncs; everything of a session that is busy, or whose last operation was cut off.  Refs are
 * deleted in one journaled transaction a session (operation "gc"), which the next gc or repair
 * finishes (session/recover.h); files that were being removed are found again. */
#pragma once

#include "session/env.h"

typedef struct {
  gboolean drop;
  gboolean is_ref;
  char *what;    /* a path, or the name of a ref */
  char *repo;    /* of a ref: its git_common_dir */
  char *session; /* NULL: of none */
  char *reason;  /* one line: why it is kept or dropped */
} AgbGcItem;

typedef struct {
  gboolean dry_run;
  GPtrArray *items;    /* AgbGcItem */
  GPtrArray *warnings; /* char *, one line each */
  gint64 rows;         /* of the catalog: closed sessions, events, sync runs that went */
} AgbGc;
void agb_gc_free (AgbGc *gc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbGc, agb_gc_free)

/* Look at everything and, unless DRY_RUN, drop what is to be dropped.  What cannot be dropped is a
 * warning; NULL only when the catalog fails or on an interrupt.  A repeat drops nothing more. */
AgbGc *agb_gc_run (AgbEnv *env, gboolean dry_run, GError **error);

/* The object of `gc --json`: warnings, reclaimed_paths, and ours. */
cJSON *agb_gc_to_json (const AgbGc *gc);

/* For gc.c, gc-refs.c and gc-files.c: note an item (REPO NULL: a path). */
void agb_gc_add (AgbGc *gc, gboolean drop, const char *repo, const char *session, const char *what,
                 const char *format, ...) G_GNUC_PRINTF (6, 7);
void agb_gc_warn (AgbGc *gc, const char *format, ...) G_GNUC_PRINTF (2, 3);
void agb_gc_warn_of_error (AgbGc *gc, const GError *error);
/* Remove PATH unless it is a dry run; FALSE when that failed, with a warning. */
gboolean agb_gc_remove (AgbGc *gc, const char *path);

/* Temporary folders of killed exports. */
void agb_gc_copies (AgbGc *gc);
/* Clones of `open --clone` that no session needs and no work lies in. */
void agb_gc_clones (AgbGc *gc, AgbEnv *env, GHashTable *sessions);
/* Lock files of sessions that are closed or gone. */
void agb_gc_locks (AgbGc *gc, AgbEnv *env, GHashTable *sessions);
/* Guests of no open session: gc ends no guest, repair does. */
void agb_gc_warn_of_orphans (AgbGc *gc, AgbEnv *env, GHashTable *sessions);

/* The refs of the closed SESSION, whose age in seconds is AGE; UNFINISHED: the journal has an
 * operation of it. */
gboolean agb_gc_session_refs (AgbGc *gc, AgbEnv *env, const AgbSession *session, gint64 age,
                              gboolean unfinished, GError **error);
/* Warn of refs in the repository COMMON_DIR whose session the catalog does not know. */
void agb_gc_warn_of_strays (AgbGc *gc, const char *common_dir, GHashTable *sessions);

/* TRUE when SECONDS are more than DAYS, a setting. */
gboolean agb_gc_is_old (gint64 seconds, gint64 days);
