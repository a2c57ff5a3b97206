/* What a watcher and a long-lived reader see of the catalog. */
#include "core/error.h"
#include "core/io.h"
#include "store/catalog.h"

#include <string.h>

static AgbCatalog *
open_catalog (AgbCatalogFlags flags)
{
  g_autoptr (GError) error = NULL;
  AgbCatalog *catalog = agb_catalog_open (flags, &error);

  g_assert_no_error (error);
  return catalog;
}

static AgbSession *
make_session (const char *name)
{
  AgbSession *session = agb_session_new (name);

  session->vm_name = g_strconcat ("agbranch-", name, NULL);
  session->lifecycle_state = g_strdup ("running");
  session->created_at = g_strdup ("2026-01-01T00:00:00Z");
  return session;
}

static void
test_counter (void)
{
  g_autoptr (AgbCatalog) writer = open_catalog (0);
  g_autoptr (AgbCatalog) reader = open_catalog (AGB_CATALOG_READ_ONLY);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 5; i++)
    {
      gint64 seen = agb_catalog_change_counter (reader);
      gint64 own = agb_catalog_change_counter (writer);

      g_assert_cmpint (agb_catalog_change_counter (reader), ==, seen);
      g_assert_true (agb_catalog_add_event (writer, "s", "info", "counted", &error, "%d", i));
      g_assert_cmpint (agb_catalog_change_counter (reader), >, seen);
      g_assert_cmpint (agb_catalog_change_counter (writer), >, own);
    }
  g_assert_true (g_file_test (agb_catalog_watch_path (reader), G_FILE_TEST_EXISTS));
}

static gboolean
stop_at_second (const AgbSession *session, gpointer data)
{
  g_ptr_array_add (data, agb_session_copy (session));
  return ((GPtrArray *)data)->len < 2;
}

static void
test_rows (void)
{
  g_autoptr (AgbCatalog) catalog = open_catalog (0);
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify)agb_session_free);
  g_autoptr (GError) error = NULL;
  static const char *const names[] = { "a", "b", "c" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AgbSession) session = make_session (names[i]);
      session->options_json = g_strdup ("{\"it's\":\"\\u00e4\"}");
      session->disk_bytes = G_MAXINT64;
      g_assert_true (agb_catalog_insert_session (catalog, session, &error));
    }
  g_assert_true (agb_catalog_foreach_session (catalog, NULL, stop_at_second, rows, &error));
  g_assert_cmpuint (rows->len, ==, 2);
  AgbSession *first = g_ptr_array_index (rows, 0);
  g_assert_cmpstr (first->name, ==, "a");
  g_assert_cmpstr (first->options_json, ==, "{\"it's\":\"\\u00e4\"}");
  g_assert_cmpint (first->disk_bytes, ==, G_MAXINT64);
  g_assert_null (first->image);

  g_autoptr (GPtrArray) all = agb_catalog_list_sessions (catalog, NULL, &error);
  g_assert_cmpuint (all->len, ==, 3);
  first->sync_state = g_strdup ("clean");
  g_assert_true (agb_catalog_save_session (catalog, first, &error));
  g_assert_true (agb_catalog_update_session (catalog, "a", &error, "closed_at", "2026-02-01",
                                             "lifecycle_state", "closed", "image", NULL, NULL));
  g_autoptr (AgbSession) again = agb_catalog_get_session (catalog, "a", &error);
  g_assert_cmpstr (again->sync_state, ==, "clean");
  g_assert_cmpstr (again->closed_at, ==, "2026-02-01");
}

static void
test_journal (void)
{
  g_autoptr (AgbCatalog) catalog = open_catalog (0);
  g_auto (AgbOperation) operation
      = { .session_name = g_strdup ("j"), .operation = g_strdup ("sync") };
  g_auto (AgbOperation) found = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean is_found = TRUE;

  g_assert_true (agb_catalog_get_operation (catalog, "j", &found, &is_found, &error));
  g_assert_false (is_found);
  g_assert_true (agb_catalog_begin_operation (catalog, &operation, &error));
  g_assert_cmpint (operation.id, >, 0);
  g_assert_true (agb_catalog_step_operation (catalog, &operation, "one", "{}", &error));
  /* The step's own text may be what is written again. */
  g_assert_true (agb_catalog_step_operation (catalog, &operation, operation.step,
                                             operation.data_json, &error));
  g_assert_true (agb_catalog_get_operation (catalog, "j", &found, &is_found, &error));
  g_assert_true (is_found);
  g_assert_cmpstr (found.step, ==, "one");
  g_assert_cmpstr (found.data_json, ==, "{}");
  g_assert_true (agb_process_alive (&found.owner));
  g_assert_true (agb_catalog_end_operation (catalog, &operation, &error));
  /* Ended by another program in the meantime: the step is not acknowledged. */
  g_assert_false (agb_catalog_step_operation (catalog, &operation, "two", NULL, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_CATALOG);
}

static void
test_read_only (void)
{
  g_autoptr (AgbCatalog) catalog = open_catalog (AGB_CATALOG_READ_ONLY);
  g_autoptr (GError) error = NULL;

  g_assert_false (agb_catalog_add_event (catalog, "s", "info", "never", &error, "x"));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_CATALOG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autofree char *root = g_dir_make_tmp ("agb-catalog-XXXXXX", NULL);
  g_setenv ("AGBRANCH_STATE_ROOT", root, TRUE);
  g_test_add_func ("/catalog/counter", test_counter);
  g_test_add_func ("/catalog/rows", test_rows);
  g_test_add_func ("/catalog/journal", test_journal);
  g_test_add_func ("/catalog/read-only", test_read_only);
  int result = g_test_run ();
  agb_remove_tree (root, NULL);
  return result;
}
