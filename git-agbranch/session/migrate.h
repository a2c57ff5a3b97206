/* migrate: sessions of agbranch 0.1, which used the same state root and tables, carried on.
 *
 * Opening the catalog adds the columns of ours (store/catalog-schema.c, with a copy of the old file);
 * this fills them from repository and runtime.  Killed anywhere it can be repeated. */
#pragma once

#include "session/env.h"

typedef struct {
  char *session;
  char *lifecycle_state;
  const char *action; /* adopted (its guest too), carried (its row), blocked */
  char *detail;       /* one line, escaped; never NULL */
} AgbMigration;

typedef struct {
  char *backup;          /* the copy of the catalog before; NULL: nothing had to be done */
  gboolean wrote_since;  /* agbranch 0.1 made sessions after an earlier migration */
  GPtrArray *migrations; /* AgbMigration */
} AgbMigrationReport;
void agb_migration_report_clear (AgbMigrationReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbMigrationReport, agb_migration_report_clear)

/* A row that agbranch 0.1 wrote and that is not carried over yet. */
gboolean agb_session_is_foreign (const AgbSession *session);

/* What cannot be carried over is no error but the action "blocked", and stays as it is. */
gboolean agb_migrate (AgbEnv *env, AgbMigrationReport *ret, GError **error);
