#include "session/conflicts.h"

#include <string.h>

struct AgbConflicts {
  AgbEnv *env;         /* the caller's */
  GHashTable *repos;   /* git_common_dir -> AgbRepo, NULL: cannot be opened */
  GHashTable *targets; /* of a session -> full name of the branch, "": none */
  GHashTable *counts;  /* "oid oid" -> gint64 */
};

static void
free_repo (gpointer data)
{
  if (data != NULL)
    agb_repo_free (data);
}

AgbConflicts *
agb_conflicts_new (AgbEnv *env)
{
  AgbConflicts *conflicts = g_new0 (AgbConflicts, 1);

  conflicts->env = env;
  conflicts->repos = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_repo);
  conflicts->targets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  conflicts->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return conflicts;
}

void
agb_conflicts_free (AgbConflicts *conflicts)
{
  g_hash_table_unref (conflicts->repos);
  g_hash_table_unref (conflicts->targets);
  g_hash_table_unref (conflicts->counts);
  g_free (conflicts);
}

static AgbRepo *
repo_of (AgbConflicts *conflicts, const AgbSession *session)
{
  gpointer known = NULL;

  if (g_hash_table_lookup_extended (conflicts->repos, session->git_common_dir, NULL, &known))
    return known;
  AgbRepo *repo = agb_env_session_repo (conflicts->env, session, FALSE, NULL);
  if (repo != NULL && repo == conflicts->env->repo)
    return repo;
  g_hash_table_insert (conflicts->repos, g_strdup (session->git_common_dir), repo);
  return repo;
}

/* BASE_REF is what the user wrote: a branch, or any other revision, which nothing is merged into. */
static char *
find_target (AgbRepo *repo, const AgbSession *session)
{
  static const char *const prefixes[] = { "", "refs/heads/", "refs/remotes/" };

  for (gsize i = 0; session->base_ref != NULL && i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *ref = g_strconcat (prefixes[i], session->base_ref, NULL);
      g_autofree char *oid = g_str_has_prefix (ref, "refs/") ? agb_repo_read_ref (repo, ref) : NULL;
      if (oid != NULL)
        return g_steal_pointer (&ref);
    }
  return g_strdup (session->host_head_ref_at_open != NULL ? session->host_head_ref_at_open : "");
}

static const char *
target_of (AgbConflicts *conflicts, AgbRepo *repo, const AgbSession *session)
{
  g_autofree char *key
      = g_strconcat (session->git_common_dir, "\n", session->name, "\n", session->created_at, NULL);
  const char *known = g_hash_table_lookup (conflicts->targets, key);

  if (known != NULL)
    return known;
  char *target = find_target (repo, session);
  g_hash_table_insert (conflicts->targets, g_steal_pointer (&key), target);
  return target;
}

/* Where REVIEW and TARGET are now, by one process. */
static gboolean
read_pair (AgbRepo *repo, const char *review, const char *target, char **ret_review,
           char **ret_target)
{
  const char *const args[] = { "for-each-ref", "--format=%(objecttype) %(objectname) %(refname)",
                               "--",           review,
                               target,         NULL };
  g_autofree char *output = NULL;

  if (!agb_repo_git (repo, args, NULL, &output, NULL))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", 3);
      if (g_strv_length (words) != 3 || !g_str_equal (words[0], "commit"))
        continue;
      char **place = g_str_equal (words[2], review)   ? ret_review
                     : g_str_equal (words[2], target) ? ret_target
                                                      : NULL;
      if (place != NULL && *place == NULL)
        *place = g_strdup (words[1]);
    }
  return *ret_review != NULL && *ret_target != NULL;
}

gint64
agb_conflicts_count (AgbConflicts *conflicts, const AgbSession *session)
{
  g_autofree char *review_oid = NULL;
  g_autofree char *target_oid = NULL;
  gint64 count = -1;

  if (session->git_common_dir == NULL || session->review_branch == NULL)
    return -1;
  AgbRepo *repo = repo_of (conflicts, session);
  const char *target = repo != NULL ? target_of (conflicts, repo, session) : "";
  g_autofree char *review = g_strconcat ("refs/heads/", session->review_branch, NULL);
  if (*target == '\0' || !read_pair (repo, review, target, &review_oid, &target_oid))
    return -1;

  g_autofree char *key = g_strdup_printf ("%s %s", target_oid, review_oid);
  const gint64 *known = g_hash_table_lookup (conflicts->counts, key);
  if (known != NULL)
    return *known;
  if (!agb_repo_count_conflicts (repo, target_oid, review_oid, &count, NULL))
    count = -1;
  g_hash_table_insert (conflicts->counts, g_steal_pointer (&key), g_memdup2 (&count, sizeof count));
  return count;
}
