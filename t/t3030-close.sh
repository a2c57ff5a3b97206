#!/bin/sh
test_description='close: synced or discarded, never lost, nothing left behind'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

is_gone () {
	test "$(db "SELECT lifecycle_state FROM sessions WHERE name = '$1'")" = closed &&
	test -n "$(db "SELECT closed_at FROM sessions WHERE name = '$1'")" &&
	test "$(db 'SELECT count(*) FROM operations')" = 0 &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-$1" &&
	test -z "$(git for-each-ref "refs/agbranch/sessions/$1")"
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q
'

test_expect_success 'neither or both flags: exit 1; without --yes and a terminal: exit 3; nothing happens' '
	expect_code 1 git agbranch close one &&
	expect_code 1 git agbranch close one --sync --discard --yes &&
	expect_code 3 git agbranch close one --discard </dev/null &&
	grep "hint: git agbranch close one --discard --yes" err &&
	expect_code 3 git agbranch close one --sync --json </dev/null &&
	json_is .error.kind action_required &&
	test "$(db "SELECT lifecycle_state FROM sessions")" = running
'

test_expect_success 'a blocked sync ends it: exit 3, the object of sync, the session lives' '
	git agbranch run one -- sh -c "echo x >x" &&
	expect_code 3 git agbranch close one --sync --yes --json &&
	json_is .blocked true &&
	json_is .reason guest_dirty &&
	git agbranch run one -- rm x
'

test_expect_success '--sync: the last commits arrive, then all is gone' '
	agent_commit one file last &&
	git agbranch run one -- git rev-parse HEAD >../guest &&
	expect_code 0 git agbranch close one --sync --yes --json &&
	json_is .session one &&
	json_is .outcome sync &&
	json_is .destroy_result destroyed &&
	json_is .rescue_ref null &&
	git rev-parse agbranch/one >../host &&
	test_cmp ../guest ../host &&
	is_gone one &&
	git rev-parse -q --verify refs/agbranch/sync/one/1 &&
	test "$(db "SELECT sync_state FROM sessions")" = clean
'

test_expect_success 'a closed session is exit 1' '
	expect_code 1 git agbranch close one --discard --yes &&
	grep "is closed" err
'

test_expect_success '--discard: the review branch stays, work goes to a rescue ref' '
	git branch -q -m agbranch/one done &&
	git agbranch open two -q &&
	agent_commit two file synced &&
	git agbranch sync two -q &&
	git rev-parse agbranch/two >../before &&
	agent_commit two file unsynced &&
	git agbranch run two -- sh -c "echo changed >>sub/other; echo untracked >new; git stash -q; echo again >new;
		git switch -qc side HEAD~1; echo s >side; git add side; git commit -qm side; git switch -q agbranch/two" &&
	git agbranch run two -- git rev-parse HEAD side stash >../tips &&
	expect_code 0 git agbranch close two --discard --yes --json &&
	json_is .outcome discard &&
	json_is .destroy_result destroyed &&
	json_is .rescue_ref refs/agbranch/rescue/two/1 &&
	json_is .rescue_problem null &&
	git rev-parse agbranch/two >../after &&
	test_cmp ../before ../after &&
	is_gone two &&
	for tip in $(cat ../tips); do
		git merge-base --is-ancestor "$tip" refs/agbranch/rescue/two/1 || return 1
	done &&
	test "$(git show refs/agbranch/rescue/two/1:new)" = again &&
	test "$(db "SELECT sync_state FROM sessions WHERE name = '\''two'\''")" = discarded &&
	repo_is_sound .
'

test_expect_success 'close --sync rescues what the review branch does not reach' '
	git branch -q -D agbranch/two &&
	git agbranch open two -q &&
	agent_commit two file text &&
	git agbranch run two -- sh -c "git branch keep && git commit -q --amend -m better" &&
	git agbranch run two -- git rev-parse keep >../kept &&
	expect_code 0 git agbranch close two --sync --yes --json &&
	json_is .rescue_ref refs/agbranch/rescue/two/2 &&
	git merge-base --is-ancestor "$(cat ../kept)" refs/agbranch/rescue/two/2
'

test_expect_success 'nothing to rescue leaves no ref' '
	git agbranch open three -q &&
	expect_code 0 git agbranch close three --discard --yes --json &&
	json_is .rescue_ref null &&
	is_gone three
'

test_expect_success 'a stopped session is started to be saved' '
	git agbranch open three -q &&
	agent_commit three file text &&
	git agbranch stop three -q &&
	expect_code 0 git agbranch close three --discard --yes --json &&
	json_is .rescue_ref refs/agbranch/rescue/three/1 &&
	is_gone three
'

test_expect_success 'a guest that does not answer: --sync fails, --discard says so and goes on' '
	git agbranch open four -q &&
	git agbranch run four -- sh -c "rm -rf .git" &&
	expect_code 6 git agbranch close four --sync --yes &&
	expect_code 0 git agbranch close four --discard --yes &&
	grep "not all work could be saved" err &&
	is_gone four &&
	test "$(db "SELECT count(*) FROM session_events WHERE session_name = '\''four'\'' AND kind = '\''rescue_failed'\''")" = 1
'

test_expect_success 'what the gate refuses stays as a bundle' '
	git agbranch open five -q &&
	git agbranch run five -- sh -c "ln -s ../../../etc/passwd link && git add link && git commit -qm link" &&
	expect_code 9 git agbranch close five --sync --yes &&
	expect_code 0 git agbranch close five --discard --yes --json &&
	json_is .rescue_ref null &&
	bundle=$(jq -r .rescue_bundle out) &&
	git bundle verify -q "$bundle" &&
	is_gone five &&
	repo_is_sound .
'

test_expect_success 'the repository is gone: --discard still closes' '
	make_repo ../lost &&
	git -C ../lost agbranch open lost -q &&
	rm -rf ../lost &&
	expect_code 1 git agbranch close lost --sync --yes &&
	expect_code 0 git agbranch close lost --discard --yes &&
	test "$(db "SELECT lifecycle_state FROM sessions WHERE name = '\''lost'\''")" = closed &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-lost"
'

test_expect_success 'nothing is left' '
	no_process_left
'

test_done
