#!/bin/sh
# install-agents.sh [--dir DIR] [AGENT...]: put the real agent programs (claude, codex, gemini, opencode, aider;
# without a name all of them) where t/t4900-real-agents.sh looks for them: DIR, else $AGB_AGENTS_DIR, else
# /var/cache/agbranch-test-agents.  Over the network, from npm and for aider with pip; does nothing for those
# that are there.
#
# Needs npm 10 or newer: older ones leave out the packages that hold the programs themselves.  Where node is
# older than 22, the npm package of that name is put beside them.  aider needs a Python from 3.10 to 3.12 that has
# venv, and that others than its owner can read.
set -eu

dir=${AGB_AGENTS_DIR:-/var/cache/agbranch-test-agents}
if test "${1:-}" = --dir; then
	dir=${2:?}
	shift 2
fi
test $# -gt 0 || set -- claude codex gemini opencode aider

package () {
	case $1 in
	claude) echo @anthropic-ai/claude-code ;;
	codex) echo @openai/codex ;;
	gemini) echo @google/gemini-cli ;;
	opencode) echo opencode-ai ;;
	aider) echo aider-chat ;;
	*) echo "install-agents: no agent '$1'" >&2; exit 129 ;;
	esac
}

major () {
	"$1" --version 2>/dev/null | sed 's/^v\{0,1\}\([0-9]*\)\..*/\1/'
}

# One that does not run, because its installation was cut off, is not there.
check () {
	for agent; do
		HOME=$dir "$dir/bin/$agent" --version >/dev/null && continue
		rm -f "${dir:?}/bin/$agent"
		echo "install-agents: '$agent' does not run" >&2
		exit 1
	done
}

install_aider () {
	for python in python3.12 python3.11 python3.10 python3; do
		"$python" -c 'import sys, venv, ensurepip; sys.exit (not (3, 10) <= sys.version_info < (3, 13))' \
			2>/dev/null || continue
		echo "install-agents: installing aider-chat into $dir, with $python"
		mkdir -p "$dir/bin"
		"$python" -m venv --clear "$dir/aider"
		"$dir/aider/bin/pip" install --quiet --disable-pip-version-check aider-chat
		ln -sf ../aider/bin/aider "$dir/bin/aider"
		check aider
		return
	done
	echo "install-agents: aider needs a Python from 3.10 to 3.12 with venv" >&2
	exit 1
}

missing=
for agent; do
	name=$(package "$agent")
	test -x "$dir/bin/$agent" || case $agent in
	aider) install_aider ;;
	*) missing="$missing $name" ;;
	esac
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
check "$@"
