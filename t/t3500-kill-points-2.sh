#!/bin/sh
test_description='start, stop, kill, agents, copies, rescue, hooks, gc: killed or failing at each fault point'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/faults.sh"

# One session for all rounds: every round ends with it open, usable, and its work where it was.
test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q &&
	agent_commit one file "kept work" &&
	git agbranch run one -- sh -c "echo untracked >new; mkdir out; echo x >out/x" &&
	git agbranch run one -- git rev-parse HEAD >../tip
'

# usable: after repair the session runs again, with all that was in it.
usable () {
	git agbranch start one -q >/dev/null &&
	git agbranch run one -- sh -c "cat new && git rev-parse HEAD" >../now &&
	{ echo untracked && cat ../tip; } >../expected &&
	test_cmp ../expected ../now
}

# sweep LEAST: each point of faults_command, by kill and by an error in turn.
sweep () {
	faults_prepare 0 count &&
	rm -f ../points &&
	(AGB_FAIL_LIST=$(cd .. && pwd)/points && export AGB_FAIL_LIST && faults_command) >/dev/null &&
	points=$(wc -l <../points) &&
	say "# $points points" &&
	test "$points" -ge "$1" && faults_each 2 'kill error' 3
}

test_expect_success 'stop' '
	faults_prepare () { git agbranch start one -q >/dev/null; } &&
	faults_command () { git-agbranch stop one -q; } &&
	faults_check () { usable; } &&
	sweep 4
'

test_expect_success 'start' '
	faults_prepare () { git agbranch stop one -q >/dev/null; } &&
	faults_command () { git-agbranch start one -q; } &&
	faults_check () { usable; } &&
	sweep 3
'

test_expect_success 'kill' '
	faults_prepare () { git agbranch start one -q >/dev/null; } &&
	faults_command () { git-agbranch kill --force one -q; } &&
	faults_check () { usable; } &&
	sweep 2
'

test_expect_success 'agent start' '
	faults_prepare () { git agbranch agent stop one -q >/dev/null 2>&1 || :; } &&
	faults_command () { git-agbranch agent start --detach -q one -- sleep 1000; } &&
	faults_check () {
		git agbranch agent stop one -q >/dev/null 2>&1 || :
		git agbranch agent start --detach -q one -- sleep 1000 >/dev/null
	} &&
	sweep 1
'

test_expect_success 'agent stop' '
	faults_prepare () { git agbranch agent start --detach -q one -- sleep 1000 >/dev/null 2>&1 || :; } &&
	faults_command () { git-agbranch agent stop one -q; } &&
	faults_check () { usable; } &&
	sweep 1
'

test_expect_success 'export and cp: nothing at the target, or all' '
	faults_prepare () { rm -rf ../got; } &&
	faults_command () { git-agbranch export -q one --from out --to ../got; } &&
	faults_check () {
		{ ! test -e ../got || test "$(cat ../got/x)" = x; } && git agbranch gc -q >/dev/null &&
		! ls -d ../.agbranch-copy.* 2>/dev/null
	} &&
	sweep 2 &&
	faults_command () { git-agbranch cp -q -r one:out ../got; } &&
	sweep 2
'

test_expect_success 'hooks install and remove: a hook of the user is never lost' '
	faults_prepare () {
		git agbranch hooks remove -q >/dev/null 2>&1
		mkdir -p .git/hooks && rm -f .git/hooks/* &&
		printf "#!/bin/sh\n: mine\n" >.git/hooks/pre-push && chmod 755 .git/hooks/pre-push
	} &&
	faults_command () { git-agbranch hooks install -q; } &&
	faults_check () {
		grep -q "^: mine" .git/hooks/* &&
		git agbranch hooks install -q >/dev/null &&
		git agbranch hooks remove -q >/dev/null &&
		grep -q "^: mine" .git/hooks/pre-push
	} &&
	sweep 1
'

test_expect_success 'rescue restore: the branch is there or not, the rescue ref stays' '
	git agbranch open two -q && agent_commit two file "for rescue" && git agbranch close two --discard --yes -q &&
	rescued=$(git rev-parse refs/agbranch/rescue/two/1) &&
	faults_prepare () { git branch -q -D back 2>/dev/null || :; } &&
	faults_command () { git-agbranch rescue restore -q --branch=back two/1; } &&
	faults_check () {
		test "$(git rev-parse refs/agbranch/rescue/two/1)" = "$rescued" &&
		{ ! git rev-parse -q --verify refs/heads/back >/dev/null || test "$(git rev-parse back)" = "$rescued"; }
	} &&
	sweep 1
'

test_expect_success 'nothing is left' '
	git agbranch close one --discard --yes -q &&
	git agbranch gc -q &&
	no_process_left &&
	test -z "$(ls "$AGBRANCH_STATE_ROOT/copies")"
'

test_done
