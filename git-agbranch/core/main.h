/* The frame of every verb: options, error report, exit code.
 *
 * A verb file has a `static const AgbVerb` and a main of one line that calls agb_main. */
#pragma once

#include <glib.h>

#include "core/progress.h"

typedef enum {
  AGB_VERB_JSON = 1 << 0,    /* has --json */
  AGB_VERB_NUL = 1 << 1,     /* has -z */
  AGB_VERB_SESSION = 1 << 2, /* names one session: positional SESSION or --session NAME */
  AGB_VERB_COMMAND = 1 << 3, /* takes a command after "--" */
  AGB_VERB_CHANGES = 1 << 4, /* changes a session: an interrupt says how to go on */
} AgbVerbFlags;

typedef struct {
  gboolean json;
  gboolean nul;
  gboolean quiet;
  const char *session;   /* what was named, checked as a session name; NULL when left out */
  char **command;        /* what stood after "--", NULL when there was no "--" */
  AgbProgress *progress; /* set by agb_options_parse */
  int exit_status;       /* of a run that returns TRUE; 0 to begin with */

  /* private */
  const struct AgbVerb *verb;
  char *session_option;
} AgbContext;

typedef struct AgbVerb {
  const char *name; /* "open" */
  const char *const
      *usage; /* NULL-ended; each as in SYNOPSIS: "git agbranch open [<options>] <session>" */
  AgbVerbFlags flags;
  /* Parse with agb_options_parse, call session/, print.  TRUE: exit with ctx->exit_status.  FALSE
   * with *error NULL: everything is said already, exit with ctx->exit_status. */
  gboolean (*run) (AgbContext *ctx, int argc, char **argv, GError **error);
} AgbVerb;

/* The only place that prints an error and picks the exit code.  With --json an error is one object
 * on stdout (CONTRACTS, "Output"), otherwise "fatal: message" and "hint: …" on stderr. */
int agb_main (int argc, char **argv, const AgbVerb *verb);

/* Parse ENTRIES and the options that the verb's flags give it.  Afterwards *argv (argv[0] kept)
 * holds the operands; the session operand has been taken out into ctx->session when the verb has
 * AGB_VERB_SESSION.  At most MAX_OPERANDS (-1: any number) others may remain (AGB_ERROR_USAGE).
 * -h, --help and the completion helper end here: FALSE with *error NULL. */
gboolean agb_options_parse (AgbContext *ctx, const GOptionEntry *entries, int *argc, char ***argv,
                            int max_operands, GError **error);

/* Become man(1) with PAGE of this build or installation.  Comes back only where there is no man or no
 * such page. */
void agb_show_manual (const char *page, int section);

/* TRUE when there is a terminal to ask on, and no --json. */
gboolean agb_can_ask (const AgbContext *ctx);

/* Ask QUESTION on the terminal, "y" is yes.  FALSE with AGB_ERROR_ACTION and HINT when there is no
 * terminal, or with --json; *ret_yes untouched then. */
gboolean agb_confirm (AgbContext *ctx, const char *question, const char *hint, gboolean *ret_yes,
                      GError **error);
