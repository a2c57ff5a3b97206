#include "session/lfs.h"

#include "core/error.h"
#include "core/fault.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "guest/transport.h"
#include "session/seed-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  POINTER_MIN = 100,
  POINTER_MAX = 1024, /* git-lfs(1), spec: pointer files are smaller than that */
  LIST_LIMIT = 512 * 1024 * 1024,
  HASH_LENGTH = 64,
  NO_GIT_LFS = 3, /* of lfs.sh */
};

static const char pointer_begin[] = "version https://git-lfs.github.com/spec/v1\n";
static const char attribute[] = "filter=lfs";

typedef struct {
  char hash[HASH_LENGTH + 1]; /* lower-case hex */
  guint64 size;
} Pointer;

/* CONTENT (NUL-terminated) as a pointer file. */
static gboolean
parse_pointer (const char *content, gsize length, Pointer *ret)
{
  static const char oid_line[] = "\noid sha256:", size_line[] = "\nsize ";
  const char *oid = strstr (content, oid_line);
  const char *size = strstr (content, size_line);

  if (length > POINTER_MAX || !g_str_has_prefix (content, pointer_begin) || oid == NULL
      || size == NULL)
    return FALSE;
  oid += strlen (oid_line);
  if (strspn (oid, "0123456789abcdef") != HASH_LENGTH || oid[HASH_LENGTH] != '\n')
    return FALSE;
  g_strlcpy (ret->hash, oid, sizeof ret->hash);
  g_autofree char *digits
      = g_strndup (size + strlen (size_line), strcspn (size + strlen (size_line), "\n"));
  return g_ascii_string_to_unsigned (digits, 10, 0, G_MAXINT64, &ret->size, NULL);
}

/* "aa/bb/HASH" below lfs/objects; the caller frees. */
static char *
object_name (const Pointer *pointer)
{
  return g_strdup_printf ("%.2s/%.2s/%s", pointer->hash, pointer->hash + 2, pointer->hash);
}

/* The host's LFS store (lfs.storage, in the common folder unless absolute); the caller frees. */
static char *
store_folder (AgbRepo *repo, AgbSettings *settings)
{
  const char *set = agb_settings_git (settings, "lfs.storage");

  return g_canonicalize_filename (set != NULL && *set != '\0' ? set : "lfs",
                                  agb_repo_common_dir (repo));
}

static gboolean
is_in_store (const char *store, const Pointer *pointer)
{
  g_autofree char *name = object_name (pointer);
  g_autofree char *path = g_build_filename (store, "objects", name, NULL);
  struct stat status;

  return lstat (path, &status) == 0 && S_ISREG (status.st_mode)
         && (guint64)status.st_size == pointer->size;
}

/* There are objects, or the attributes at the top of COMMIT ask for them. */
static gboolean
is_used (AgbRepo *repo, const char *store, const char *commit)
{
  g_autofree char *objects = g_build_filename (store, "objects", NULL);
  g_autofree char *blob = g_strconcat (commit, ":.gitattributes", NULL);
  const char *args[] = { "cat-file", "blob", blob, NULL };
  g_autofree char *attributes = NULL;

  if (g_file_test (objects, G_FILE_TEST_IS_DIR))
    return TRUE;
  return agb_repo_git (repo, args, NULL, &attributes, NULL)
         && strstr (attributes, attribute) != NULL;
}

static gboolean
run_git (AgbRepo *repo, const char *const *argv, const GString *input, AgbChildResult *ret,
         GError **error)
{
  g_auto (GStrv) envp = agb_repo_plumbing_env (repo);
  const AgbChildSpec spec = { .argv = argv,
                              .cwd = agb_repo_git_dir (repo),
                              .envp = envp,
                              .timeout_ms = AGB_TIMEOUT_GIT,
                              .input = input != NULL ? input->str : NULL,
                              .input_length = input != NULL ? input->len : 0,
                              .capture_limit = LIST_LIMIT };

  if (!agb_child_run (&spec, ret, error))
    return FALSE;
  if (ret->status == 0)
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "git %s failed: %s", argv[1],
               g_strstrip (ret->errors->str));
  return FALSE;
}

/* The blobs of COMMIT that are as small as a pointer, one id a line. */
static gboolean
small_blobs (AgbRepo *repo, const char *commit, GString *ret, GError **error)
{
  const char *argv[] = { "git", "ls-tree", "-r", "-l", "-z", "--full-tree", commit, NULL };
  g_auto (AgbChildResult) result = { 0 };

  if (!run_git (repo, argv, NULL, &result, error))
    return FALSE;
  const char *end = result.output->str + result.output->len;
  for (const char *entry = result.output->str; entry < end; entry += strlen (entry) + 1)
    {
      /* "100644 blob OID    SIZE\tPATH" */
      gsize oid_length = agb_repo_oid_length (repo);
      const char *oid = entry + strlen ("100644 blob ");
      if (!g_str_has_prefix (entry, "100") || strlen (entry) < (gsize)(oid - entry) + oid_length)
        continue;
      guint64 size = g_ascii_strtoull (oid + oid_length, NULL, 10);
      if (size >= POINTER_MIN && size <= POINTER_MAX)
        g_string_append_printf (ret, "%.*s\n", (int)oid_length, oid);
    }
  return TRUE;
}

