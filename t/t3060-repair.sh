#!/bin/sh
test_description='repair: the states that journal, refs, catalog and guest can be in'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# repairs CODE ACTION STATE SESSION: repair says that, and a second one that all is well.
repairs () {
	expect_code "$1" git agbranch repair "$4" --json &&
	json_is .action "$2" &&
	json_is .lifecycle_state "$3" &&
	json_is .session "$4" &&
	test "$2" = blocked || {
		expect_code 0 git agbranch repair "$4" --json &&
		json_is .action noop &&
		json_is .lifecycle_state "$3"
	}
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	expect_code 0 git agbranch repair --all &&
	grep "nothing to repair" out &&
	git agbranch open one -q
'

test_expect_success 'all is well' '
	expect_code 0 git agbranch repair one --json &&
	json_is .action noop &&
	json_is .lifecycle_state running &&
	expect_code 0 git agbranch repair --all --json &&
	json_is "length" 1 &&
	expect_code 1 git agbranch repair nobody &&
	expect_code 129 git agbranch repair one --all
'

test_expect_success 'the guest has ended: restart, with what was in it' '
	git agbranch run one -- sh -c "echo x >x" &&
	git agbranch stop one -q &&
	db "UPDATE sessions SET lifecycle_state = '\''running'\''" &&
	repairs 0 restart running one &&
	git agbranch run one -- cat x &&
	git agbranch run one -- rm x
'

test_expect_success 'stopped and stopped; stopped but running; a state in between' '
	git agbranch stop one -q &&
	expect_code 0 git agbranch repair one --json &&
	json_is .action noop &&
	json_is .lifecycle_state stopped &&
	git agbranch start one -q &&
	db "UPDATE sessions SET lifecycle_state = '\''stopped'\''" &&
	repairs 0 resumed running one &&
	db "UPDATE sessions SET lifecycle_state = '\''syncing'\''" &&
	repairs 0 resumed running one
'

test_expect_success 'the state destroying, set by an operator, is finished; work is rescued' '
	git agbranch open two -q &&
	agent_commit two file text &&
	db "UPDATE sessions SET lifecycle_state = '\''destroying'\'' WHERE name = '\''two'\''" &&
	repairs 0 finish_destroy closed two &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-two" &&
	git rev-parse -q --verify refs/agbranch/rescue/two/1
'

test_expect_success 'session refs deleted by hand come back' '
	agent_commit one file text &&
	git agbranch sync one -q &&
	head=$(git rev-parse agbranch/one) &&
	git update-ref -d refs/agbranch/sessions/one/head &&
	git update-ref -d refs/agbranch/sessions/one/base &&
	expect_code 1 git agbranch sync one &&
	grep "hint: git agbranch repair one" err &&
	repairs 0 rebuilt running one &&
	test "$(git rev-parse refs/agbranch/sessions/one/head)" = "$head" &&
	test "$(git rev-parse refs/agbranch/sessions/one/base)" = "$(git rev-parse main)" &&
	agent_commit one file again &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'a killed open is rolled back by the next one, too' '
	AGB_FAIL_LIST=$(pwd)/../points git agbranch open three -q &&
	git agbranch close three --discard --yes -q &&
	number=$(grep -n "^journal: open tmux" ../points | cut -d: -f1) &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch open three -q &&
	git agbranch ps --json >ps &&
	json_is "map(select(.name == \"three\")) | .[0].lifecycle_state" seeding ps &&
	rm ps &&
	repairs 0 rolled_back closed three &&
	test -z "$(git for-each-ref refs/agbranch/sessions/three)" &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch open three -q &&
	expect_code 0 git agbranch open three -q &&
	git agbranch close three --discard --yes -q
'

test_expect_success 'an open killed when its agent ran is finished' '
	: >../points &&
	AGB_FAIL_LIST=$(pwd)/../points git agbranch open three -q -- sleep 600 &&
	git agbranch close three --discard --yes -q &&
	number=$(grep -n "^journal: open running" ../points | cut -d: -f1) &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch open three -q -- sleep 600 &&
	repairs 0 resumed running three &&
	git agbranch close three --discard --yes -q
'

test_expect_success 'a sync killed at the refs is finished, before them taken back' '
	agent_commit one file killed &&
	git agbranch run one -- git rev-parse HEAD >../tip &&
	: >../points &&
	number=$(AGB_FAIL_LIST=$(pwd)/../points git agbranch sync one -q >/dev/null; grep -n "^refs: move" ../points | cut -d: -f1) &&
	agent_commit one file killed-again &&
	git agbranch run one -- git rev-parse HEAD >../tip &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch sync one -q &&
	repairs 0 resumed running one &&
	test "$(git rev-parse agbranch/one)" = "$(cat ../tip)" &&
	test "$(db "SELECT result, new_oid FROM sync_runs ORDER BY id DESC LIMIT 1")" = "synced|$(cat ../tip)" &&
	agent_commit one file third-time &&
	accept=$(grep -n "^journal: sync accept" ../points | cut -d: -f1) &&
	expect_code 137 env AGB_FAIL_AT="$accept:kill" git-agbranch sync one -q &&
	repairs 0 rolled_back running one &&
	test "$(git rev-parse agbranch/one)" = "$(cat ../tip)" &&
	expect_code 0 git agbranch sync one &&
	repo_is_sound .
'

test_expect_success 'a sync killed at the refs, and the host moved the branch: taken back' '
	agent_commit one file raced &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch sync one -q &&
	before=$(git rev-parse refs/agbranch/sessions/one/head) &&
	git update-ref refs/heads/agbranch/one "$(git commit-tree -p agbranch/one -m host "agbranch/one^{tree}")" &&
	repairs 0 rolled_back running one &&
	test "$(git rev-parse refs/agbranch/sessions/one/head)" = "$before" &&
	git update-ref refs/heads/agbranch/one "$before" &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'a close killed while destroying is finished by the next command' '
	git agbranch open three -q &&
	agent_commit three file text &&
	: >../points &&
	AGB_FAIL_LIST=$(pwd)/../points git agbranch close three --discard --yes -q &&
	number=$(grep -n "^close: destroy the guest" ../points | cut -d: -f1) &&
	git agbranch open three -q &&
	agent_commit three file text &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch close three --discard --yes -q &&
	repairs 0 resumed closed three &&
	git agbranch open three -q &&
	agent_commit three file text &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch close three --discard --yes -q &&
	expect_code 0 git agbranch open three -q &&
	git agbranch close three --discard --yes -q
'

test_expect_success 'the guest is gone: blocked with the command, which works' '
	git agbranch open four -q &&
	git agbranch stop four -q &&
	rm -rf "$AGBRANCH_STATE_ROOT/bwrap/agbranch-four" &&
	repairs 3 blocked error four &&
	json_is "(.detail | test(\"git agbranch close four --discard\"))" true &&
	expect_code 3 git agbranch repair four &&
	expect_code 0 git agbranch close four --discard --yes
'

test_expect_success 'a lost catalog is rebuilt from refs and guests' '
	git agbranch launch box -q &&
	rm -f "$AGBRANCH_STATE_ROOT"/state.db* &&
	expect_code 1 git agbranch open one &&
	grep "git agbranch repair --all" err &&
	expect_code 0 git agbranch repair --all --json &&
	json_is "map(.session + \" \" + .action + \" \" + .lifecycle_state) | join(\",\")" \
		"box rebuilt running,one rebuilt running" &&
	expect_code 0 git agbranch repair --all --json &&
	json_is "map(.action) | unique | join(\",\")" noop &&
	agent_commit one file after &&
	expect_code 0 git agbranch sync one &&
	git agbranch run box -- true &&
	git agbranch close box --discard --yes -q
'

test_expect_success 'a damaged catalog is moved away and rebuilt' '
	rm -f "$AGBRANCH_STATE_ROOT"/state.db-* &&
	printf "this is no database, and long enough to be taken for a damaged one %0200d" 0 >"$AGBRANCH_STATE_ROOT/state.db" &&
	expect_code 5 git agbranch repair one &&
	grep "hint:.*git agbranch repair --all" err &&
	expect_code 0 git agbranch repair --all &&
	ls "$AGBRANCH_STATE_ROOT"/state.db.damaged-* &&
	grep "^one .*rebuilt" out &&
	agent_commit one file after-damage &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'a newer catalog is not touched' '
	version=$(db "PRAGMA user_version") &&
	db "PRAGMA user_version = 9999" &&
	expect_code 5 git agbranch repair --all &&
	test "$(db "PRAGMA user_version")" = 9999 &&
	db "PRAGMA user_version = $version"
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	repo_is_sound . &&
	no_process_left
'

test_done
