#!/bin/sh
# save.sh WORKSPACE MODE SUBJECT HAVE...: make one commit of what is not committed yet; prints its id.
#
# MODE side: a commit beside the branch (refs/agbranch/saved).  Its tree is the work tree with
# untracked files (ignored ones not, nor repositories of their own: nested.sh); its parents are HEAD and every tip that neither HEAD nor a HAVE
# reaches: branches, tags, stashes, and what only a reflog remembers.  So all work is reachable from
# this one commit.  Neither branch, index nor work tree is touched.  Prints HEAD's own id when there is
# nothing to save.
# MODE branch: an ordinary commit on the branch that HEAD is on, hooks not run.
set -eu
workspace=$1 mode=$2 subject=$3
shift 3
cd "$workspace"
git_dir=$(git rev-parse --absolute-git-dir)

# Repositories in the work tree that are not submodules: a link to a commit of one would save nothing, and
# git fails at one without a commit.
add_all () {
	{
		printf '.\0'
		git ls-files -o -z --exclude-standard | tr '\n\0' '\1\n' | sed -n 's,^\(.*\)/$,:(exclude\,literal)\1,p' |
			tr '\n\1' '\0\n'
	} | git add -A --pathspec-from-file=- --pathspec-file-nul
}

if test "$mode" = branch; then
	add_all
	git commit -q --no-verify --no-gpg-sign -m "$subject"
	git rev-parse --verify HEAD
	exit
fi

GIT_AUTHOR_NAME='git agbranch' GIT_AUTHOR_EMAIL=agbranch@localhost
GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

index=$git_dir/agbranch-save-index
trap 'rm -f "$index" "$index.lock"' EXIT
head=$(git rev-parse -q --verify 'HEAD^{commit}' || true)
cp "$git_dir/index" "$index" 2>/dev/null || true
(GIT_INDEX_FILE=$index && export GIT_INDEX_FILE && add_all)
tree=$(GIT_INDEX_FILE=$index git write-tree)

known=$head
for have in "$@"; do
	! git cat-file -e "$have^{commit}" 2>/dev/null || known="$known $have"
done
# $known holds object ids only.
# shellcheck disable=SC2086
tips=$(git rev-list --parents --exclude='refs/agbranch/*' --all --reflog --not $known |
	awk '{ own[$1]; for (i = 2; i <= NF; i++) parent[$i] }
	     END { for (id in own) if (!(id in parent)) print id }' | sort)

set --
for tip in $tips; do
	set -- "$@" -p "$tip"
	if test $# -ge 80; then
		joined=$(git commit-tree "$tree" "$@" -m "$subject" </dev/null)
		set -- -p "$joined"
	fi
done
if test -n "$head" && test $# -eq 0 && test "$tree" = "$(git rev-parse "$head^{tree}")"; then
	echo "$head"
	exit
fi
saved=$(git commit-tree "$tree" ${head:+-p "$head"} "$@" -m "$subject" </dev/null)
git update-ref refs/agbranch/saved "$saved"
echo "$saved"
