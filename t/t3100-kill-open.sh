#!/bin/sh
test_description='open: killed or failing at each fault point'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/faults.sh"

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open first -q
'

faults_prepare () {
	name=s$1-$2
}
faults_command () {
	git-agbranch open "$name" -q -- sleep 1000
}
# Undone, or finished: nothing in between.
faults_check () {
	state=$(db "SELECT lifecycle_state FROM sessions WHERE name = '$name'")
	case $state in
	running)
		git agbranch run "$name" -- git rev-parse -q --verify HEAD >/dev/null &&
		test "$(git rev-parse "refs/agbranch/sessions/$name/head")" = "$(git rev-parse HEAD)" &&
		git agbranch close "$name" --discard --yes -q >/dev/null
		;;
	closed | '')
		test "$1" -ne 0
		;;
	*) fail "state $state" ;;
	esac
}

test_expect_success 'each point: one repair converges, nothing is left' '
	faults_sweep 4 &&
	test "$(db "SELECT count(*) FROM sessions WHERE lifecycle_state <> '\''closed'\'' AND name LIKE '\''s%-count'\''")" = 1 &&
	git agbranch close s0-count --discard --yes -q
'

test_expect_success 'the session beside it is as it was' '
	git agbranch run first -- git status &&
	git agbranch close first --discard --yes -q &&
	no_process_left
'

test_done
