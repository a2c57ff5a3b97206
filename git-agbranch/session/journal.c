#include "session/journal.h"

#include "core/error.h"

#include <string.h>

AgbJournal *
agb_journal_begin (AgbCatalog *catalog, const char *session, const char *operation, GError **error)
{
  g_autoptr (AgbJournal) journal = g_new0 (AgbJournal, 1);

  journal->catalog = catalog;
  journal->data = cJSON_CreateObject ();
  journal->operation.session_name = g_strdup (session);
  journal->operation.operation = g_strdup (operation);
  journal->operation.step = g_strdup ("begin");
  if (!agb_catalog_begin_operation (catalog, &journal->operation, error))
    return NULL;
  return g_steal_pointer (&journal);
}

AgbJournal *
agb_journal_adopt (AgbCatalog *catalog, const AgbOperation *operation, GError **error)
{
  g_autoptr (AgbJournal) journal = g_new0 (AgbJournal, 1);

  journal->catalog = catalog;
  journal->operation = *operation;
  journal->operation.session_name = g_strdup (operation->session_name);
  journal->operation.operation = g_strdup (operation->operation);
  journal->operation.step = g_strdup (operation->step);
  journal->operation.data_json = g_strdup (operation->data_json);
  journal->operation.started_at = g_strdup (operation->started_at);
  journal->operation.updated_at = g_strdup (operation->updated_at);
  journal->data = operation->data_json == NULL
                      ? cJSON_CreateObject ()
                      : agb_json_parse (operation->data_json, strlen (operation->data_json),
                                        "the journal", AGB_ERROR_CATALOG, error);
  return journal->data != NULL ? g_steal_pointer (&journal) : NULL;
}

gboolean
agb_journal_step (AgbJournal *journal, const char *step, GError **error)
{
  g_autofree char *text = agb_json_print (journal->data, FALSE);

  return agb_catalog_step_operation (journal->catalog, &journal->operation, step, text, error);
}

const char *
agb_journal_get (const AgbJournal *journal, const char *key)
{
  return cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (journal->data, key));
}

void
agb_journal_set_value (AgbJournal *journal, const char *key, cJSON *value)
{
  cJSON_DeleteItemFromObjectCaseSensitive (journal->data, key);
  cJSON_AddItemToObject (journal->data, key, value);
}

void
agb_journal_set (AgbJournal *journal, const char *key, const char *value)
{
  agb_journal_set_value (journal, key,
                         value != NULL ? cJSON_CreateString (value) : cJSON_CreateNull ());
}

gboolean
agb_journal_end (AgbJournal *journal, GError **error)
{
  return agb_catalog_end_operation (journal->catalog, &journal->operation, error);
}

void
agb_journal_free (AgbJournal *journal)
{
  agb_operation_clear (&journal->operation);
  cJSON_Delete (journal->data);
  g_free (journal);
}
