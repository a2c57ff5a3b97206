/* The gate: the one place where guest commits become host objects (SECURITY rows 1-9, 16, 21).
 *
 *   stream → limits → quarantine → index-pack --strict → tree policy → connectivity → pre-sync hook
 *          → pack into the object store (kept) → (the caller's ref transaction) → keep removed
 *
 * A refusal is AGB_ERROR_SYNC; its message names the rule, the object or path, and the hint names the
 * setting that allows it.  After any error the repository is as before, but for the staged bundle,
 * which is the salvage. */
#pragma once

#include "core/progress.h"
#include "gate/reftx.h"
#include "store/repo.h"
#include "store/settings.h"

typedef struct AgbGate AgbGate;

typedef struct {
  const char *session;
  const char *base_oid;    /* session base: the pack may lean on it and what it reaches */
  const char *old_oid;     /* session head as the host knows it, = base_oid before the first sync */
  const char *new_oid;     /* what the guest claims as its tip: checked as hex by the caller */
  const char *review_ref;  /* name used in the staged bundle */
  const char *staged_path; /* the bundle that is written while reading; its folder exists */
} AgbGateRequest;

/* A quarantine is made; nothing is read yet. */
AgbGate *agb_gate_new (AgbRepo *repo, AgbSettings *settings, const AgbGateRequest *request,
                       AgbProgress *progress, GError **error);
/* Removes the quarantine and what is not finished. */
void agb_gate_free (AgbGate *gate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbGate, agb_gate_free)

/* Read a thin pack (or a bundle: its header is checked and stripped) from FD to its end: byte, object and time
 * limits, then index-pack --strict in the quarantine; the raw stream is also staged as a bundle that `git bundle
 * verify` passes.  AGB_ERROR_SYNC for what the guest did wrong, AGB_ERROR_FILE for a full disk. */
gboolean agb_gate_receive (AgbGate *gate, int fd, GError **error);

/* Tree policy over the changed paths, inflated sizes, connectivity.  Findings that are no refusal
 * (what runs later: CI files, .gitattributes, …) are kept for agb_gate_findings. */
gboolean agb_gate_check (AgbGate *gate, GError **error);

/* The findings, each once, as "RULE: PATH" with the path escaped; NULL-ended; belongs to GATE. */
const char *const *agb_gate_findings (AgbGate *gate);

/* A finding of the caller's own; what agb_gate_findings gave before is not valid any more. */
void agb_gate_add_finding (AgbGate *gate, const char *kind, const char *path);

/* Call FUNC with each new blob of at most LIMIT bytes, once, with one of its paths (hostile, as its
 * CONTENT): what the commits from old to NEW brought, whatever later ones did with it. */
typedef void (*AgbGateBlobFunc) (const char *path, const char *content, gsize length,
                                 gpointer data);
gboolean agb_gate_foreach_new_blob (AgbGate *gate, guint64 limit, AgbGateBlobFunc func,
                                    gpointer data, GError **error);

/* TRUE in *ret when ANCESTOR is reachable from DESCENDANT, of which either may lie in the quarantine. */
gboolean agb_gate_is_ancestor (AgbGate *gate, const char *ancestor, const char *descendant,
                               gboolean *ret, GError **error);

/* The hook pre-sync of the repository (core.hooksPath, else hooks/), as git runs pre-receive: in
 * GIT_DIR, with "OLD NEW REF" on stdin, AGBRANCH_SESSION, and the quarantine in GIT_QUARANTINE_PATH,
 * GIT_OBJECT_DIRECTORY and GIT_ALTERNATE_OBJECT_DIRECTORIES: it can read the new commits, git lets it
 * move no ref.  Non-zero is AGB_ERROR_SYNC with the last line of its stderr.  No hook: TRUE. */
gboolean agb_gate_run_hook (AgbGate *gate, GError **error);

/* Move the pack, with a .keep, into the object store, durable when it returns.  The caller then moves refs
 * (agb_ref_updates_apply) and calls agb_gate_finish, which removes the .keep: so no gc or prune of the host
 * takes the objects, however long ago it has looked at the refs.  A kill between leaves a pack that git's
 * own gc removes, and a keep file named in the journal. */
gboolean agb_gate_accept (AgbGate *gate, GError **error);
/* Where accept puts the .keep file, as an absolute path for the journal: known after receive; NULL when
 * there is to be none. */
const char *agb_gate_keep_path (AgbGate *gate);

/* Small packs become few, and git's own maintenance is started when it is due; nothing of it when gc.auto
 * is 0. */
void agb_gate_finish (AgbGate *gate);

/* Remove the quarantines and .keep files that killed processes left in REPO, once their refs are
 * recovered; FUNC (may be NULL) is told each path. */
typedef void (*AgbGateSweepFunc) (const char *path, gpointer data);
gboolean agb_gate_sweep (AgbRepo *repo, gboolean dry_run, AgbGateSweepFunc func, gpointer data,
                         GError **error);

/* Write the bundle REQUEST->staged_path when nothing was received (nothing to sync): base..old, or
 * when these are one commit a bundle that names it and has no objects. */
gboolean agb_gate_stage_existing (AgbRepo *repo, const AgbGateRequest *request, GError **error);

/* Write base..NEW (both on the host) as a patch that `git apply --check` takes on the host's HEAD,
 * or, with a note, on the base when it conflicts with HEAD.  Binary-safe, no filters, no textconv.
 * Nothing to change: an empty file. */
gboolean agb_gate_export_patch (AgbGate *gate, const char *path, GError **error);
