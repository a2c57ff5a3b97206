/* The answer of state.sh: only the agreed form is taken. */
#include "session/clone.h"

#include <string.h>

#define OID "0123456789abcdef0123456789abcdef01234567"

static gboolean
parse (const char *text, AgbCloneState *ret)
{
  return agb_clone_state_parse (text, strlen (text), 40, ret);
}

static char *
answer (const char *head, const char *branch, const char *dirty, const char *untracked,
        const char *pending)
{
  return g_strdup_printf ("agbranch-state 1\nhead %s\nbranch %s\ndirty %s\nuntracked %s\npending "
                          "%s\nend\n",
                          head, branch, dirty, untracked, pending);
}

static void
test_good (void)
{
  g_autofree char *clean = answer (OID, "refs/heads/agbranch/s", "0", "0", "0");
  g_autofree char *unborn = answer ("-", "refs/heads/x", "12", "4294967295", "1");
  g_autofree char *detached = answer (OID, "-", "1", "2", "0");
  g_auto (AgbCloneState) first = { 0 }, second = { 0 }, third = { 0 };

  g_assert_true (parse (clean, &first));
  g_assert_cmpstr (first.head, ==, OID);
  g_assert_cmpstr (first.branch, ==, "refs/heads/agbranch/s");
  g_assert_cmpuint (first.dirty, ==, 0);
  g_assert_false (first.pending);
  g_assert_true (parse (unborn, &second));
  g_assert_null (second.head);
  g_assert_cmpuint (second.untracked, ==, G_MAXUINT32);
  g_assert_true (second.pending);
  g_assert_true (parse (detached, &third));
  g_assert_null (third.branch);
}

static void
test_bad (void)
{
  static const char *const fields[][5] = {
    { "", "-", "0", "0", "0" },
    { "HEAD", "-", "0", "0", "0" },
    { OID "0", "-", "0", "0", "0" },
    { OID " ", "-", "0", "0", "0" },
    { "--upload-pack=x", "-", "0", "0", "0" },
    { "0123456789ABCDEF0123456789abcdef01234567", "-", "0", "0", "0" },
    { OID, "-", "-1", "0", "0" },
    { OID, "-", "", "0", "0" },
    { OID, "-", "0x1", "0", "0" },
    { OID, "-", "0", "4294967296", "0" },
    { OID, "-", "0", "99999999999999999999999", "0" },
    { OID, "-", "0", "0", "yes" },
    { OID, "a\nb", "0", "0", "0" },
    { OID, "-\nhead " OID, "0", "0", "0" },
  };
  static const char *const texts[] = { "", "end\n", "\n\n\n\n\n\n\n", "agbranch-state 2\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      AgbCloneState state = { 0 };
      g_autofree char *text
          = answer (fields[i][0], fields[i][1], fields[i][2], fields[i][3], fields[i][4]);
      g_assert_false (parse (text, &state));
      g_assert_null (state.head);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      AgbCloneState state = { 0 };
      g_assert_false (parse (texts[i], &state));
    }
}

/* Every prefix of a good answer, and one with a NUL in it or something after it. */
static void
test_cut (void)
{
  g_autofree char *good = answer (OID, "refs/heads/agbranch/s", "1", "2", "0");
  gsize length = strlen (good);

  for (gsize i = 0; i < length; i++)
    {
      AgbCloneState state = { 0 };
      g_autofree char *cut = g_strndup (good, i);
      g_assert_false (parse (cut, &state));
      g_assert_false (agb_clone_state_parse (cut, i + 1, 40, &state));
    }
  AgbCloneState state = { 0 };
  g_autofree char *more = g_strconcat (good, "more\n", NULL);
  g_assert_false (parse (more, &state));
  g_assert_false (agb_clone_state_parse (good, length, 64, &state));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clone-state/good", test_good);
  g_test_add_func ("/clone-state/bad", test_bad);
  g_test_add_func ("/clone-state/cut", test_cut);
  return g_test_run ();
}
