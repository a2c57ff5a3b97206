#include "session/notes.h"

#include "core/io.h"
#include "core/paths.h"

void
agb_note_namespace_sandbox (AgbEnv *env, AgbRuntime *runtime)
{
  const char *where = env->repo != NULL ? agb_repo_common_dir (env->repo) : "";
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA1, where, -1);
  g_autofree char *path = NULL;

  if (runtime->klass->flags & AGB_RUNTIME_IS_VM)
    return;
  path = agb_state_path (NULL, "said", sum, NULL);
  if (path == NULL || g_file_test (path, G_FILE_TEST_EXISTS))
    return;
  agb_progress_note (
      env->progress,
      "the sandbox shares this machine's kernel and is weaker than a virtual machine; "
      "agbranch.requireVm=true refuses it");
  /* Not remembered only means that it is said again. */
  agb_file_replace (path, "", 0, 0600, NULL);
}
