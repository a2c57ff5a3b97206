/* Waiting until sessions have come so far. */
#pragma once

#include "session/env.h"

typedef enum {
  AGB_WAIT_IDLE,    /* the agent has printed nothing for a while */
  AGB_WAIT_WAITING, /* the agent rang the bell, or says that it waits for the user */
  AGB_WAIT_DONE,    /* the agent says that it is done, or ended with status 0 */
  AGB_WAIT_EXIT,    /* the agent's program has ended */
  AGB_WAIT_COMMIT,  /* the guest has a commit that the host has not */
  AGB_WAIT_STOPPED, /* the guest does not run */
} AgbWaitFor;

/* idle, waiting, done, exit, commit, stopped; FALSE and AGB_ERROR_USER otherwise. */
gboolean agb_wait_for_parse (const char *word, AgbWaitFor *ret, GError **error);
const char *agb_wait_for_word (AgbWaitFor what);

typedef struct {
  const char *session;
  AgbWaitFor what;
  int exit_status; /* of AGB_WAIT_EXIT, else -1 */
  const char *oid; /* of AGB_WAIT_COMMIT, else NULL; 40 or 64 hex digits */
} AgbWaitReached;
typedef void (*AgbWaitFunc) (const AgbWaitReached *reached, gpointer data);

typedef struct {
  const char *const *sessions; /* NULL-ended, at least one */
  AgbWaitFor what;
  gboolean any;      /* one is enough */
  gint64 timeout_ms; /* -1: none */
  gint64 quiet_ms;   /* how long without output is idle */
} AgbWaitSpec;

/* Call FUNC for each session as it gets there; TRUE when all (with any: one) have.
 *
 * A session that is being made is waited for.  AGB_ERROR_TIMEOUT when time runs out; AGB_ERROR_USER for
 * a session that is stopped, has no agent, or whose agent ended otherwise than asked for;
 * AGB_ERROR_RUNTIME when a guest goes away meanwhile.  Nothing is changed. */
gboolean agb_wait (AgbEnv *env, const AgbWaitSpec *spec, AgbWaitFunc func, gpointer data,
                   GError **error);
