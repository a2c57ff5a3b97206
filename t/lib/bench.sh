# Sourced by the benchmarks: a home and a state root of their own, and no sandbox left at the end.
#
# A benchmark prints lines of `name<TAB>ratio<TAB>bound<TAB>detail` (t/run-bench.sh makes the page).
set -eu
work=$(mktemp -d /tmp/agbb.XXXXXX)
chmod 755 "$work"
HOME=$work/home AGBRANCH_STATE_ROOT=$work/state PATH=$AGB_BUILD/bin:$PATH GIT_CONFIG_NOSYSTEM=1
export HOME AGBRANCH_STATE_ROOT PATH GIT_CONFIG_NOSYSTEM
bench_end () {
	for session in $(git-agbranch ps -q 2>/dev/null); do
		git-agbranch kill --force "$session" >/dev/null 2>&1
	done
	rm -rf "$work"
}
trap 'cd /; bench_end' EXIT
trap 'exit 130' INT TERM
mkdir "$HOME"
git config --global user.name 'Bench'
git config --global user.email bench@example.com
git config --global init.defaultBranch main
git config --global agbranch.runtime bwrap
git config --global gc.auto 0
