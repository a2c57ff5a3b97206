/* The tree policy: what every new commit changed, whatever later commits did to hide it. */
#include "gate/internal.h"

#include "core/error.h"
#include "core/escape.h"

#include <git2.h>
#include <string.h>

typedef struct {
  AgbGate *gate;
  git_pathspec *protected_paths; /* NULL: none */
  gboolean uses_libgit2;
  GHashTable *commits; /* oid → GateCommit of gate->commits */

  const GateCommit *commit; /* whose difference is being read */
  char *meta;               /* ":modes oids status" whose path comes next */
  GHashTable *merge_seen; /* of a merge: "modes oids path" → number of parents it differs from */

  guint64 changed_paths;
  GateBlobs *blobs;     /* contents to look at: symbolic links, .gitmodules */
  GateFolders *folders; /* folders in which names were added */
} Policy;

static void
policy_clear (Policy *policy)
{
  g_clear_pointer (&policy->protected_paths, git_pathspec_free);
  if (policy->uses_libgit2)
    git_libgit2_shutdown ();
  g_clear_pointer (&policy->commits, g_hash_table_unref);
  g_clear_pointer (&policy->merge_seen, g_hash_table_unref);
  g_clear_pointer (&policy->blobs, gate_blobs_free);
  g_clear_pointer (&policy->folders, gate_folders_free);
  g_free (policy->meta);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Policy, policy_clear)

gboolean
gate_is_allowed (AgbGate *gate, const char *rule, const char *path)
{
  const char *const *allowed = agb_settings_list (gate->settings, "agbranch.allow");

  for (; *allowed != NULL; allowed++)
    {
      gsize length = strcspn (*allowed, ":");

      if (strlen (rule) != length || strncmp (*allowed, rule, length) != 0)
        continue;
      if ((*allowed)[length] == '\0' || (path != NULL && strcmp (*allowed + length + 1, path) == 0))
        return TRUE;
    }
  return FALSE;
}

void
gate_add_finding (AgbGate *gate, const char *kind, const char *path)
{
  g_autofree char *escaped = agb_escape (path, -1);
  g_autofree char *finding = g_strdup_printf ("%s: %s", kind, escaped);

  if (g_hash_table_contains (gate->found, finding))
    return;
  g_hash_table_add (gate->found, finding);
  g_ptr_array_add (gate->findings, g_steal_pointer (&finding));
}

static gboolean
is_protected (const Policy *policy, const char *path)
{
  return policy->protected_paths != NULL
         && git_pathspec_matches_path (policy->protected_paths, 0, path) == 1;
}

/* ":OLDMODE NEWMODE OLDOID NEWOID STATUS" */
typedef struct {
  char old_mode[7];
  char new_mode[7];
  char *old_oid;
  char *new_oid;
  char status;
} Change;

static void
change_clear (Change *change)
{
  g_free (change->old_oid);
  g_free (change->new_oid);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Change, change_clear)

static void
parse_change (const char *meta, Change *change)
{
  g_auto (GStrv) words = g_strsplit (meta + 1, " ", 5);

  g_strlcpy (change->old_mode, words[0], sizeof change->old_mode);
  g_strlcpy (change->new_mode, words[1], sizeof change->new_mode);
  change->old_oid = g_strdup (words[2]);
  change->new_oid = g_strdup (words[3]);
  change->status = words[4][0];
}

static gboolean
check_path (Policy *policy, const char *path, GError **error)
{
  const char *why = NULL;
  const char *rule = gate_path_rule (path, &policy->gate->limits, &why);

  if (rule != NULL && !gate_is_allowed (policy->gate, rule, path))
    return gate_refuse (error, rule, path, "%s (commit %s)", why, policy->commit->oid);
  return TRUE;
}

static gboolean
check_content (Policy *policy, const Change *change, const char *path, GError **error)
{
  gboolean link = strcmp (change->new_mode, "120000") == 0;
  const char *name = strrchr (path, '/');
  g_autofree char *key = gate_name_key (name != NULL ? name + 1 : path);

  if (link && g_str_has_prefix (key, ".git")
      && !gate_is_allowed (policy->gate, "symlink-git", path))
    return gate_refuse (error, "symlink-git", path, "is a symbolic link that git would read");
  if (link)
    gate_blobs_add (policy->blobs, GATE_BLOB_SYMLINK, change->new_oid, path, policy->commit);
  if (strcmp (path, ".gitmodules") == 0)
    gate_blobs_add (policy->blobs, GATE_BLOB_GITMODULES, change->new_oid, path, policy->commit);
  if (strcmp (change->new_mode, "160000") == 0)
    {
      gate_add_finding (policy->gate, "submodule", path);
      if (strcmp (change->old_mode, "160000") != 0)
        gate_blobs_add (policy->blobs, GATE_BLOB_GITLINK, NULL, path, policy->commit);
    }
  return TRUE;
}

