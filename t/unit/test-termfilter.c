#include "guest/termfilter.h"

#include <string.h>

/* TEXT through a new filter, in pieces of STEP bytes; the caller frees. */
static char *
filtered (const char *text, gsize length, gsize step)
{
  g_autoptr (AgbTermFilter) filter = agb_term_filter_new ();
  GString *output = g_string_new (NULL);

  for (gsize at = 0; at < length; at += step)
    agb_term_filter_push (filter, text + at, MIN (step, length - at), output);
  return g_string_free (output, FALSE);
}

/* However the bytes are cut, the result is the same. */
static void
expect (const char *input, const char *expected)
{
  for (gsize step = 1; step <= strlen (input) + 1; step++)
    {
      g_autofree char *got = filtered (input, strlen (input), step);
      g_assert_cmpstr (got, ==, expected);
    }
}

static void
same (const char *input)
{
  expect (input, input);
}

static void
test_text (void)
{
  same ("");
  same ("plain text\r\n\ttab\b\a");
  same ("Grüße, 日本語, \xF0\x9F\x98\x80");
  expect ("\x1B", "");
}

static void
test_bad_utf8 (void)
{
  expect ("a\xFF"
          "b",
          "a\xEF\xBF\xBD"
          "b");
  expect ("a\x9B"
          "31mb",
          "a\xEF\xBF\xBD"
          "31mb");
  expect ("a\xC2\x9B"
          "6n",
          "a\xEF\xBF\xBD"
          "6n");                                   /* U+009B: CSI */
  expect ("\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"); /* too long a form */
  expect ("\xED\xA0\x80", "\xEF\xBF\xBD");         /* surrogate */
  expect ("\xE6\x97x", "\xEF\xBF\xBDx");           /* cut short */
  expect ("\xE6\x97\x1B[1m", "\xEF\xBF\xBD\x1B[1m");
}

static void
test_screen (void)
{
  same ("\033[1;31mred\033[0m\033[38;2;1;2;3mx\033[4:3m");
  same ("\033[2J\033[H\033[10;20H\033[5A\033[3B\033[K\033[2K\033[1P\033[4@\033[3L\033[2M\033[5X");
  same ("\033[?1049h\033[?25l\033[?2004h\033[?1006h\033[?1h\033=\033[?1049l");
  same ("\0337\0338\033M\033D\033(B\033)0\016\017\033[2;10r\033[r\033[2 q\033[!p\033[22;0t");
  same ("\033[>4;1m\033[4h\033[4l\033[5S\033[2T\033[s\033[u\033[20b");
}

static void
test_questions (void)
{
  static const char *const questions[] = {
    "\033[c",      "\033[0c",      "\033[>c",
    "\033[=c",     "\033[5n",      "\033[6n",
    "\033[?6n",    "\033[?2026$p", "\033[4$p",
    "\033[x",      "\033[>q",      "\033[18t",
    "\033[21t",    "\033[14t",     "\033[?u",
    "\033[>1u",    "\033[?1;1;0S", "\033[1;1;1;1;1;1*y",
    "\033Z",       "\005",         "\033[i",
    "\033[5i",     "\033[?4m",     "\033[1;2;3;4;5T",
    "\033[99999b", "\033[?996n",   "\033[?2031h",
    "\033[?2048h", "\033[?9999h",  "\033[8;10;10t",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (questions); i++)
    {
      g_autofree char *input = g_strconcat ("<", questions[i], ">", NULL);
      g_test_message ("%s", questions[i] + 1);
      expect (input, "<>");
    }
}

static void
test_strings (void)
{
  expect ("a\033]52;c;ZXZpbA==\007b", "ab");
  expect ("a\033]52;c;ZXZpbA==\033\\b", "ab");
  expect ("a\033]4;1;?\007b\033]10;?\033\\c\033]11;?\007d", "abcd");
  expect ("a\033]777;notify;x;y\007b\033]9;z\007c\033]1337;File=:AAAA\007d", "abcd");
  expect ("a\033P$qm\033\\b\033P+q544e\033\\c\033Ptmux;\033\033]52;c;x\007\033\\d", "abcd");
  expect ("a\033_Gx\033\\b\033^pm\033\\c\033Xsos\033\\d\033kname\033\\e", "abcde");
  expect ("a\033]0;title\007b", "a\033]0;title\033\\b");
  expect ("a\033]2;t\033]52;c;eA==\007b", "ab"); /* an escape gives the first string up */
  expect ("a\033]0;x\xC2\x9Cy\007b", "ab");
  expect ("\033]8;;https://example.com/x\033\\l\033]8;;\033\\",
          "\033]8;;https://example.com/x\033\\l\033]8;;\033\\");
  expect ("\033]8;;file:///etc/passwd\007l\033]8;;\007", "l\033]8;;\033\\");
  expect ("a\033]52;c;ZX\030b", "ab"); /* CAN */
}

