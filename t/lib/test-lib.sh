# Frame of every test script: a clean environment, then sharness.
#
#   test_description='open: what it leaves behind'
#   . ./t/lib/test-lib.sh
#   test_expect_success '…' '…'
#   test_done
#
# Scripts run from the top of the tree (t/run-tests.sh), or by hand: sh t/t0000-help.sh --chain-lint

TEST_TOP=$(pwd)
if ! test -f "$TEST_TOP/t/lib/test-lib.sh"; then
	TEST_TOP=$(cd "$(dirname "$0")/.." && pwd)
	cd "$TEST_TOP" || exit 1
fi
: "${AGB_BUILD:=$TEST_TOP/build}"

# Nothing of the caller's settings may reach a test.
for name in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\|XDG_[A-Z0-9_]*\|AGBRANCH_[A-Z0-9_]*\|AGB_FAIL[A-Z_]*\)=.*/\1/p'); do
	unset "$name"
done
unset TMUX TMUX_PANE SSH_AUTH_SOCK DISPLAY DBUS_SESSION_BUS_ADDRESS COLUMNS NO_COLOR MANPATH EDITOR PAGER \
	MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# The trash lies outside the tree: a path of the checkout may be long, and a unix socket path must be
# short; nor may git find the project's own repository above it.
TEST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/agbt.XXXXXX") || exit 1
chmod 755 "$TEST_TMP"
SHARNESS_TEST_EXTENSION=sh
SHARNESS_TEST_DIRECTORY=$TEST_TOP/t
SHARNESS_BUILD_DIRECTORY=$AGB_BUILD
SHARNESS_TEST_SRCDIR=$TEST_TOP/t
export SHARNESS_TEST_EXTENSION SHARNESS_TEST_DIRECTORY SHARNESS_BUILD_DIRECTORY SHARNESS_TEST_SRCDIR
set -- "$@" "--root=$TEST_TMP"
. "${SHARNESS:-/usr/share/sharness/sharness.sh}"

. "$TEST_TOP/t/lib/functions.sh"

HOME=$TEST_TMP/home
AGBRANCH_STATE_ROOT=$TEST_TMP/state
PATH=$AGB_BUILD/bin:$PATH
GIT_CONFIG_NOSYSTEM=1
GIT_CEILING_DIRECTORIES=$TEST_TMP
GIT_PAGER=cat PAGER=cat TERM=dumb LC_ALL=C.UTF-8 TZ=UTC
export HOME AGBRANCH_STATE_ROOT PATH GIT_CONFIG_NOSYSTEM GIT_CEILING_DIRECTORIES GIT_PAGER PAGER TERM LC_ALL TZ
mkdir -p "$HOME"
git config --global user.name 'Test User'
git config --global user.email test@example.com
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git config --global agbranch.runtime bwrap
# The agents of whoever runs the tests are none of theirs.
git config --global agbranch.bwrap.programs none

# sharness runs its own cleanups only when everything passed, and not when a signal ends the script:
# sandboxes of a failed test must not outlive it.
trap 'code=$?; test_remove_everything; (exit "$code"); die' EXIT
trap 'exit 130' INT TERM HUP