/* One path that differs from all parents of the commit. */
static gboolean
check_change (Policy *policy, const char *meta, const char *path, GError **error)
{
  g_auto (Change) change = { 0 };
  const char *finding;

  parse_change (meta, &change);
  if (is_protected (policy, path) && !gate_is_allowed (policy->gate, "protected", path))
    {
      gate_refuse (error, "protected", path, "matches agbranch.protectedPaths (commit %s)",
                   policy->commit->oid);
      return FALSE;
    }
  if ((finding = gate_path_finding (path)) != NULL)
    gate_add_finding (policy->gate, finding, path);
  if (change.status == 'D')
    return TRUE;
  return check_path (policy, path, error) && check_content (policy, &change, path, error);
}

/* A path of a merge counts when it differs from every parent: what comes from one of them was looked
 * at there, or is the host's. */
static gboolean
differs_from_all (Policy *policy, const char *meta, const char *path)
{
  guint parents = g_strv_length (policy->commit->parents);

  if (parents < 2)
    return TRUE;
  /* The old side differs from parent to parent. */
  const char *new_oid = strrchr (meta, ' ');
  g_autofree char *key
      = g_strdup_printf ("%.6s %.*s %s", meta + 8, (int)agb_repo_oid_length (policy->gate->repo),
                         new_oid - agb_repo_oid_length (policy->gate->repo), path);
  guint seen = GPOINTER_TO_UINT (g_hash_table_lookup (policy->merge_seen, key)) + 1;
  g_hash_table_replace (policy->merge_seen, g_steal_pointer (&key), GUINT_TO_POINTER (seen));
  return seen == parents;
}

/* Records of `git diff-tree --stdin -z`: a commit, or ":…" and then its path. */
static gboolean
take_record (const char *record, gsize length, gpointer data, GError **error)
{
  Policy *policy = data;

  (void)length;
  if (policy->meta == NULL)
    {
      if (record[0] == ':')
        {
          policy->meta = g_strdup (record);
          return TRUE;
        }
      const GateCommit *next = g_hash_table_lookup (policy->commits, record);
      if (next != policy->commit)
        g_hash_table_remove_all (policy->merge_seen);
      policy->commit = next;
      return TRUE;
    }
  g_autofree char *meta = g_steal_pointer (&policy->meta);
  if (policy->commit == NULL)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_INTERNAL, "git diff-tree named an unknown commit");
      return FALSE;
    }
  if (++policy->changed_paths > policy->gate->limits.changed_paths)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC,
                   "refused: agbranch.limits.changedPaths: more than %" G_GUINT64_FORMAT
                   " paths are changed",
                   policy->gate->limits.changed_paths);
      agb_error_hint (error, "if this is wanted: git config agbranch.limits.changedPaths <larger>");
      return FALSE;
    }
  if (meta[strlen (meta) - 1] == 'A')
    gate_folders_add (policy->folders, policy->commit, record);
  return !differs_from_all (policy, meta, record) || check_change (policy, meta, record, error);
}

static gboolean
read_differences (Policy *policy, GError **error)
{
  static const char *const args[]
      = { "diff-tree",    "--stdin",       "-r", "-m", "--root", "-z", "--raw", "--no-abbrev",
          "--no-renames", "--no-ext-diff", NULL };
  g_autoptr (GString) input = g_string_new (NULL);

  for (guint i = 0; i < policy->gate->commits->len; i++)
    g_string_append_printf (input, "%s\n", ((GateCommit *)policy->gate->commits->pdata[i])->oid);
  return gate_git_records (policy->gate, args, input, '\0', take_record, policy, error);
}

static gboolean
read_protected_paths (Policy *policy, GError **error)
{
  const char *const *patterns
      = agb_settings_list (policy->gate->settings, "agbranch.protectedPaths");
  git_strarray array = { (char **)patterns, g_strv_length ((char **)patterns) };

  if (array.count == 0)
    return TRUE;
  policy->uses_libgit2 = git_libgit2_init () > 0;
  if (git_pathspec_new (&policy->protected_paths, &array) == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
               "agbranch.protectedPaths is not a list of patterns: %s",
               git_error_last () != NULL ? git_error_last ()->message : "unknown");
  return FALSE;
}

gboolean
gate_policy (AgbGate *gate, GError **error)
{
  g_auto (Policy) policy
      = { .gate = gate,
          .commits = g_hash_table_new (g_str_hash, g_str_equal),
          .merge_seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
          .blobs = gate_blobs_new (gate),
          .folders = gate_folders_new (gate) };

  if (gate->commits->len == 0)
    return TRUE;
  for (guint i = 0; i < gate->commits->len; i++)
    g_hash_table_insert (policy.commits, ((GateCommit *)gate->commits->pdata[i])->oid,
                         gate->commits->pdata[i]);
  return read_protected_paths (&policy, error) && read_differences (&policy, error)
         && gate_blobs_check (policy.blobs, error) && gate_folders_check (policy.folders, error);
}
