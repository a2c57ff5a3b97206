#!/bin/sh
test_description='make demo: from a failing test to a review branch, and nothing is left of it'
. ./t/lib/test-lib.sh

TMPDIR=$TEST_TMP
export TMPDIR

ends_with () {
	code=0
	wait "$2" || code=$?
	test "$code" = "$1" || fail "exit code $code, not $1"
}
nothing_left () {
	find "$TEST_TMP" -maxdepth 1 -name "agbdemo.*" >left &&
	test_must_be_empty left &&
	! pgrep -f "$TEST_TMP/agbdemo" >left || { cat left >&2; return 1; }
}

test_expect_success 'it runs to its end, without a terminal and without colour' '
	expect_code 0 "$TEST_TOP/t/demo/demo.sh" "$AGB_BUILD" </dev/null &&
	grep "^8\. Our own work tree was never touched" out &&
	grep "not ok - median of an even number" out &&
	grep "^     ok - median of an even number" out &&
	grep "Dana Developer: stats: median of an even number of values" out &&
	grep "^     session fix-median is closed" out &&
	! LC_ALL=C grep "$(printf "\033")" out &&
	nothing_left
'

test_expect_success 'settings and repositories of the caller are not touched' '
	git config --global core.editor false &&
	git config --global commit.gpgsign true &&
	make_repo_here=$(mktemp -d "$TEST_TMP/mine.XXXXXX") &&
	git -c commit.gpgsign=false init -q "$make_repo_here" &&
	cp "$HOME/.gitconfig" before &&
	(cd "$make_repo_here" && GIT_DIR=$make_repo_here/.git "$TEST_TOP/t/demo/demo.sh" "$AGB_BUILD") >out 2>&1 &&
	test_cmp before "$HOME/.gitconfig" &&
	git -C "$make_repo_here" for-each-ref >refs &&
	test_must_be_empty refs &&
	test ! -e "$AGBRANCH_STATE_ROOT" &&
	nothing_left
'

test_expect_success 'Ctrl-C in the middle: it says so, ends by the signal, and nothing is left' '
	spawn "$TEST_TOP/t/demo/demo.sh" "$AGB_BUILD" >out 2>&1 &&
	wait_until 30 grep -q "agent runs\|agent>" out &&
	kill -INT "-$spawned" &&
	ends_with 130 "$spawned" &&
	grep "^demo: stopped; nothing is left of it" out &&
	nothing_left
'

test_done
