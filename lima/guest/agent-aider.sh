# agent-aider.sh: what aider writes down beside the work (.aider.chat.history.md and others) is no change of
# the work.  Run in the workspace, with the agent's variables.
#
# aider itself would write that into .gitignore, which is a change, and a sync would wait for its commit.
set -u
exclude=$(git rev-parse --git-path info/exclude 2>/dev/null) || exit 0
grep -qsxF '.aider*' "$exclude" || {
	mkdir -p "${exclude%/*}" && echo '.aider*' >>"$exclude"
}
