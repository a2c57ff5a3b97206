#!/bin/sh
test_description='a clock that is set back, or was ahead'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/damage.sh"

test_expect_success 'set up' '
	in_synced_repo
'

faketime=
for library in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib*/faketime/libfaketime.so.1; do
	test ! -e "$library" || faketime=$library
done
if sanitized; then
	say '# libfaketime and the address sanitizer both want to be the first library'
elif test -n "$faketime"; then
	test_set_prereq FAKETIME
elif test -n "$AGB_NO_SKIP"; then
	error 'libfaketime is missing, and AGB_NO_SKIP is set'
fi

# at TIME COMMAND…: with the clock of the host set to that.
at () {
	now=$1
	shift
	timeout 60 env LD_PRELOAD="$faketime" FAKETIME_DISABLE_SHM=1 FAKETIME="$now" "$@"
}

# no_age_is_negative: in what was printed.
no_age_is_negative () {
	! grep -E "(^|[ (])-[0-9]" out || fail "a negative age"
}

test_expect_success FAKETIME 'set back by a day: sync, run, a second session from open to close' '
	agent_commit one file clock &&
	expect_code 0 at -1d git agbranch sync one &&
	expect_code 0 at -1d git agbranch open two -q &&
	expect_code 0 at -1d git agbranch run two -- sh -c "echo text >new && git add new && git commit -qm new && echo more >draft" &&
	expect_code 3 at -1d git agbranch sync two &&
	expect_code 0 at -1d git agbranch stop two &&
	expect_code 0 at -1d git agbranch start two &&
	expect_code 0 at -1d git agbranch close two --discard --yes &&
	test "$(git show refs/agbranch/rescue/two/1:draft)" = more &&
	repaired one noop
'

test_expect_success FAKETIME 'nothing waits for the time to come back' '
	expect_code 124 at -1d git agbranch wait one --for=stopped --timeout=1 &&
	expect_code 124 at -1d git agbranch run --timeout=1 one -- sleep 30
'

test_expect_success FAKETIME 'what is younger than it may be has no negative age' '
	for command in "ps -a" "show one" "logs one" "rescue list"; do
		expect_code 0 at -1d git agbranch $command && no_age_is_negative || return 1
	done
'

# closed NOW; with the clock of before it is from the future.
test_expect_success FAKETIME 'gc with a clock that was set back drops nothing early' '
	git agbranch open three -q && agent_commit three file text && git agbranch close three --discard --yes -q &&
	all_refs . >../before && rows=$(db "SELECT count(*) FROM sessions; SELECT count(*) FROM session_events; SELECT count(*) FROM sync_runs") &&
	for back in -1d -400d; do
		expect_code 0 at $back git agbranch gc &&
		all_refs . >../after && test_cmp ../before ../after &&
		test "$(db "SELECT count(*) FROM sessions; SELECT count(*) FROM session_events; SELECT count(*) FROM sync_runs")" = "$rows" || return 1
	done &&
	expect_code 0 at -1d git agbranch repair --all &&
	repaired one noop
'

test_expect_success FAKETIME 'the same gc, when the days have really gone by, drops it' '
	git rev-parse -q --verify refs/agbranch/rescue/three/1 &&
	expect_code 0 at +400d git agbranch gc &&
	test -z "$(git for-each-ref refs/agbranch/rescue)" &&
	test "$(db "SELECT count(*) FROM sessions")" = 1 &&
	repaired one noop
'

test_expect_success 'rows from a clock that was ahead' '
	db "UPDATE sessions SET created_at = '\''2099-01-01T00:00:00.000000Z'\'', last_used_at = '\''2099-01-01T00:00:00.000000Z'\'';
		UPDATE session_events SET at = '\''2099-01-01T00:00:00.000000Z'\'';
		UPDATE sync_runs SET started_at = '\''2099-01-01T00:00:00.000000Z'\''" &&
	expect_code 0 git agbranch ps && no_age_is_negative && expect_code 0 git agbranch gc &&
	expect_code 0 git agbranch run one -- true &&
	! db "SELECT last_used_at FROM sessions WHERE name = '\''one'\''" | grep 2099 &&
	repaired one noop
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
