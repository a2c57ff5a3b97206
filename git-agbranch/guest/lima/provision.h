/* What is done inside the machine that becomes a base. */
#pragma once

#include "core/json.h"
#include "core/progress.h"
#include "guest/lima/limactl.h"

/* Run the scripts in provision/ of the assets but the seal, the scripts of agbranch.lima.provision, and the
 * user's setup.sh, in INSTANCE, until DEADLINE; what they print goes to the file LOG.  Each that is done
 * is added to STEPS ({name, ms}).  ONLY_AGENTS: nothing but the agents. */
gboolean agb_provision_run (const AgbLima *lima, AgbSettings *settings, const char *instance,
                            const char *flavour, gboolean only_agents, const char *log,
                            gint64 deadline_usec, AgbProgress *progress, cJSON *steps,
                            GError **error);
/* Ask what is there: *RET_VERSIONS program -> version, *RET_AGENTS agent -> version.
 * AGB_ERROR_RUNTIME that names what is missing. */
gboolean agb_provision_probe (const AgbLima *lima, AgbSettings *settings, const char *instance,
                              const char *flavour, cJSON **ret_versions, cJSON **ret_agents,
                              GError **error);
/* The last step in the machine. */
gboolean agb_provision_seal (const AgbLima *lima, const char *instance, GError **error);

/* ~/.config/agbranch/setup.sh when it is there, else NULL; the caller frees. */
char *agb_provision_user_script (void);
/* Add a step that took the time since STARTED_USEC. */
void agb_provision_add_step (cJSON *steps, const char *name, gint64 started_usec);
