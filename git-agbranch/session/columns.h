/* The columns of a session: what `ps` shows, sorts by and writes as JSON.
 *
 * Nothing here needs a repository or a runtime, so that `ps` links neither. */
#pragma once

#include "core/json.h"
#include "store/catalog.h"

typedef struct {
  const char *name;     /* as in --columns */
  const char *header;   /* for AgbTable: "*" may be cut, ">" is right-aligned */
  const char *sort;     /* column of the catalog, "-" in front: descending */
  const char *needs[4]; /* columns of the catalog that its value is made from */
  guint measured; /* 0: the catalog has it; else its place, from 1, in a line of agbranch-live */
} AgbColumn;

enum { AGB_COLUMN_CPU = 4, AGB_COLUMNS_MEASURED = 6 };

/* NAME's column: a short word (name, state, sync, agent, age, …) or a JSON key of `ps`; NULL when
 * there is none. */
const AgbColumn *agb_column_find (const char *name);

/* Columns for LIST ("name,state"; NULL: the ones that fit 80 columns), NULL-ended; the caller frees
 * the array.  NULL and AGB_ERROR_USER with the nearest name for an unknown one. */
const AgbColumn **agb_columns_parse (const char *list, GError **error);

/* What COLUMNS need of the catalog, for AgbSessionFilter; NULL-ended, the caller frees the array. */
const char **agb_columns_needs (const AgbColumn *const *columns);

/* The value of COLUMN, which is not measured, in SESSION as text, NULL for none; not escaped.  LIVE is what the runtime says
 * now, or NULL.  The caller frees. */
char *agb_column_value (const AgbColumn *column, const AgbSession *session, const char *live);

/* SESSION as the object of `ps --json` (CONTRACTS): the caller frees with cJSON_Delete. */
cJSON *agb_session_to_json (const AgbSession *session);

/* What runs in the agent window: the preset, else the program's name; NULL: nothing.  Belongs to
 * the caller. */
char *agb_session_agent_label (const AgbSession *session);
