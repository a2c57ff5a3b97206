#!/bin/sh
test_description='watch: a snapshot, then events as they are written down'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/catalog-tool

# follow VERB...: what a shell starts in the background ignores SIGINT; a terminal does not do that.
follow () {
	exec perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV or die "$ARGV[0]: $!\n"' \
		"$AGB_BUILD/bin/git-agbranch" "$@"
}

sql () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "PRAGMA busy_timeout = 30000; $1"
}

# has FILTER: some line of `lines` fulfils it.
has () {
	jq -e -s "any (.[]; $1)" lines >/dev/null
}

test_expect_success 'an unknown session is exit 1' '
	"$tool" insert s "$PWD" &&
	expect_code 1 git agbranch watch --session nobody --json &&
	json_is .error.code 1
'

test_expect_success 'first a snapshot with every key' '
	{ follow watch --session s >lines & } &&
	echo $! >pid &&
	wait_until 30 test -s lines &&
	head -n 1 lines >out &&
	json_is .kind snapshot && json_is .session s && json_is .lifecycle_state running &&
	json_is .sync_state pending && json_is .lock_state.held false &&
	jq -e "has (\"timestamp\") and has (\"event_type\") and has (\"level\") and has (\"message\")
		and (.lock_state | has (\"pid\") and has (\"operation\"))" out
'

test_expect_success 'events of other processes arrive' '
	"$tool" event s "something new" &&
	wait_until 30 has ".kind == \"event\" and .message == \"something new\""
'

test_expect_success 'so does a change that somebody makes by hand' '
	sql "UPDATE sessions SET lifecycle_state = \"syncing\" WHERE name = \"s\"" &&
	wait_until 30 has ".event_type == \"state\" and .lifecycle_state == \"syncing\""
'

test_expect_success 'many events at once come once each and in order' '
	"$tool" fill s 50 >/dev/null &&
	wait_until 30 sh -c "test \$(grep -c . lines) -ge 54" &&
	jq -s -r ".[] | select (.kind == \"event\" and .event_type != \"state\" and .event_type != \"guest\") | .message" lines >got &&
	test "$(sort got | uniq -d | wc -l)" = 0 &&
	git agbranch logs s --json | jq -r ".[].message" >expected &&
	test_cmp expected got
'

test_expect_success 'Ctrl-C is exit 0' '
	kill -INT "$(cat pid)" &&
	wait "$(cat pid)"
'

test_expect_success 'it ends when the session is closed' '
	{ git agbranch watch s >lines & } &&
	pid=$! &&
	wait_until 30 test -s lines &&
	"$tool" update s lifecycle_state closed &&
	wait $pid &&
	has ".lifecycle_state == \"closed\""
'

test_expect_success 'of a closed session there is only the snapshot' '
	expect_code 0 git agbranch watch s &&
	test "$(wc -l <out)" = 1
'

test_expect_success 'a guest that ends without us is told, and that it is back' '
	make_repo repo && ( cd repo && git agbranch open alive -q ) &&
	{ follow watch alive >lines & } &&
	pid=$! &&
	wait_until 30 test -s lines &&
	kill -KILL "$(cut -d" " -f1 "$AGBRANCH_STATE_ROOT/bwrap/agbranch-alive/guest")" &&
	wait_until 30 has ".event_type == \"guest\" and .message == \"the guest is stopped\" and .level == \"warning\"
		and .lifecycle_state == \"running\"" &&
	git agbranch start alive -q &&
	wait_until 30 jq -e -s "last | .lifecycle_state == \"running\" and .event_type != \"guest\" and .lock_state.held == false" lines
'

test_expect_success 'what our own commands do to the guest is said once, by them' '
	jq -s -r ".[] | select (.event_type == \"guest\") | .message" lines >guest &&
	cp guest before &&
	git agbranch stop alive -q &&
	wait_until 30 has ".lifecycle_state == \"stopped\"" &&
	git agbranch start alive -q && git agbranch close alive --discard --yes -q &&
	wait $pid &&
	jq -s -r ".[] | select (.event_type == \"guest\") | .message" lines >guest &&
	test_cmp before guest
'

test_done
