/* Where things are: the state root, our helper programs, the assets. */
#pragma once

#include <glib.h>

/* $AGBRANCH_STATE_ROOT, else $XDG_STATE_HOME/agbranch, else ~/.local/state/agbranch (macOS:
 * ~/Library/Application Support/agbranch).  Absolute; not made.  The caller frees. */
char *agb_state_root (void);

/* PATH below the state root; parents are made with mode 0700.  The caller frees.
 * NULL and AGB_ERROR_FILE when the root cannot be made, or is open to others (not ours, or
 * writable by group or others: AGB_ERROR_USER). */
char *agb_state_path (GError **error, const char *first, ...) G_GNUC_NULL_TERMINATED;

/* The folder of our programs: $GIT_AGBRANCH_EXEC_PATH, else libexec/git-agbranch beside the
 * running program's bin/, else where `make install` put it.  The caller frees. */
char *agb_exec_path (void);

/* The folder share/BELOW of this build or installation.  The caller frees. */
char *agb_share_path (const char *below);

/* The Lima and guest assets: $AGBRANCH_LIMA_ASSETS_DIR, else share/git-agbranch/lima of this
 * build or installation.  The caller frees. */
char *agb_assets_path (void);

/* The contents of FILE ("guest/seed.sh") in the assets, NUL-terminated; the caller frees.
 * NULL and AGB_ERROR_FILE when it is not there. */
char *agb_asset_read (const char *file, GError **error);
