/* The stream of the guest: the staged bundle, git index-pack in the quarantine. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/escape.h"
#include "core/fault.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The stream on its way to disk. */
typedef struct {
  AgbGate *gate;
  int fd;
  char *path; /* temporary, until it is staged; removed otherwise */
  goffset pack_offset;
} Spool;

static void
spool_clear (Spool *spool)
{
  agb_close (&spool->fd);
  if (spool->path != NULL)
    unlink (spool->path);
  g_free (spool->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Spool, spool_clear)

/* A bundle says what its reader must have; ours says what the host told the guest it has. */
static char *
bundle_header (const AgbGateRequest *request, const char *object_format)
{
  gboolean sha1 = strcmp (object_format, "sha1") == 0;
  GString *text = g_string_new (sha1 ? "# v2 git bundle\n" : "# v3 git bundle\n");

  if (!sha1)
    g_string_append_printf (text, "@object-format=%s\n", object_format);
  g_string_append_printf (text, "-%s \n", request->base_oid);
  if (strcmp (request->base_oid, request->old_oid) != 0)
    g_string_append_printf (text, "-%s \n", request->old_oid);
  g_string_append_printf (text, "%s %s\n\n", request->new_oid, request->review_ref);
  return g_string_free (text, FALSE);
}

static gboolean
spool_open (AgbGate *gate, Spool *spool, GError **error)
{
  const AgbGateRequest request = { .base_oid = gate->base_oid,
                                   .old_oid = gate->old_oid,
                                   .new_oid = gate->new_oid,
                                   .review_ref = gate->review_ref };
  g_autofree char *header = bundle_header (&request, agb_repo_object_format (gate->repo));
  gsize length = strlen (header);

  if (!agb_fault_point ("gate: write staged bundle", error))
    return FALSE;
  g_autofree char *path = g_strconcat (gate->staged_path, ".XXXXXX", NULL);
  spool->fd = g_mkstemp_full (path, O_RDWR | O_CLOEXEC, 0600);
  if (spool->fd < 0)
    return agb_error_set_errno (error, errno, "make", path);
  spool->path = g_steal_pointer (&path);
  spool->pack_offset = (goffset)length;
  return agb_write_all (spool->fd, header, length, spool->path, error);
}

/* The stream is whole: from now on it is the salvage, whatever becomes of its content. */
static gboolean
stage (AgbGate *gate, Spool *spool, GError **error)
{
  if (fsync (spool->fd) != 0)
    return agb_error_set_errno (error, errno, "sync", spool->path);
  if (!agb_fault_point ("gate: stage bundle", error))
    return FALSE;
  if (rename (spool->path, gate->staged_path) != 0)
    return agb_error_set_errno (error, errno, "rename to", gate->staged_path);
  g_clear_pointer (&spool->path, g_free);
  g_autofree char *folder = g_path_get_dirname (gate->staged_path);
  return agb_fsync_folder (folder, error);
}

/* "error: object OID: MSGID: text": what --strict has found. */
static gboolean
refuse_fsck (const char *errors, GError **error)
{
  g_autoptr (GRegex) pattern = g_regex_new ("^error: object ([0-9a-f]+): ([A-Za-z0-9]+): (.*)$",
                                            G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  if (!g_regex_match (pattern, errors, 0, &match))
    return FALSE;
  g_autofree char *oid = g_match_info_fetch (match, 1);
  g_autofree char *id = g_match_info_fetch (match, 2);
  g_autofree char *raw = g_match_info_fetch (match, 3);
  g_autofree char *text = agb_escape (raw, -1);

  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: fsck.%s: object %s: %s", id, oid, text);
  agb_error_hint (error, "if this is wanted: git config fetch.fsck.%s warn", id);
  return TRUE;
}

static gboolean
judge_index_pack (const AgbChildResult *result, GError **error)
{
  if (result->status == 0)
    return TRUE;

  g_autofree char *line = gate_last_words (result);
  if (strstr (result->errors->str, "No space left on device") != NULL)
    g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot store the pack: %s", line);
  else if (!refuse_fsck (result->errors->str, error))
    g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: pack: %s", line);
  return FALSE;
}

/* The same pack is in the store already: a sync that was repeated. */
static gboolean
has_pack (AgbGate *gate)
{
  g_autofree char *name = g_strconcat (gate->pack_name, ".idx", NULL);
  g_autofree char *path = g_build_filename (gate->object_dirs[0], "pack", name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* "pack\tHASH\n" or "keep\tHASH\n". */
static gboolean
remember_pack (AgbGate *gate, const char *output, GError **error)
{
  gsize length = agb_repo_oid_length (gate->repo);

  if (strlen (output) < 5 + length)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "git index-pack did not name its pack");
      return FALSE;
    }
  g_autofree char *hash = g_strndup (output + 5, length);
  gate->pack_name = g_strconcat ("pack-", hash, NULL);
  if (!has_pack (gate))
    gate->keep_path = g_strconcat (gate->object_dirs[0], "/pack/", gate->pack_name, ".keep", NULL);
  return TRUE;
}

static void
append_severity (const char *key, const char *value, gpointer data)
{
  GString *option = data;
  const char *id = key + strlen ("fetch.fsck.");

  if (strcmp (id, "skiplist") != 0)
    g_string_append_printf (option, ",%s=%s", id, value);
}

/* The user's own judgement (fetch.fsck.*) goes behind ours: the last one counts.  With promised
 * objects --strict cannot find what it wants to see beside a new tree, --fsck-objects does without. */
static char *
fsck_option (AgbGate *gate)
{
  const char *skip_list = agb_settings_git (gate->settings, "fetch.fsck.skipList");
  GString *option;

  if (agb_repo_is_partial (gate->repo))
    return g_strdup ("--fsck-objects");
  option = g_string_new ("--strict=badFilemode=error,gitattributesSymlink=error");
  agb_settings_git_foreach (gate->settings, "fetch.fsck.", append_severity, option);
  if (skip_list != NULL)
    {
      /* A link, since git cuts the option at blanks and commas. */
      g_autofree char *home = skip_list[0] == '~' && skip_list[1] == '/'
                                  ? g_build_filename (g_get_home_dir (), skip_list + 2, NULL)
                                  : g_canonicalize_filename (skip_list, NULL);
      g_autofree char *link = gate_quarantine_path (gate, "skiplist");
      if (symlink (home, link) == 0)
        {
          gate_git_reads (gate, home);
          g_string_append (option, ",skiplist=../skiplist");
        }
    }
  return g_string_free (option, FALSE);
}

/* Who made the .keep, so that agb_gate_sweep finds those of the dead. */
static char *
keep_option (void)
{
  AgbProcessId self;

  agb_process_self (&self);
  g_autofree char *text = agb_process_format (&self);
  return g_strconcat ("--keep=", GATE_KEEP_TEXT, text, NULL);
}

static gboolean
index_pack (AgbGate *gate, Spool *spool, GError **error)
{
  g_autofree char *max_size
      = g_strdup_printf ("--max-input-size=%" G_GUINT64_FORMAT, gate->limits.pack.bytes);
  g_autofree char *check = fsck_option (gate);
  const char *shared = agb_settings_git (gate->settings, "core.sharedRepository");
  g_autofree char *mode
      = g_strconcat ("core.sharedRepository=", shared != NULL ? shared : "false", NULL);
  g_autofree char *keep = keep_option ();
  const char *const args[] = { "-c",         "core.bigFileThreshold=1m",
                               "-c",         "core.deltaBaseCacheLimit=32m",
                               "-c",         "core.fsync=pack,pack-metadata",
                               "-c",         mode,
                               "index-pack", "--stdin",
                               "--fix-thin", check,
                               keep,         max_size,
                               NULL };
  g_auto (AgbChildResult) result = { 0 };
  const AgbChildSpec spec = { .stdin_fd = spool->fd, .capture_limit = 4096 };

  /* A regular file as stdin: index-pack refuses what follows the pack there. */
  if (lseek (spool->fd, spool->pack_offset, SEEK_SET) < 0)
    return agb_error_set_errno (error, errno, "read", gate->staged_path);
  return gate_git_run_spec (gate, "git index-pack", args, &spec, &result, error)
         && judge_index_pack (&result, error) && remember_pack (gate, result.output->str, error);
}

gboolean
agb_gate_receive (AgbGate *gate, int fd, GError **error)
{
  g_auto (Spool) spool = { .gate = gate, .fd = -1 };

  agb_progress_phase (gate->progress, "receiving");
  if (!spool_open (gate, &spool, error) || !gate_scan (gate, fd, spool.fd, spool.path, error)
      || !stage (gate, &spool, error))
    return FALSE;
  /* git makes no pack of nothing; then the commit must be one that the host has. */
  return gate->pack_objects == 0 || (index_pack (gate, &spool, error) && gate_depth (gate, error));
}

/* gitformat-pack(5): a pack of no objects. */
static void
append_empty_pack (GString *text, gboolean sha1)
{
  static const guint8 header[12] = { 'P', 'A', 'C', 'K', 0, 0, 0, 2, 0, 0, 0, 0 };
  g_autoptr (GChecksum) checksum = g_checksum_new (sha1 ? G_CHECKSUM_SHA1 : G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize length = sizeof digest;

  g_checksum_update (checksum, header, sizeof header);
  g_checksum_get_digest (checksum, digest, &length);
  g_string_append_len (text, (const char *)header, sizeof header);
  g_string_append_len (text, (const char *)digest, (gssize)length);
}

/* The objects of base..old as a thin pack behind the header, streamed to a temporary file. */
static gboolean
stage_range (AgbRepo *repo, const AgbGateRequest *request, const char *header, GError **error)
{
  g_auto (GStrv) envp = agb_repo_plumbing_env (repo);
  g_autofree char *revs = g_strdup_printf ("%s\n^%s\n", request->old_oid, request->base_oid);
  static const char *const argv[] = {
    "git", "pack-objects", "--revs", "--thin", "--delta-base-offset", "--stdout", "-q", NULL
  };
  g_autofree char *path = g_strconcat (request->staged_path, ".XXXXXX", NULL);
  agb_autofd int fd = g_mkstemp_full (path, O_WRONLY | O_CLOEXEC, 0600);
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_git_dir (repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .input = revs,
                              .input_length = strlen (revs),
                              .stdout_fd = fd };

  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", path);
  gboolean good = agb_write_all (fd, header, strlen (header), path, error)
                  && agb_child_check (&spec, NULL, error);
  if (good && (fsync (fd) != 0 || rename (path, request->staged_path) != 0))
    good = agb_error_set_errno (error, errno, "write", request->staged_path);
  if (!good)
    unlink (path);
  return good;
}

gboolean
agb_gate_stage_existing (AgbRepo *repo, const AgbGateRequest *request, GError **error)
{
  gboolean nothing = strcmp (request->base_oid, request->old_oid) == 0;
  AgbGateRequest existing = *request;

  existing.new_oid = request->old_oid;
  existing.old_oid = request->base_oid;
  g_autofree char *header = bundle_header (&existing, agb_repo_object_format (repo));
  if (!agb_fault_point ("gate: stage bundle", error))
    return FALSE;
  if (!nothing)
    return stage_range (repo, request, header, error);

  g_autoptr (GString) text = g_string_new (header);
  append_empty_pack (text, strcmp (agb_repo_object_format (repo), "sha1") == 0);
  return agb_file_replace (request->staged_path, text->str, text->len, 0600, error);
}
