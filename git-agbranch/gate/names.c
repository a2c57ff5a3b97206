/* Rules on single names of a guest's tree. */
#include "gate/internal.h"

#include <string.h>

enum {
  COMPONENT_MAX = 255,
  TARGET_MAX = 4096,
};

/* Code points that HFS+ ignores in names (git's utf8.c has the same list). */
static gboolean
is_ignored_by_hfs (gunichar c)
{
  return (c >= 0x200c && c <= 0x200f) || (c >= 0x202a && c <= 0x202e)
         || (c >= 0x206a && c <= 0x206f) || c == 0xfeff;
}

/* Controls, also those that only turn text around or hide it on a screen. */
static gboolean
is_control (gunichar c)
{
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200b && c <= 0x200f)
         || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff
         || (c >= 0xe0000 && c <= 0xe007f);
}

static gboolean
all_digits (const char *text)
{
  return *text != '\0' && strspn (text, "0123456789") == strlen (text);
}

char *
gate_name_key (const char *name)
{
  if (!g_utf8_validate (name, -1, NULL))
    return g_ascii_strdown (name, -1);

  g_autofree char *composed = g_utf8_normalize (name, -1, G_NORMALIZE_DEFAULT_COMPOSE);
  g_autofree char *folded = g_utf8_casefold (composed, -1);
  g_autoptr (GString) key = g_string_new (NULL);

  for (const char *c = folded; *c != '\0'; c = g_utf8_next_char (c))
    if (!is_ignored_by_hfs (g_utf8_get_char (c)))
      g_string_append_unichar (key, g_utf8_get_char (c));
  /* Folding can undo the composed form ("\u1e9e" and the like). */
  return g_utf8_normalize (key->str, -1, G_NORMALIZE_DEFAULT_COMPOSE);
}

/* TRUE for what some file system takes for ".git": case, ignored code points, short names, streams
 * and trailing dots and spaces of NTFS. */
static gboolean
is_dot_git (const char *name)
{
  g_autofree char *key = gate_name_key (name);
  gsize length = strcspn (key, ":");

  key[length] = '\0';
  while (length > 0 && (key[length - 1] == '.' || key[length - 1] == ' '))
    key[--length] = '\0';
  return strcmp (key, ".git") == 0 || (g_str_has_prefix (key, "git~") && all_digits (key + 4));
}

