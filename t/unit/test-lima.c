/* Lima: quoting for the guest's shell, our records, which images are still needed. */
#include "core/child.h"
#include "core/error.h"
#include "core/io.h"
#include "guest/lima/base.h"
#include "guest/lima/record.h"
#include "guest/lima/ssh.h"

#include <glib/gstdio.h>
#include <string.h>

static void
test_quote (void)
{
  static const char *const words[]
      = { "",     "plain", "a b", "it's", "'",        "''", "$HOME `id`", "\\",
          "a\nb", "-n",    "*",   "~",    "\x01\xff", "!x", "a;b|c",      NULL };

  for (const char *const *word = words; *word != NULL; word++)
    {
      g_autofree char *quoted = agb_lima_quote (*word);
      g_autofree char *script = g_strconcat ("printf %s ", quoted, NULL);
      const char *const argv[] = { "sh", "-c", script, NULL };
      const AgbChildSpec spec = { .argv = argv };
      g_autoptr (GError) error = NULL;
      g_autofree char *output = NULL;

      agb_child_check (&spec, &output, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (output, ==, *word);
    }
}

static void
test_records (void)
{
  g_autofree char *home = g_dir_make_tmp ("agbt-lima.XXXXXX", NULL);
  AgbGuestRecord guest = { .vm_name = (char *)"agbranch-one",
                           .key = (char *)"one.1",
                           .session = (char *)"one",
                           .image = (char *)"a.qcow2",
                           .fresh = TRUE };
  g_autoptr (GError) error = NULL;

  g_assert_null (agb_guest_record_load (home, "agbranch-one", &error));
  g_assert_no_error (error);
  g_assert_true (agb_guest_record_save (home, &guest, &error));
  g_autoptr (AgbGuestRecord) back = agb_guest_record_load (home, "agbranch-one", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (back->key, ==, "one.1");
  g_assert_true (back->fresh);
  g_assert_false (back->warm);
  g_assert_null (back->cold_reason);

  g_auto (GStrv) names = agb_lima_record_names (home, "sessions");
  g_assert_cmpuint (g_strv_length (names), ==, 1);
  g_assert_cmpstr (names[0], ==, "agbranch-one");
  g_assert_true (agb_lima_record_remove (home, "sessions", "agbranch-one", &error));
  g_assert_true (agb_lima_record_remove (home, "sessions", "agbranch-one", &error));
  agb_remove_tree (home, NULL);
}

static void
write_image (const char *home, const char *name)
{
  g_autofree char *folder = agb_lima_record_path (home, "images", NULL);
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (agb_mkdirs (folder, 0700, NULL));
  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
}

/* An image stays while a base or a session has it; a record that cannot be read keeps all. */
static void
test_images (void)
{
  g_autofree char *home = g_dir_make_tmp ("agbt-lima.XXXXXX", NULL);
  AgbGuestRecord guest = { .vm_name = (char *)"agbranch-one",
                           .key = (char *)"one.1",
                           .session = (char *)"one",
                           .image = (char *)"old.qcow2" };
  AgbBaseRecord base = { .name = (char *)"agbranch-base-linux", .image = (char *)"new.qcow2" };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) would = NULL;
  g_auto (GStrv) went = NULL;

  write_image (home, "old.qcow2");
  write_image (home, "new.qcow2");
  write_image (home, "nobody.qcow2");
  g_assert_true (agb_guest_record_save (home, &guest, &error));
  g_assert_true (agb_base_record_save (home, &base, &error));
  g_assert_true (agb_lima_images_collect (home, TRUE, &would, &error));
  g_assert_cmpuint (g_strv_length (would), ==, 1);
  g_assert_true (g_file_test (would[0], G_FILE_TEST_EXISTS));
  g_assert_true (g_str_has_suffix (would[0], "/nobody.qcow2"));
  g_assert_true (agb_lima_images_collect (home, FALSE, NULL, &error));
  g_assert_false (g_file_test (would[0], G_FILE_TEST_EXISTS));

  g_autofree char *broken = agb_lima_record_path (home, "sessions", "agbranch-two.json");
  g_assert_true (g_file_set_contents (broken, "{", 1, NULL));
  g_assert_true (agb_lima_record_remove (home, "sessions", "agbranch-one", NULL));
  g_assert_false (agb_lima_images_collect (home, FALSE, NULL, &error));
  g_assert_error (error, AGB_ERROR, AGB_ERROR_RUNTIME);
  g_clear_error (&error);
  g_assert_cmpint (g_unlink (broken), ==, 0);
  g_assert_true (agb_lima_images_collect (home, FALSE, &went, &error));
  g_assert_cmpuint (g_strv_length (went), ==, 1);
  g_assert_true (g_str_has_suffix (went[0], "/old.qcow2"));
  agb_remove_tree (home, NULL);
}

/* IMAGE as the header of a qcow2 that stands on BELOW says it. */
static void
write_layer (const char *home, const char *image, const char *below)
{
  g_autofree char *path = agb_lima_record_path (home, "images", image);
  g_autofree char *name = agb_lima_record_path (home, "images", below);
  g_autoptr (GString) bytes = g_string_new_len ("QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\x68\0\0\0", 19);

  g_string_append_c (bytes, (char)strlen (name));
  while (bytes->len < 0x68)
    g_string_append_c (bytes, '\0');
  g_string_append (bytes, name);
  g_assert_true (g_file_set_contents (path, bytes->str, (gssize)bytes->len, NULL));
}

/* What an image stands on stays with it. */
static void
test_layers (void)
{
  g_autofree char *home = g_dir_make_tmp ("agbt-lima.XXXXXX", NULL);
  AgbGuestRecord guest = { .vm_name = (char *)"agbranch-one", .image = (char *)"top.qcow2" };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) would = NULL;

  write_image (home, "bottom.qcow2");
  write_image (home, "nobody.qcow2");
  write_layer (home, "middle.qcow2", "bottom.qcow2");
  write_layer (home, "top.qcow2", "middle.qcow2");
  write_layer (home, "loop.qcow2", "loop.qcow2");
  g_assert_true (agb_guest_record_save (home, &guest, &error));
  g_assert_true (agb_lima_images_collect (home, TRUE, &would, &error));
  g_assert_cmpuint (g_strv_length (would), ==, 2);
  guest.image = (char *)"loop.qcow2";
  g_assert_true (agb_guest_record_save (home, &guest, &error));
  g_assert_true (agb_lima_images_collect (home, FALSE, NULL, &error));
  g_assert_no_error (error);
  agb_remove_tree (home, NULL);
}

static void
test_agent_programs (void)
{
  g_assert_cmpstr (agb_base_agent_program ("@anthropic-ai/claude-code"), ==, "claude");
  g_assert_cmpstr (agb_base_agent_program ("@anthropic-ai/claude-code@2.1.0"), ==, "claude");
  g_assert_cmpstr (agb_base_agent_program ("aider-chat==0.86"), ==, "aider");
  g_assert_null (agb_base_agent_program ("@anthropic-ai/claude-codex"));
  g_assert_null (agb_base_agent_program ("left-pad"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lima/quote", test_quote);
  g_test_add_func ("/lima/records", test_records);
  g_test_add_func ("/lima/images", test_images);
  g_test_add_func ("/lima/layers", test_layers);
  g_test_add_func ("/lima/agent-programs", test_agent_programs);
  return g_test_run ();
}