/* The names in STORE of the objects that COMMIT needs, NULL-ended; *RET_MISSING counts the others. */
static gboolean
needed_objects (AgbRepo *repo, const char *commit, const char *store, char ***ret_names,
                guint *ret_missing, GError **error)
{
  const char *argv[] = { "git", "cat-file", "--batch", "--buffer", NULL };
  g_autoptr (GString) input = g_string_new (NULL);
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (AgbChildResult) result = { 0 };
  Pointer pointer;

  if (!small_blobs (repo, commit, input, error)
      || (input->len > 0 && !run_git (repo, argv, input, &result, error)))
    return FALSE;
  /* "OID blob SIZE\nCONTENT\n" */
  for (gsize at = 0; input->len > 0 && at < result.output->len;)
    {
      char *header = result.output->str + at;
      char *header_end = strchr (header, '\n');
      const char *last
          = header_end != NULL ? g_strrstr_len (header, header_end - header, " ") : NULL;
      if (last == NULL)
        break;
      gsize size = (gsize)g_ascii_strtoull (last, NULL, 10);
      char *content = header_end + 1;
      if (size > result.output->len - (gsize)(content - result.output->str))
        break;
      content[size] = '\0';
      if (parse_pointer (content, size, &pointer) && is_in_store (store, &pointer))
        g_hash_table_add (names, object_name (&pointer));
      else if (g_str_has_prefix (content, pointer_begin))
        (*ret_missing)++;
      at = (gsize)(content - result.output->str) + size + 1;
    }
  *ret_names = (char **)g_hash_table_get_keys_as_array (names, NULL);
  g_hash_table_steal_all (names);
  return TRUE;
}

static gboolean
seed_failed (int status, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
               "cannot check out the files of Git LFS in the guest (status %d)", status);
  return FALSE;
}

gboolean
agb_lfs_seed (AgbRuntime *runtime, const AgbSession *session, AgbRepo *repo, AgbSettings *settings,
              AgbProgress *progress, GError **error)
{
  g_autofree char *store = store_folder (repo, settings);
  g_autofree char *objects = g_build_filename (store, "objects", NULL);
  g_autofree char *script = NULL;
  g_auto (GStrv) names = NULL;
  guint missing = 0;

  if (!is_used (repo, store, session->base_oid))
    return TRUE;
  script = agb_asset_read ("guest/lfs.sh", error);
  if (script == NULL || !needed_objects (repo, session->base_oid, store, &names, &missing, error))
    return FALSE;
  if (missing == 1)
    agb_progress_note (progress, "an LFS object of the base is not on this host: its file stays a "
                                 "pointer (git lfs fetch)");
  else if (missing > 1)
    agb_progress_note (progress,
                       "%u LFS objects of the base are not on this host: their files stay pointers "
                       "(git lfs fetch)",
                       missing);
  const char *argv[] = { "sh", "-c", script, "lfs.sh", session->guest_workspace_path, NULL };
  int status = 0;
  if (!agb_send_files (runtime, session, argv, *names != NULL ? objects : "/", names, &status,
                       progress, error))
    return FALSE;
  if (status == NO_GIT_LFS)
    agb_progress_note (progress,
                       "git-lfs is not in the guest: files in Git LFS are pointers there");
  return status == 0 || status == NO_GIT_LFS || seed_failed (status, error);
}

typedef struct {
  const char *store;
  GPtrArray *paths; /* of pointers whose object the host has not */
  GArray *pointers; /* Pointer, likewise */
} Wanted;

static void
see_blob (const char *path, const char *content, gsize length, gpointer data)
{
  Wanted *wanted = data;
  Pointer pointer;

  if (!parse_pointer (content, length, &pointer) || is_in_store (wanted->store, &pointer))
    return;
  g_ptr_array_add (wanted->paths, g_strdup (path));
  g_array_append_val (wanted->pointers, pointer);
}

