/* launch --seed and open --copy: host files copied into the workspace of a session.
 *
 * Modes and symlinks are kept as they are; a link is never followed, so nothing outside the folder
 * goes in.  Sockets, pipes and devices are left out. */
#pragma once

#include "core/progress.h"
#include "guest/runtime.h"
#include "store/catalog.h"
#include "store/settings.h"

/* Whether PATH is a folder of at most agbranch.limits.seed bytes (0: any size). AGB_ERROR_USER
 * otherwise. */
gboolean agb_seed_folder_check (const char *path, AgbSettings *settings, GError **error);

/* Make the workspace of SESSION, and copy session->seed_host_path (NULL: nothing) into it as a tar
 * stream.  Counts regular files and links, and their bytes. */
gboolean agb_seed_folder (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                          AgbProgress *progress, guint64 *ret_files, guint64 *ret_bytes,
                          GError **error);

/* Copy PATHS (NULL-ended, below ROOT on the host) into the workspace of SESSION in the same way; git in
 * the clone is told to ignore them. */
gboolean agb_seed_paths (AgbRuntime *runtime, const AgbSession *session, AgbSettings *settings,
                         const char *root, char **paths, AgbProgress *progress, GError **error);

/* Run ARGV in the guest of SESSION with the files NAMES below ROOT as a tar stream on its stdin; its exit
 * status is in *RET_STATUS. */
gboolean agb_send_files (AgbRuntime *runtime, const AgbSession *session, const char *const *argv,
                         const char *root, char **names, int *ret_status, AgbProgress *progress,
                         GError **error);