static const char *
component_rule (const char *name, const char **ret_why)
{
  if (*name == '\0' || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    {
      *ret_why = "has an empty, '.' or '..' component";
      return "path-dots";
    }
  if (strlen (name) > COMPONENT_MAX)
    {
      *ret_why = "has a component of more than 255 bytes";
      return "path-length";
    }
  if (is_dot_git (name))
    {
      *ret_why = "is '.git' for some file system";
      return "dot-git";
    }
  return NULL;
}

static const char *
character_rule (const char *path, const char **ret_why)
{
  if (!g_utf8_validate (path, -1, NULL))
    {
      *ret_why = "is not UTF-8";
      return "path-encoding";
    }
  for (const char *c = path; *c != '\0'; c = g_utf8_next_char (c))
    {
      if (is_control (g_utf8_get_char (c)))
        {
          *ret_why = "has control or invisible characters";
          return "path-control";
        }
      if (*c == '\\')
        {
          *ret_why = "has a backslash, which separates folders on Windows";
          return "path-backslash";
        }
    }
  return NULL;
}

static guint
count_folders (const char *path)
{
  guint count = 0;

  for (; *path != '\0'; path++)
    count += *path == '/';
  return count;
}

const char *
gate_path_rule (const char *path, const GateLimits *limits, const char **ret_why)
{
  if (strlen (path) > limits->path_length)
    {
      *ret_why = "is longer than agbranch.limits.pathLength";
      return "path-length";
    }
  if (count_folders (path) > limits->path_depth)
    {
      *ret_why = "lies in more folders than agbranch.limits.depth";
      return "path-depth";
    }

  g_auto (GStrv) components = g_strsplit (path, "/", -1);
  const char *rule = NULL;

  for (char **name = components; rule == NULL && *name != NULL; name++)
    rule = component_rule (*name, ret_why);
  return rule != NULL ? rule : character_rule (path, ret_why);
}

typedef struct {
  const char *kind;
  const char *path; /* ends with '/': the folder at the top, begins with '/': the name anywhere */
} Watched;

/* Files that some program runs or obeys later without being asked. */
static const Watched watched[] = {
  { "ci", ".github/workflows/" },
  { "ci", ".github/actions/" },
  { "ci", ".gitlab-ci.yml" },
  { "ci", ".gitlab/" },
  { "ci", ".circleci/" },
  { "ci", ".buildkite/" },
  { "ci", ".woodpecker/" },
  { "ci", ".woodpecker.yml" },
  { "ci", ".forgejo/workflows/" },
  { "ci", ".gitea/workflows/" },
  { "ci", ".travis.yml" },
  { "ci", ".drone.yml" },
  { "ci", ".cirrus.yml" },
  { "ci", "appveyor.yml" },
  { "ci", "azure-pipelines.yml" },
  { "ci", "bitbucket-pipelines.yml" },
  { "ci", "jenkinsfile" },
  { "attributes", "/.gitattributes" },
  { "submodules", ".gitmodules" },
  { "editor", "/.vscode/tasks.json" },
  { "editor", "/.vscode/launch.json" },
  { "editor", "/.vscode/settings.json" },
  { "editor", ".idea/" },
  { "editor", ".devcontainer/" },
  { "agent", "/.claude/" },
  { "agent", "/.codex/" },
  { "agent", "/.cursor/" },
  { "agent", "/.gemini/" },
  { "agent", "/.mcp.json" },
  { "agent", "/claude.md" },
  { "agent", "/agents.md" },
  { "direnv", "/.envrc" },
  { "hooks", ".husky/" },
  { "hooks", ".githooks/" },
  { "hooks", "hooks/" },
  { "hooks", ".git-hooks/" },
  { "hooks", ".pre-commit-config.yaml" },
  { "hooks", "lefthook.yml" },
};

/* PATH (folded) is the watched thing, or lies in it. */
static gboolean
matches (const Watched *entry, const char *path)
{
  gboolean anywhere = entry->path[0] == '/';
  const char *wanted = entry->path + anywhere;
  gboolean folder = g_str_has_suffix (wanted, "/");

  for (const char *at = path; at != NULL;)
    {
      if (folder ? g_str_has_prefix (at, wanted) : strcmp (at, wanted) == 0)
        return TRUE;
      const char *slash = anywhere ? strchr (at, '/') : NULL;
      at = slash != NULL ? slash + 1 : NULL;
    }
  return FALSE;
}

const char *
gate_path_finding (const char *path)
{
  g_autofree char *key = gate_name_key (path);

  for (gsize i = 0; i < G_N_ELEMENTS (watched); i++)
    if (matches (&watched[i], key))
      return watched[i].kind;
  return NULL;
}

/* ".." may only stand in front: behind a name it could go up from where that name, itself a link,
 * leads to. */
static const char *
escape_rule (const char *path, char **components, const char **ret_why)
{
  guint room = count_folders (path);
  gboolean named = FALSE;

  for (char **name = components; *name != NULL; name++)
    {
      if (strcmp (*name, "..") != 0)
        {
          named |= **name != '\0' && strcmp (*name, ".") != 0;
          continue;
        }
      if (named)
        {
          *ret_why = "is a symbolic link with '..' behind a name";
          return "symlink-escape";
        }
      if (room-- == 0)
        {
          *ret_why = "is a symbolic link that leaves the tree";
          return "symlink-escape";
        }
    }
  return NULL;
}

const char *
gate_symlink_rule (const char *path, const char *target, gsize length, const char **ret_why)
{
  if (length == 0 || length > TARGET_MAX || memchr (target, '\0', length) != NULL)
    {
      *ret_why = "is a symbolic link whose target is empty, too long or has a NUL";
      return "symlink-target";
    }

  g_autofree char *text = g_strndup (target, length);
  if (text[0] == '/' || text[0] == '\\' || (g_ascii_isalpha (text[0]) && text[1] == ':'))
    {
      *ret_why = "is a symbolic link to an absolute path";
      return "symlink-absolute";
    }
  const char *rule = character_rule (text, ret_why);
  if (rule != NULL)
    {
      *ret_why = "is a symbolic link whose target has control characters, backslashes or no UTF-8";
      return "symlink-target";
    }
  g_auto (GStrv) components = g_strsplit (text, "/", -1);
  for (char **name = components; *name != NULL; name++)
    if (is_dot_git (*name))
      {
        *ret_why = "is a symbolic link into '.git'";
        return "symlink-git";
      }
  return escape_rule (path, components, ret_why);
}

gboolean
gate_url_is_plain (const char *url)
{
  static const char *const schemes[] = { "https://", "http://", "ssh://", "git://", "./", "../" };

  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_str_has_prefix (url, schemes[i]))
      return url[strlen (schemes[i])] != '-';

  /* user@host:path and host:path, but neither "ext::" and its like nor options nor C:\ paths */
  gsize host = strcspn (url, ":/");
  return host > 1 && url[host] == ':' && !g_str_has_prefix (url + host, "://")
         && url[host + 1] != ':' && url[0] != '-' && url[0] != '.' && url[host + 1] != '\0'
         && url[host + 1] != '-';
}
