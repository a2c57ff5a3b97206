/* The prepared base of Lima sessions: prepare, look, warm, renew the agents, ask what is newer, out to a
 * file and in from one.
 * Runtimes without AGB_RUNTIME_HAS_BASE need none. */
#pragma once

#include "core/json.h"
#include "core/progress.h"
#include "store/repo.h"
#include "store/settings.h"

typedef struct {
  const char *image;   /* name of the base, NULL: the default */
  const char *flavour; /* "minimal", "full", NULL: that of the base there is, else full */
  gboolean rebuild;    /* also when it is ready */
  gboolean update;     /* only the agents anew, on the disk of the base there is */
  gint64 timeout_ms;
  guint64 memory_bytes; /* 0: the setting, likewise disk */
  guint64 disk_bytes;
} AgbBaseRequest;

/* Prepare it; *RET (freed with cJSON_Delete) is `base prepare --json` (CONTRACTS).  Nothing is done when
 * it is ready already: steps is empty then.  AGB_ERROR_USER "busy" while another prepares one;
 * AGB_ERROR_RUNTIME with a hint for a foreign instance of that name. */
gboolean agb_session_base_prepare (AgbSettings *settings, const AgbBaseRequest *request,
                                   AgbProgress *progress, cJSON **ret, GError **error);

/* `base show --json`; *RET_READY (may be NULL): whether sessions can be made from it and it is not
 * stale, and *RET_HINT (may be NULL; freed by the caller) the command that helps.  The caller frees. */
cJSON *agb_session_base_show (AgbSettings *settings, const char *image, gboolean *ret_ready,
                              char **ret_hint, GError **error);

/* Write it to the file PATH (replaced with FORCE only): `base export --json` in *RET (freed with
 * cJSON_Delete): name, file, bytes, digest.  AGB_ERROR_RUNTIME with a hint when it is not prepared or has
 * no image. */
gboolean agb_session_base_export (AgbSettings *settings, const char *image, const char *path,
                                  gboolean force, AgbProgress *progress, cJSON **ret,
                                  GError **error);

/* Put the base in the file PATH in place, checked first (DIGEST "sha256:…", NULL: not compared); *RET as
 * of prepare.  Of REQUEST only image, rebuild and timeout_ms count.  AGB_ERROR_USER when there is one
 * already and REQUEST does not say rebuild; else as prepare. */
gboolean agb_session_base_import (AgbSettings *settings, const AgbBaseRequest *request,
                                  const char *path, const char *digest, AgbProgress *progress,
                                  cJSON **ret, GError **error);

/* Keep the objects that HEAD of REPO reaches in a warm image of their own, in place of an older one: sessions
 * of REPO on that base are sent only what is new then.  *RET (freed with cJSON_Delete) as of prepare,
 * with repo and commit.  AGB_ERROR_USER for a shallow or partial repository; as prepare else. */
gboolean agb_session_base_warm_repo (AgbSettings *settings, const char *image, AgbRepo *repo,
                                     gint64 timeout_ms, AgbProgress *progress, cJSON **ret,
                                     GError **error);

/* Make its saved running state anew. */
gboolean agb_session_base_warm (AgbSettings *settings, const char *image, gint64 timeout_ms,
                                AgbProgress *progress, GError **error);

/* What the registry has against what is in the base: array of {name, package, version, newest, newer};
 * asked by the host's npm.  The caller frees. */
cJSON *agb_session_base_check (AgbSettings *settings, const char *image, GError **error);

/* For open: FALSE and AGB_ERROR_RUNTIME with the command when sessions of RUNTIME ("auto", a name) need a
 * base and there is none; *RET_MISSING: it is only not prepared, so that the user may be asked. */
gboolean agb_session_base_require (AgbSettings *settings, const char *runtime, const char *image,
                                   gboolean *ret_missing, GError **error);
