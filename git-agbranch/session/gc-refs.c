#include "session/gc.h"

#include "core/error.h"
#include "gate/reftx.h"
#include "session/journal.h"
#include "session/submodules.h"
#include "session/upkeep.h"

#include <string.h>

static const char gc_reason[] = "agbranch: gc";

/* The refs of a session, and the setting that says how long each kind is kept. */
static const struct {
  const char *prefix;
  const char *kind;
  const char *setting;
} kinds[] = {
  { "refs/agbranch/sync/", "sync", "agbranch.syncRefDays" },
  { "refs/agbranch/rescue/", "rescue", "agbranch.rescueDays" },
  /* base and head last: repair knows a session by them. */
  { "refs/agbranch/sessions/", "sessions", "agbranch.syncRefDays" },
};

typedef struct {
  AgbGc *gc;
  AgbEnv *env;
  const AgbSession *session;
  const char *common_dir; /* of the repository that is looked at */
  gboolean only_rescue;   /* others there are not of this session */
  AgbRefUpdates *updates;
  gint64 age;
  gint64 days;      /* of the kind that is being listed */
  const char *kind; /* "sync", … */
  gsize prefix_length;
  GHashTable *highest; /* kind -> the highest number that is to be deleted */
} Refs;

static gboolean
look_at_ref (const char *ref, const char *oid, gpointer data)
{
  Refs *refs = data;
  gboolean drop = agb_gc_is_old (refs->age, refs->days);

  if (drop)
    {
      guint64 number = 0;

      agb_ref_updates_add (refs->updates, ref, oid, NULL);
      if (g_ascii_string_to_unsigned (ref + refs->prefix_length, 10, 1, G_MAXINT32, &number, NULL)
          && GPOINTER_TO_SIZE (g_hash_table_lookup (refs->highest, refs->kind)) < number)
        g_hash_table_insert (refs->highest, (gpointer)refs->kind, GSIZE_TO_POINTER (number));
    }
  agb_gc_add (refs->gc, drop, refs->common_dir, refs->session->name, ref,
              "%s closed %" G_GINT64_FORMAT " days ago, kept for %" G_GINT64_FORMAT,
              refs->session->name, refs->age / (24 * 60 * 60), refs->days);
  return TRUE;
}

/* Before the refs go: numbers go on from here when the name is opened again. */
static gboolean
keep_numbers (AgbEnv *env, const AgbSession *session, GHashTable *highest, GError **error)
{
  GHashTableIter iter;
  gpointer kind, number;

  g_hash_table_iter_init (&iter, highest);
  while (g_hash_table_iter_next (&iter, &kind, &number))
    if (!agb_catalog_keep_ref_number (env->catalog, kind, session->name,
                                      (gint64)GPOINTER_TO_SIZE (number), error))
      return FALSE;
  return TRUE;
}

/* GIT_DIR: of the submodule that REPO is; NULL: it is the session's. */
static gboolean
delete_refs (AgbEnv *env, AgbRepo *repo, const char *git_dir, const AgbSession *session,
             const AgbRefUpdates *updates, GError **error)
{
  g_autoptr (AgbJournal) journal = agb_journal_begin (env->catalog, session->name, "gc", error);

  if (journal == NULL)
    return FALSE;
  agb_journal_set (journal, "git_dir", git_dir);
  agb_journal_set_value (journal, "refs", agb_ref_updates_to_json (updates));
  if (!agb_journal_step (journal, "refs", error))
    return FALSE;
  if (!agb_ref_updates_apply (repo, updates, gc_reason, error))
    {
      /* Nothing moved: there is nothing to finish. */
      agb_journal_end (journal, NULL);
      return FALSE;
    }
  return agb_journal_end (journal, error);
}

/* The name may have been opened anew since the row was read. */
static gboolean
is_still_closed (AgbEnv *env, const AgbSession *before)
{
  g_autoptr (AgbSession) now = agb_catalog_get_session (env->catalog, before->name, NULL);

  return now != NULL && !agb_session_is_live (now)
         && g_strcmp0 (now->closed_at, before->closed_at) == 0;
}

static gboolean
list_refs (Refs *refs, AgbRepo *repo, GError **error)
{
  g_autoptr (AgbSettings) settings = agb_settings_load (repo, error);

  if (settings == NULL)
    return FALSE;
  refs->common_dir = agb_repo_common_dir (repo);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *prefix = g_strconcat (kinds[i].prefix, refs->session->name, "/", NULL);

      if (refs->only_rescue && !g_str_equal (kinds[i].kind, "rescue"))
        continue;
      refs->days = agb_settings_int (settings, kinds[i].setting);
      refs->kind = kinds[i].kind;
      refs->prefix_length = strlen (prefix);
      if (!agb_repo_foreach_ref (repo, prefix, look_at_ref, refs, error))
        return FALSE;
    }
  return TRUE;
}

