#!/bin/sh
# state.sh WORKSPACE: the state of the session's clone as lines "word value", ended by "end".
#
# head: the commit of HEAD, "-" when there is none; branch: the full ref HEAD is on, "-" when
# detached; dirty, untracked: how many paths are changed, and how many untracked (not ignored);
# pending: 1 when a merge, rebase or the like is under way.
set -u
cd "$1" || exit 1
git rev-parse --git-dir >/dev/null || exit 1

echo "agbranch-state 1"
echo "head $(git rev-parse -q --verify 'HEAD^{commit}' || echo -)"
echo "branch $(git symbolic-ref -q HEAD || echo -)"
git status --porcelain=v1 -z --untracked-files=normal --ignore-submodules=none --no-renames |
	tr '\n\0' ' \n' | {
	dirty=0 untracked=0
	while IFS= read -r line; do
		case $line in
		'?? '*) untracked=$((untracked + 1)) ;;
		*) dirty=$((dirty + 1)) ;;
		esac
	done
	echo "dirty $dirty"
	echo "untracked $untracked"
}
pending=0
for name in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
	test ! -e "$(git rev-parse --git-path "$name")" || pending=1
done
echo "pending $pending"
echo end
