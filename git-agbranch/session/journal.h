/* An operation as a sequence of named steps: each is written to the catalog, durable, before its
 * effect, so that whoever finds the operation of a dead process knows how far it can have come
 * (session/recover.h).  Steps are idempotent: the last one named may or may not have happened. */
#pragma once

#include "core/json.h"
#include "store/catalog.h"

typedef struct {
  AgbCatalog *catalog;
  AgbOperation operation;
  cJSON *data; /* what recovery needs; written with each step */
} AgbJournal;

/* Begin OPERATION on SESSION, whose lock the caller holds. */
AgbJournal *agb_journal_begin (AgbCatalog *catalog, const char *session, const char *operation,
                               GError **error);

/* Take over the unfinished OPERATION of a dead process, to finish or undo it.  AGB_ERROR_CATALOG when
 * its data cannot be read. */
AgbJournal *agb_journal_adopt (AgbCatalog *catalog, const AgbOperation *operation, GError **error);

/* STEP is about to happen. */
gboolean agb_journal_step (AgbJournal *journal, const char *step, GError **error);

/* A string of the data, NULL when it is not there. */
const char *agb_journal_get (const AgbJournal *journal, const char *key);

/* Set a string of the data (NULL: JSON null), replacing what was there; not written until the next
 * step. */
void agb_journal_set (AgbJournal *journal, const char *key, const char *value);
/* The same for any value, which then belongs to the journal. */
void agb_journal_set_value (AgbJournal *journal, const char *key, cJSON *value);

/* The operation is complete, or undone. */
gboolean agb_journal_end (AgbJournal *journal, GError **error);

/* Frees only: an operation that was not ended stays for recovery. */
void agb_journal_free (AgbJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbJournal, agb_journal_free)
