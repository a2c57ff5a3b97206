#!/bin/sh
# install-agents.sh [--dir DIR] [AGENT...]: put the real agent programs (claude, codex, gemini, opencode; without a
# name all of them) where t/t4900-real-agents.sh looks for them: DIR, else $AGB_AGENTS_DIR, else
# /var/cache/agbranch-test-agents.  Over the network, from npm; does nothing for those that are there.
#
# Needs npm 10 or newer: older ones leave out the packages that hold the programs themselves.  Where node is
# older than 22, the npm package of that name is put beside them.
set -eu

dir=${AGB_AGENTS_DIR:-/var/cache/agbranch-test-agents}
if test "${1:-}" = --dir; then
	dir=${2:?}
	shift 2
fi
test $# -gt 0 || set -- claude codex gemini opencode

package () {
	case $1 in
	claude) echo @anthropic-ai/claude-code ;;
	codex) echo @openai/codex ;;
	gemini) echo @google/gemini-cli ;;
	opencode) echo opencode-ai ;;
	*) echo "install-agents: no agent '$1'" >&2; exit 129 ;;
	esac
}

major () {
	"$1" --version 2>/dev/null | sed 's/^v\{0,1\}\([0-9]*\)\..*/\1/'
}

missing=
for agent; do
	name=$(package "$agent")
	test -x "$dir/bin/$agent" || missing="$missing $name"
done
test -n "$missing" || exit 0

version=$(major npm)
if test "${version:-0}" -lt 10; then
	echo "install-agents: npm 10 or newer is needed${version:+, this is $version}" >&2
	exit 1
fi
mkdir -p "$dir"
install () {
	echo "install-agents: installing $* into $dir"
	npm install --global --prefix "$dir" --no-audit --no-fund --no-update-notifier --loglevel=error "$@"
}
# claude is a program by itself; the others are run by node, and npm takes versions that fit it.
version=$(PATH=$dir/bin:$PATH major node)
test "$missing" = " @anthropic-ai/claude-code" || test "${version:-0}" -ge 22 || install node@22
PATH=$dir/bin:$PATH
# shellcheck disable=SC2086 # a list of words
install $missing
# One that does not run, because its installation was cut off, is not there.
for agent; do
	HOME=$dir "$dir/bin/$agent" --version >/dev/null && continue
	rm -f "${dir:?}/bin/$agent"
	echo "install-agents: '$agent' does not run" >&2
	exit 1
done