/* Copy what the guest sends from FROM to TO: exactly the SIZE bytes with HASH, or FALSE in *RET_GOOD. */
static gboolean
take_object (int from, int to, const Pointer *pointer, gboolean *ret_good, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gint64 deadline = agb_deadline_in (AGB_TIMEOUT_LONG);
  guint64 total = 0;
  guchar buffer[64 * 1024];

  *ret_good = FALSE;
  for (;;)
    {
      struct pollfd fds[]
          = { { .fd = from, .events = POLLIN }, { .fd = agb_interrupt_fd (), .events = POLLIN } };
      int ready = poll (fds, G_N_ELEMENTS (fds), agb_deadline_left_ms (deadline));
      if (agb_interrupted (error))
        return FALSE;
      ssize_t length = ready > 0 ? read (from, buffer, sizeof buffer) : -1;
      if (length < 0 && ready != 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (length <= 0)
        break;
      total += (guint64)length;
      if (total > pointer->size)
        return TRUE;
      g_checksum_update (sum, buffer, length);
      if (!agb_write_all (to, buffer, (gsize)length, "the LFS store", error))
        return FALSE;
    }
  *ret_good = total == pointer->size && g_str_equal (g_checksum_get_string (sum), pointer->hash);
  return TRUE;
}

/* Put the finished file TEMPORARY (open as FD) into its place in STORE. */
static gboolean
place_object (const char *store, const char *temporary, int fd, const Pointer *pointer,
              GError **error)
{
  g_autofree char *name = object_name (pointer);
  g_autofree char *path = g_build_filename (store, "objects", name, NULL);
  g_autofree char *folder = g_path_get_dirname (path);

  if (fchmod (fd, 0644) != 0 || fsync (fd) != 0)
    return agb_error_set_errno (error, errno, "write", temporary);
  if (!agb_mkdirs (folder, 0777, error) || !agb_fault_point ("lfs: place an object", error))
    return FALSE;
  if (rename (temporary, path) != 0)
    return agb_error_set_errno (error, errno, "rename to", path);
  return agb_fsync_folder (folder, error);
}

static gboolean
bring_object (AgbHeld *held, const char *store, const Pointer *pointer, gboolean *ret_good,
              GError **error)
{
  g_autofree char *name = object_name (pointer);
  g_autofree char *path
      = g_build_filename (held->session->guest_workspace_path, ".git/lfs/objects", name, NULL);
  const char *argv[] = { "cat", "--", path, NULL };
  const AgbExecSpec spec = { .argv = argv };
  /* By that name git-lfs removes what a killed process left. */
  g_autofree char *file = g_strdup_printf ("%s-agbranch-XXXXXX", pointer->hash);
  g_autofree char *folder = g_build_filename (store, "tmp", NULL);
  g_autofree char *temporary = g_build_filename (folder, file, NULL);

  if (!agb_mkdirs (folder, 0777, error))
    return FALSE;
  g_autoptr (AgbGuestProcess) process
      = agb_guest_exec (held->runtime, held->session->vm_name, &spec, error);
  if (process == NULL)
    return FALSE;
  agb_autofd int fd = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return agb_error_set_errno (error, errno, "make", temporary);
  gboolean done = take_object (process->stdout_fd, fd, pointer, ret_good, error)
                  && (!*ret_good || place_object (store, temporary, fd, pointer, error));
  unlink (temporary);
  return done;
}

/* New attributes may be what brings LFS into the repository. */
static gboolean
may_have_pointers (AgbHeld *held, AgbGate *gate, const char *store)
{
  if (is_used (held->repo, store, held->session->base_oid))
    return TRUE;
  for (const char *const *finding = agb_gate_findings (gate); *finding != NULL; finding++)
    if (g_str_has_prefix (*finding, "attributes: "))
      return TRUE;
  return FALSE;
}

gboolean
agb_lfs_bring (AgbHeld *held, AgbGate *gate, GError **error)
{
  g_autofree char *store = store_folder (held->repo, held->settings);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) pointers = g_array_new (FALSE, FALSE, sizeof (Pointer));
  Wanted wanted = { .store = store, .paths = paths, .pointers = pointers };
  guint64 left = agb_settings_size (held->settings, "agbranch.limits.export");

  if (!may_have_pointers (held, gate, store))
    return TRUE;
  if (!agb_gate_foreach_new_blob (gate, POINTER_MAX, see_blob, &wanted, error))
    return FALSE;
  if (paths->len > 0)
    agb_progress_phase (held->env->progress, "bringing LFS objects");
  for (guint i = 0; i < paths->len; i++)
    {
      const Pointer *pointer = &g_array_index (pointers, Pointer, i);
      gboolean good = is_in_store (store, pointer);
      if (!good && pointer->size <= left)
        {
          if (!bring_object (held, store, pointer, &good, error))
            return FALSE;
          left -= good ? pointer->size : 0;
        }
      if (!good)
        agb_gate_add_finding (gate, "lfs-missing", paths->pdata[i]);
    }
  return TRUE;
}
