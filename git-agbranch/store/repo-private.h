/* Inside of AgbRepo, for the files repo*.c only. */
#pragma once

#include "store/repo.h"

struct AgbRepo {
  char *git_dir;
  char *common_dir;
  char *work_tree; /* NULL: bare */
  char *object_format;
  gboolean shallow;
  int partial; /* -1: not asked yet */
};

/* Run `git ARGS…` with the plumbing environment: as agb_child_run, any exit status is a result. */
gboolean agb_repo_run (AgbRepo *repo, const char *const *args, AgbChildResult *ret, GError **error);

/* ENVP without the variables of git that name a repository (but for GIT_CONFIG_*). */
char **agb_repo_forget (char **envp);
