#!/bin/sh
test_description='close: killed or failing at each fault point; no commit of the guest is lost'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/faults.sh"

test_expect_success 'set up' '
	make_repo repo &&
	cd repo
'

faults_prepare () {
	name=s$1-$2 &&
	git agbranch open "$name" -q >/dev/null &&
	agent_commit "$name" file "round $1 $2" &&
	git agbranch run "$name" -- sh -c 'echo untracked >new; git rev-parse HEAD' >../tip
}
faults_command () {
	git-agbranch close "$name" --discard --yes -q
}
# Open with its work, or closed with its work in a rescue ref.
faults_check () {
	state=$(db "SELECT lifecycle_state FROM sessions WHERE name = '$name'")
	if test "$state" = running; then
		git agbranch run "$name" -- git rev-parse HEAD >../still &&
		test_cmp ../tip ../still &&
		git agbranch close "$name" --discard --yes -q >/dev/null || return 1
	else
		test "$state" = closed || fail "state $state" || return 1
	fi
	for ref in $(git for-each-ref --format='%(refname)' "refs/agbranch/rescue/$name"); do
		git merge-base --is-ancestor "$(cat ../tip)" "$ref" && test "$(git show "$ref:new")" = untracked && return 0
	done
	fail 'the work is not in a rescue ref'
}

test_expect_success 'each point' '
	faults_sweep 4
'

test_expect_success 'nothing is left' '
	test "$(db "SELECT count(*) FROM sessions WHERE lifecycle_state <> '\''closed'\''")" = 0 &&
	no_process_left
'

test_done
