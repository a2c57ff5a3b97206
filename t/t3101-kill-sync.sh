#!/bin/sh
test_description='sync: killed or failing at each fault point'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/faults.sh"

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q
'

faults_prepare () {
	agent_commit one file "round $1 $2" "round $1 $2" &&
	before=$(git rev-parse refs/agbranch/sessions/one/head) &&
	git agbranch run one -- git rev-parse HEAD >../tip
}
faults_command () {
	git-agbranch sync one -q
}
# All three refs at the old value or at the new one; the guest still has its commit, and the next
# sync brings it.
faults_check () {
	head=$(git rev-parse refs/agbranch/sessions/one/head) &&
	review=$(git rev-parse -q --verify agbranch/one || git rev-parse refs/agbranch/sessions/one/base) &&
	test "$head" = "$review" || fail 'head and review branch differ' || return 1
	test "$head" = "$before" || test "$head" = "$(cat ../tip)" || fail 'an unknown head' || return 1
	test "$1" -ne 0 || test "$head" = "$(cat ../tip)" || fail 'success, but not synced' || return 1
	git agbranch run one -- git rev-parse HEAD >../still &&
	test_cmp ../tip ../still &&
	git agbranch sync one -q >/dev/null &&
	test "$(git rev-parse agbranch/one)" = "$(cat ../tip)" &&
	test "$(git for-each-ref "--points-at=$(cat ../tip)" --format=x refs/agbranch/sync/one)" = x
}

test_expect_success 'each second point' '
	faults_sweep 2
'

test_expect_success 'each point from the gate on' '
	faults_count &&
	for number in $(grep -n "^gate: \|^refs: \|sync accept\|sync refs" ../points | cut -d: -f1); do
		faults_round "$number" kill || return 1
	done
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
