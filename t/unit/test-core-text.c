/* Text at the edges: escaping, names, sizes, times, JSON. */
#include "core/error.h"
#include "core/escape.h"
#include "core/json.h"
#include "core/names.h"
#include "core/time.h"

#include <string.h>

static void
test_escape (void)
{
  static const struct {
    const char *text;
    gssize length;
    const char *expected;
  } cases[] = {
    { "plain text", -1, "plain text" },
    { "größe 空間 🙂", -1, "größe 空間 🙂" },
    { "a\\b", -1, "a\\b" },
    { "\033[31mred", -1, "\\x1b[31mred" },
    { "a\r\n\tb", -1, "a\\x0d\\n\\tb" },
    { "\a\b\x7f", -1, "\\x07\\x08\\x7f" },
    { "\302\233"
      "31m",
      -1, "\\x9b31m" }, /* C1 CSI, as UTF-8 */
    { "\233"
      "31m",
      -1, "\\x9b31m" }, /* and as a byte */
    { "\377\376", -1, "\\xff\\xfe" },
    { "\300\257", -1, "\\xc0\\xaf" },            /* overlong */
    { "\355\240\200", -1, "\\xed\\xa0\\x80" },   /* surrogate */
    { "\342\200\256evil", -1, "\\u{202e}evil" }, /* right-to-left override */
    { "\342\201\246x\342\201\251", -1, "\\u{2066}x\\u{2069}" },
    { "a\342\200\213b", -1, "a\\u{200b}b" }, /* zero width space */
    { "a\342\200\250b\342\200\251", -1, "a\\u{2028}b\\u{2029}" },
    { "\357\273\277x", -1, "\\u{feff}x" },
    { "\363\240\201\201", -1, "\\u{e0041}" }, /* tag */
    { "\356\200\200", -1, "\\u{e000}" },      /* private use */
    { "a\0b", 3, "a\\x00b" },
    { "ab\303", 3, "ab\\xc3" }, /* cut in the middle */
    { "", -1, "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *escaped = agb_escape (cases[i].text, cases[i].length);
      g_assert_cmpstr (escaped, ==, cases[i].expected);
    }
  g_autofree char *lines = agb_escape_lines ("a\n\tb\r\033", -1);
  g_assert_cmpstr (lines, ==, "a\n\tb\\x0d\\x1b");
}

/* Whatever goes in: one line of valid UTF-8 without controls comes out. */
static void
test_hide_credentials (void)
{
  static const char *const cases[][2] = {
    { "https://user:pass@host/x.git", "https://<redacted>@host/x.git" },
    { "https://token@host/x", "https://<redacted>@host/x" },
    { "http://a:b@c@host:80", "http://<redacted>@host:80" },
    { "ssh://git@host/x", "ssh://git@host/x" },
    { "ssh://git:pass@host/x", "ssh://git:<redacted>@host/x" },
    { "git@host:x", "git@host:x" },
    { "https://host/a@b", "https://host/a@b" },
    { "one https://a@b two 'http://c:d@e/'",
      "one https://<redacted>@b two 'http://<redacted>@e/'" },
    { "://", "://" },
    { "", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *shown = agb_hide_credentials (cases[i][0]);
      g_assert_cmpstr (shown, ==, cases[i][1]);
    }
}

static void
test_escape_any_bytes (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  for (int round = 0; round < 20000; round++)
    {
      char bytes[24];
      for (gsize i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)g_rand_int (random);
      g_autofree char *escaped = agb_escape (bytes, g_rand_int_range (random, 0, sizeof bytes));
      g_assert_true (g_utf8_validate (escaped, -1, NULL));
      for (const char *c = escaped; *c != '\0'; c = g_utf8_next_char (c))
        g_assert_false (g_unichar_iscntrl (g_utf8_get_char (c)));
    }
}

static void
test_fit (void)
{
  static const struct {
    const char *text;
    int width;
    const char *expected;
  } cases[] = {
    { "short", 8, "short" },
    { "exactly8", 8, "exactly8" },
    { "too long for", 8, "too lon…" },
    { "空間空間", 5, "空間…" },
    { "空間空間", 6, "空間…" },
    { "ab", 1, "…" },
    { "", 0, "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *fitted = agb_fit (cases[i].text, cases[i].width);
      g_assert_cmpstr (fitted, ==, cases[i].expected);
    }
  g_assert_cmpint (agb_display_width ("a空e\314\201"), ==, 4);
}

static void
test_session_names (void)
{
  static const char *const good[]
      = { "a",       "fix-login", "0a",
          "a.b_c-d", "x-",        "a23456789012345678901234567890123456789012345678" };
  static const char *const bad[] = { "",
                                     "-x",
                                     ".a",
                                     "_a",
                                     "A",
                                     "a b",
                                     "a/b",
                                     "..",
                                     "a..b",
                                     "a.",
                                     "a.lock",
                                     "HEAD",
                                     "@",
                                     "a@{",
                                     "a:b",
                                     "a~1",
                                     "a^",
                                     "ä",
                                     "a\n",
                                     "a\033",
                                     "123",
                                     "0",
                                     "list",
                                     "show",
                                     "start",
                                     "stop",
                                     "set",
                                     "head",
                                     "a234567890123456789012345678901234567890123456789" };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_true (agb_session_name_check (good[i], &error));
      g_assert_no_error (error);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (agb_session_name_check (bad[i], &error));
      g_assert_error (error, AGB_ERROR, AGB_ERROR_USER);
      for (const char *c = error->message; *c != '\0'; c++)
        g_assert_true (g_ascii_isprint (*c));
    }
}

static void
test_sizes (void)
{
  static const struct {
    const char *text;
    guint64 expected; /* 0: refused */
  } cases[] = {
    { "2GiB", 2ULL << 30 },
    { "2G", 2ULL << 30 },
    { "2g", 2ULL << 30 },
    { "512M", 512ULL << 20 },
    { "64KiB", 64 << 10 },
    { "1TB", 1ULL << 40 },
    { "100B", 100 },
    { "3", 3ULL << 30 },
    { "0", 0 },
    { "", 0 },
    { "G", 0 },
    { "-1G", 0 },
    { "1.5G", 0 },
    { "1 G", 0 },
    { "2X", 0 },
    { "2GiBs", 0 },
    { "9999999999G", 0 },
    { "8589934592", 0 },
    { "99999999999999999999", 0 },
    { " 1G", 0 },
    { "+1G", 0 },
    { "0x10", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      guint64 bytes = 0;
      gboolean good = agb_size_parse (cases[i].text, 1ULL << 30, &bytes, &error);

      g_assert_cmpint (good, ==, cases[i].expected != 0);
      g_assert_cmpuint (bytes, ==, cases[i].expected);
      if (!good)
        g_assert_error (error, AGB_ERROR, AGB_ERROR_USER);
    }
}

static void
test_nearest (void)
{
  static const char *const words[] = { "open", "close", "sync", "start", NULL };

  g_assert_cmpstr (agb_nearest ("opne", words), ==, "open");
  g_assert_cmpstr (agb_nearest ("sta", words), ==, "start");
  g_assert_null (agb_nearest ("elephant", words));
  g_assert_true (agb_is_oid ("0123456789abcdef0123456789abcdef01234567"));
  g_assert_false (agb_is_oid ("0123456789ABCDEF0123456789abcdef01234567"));
  g_assert_false (agb_is_oid ("0123456789abcdef"));
  g_assert_false (agb_is_oid (""));
}

static void
test_times (void)
{
  g_autofree char *first = agb_time_now ();
  g_autofree char *second = agb_time_now ();

  g_assert_cmpstr (first, <=, second);
  g_assert_cmpuint (strlen (first), ==, strlen ("2026-01-31T12:00:00.123456Z"));
  g_assert_true (g_str_has_suffix (first, "Z"));
  g_assert_cmpint (agb_time_parse ("2026-01-31T12:00:00.123456Z"), ==, 1769860800);
  g_assert_cmpint (agb_time_parse ("2026-01-31T13:00:00+01:00"), ==, 1769860800);
  g_assert_cmpint (agb_time_parse ("yesterday"), ==, -1);
  g_assert_cmpint (agb_time_parse (NULL), ==, -1);

  static const char *const shown[][2] = {
    { "2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00Z" },
    { "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z" },
    { "2026-01-31T13:00:00.5+01:00", "2026-01-31T13:00:00+01:00" },
    { "\033[2J", "-" },
    { NULL, "-" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (shown); i++)
    {
      g_autofree char *text = agb_time_shown (shown[i][0]);
      g_assert_cmpstr (text, ==, shown[i][1]);
    }

  g_setenv ("AGBRANCH_TEST_NOW", "2026-01-31T12:00:00Z", TRUE);
  g_autofree char *fixed = agb_time_now ();
  g_autofree char *age = agb_time_age ("2026-01-31T09:59:00Z");
  g_autofree char *none = agb_time_age (NULL);
  g_unsetenv ("AGBRANCH_TEST_NOW");
  g_assert_cmpstr (fixed, ==, "2026-01-31T12:00:00.000000Z");
  g_assert_cmpstr (age, ==, "2h");
  g_assert_cmpstr (none, ==, "-");
}

static void
test_durations (void)
{
  static const struct {
    const char *text;
    gint64 expected; /* -1: refused */
  } cases[] = {
    { "90", 90000 },    { "90s", 90000 },
    { "5m", 300000 },   { "2h", 7200000 },
    { "1d", 86400000 }, { "250ms", 250 },
    { "0", 0 },         { "", -1 },
    { "s", -1 },        { "-5s", -1 },
    { "5x", -1 },       { "5 m", -1 },
    { "1.5h", -1 },     { "99999999999999999999d", -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gint64 ms = -1;
      g_autoptr (GError) error = NULL;
      g_assert_cmpint (agb_duration_parse (cases[i].text, &ms, &error), ==, cases[i].expected >= 0);
      g_assert_cmpint (ms, ==, cases[i].expected);
    }
  g_assert_cmpint (agb_deadline_in (-1), ==, -1);
  g_assert_cmpint (agb_deadline_left_ms (-1), ==, -1);
  g_assert_cmpint (agb_deadline_left_ms (agb_deadline_in (0)), ==, 0);
  g_assert_cmpint (agb_deadline_left_ms (agb_deadline_in (60000)), >, 59000);
}

static cJSON *
parse (const char *text, GError **error)
{
  return agb_json_parse (text, strlen (text), "test", AGB_ERROR_RUNTIME, error);
}

static void
test_json (void)
{
  static const char *const bad[] = { "", "{", "{} {}", "{\"a\":}", "nul", "[1,]x", "\"a" };
  g_autoptr (GError) error = NULL;
  gint64 number = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) refusal = NULL;
      g_assert_null (parse (bad[i], &refusal));
      g_assert_error (refusal, AGB_ERROR, AGB_ERROR_RUNTIME);
    }
  g_autoptr (cJSON) object = parse ("{\"s\":\"x\",\"n\":42,\"f\":1.5,\"big\":1e300} \n", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (agb_json_get_string (object, "s", "test", 6, &error), ==, "x");
  g_assert_true (agb_json_get_int64 (object, "n", "test", 6, &number, &error));
  g_assert_cmpint (number, ==, 42);
  g_assert_null (agb_json_get_string (object, "none", "test", 6, &error));
  g_assert_cmpstr (error->message, ==, "test: key 'none' is missing");
  g_clear_error (&error);
  g_assert_null (agb_json_get_string (object, "n", "test", 6, &error));
  g_assert_cmpstr (error->message, ==, "test: key 'n' is not a string");
  g_clear_error (&error);
  g_assert_false (agb_json_get_int64 (object, "f", "test", 6, &number, NULL));
  g_assert_false (agb_json_get_int64 (object, "big", "test", 6, &number, NULL));
}

static void
test_json_print (void)
{
  g_autoptr (cJSON) object = cJSON_CreateObject ();
  const char *const list[] = { "a", "\377", NULL };

  agb_json_add_string (object, "bad", "x\377\033");
  agb_json_add_string (object, "none", NULL);
  agb_json_add_strv (object, "list", list);
  agb_json_add_strv (object, "empty", NULL);
  g_autofree char *text = agb_json_print (object, FALSE);
  g_assert_cmpstr (text, ==,
                   "{\"bad\":\"x\357\277\275\\u001b\",\"none\":null,"
                   "\"list\":[\"a\",\"\357\277\275\"],\"empty\":[]}");
}

static void
test_errors (void)
{
  g_autoptr (GError) error = g_error_new (AGB_ERROR, AGB_ERROR_SYNC, "the gate refused");
  g_autofree char *message = NULL;
  g_autofree char *hint = NULL;

  agb_error_hint (&error, "first");
  agb_error_hint (&error, "second %d", 2);
  agb_error_split (error, &message, &hint);
  g_assert_cmpstr (message, ==, "the gate refused");
  g_assert_cmpstr (hint, ==, "second 2");
  agb_error_hint (NULL, "nothing happens");
  g_assert_cmpstr (agb_error_kind (AGB_ERROR_ACTION), ==, "action_required");
  g_assert_cmpstr (agb_error_kind (AGB_ERROR_CATALOG), ==, "catalog");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/escape/cases", test_escape);
  g_test_add_func ("/escape/any-bytes", test_escape_any_bytes);
  g_test_add_func ("/escape/fit", test_fit);
  g_test_add_func ("/escape/credentials", test_hide_credentials);
  g_test_add_func ("/names/session", test_session_names);
  g_test_add_func ("/names/sizes", test_sizes);
  g_test_add_func ("/names/nearest", test_nearest);
  g_test_add_func ("/time/now", test_times);
  g_test_add_func ("/time/durations", test_durations);
  g_test_add_func ("/json/parse", test_json);
  g_test_add_func ("/json/print", test_json_print);
  g_test_add_func ("/error/hint", test_errors);
  return g_test_run ();
}
