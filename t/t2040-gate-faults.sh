#!/bin/sh
test_description='gate: stopped before every durable effect, it leaves nothing that matters'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"

test_expect_success 'set up' '
	gate_repos &&
	git -C host update-ref refs/heads/agbranch/s "$BASE" &&
	echo work >>guest/file && git -C guest commit -qam work && NEW=$(guest_head) &&
	guest_pack "$NEW" "$BASE" >stream &&
	git -C host update-ref refs/agbranch/sessions/s/head "$BASE" &&
	cp -r host pristine
'

# One sync with a fault; then the next one without must do.
with_fault () {
	rm -rf host staged && cp -r pristine host &&
	status=0 &&
	AGB_FAIL_AT=$1 gate sync "$BASE" "$BASE" "$NEW" ../staged <stream >out 2>err || status=$?
	case $status in
	0) test "$(git -C host rev-parse agbranch/s)" = "$NEW" || fail "said yes, but the branch is elsewhere" ;;
	8) test "$(git -C host rev-parse agbranch/s)" = "$BASE" || fail "said no, but the branch moved" ;;
	137) ;;
	*) fail "exit $status" ;;
	esac || return 1
	gate sweep >swept || return 1
	test -z "$(ls -d host/.git/agbranch/quarantine-* host/.git/objects/pack/*.keep 2>/dev/null)" ||
		fail "left behind after $1" || return 1
	test ! -e staged || git -C host bundle verify -q ../staged || return 1
	if test "$(git -C host rev-parse agbranch/s)" = "$BASE"; then
		gate sync "$BASE" "$BASE" "$NEW" ../staged <stream || fail "not again after $1" || return 1
	fi
	repo_is_sound host
}

count_points () {
	rm -rf host staged points && cp -r pristine host &&
	AGB_FAIL_LIST=$PWD/points gate sync "$BASE" "$BASE" "$NEW" ../staged <stream >/dev/null 2>&1 &&
	wc -l <points
}

test_expect_success 'every point as an error and as a kill' '
	points=$(count_points) && test "$points" -ge 5 &&
	for kind in error kill; do
		for n in $(seq "$points"); do
			with_fault $n:$kind || return 1
		done
	done
'

test_done
