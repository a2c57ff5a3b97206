/* What the verbs open and launch have in common: options for the guest and its agent. */
#pragma once

#include "core/main.h"
#include "session/open.h"
#include "subcommands/agent-options.h"

typedef struct {
  char *image;
  char *runtime;
  char *network;
  char *cpus;
  char *memory;
  char *disk;
  char *agent;
  char *prompt;
  char **env;
  char **env_files;
  char **imports;
  gboolean yes;
  gboolean detach;
  gboolean no_browser;

  char *prompt_text; /* private: what --prompt named, and the like */
  char **agent_env;
  GPtrArray *chosen;
  AgbAsk ask;
} AgbOpenOptions;

/* The entries of a verb: OWN (ended) and those for OPTIONS.  The caller frees with g_free. */
GOptionEntry *agb_open_entries (AgbOpenOptions *options, const GOptionEntry *own);

/* Fill REQUEST from the parsed options and ctx; it borrows from both. */
gboolean agb_open_options_apply (AgbOpenOptions *options, AgbContext *ctx, AgbSettings *settings,
                                 AgbOpenRequest *request, GError **error);
void agb_open_options_clear (AgbOpenOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbOpenOptions, agb_open_options_clear)

/* imported_provider_files and runtime_script in the JSON of a verb. */
void agb_json_add_opened (cJSON *object, const AgbOpenResult *result);

/* On a terminal, with an agent, and unless OPTIONS or --json say otherwise: become `git agbranch
 * attach`.  Comes back when it is not wanted. */
gboolean agb_open_attach (const AgbContext *ctx, const AgbOpenOptions *options,
                          const AgbSession *session, GError **error);