static void
test_long_strings (void)
{
  g_autofree char *filler = g_strnfill (100000, 'x');
  g_autofree char *title = g_strconcat ("a\033]0;", filler, "\007b", NULL);
  g_autofree char *sequence = g_strconcat ("a\033[", "1;", NULL);
  g_autofree char *digits = g_strnfill (100000, '1');
  g_autofree char *csi = g_strconcat (sequence, digits, "mb", NULL);

  g_autofree char *got = filtered (title, strlen (title), 4096);
  g_assert_cmpstr (got, ==, "ab");
  g_free (g_steal_pointer (&got));
  got = filtered (csi, strlen (csi), 4096);
  g_assert_cmpstr (got, ==, "ab");
}

static void
test_broken_sequences (void)
{
  expect ("\033[3\n1mx", "\n\033[31mx");  /* controls act in the middle, as on a terminal */
  expect ("\033[31\033[1mx", "\033[1mx"); /* an escape begins anew */
  expect ("\033[31\030mx", "mx");
  expect ("\033[\xC3\xBCx", "üx");
  expect ("\033[1;\x7F"
          "31mx",
          "\033[1;31mx");
  expect ("\033[?1049;2031h", "\033[?1049h"); /* of several modes only what may pass */
}

static void
test_finish (void)
{
  static const char input[] = "\033[?1049h\033[?25l\033[?2004h\033[?7h\033[31m\033[2;5r\033[5 "
                              "q\033=\033[?1006h\033[?1006l";
  g_autoptr (AgbTermFilter) filter = agb_term_filter_new ();
  g_autoptr (AgbTermFilter) clean = agb_term_filter_new ();
  g_autoptr (GString) output = g_string_new (NULL);

  agb_term_filter_push (filter, input, strlen (input), output);
  g_string_truncate (output, 0);
  agb_term_filter_finish (filter, output);
  g_assert_cmpstr (output->str, ==,
                   "\033[?25h\033[?1049l\033[?2004l\0337\033[r\0338\033[0 q\033>\033[0m");
  g_string_truncate (output, 0);
  agb_term_filter_push (clean, "text\n", 5, output);
  agb_term_filter_finish (clean, output);
  g_assert_cmpstr (output->str, ==, "text\n");
}

/* Whatever comes in, nothing that makes a terminal answer comes out. */
static void
test_random (void)
{
  static const char alphabet[] = "\033\033\033[[]]PX^_\\\007?>$;0123456789ncqtpuxm\xC2\x9B\x90\x05";
  static const char *const bad[] = { "\033[c", "\033[6n", "\033[5n", "\033P", "\033_",    "\033^",
                                     "\033X",  "\033]52", "\033Z",   "\005",  "\xC2\x9B", "\x18" };

  for (int round = 0; round < 2000; round++)
    {
      char input[256];

      for (gsize i = 0; i < sizeof input; i++)
        input[i] = alphabet[g_test_rand_int_range (0, sizeof alphabet - 1)];
      g_autofree char *got = filtered (input, sizeof input, 7);
      for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_null (strstr (got, bad[i]));
      g_assert_true (g_utf8_validate (got, -1, NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/termfilter/text", test_text);
  g_test_add_func ("/termfilter/bad-utf8", test_bad_utf8);
  g_test_add_func ("/termfilter/screen", test_screen);
  g_test_add_func ("/termfilter/questions", test_questions);
  g_test_add_func ("/termfilter/strings", test_strings);
  g_test_add_func ("/termfilter/long-strings", test_long_strings);
  g_test_add_func ("/termfilter/broken-sequences", test_broken_sequences);
  g_test_add_func ("/termfilter/finish", test_finish);
  g_test_add_func ("/termfilter/random", test_random);
  return g_test_run ();
}
