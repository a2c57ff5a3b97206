/* Tables: aligned by display width, escaped, right-aligned numbers, nothing cut in a pipe. */
#include "core/output.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What printing TABLE writes to stdout. */
static char *
printed (AgbTable *table)
{
  g_autofree char *path = NULL;
  int file = g_file_open_tmp ("agb-table-XXXXXX", &path, NULL);
  int saved = dup (STDOUT_FILENO);
  char *text = NULL;

  fflush (stdout);
  dup2 (file, STDOUT_FILENO);
  agb_table_print (table);
  fflush (stdout);
  dup2 (saved, STDOUT_FILENO);
  close (saved);
  close (file);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_unlink (path);
  return text;
}

static void
test_table (void)
{
  static const char *const headers[] = { "NAME", ">SIZE", "*PATH", NULL };
  g_autoptr (AgbTable) table = agb_table_new (headers);

  agb_table_add (table, (const char *const[]){ "a", "7", "/home" });
  agb_table_add (table, (const char *const[]){ "空間空", "1024", NULL });
  agb_table_add (table, (const char *const[]){ "x\033[2J", "", "line\nbreak" });
  g_autofree char *text = printed (table);
  g_assert_cmpstr (text, ==,
                   "NAME      SIZE  PATH\n"
                   "a            7  /home\n"
                   "空間空    1024  -\n"
                   "x\\x1b[2J        line\\nbreak\n");
}

static void
test_long_cells_in_a_pipe (void)
{
  static const char *const headers[] = { "*A", "B", NULL };
  g_autoptr (AgbTable) table = agb_table_new (headers);
  g_autofree char *wide = g_strnfill (500, 'w');

  agb_table_add (table, (const char *const[]){ wide, "b" });
  g_autofree char *text = printed (table);
  g_assert_nonnull (strstr (text, wide));
}

static void
test_empty (void)
{
  static const char *const headers[] = { "A", "B", NULL };
  g_autoptr (AgbTable) table = agb_table_new (headers);
  g_autofree char *text = printed (table);

  g_assert_cmpstr (text, ==, "A  B\n");
}

static void
test_color (void)
{
  g_assert_true (agb_use_color (STDOUT_FILENO, "always"));
  g_assert_false (agb_use_color (STDOUT_FILENO, "never"));
  g_assert_false (agb_use_color (STDOUT_FILENO, "auto") && g_getenv ("NO_COLOR") != NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/table/cells", test_table);
  g_test_add_func ("/table/pipe", test_long_cells_in_a_pipe);
  g_test_add_func ("/table/empty", test_empty);
  g_test_add_func ("/output/color", test_color);
  return g_test_run ();
}