/* Rescue refs in the repository of a submodule. */
static gboolean
look_at_submodule (const char *git_dir, gpointer data, GError **error)
{
  Refs *outer = data;
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  g_autoptr (AgbRepo) repo = agb_repo_open (git_dir, !outer->gc->dry_run, NULL);
  Refs refs = *outer;

  if (repo == NULL)
    return TRUE; /* gone with its refs */
  refs.updates = updates;
  refs.only_rescue = TRUE;
  if (!list_refs (&refs, repo, error))
    return FALSE;
  if (refs.gc->dry_run || agb_ref_updates_length (updates) == 0)
    return TRUE;
  g_autoptr (AgbLock) lock = agb_env_lock (refs.env, refs.session->name, "gc", error);
  if (lock == NULL)
    return FALSE;
  return !is_still_closed (refs.env, refs.session)
         || (keep_numbers (refs.env, refs.session, refs.highest, error)
             && delete_refs (refs.env, repo, git_dir, refs.session, updates, error));
}

static gboolean
look_at_submodules (Refs *refs, GError **error)
{
  return agb_submodules_foreach (refs->session->options_json, look_at_submodule, refs, error);
}

gboolean
agb_gc_session_refs (AgbGc *gc, AgbEnv *env, const AgbSession *session, gint64 age,
                     gboolean unfinished, GError **error)
{
  g_autoptr (AgbRefUpdates) updates = agb_ref_updates_new ();
  g_autoptr (GHashTable) highest = g_hash_table_new (g_str_hash, g_str_equal);
  Refs refs = {
    .gc = gc, .env = env, .session = session, .updates = updates, .age = age, .highest = highest
  };
  g_autoptr (AgbLock) lock = NULL;

  if (session->git_common_dir == NULL)
    return TRUE;
  if (!unfinished && !look_at_submodules (&refs, error))
    return FALSE;
  /* Taking the lock finishes what was cut off, a gc of old among it. */
  if (unfinished && !gc->dry_run && (lock = agb_env_lock (env, session->name, "gc", error)) == NULL)
    return FALSE;
  g_autoptr (AgbRepo) repo = agb_repo_open (session->git_common_dir, !gc->dry_run, error);
  if (repo == NULL || !list_refs (&refs, repo, error))
    return FALSE;
  if (gc->dry_run || agb_ref_updates_length (updates) == 0)
    return TRUE;
  /* The old values in the transaction hold off whoever moved a ref before this. */
  if (lock == NULL && (lock = agb_env_lock (env, session->name, "gc", error)) == NULL)
    return FALSE;
  return !is_still_closed (env, session)
         || (keep_numbers (env, session, highest, error)
             && delete_refs (env, repo, NULL, session, updates, error));
}

typedef struct {
  AgbGc *gc;
  const char *common_dir;
  GHashTable *sessions;
  const char *prefix;
  char *last; /* the one that was warned of */
} Strays;

static gboolean
look_at_stray (const char *ref, const char *oid, gpointer data)
{
  Strays *strays = data;
  g_autofree char *name = agb_upkeep_ref_session (ref, strays->prefix);

  (void)oid;
  if (name == NULL || g_hash_table_contains (strays->sessions, name)
      || g_strcmp0 (strays->last, name) == 0)
    return TRUE;
  agb_gc_warn (strays->gc,
               "%s: refs below %s%s are kept, since the catalog does not know that session",
               strays->common_dir, strays->prefix, name);
  g_free (strays->last);
  strays->last = g_steal_pointer (&name);
  return TRUE;
}

void
agb_gc_warn_of_strays (AgbGc *gc, const char *common_dir, GHashTable *sessions)
{
  g_autoptr (AgbRepo) repo = agb_repo_open (common_dir, FALSE, NULL);

  for (gsize i = 0; repo != NULL && i < G_N_ELEMENTS (kinds); i++)
    {
      Strays strays = { gc, common_dir, sessions, kinds[i].prefix, NULL };

      agb_repo_foreach_ref (repo, kinds[i].prefix, look_at_stray, &strays, NULL);
      g_free (strays.last);
    }
}
