#include "gate/internal.h"

#include <string.h>

static const GateLimits limits = { .path_length = 100, .path_depth = 5 };

static const char *
path_rule (const char *path)
{
  const char *why = NULL;
  const char *rule = gate_path_rule (path, &limits, &why);

  g_assert_true ((rule == NULL) == (why == NULL));
  return rule;
}

static void
test_paths (void)
{
  g_assert_cmpstr (path_rule ("src/main.c"), ==, NULL);
  g_assert_cmpstr (path_rule ("gr\xc3\xbc\xc3\x9f"
                              "e.txt"),
                   ==, NULL);
  g_assert_cmpstr (path_rule (".gitignore"), ==, NULL);
  g_assert_cmpstr (path_rule (".github/x"), ==, NULL);
  g_assert_cmpstr (path_rule ("git~"), ==, NULL);
  g_assert_cmpstr (path_rule ("a/../b"), ==, "path-dots");
  g_assert_cmpstr (path_rule ("a//b"), ==, "path-dots");
  g_assert_cmpstr (path_rule ("/a"), ==, "path-dots");
  g_assert_cmpstr (path_rule ("a/.GiT/b"), ==, "dot-git");
  g_assert_cmpstr (path_rule (".git ."), ==, "dot-git");
  g_assert_cmpstr (path_rule (".git::$DATA"), ==, "dot-git");
  g_assert_cmpstr (path_rule ("git~12"), ==, "dot-git");
  g_assert_cmpstr (path_rule (".gi\xe2\x80\x8ct"), ==, "dot-git");
  g_assert_cmpstr (path_rule ("a\x1b"), ==, "path-control");
  g_assert_cmpstr (path_rule ("a\xe2\x80\xae"), ==, "path-control");
  g_assert_cmpstr (path_rule ("a\xff"), ==, "path-encoding");
  g_assert_cmpstr (path_rule ("a\\b"), ==, "path-backslash");
  g_assert_cmpstr (path_rule ("1/2/3/4/5/6"), ==, NULL);
  g_assert_cmpstr (path_rule ("1/2/3/4/5/6/7"), ==, "path-depth");
  g_autofree char *longer = g_strnfill (101, 'x');
  g_assert_cmpstr (path_rule (longer), ==, "path-length");
}

static const char *
link_rule (const char *path, const char *target)
{
  const char *why = NULL;

  return gate_symlink_rule (path, target, strlen (target), &why);
}

static void
test_links (void)
{
  g_assert_cmpstr (link_rule ("link", "file"), ==, NULL);
  g_assert_cmpstr (link_rule ("link", "./sub/file"), ==, NULL);
  g_assert_cmpstr (link_rule ("a/b/link", "../../file"), ==, NULL);
  g_assert_cmpstr (link_rule ("a/b/link", ".."), ==, NULL);
  g_assert_cmpstr (link_rule ("a/b/link", "../../../file"), ==, "symlink-escape");
  g_assert_cmpstr (link_rule ("link", ".."), ==, "symlink-escape");
  g_assert_cmpstr (link_rule ("a/b/link", "x/../y"), ==, "symlink-escape");
  g_assert_cmpstr (link_rule ("link", "/"), ==, "symlink-absolute");
  g_assert_cmpstr (link_rule ("link", "c:x"), ==, "symlink-absolute");
  g_assert_cmpstr (link_rule ("link", "sub/.git/config"), ==, "symlink-git");
  g_assert_cmpstr (link_rule ("link", ""), ==, "symlink-target");
  g_assert_cmpstr (link_rule ("link", "a\nb"), ==, "symlink-target");
}

static void
test_urls (void)
{
  static const char *const plain[]
      = { "https://example.com/x", "ssh://git@host/x", "git@host:x/y.git", "../sibling", "./x" };
  static const char *const refused[] = { "ext::sh -c x",
                                         "file:///etc",
                                         "/etc",
                                         "-u./x",
                                         "fd::3",
                                         "C:\\x",
                                         "c:/x",
                                         "https://-x",
                                         "host:-x",
                                         "",
                                         "x",
                                         "~/x",
                                         "transport::address",
                                         "ftp://x/y" };

  for (gsize i = 0; i < G_N_ELEMENTS (plain); i++)
    g_assert_true (gate_url_is_plain (plain[i]));
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    if (gate_url_is_plain (refused[i]))
      g_error ("'%s' counts as plain", refused[i]);
}

static void
test_keys (void)
{
  static const char *const equal[][2] = { { "README", "readme" },
                                          { "caf\xc3\xa9", "cafe\xcc\x81" },
                                          { "\xc3\x84", "a\xcc\x88" },
                                          { "a\xe2\x80\x8d"
                                            "b",
                                            "ab" },
                                          { "STRASSE", "stra\xc3\x9f"
                                                       "e" } };

  for (gsize i = 0; i < G_N_ELEMENTS (equal); i++)
    {
      g_autofree char *one = gate_name_key (equal[i][0]);
      g_autofree char *other = gate_name_key (equal[i][1]);
      g_assert_cmpstr (one, ==, other);
    }
}

static void
test_findings (void)
{
  g_assert_cmpstr (gate_path_finding (".github/workflows/x.yml"), ==, "ci");
  g_assert_cmpstr (gate_path_finding (".GitHub/Workflows/x.yml"), ==, "ci");
  g_assert_cmpstr (gate_path_finding ("sub/.github/workflows/x.yml"), ==, NULL);
  g_assert_cmpstr (gate_path_finding ("sub/.gitattributes"), ==, "attributes");
  g_assert_cmpstr (gate_path_finding ("a/b/.claude/settings.json"), ==, "agent");
  g_assert_cmpstr (gate_path_finding (".envrc"), ==, "direnv");
  g_assert_cmpstr (gate_path_finding (".envrc.sample"), ==, NULL);
  g_assert_cmpstr (gate_path_finding ("src/hooks/use.ts"), ==, NULL);
  g_assert_cmpstr (gate_path_finding (".husky/pre-commit"), ==, "hooks");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gate/paths", test_paths);
  g_test_add_func ("/gate/links", test_links);
  g_test_add_func ("/gate/urls", test_urls);
  g_test_add_func ("/gate/keys", test_keys);
  g_test_add_func ("/gate/findings", test_findings);
  return g_test_run ();
}
