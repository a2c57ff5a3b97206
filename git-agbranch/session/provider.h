/* Files of an agent's provider that may be taken from the host's home into the guest's.
 *
 * Settings are taken when asked for; credentials, and settings that look as if one were in them, only
 * when they are asked for by that name (and the verb has had it confirmed). */
#pragma once

#include "session/env.h"

typedef struct {
  const char *provider; /* profile name */
  const char *path;     /* below the home folder, the same on both sides */
  gboolean credentials;
} AgbProviderFile;

/* The table, ended by an entry without a provider. */
const AgbProviderFile *agb_provider_files (void);

/* The files of PROVIDER that NAMES ("settings", "credentials", "none", or a path of the table, with or
 * without `~/`) mean and the host has: an array of const AgbProviderFile *, no doubles.  AGB_ERROR_USER for an
 * unknown name, or a file named by path that is not there. */
GPtrArray *agb_provider_choose (const char *provider, const char *const *names, GError **error);

/* TRUE when one of FILES is a credential. */
gboolean agb_provider_has_credentials (GPtrArray *files);

/* Write FILES into the guest, mode 0600, and add their paths to SESSION's imported_provider_files in the
 * catalog.  A settings file that looks as if it held a secret is left out with a note unless FILES has
 * credentials too. */
gboolean agb_provider_import (AgbEnv *env, AgbRuntime *runtime, AgbSession *session,
                              GPtrArray *files, GError **error);

/* imported_provider_files as a JSON array; the caller frees. */
cJSON *agb_provider_imported (const AgbSession *session);
