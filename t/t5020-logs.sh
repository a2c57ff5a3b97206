#!/bin/sh
test_description='logs: events, sync runs and log files of a session'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/catalog-tool

# follow VERB...: what a shell starts in the background ignores SIGINT; a terminal does not do that.
follow () {
	exec perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV or die "$ARGV[0]: $!\n"' \
		"$AGB_BUILD/bin/git-agbranch" "$@"
}

test_expect_success 'set up' '
	"$tool" insert s "$PWD" &&
	"$tool" event s "first thing" &&
	"$tool" event s "second thing" &&
	"$tool" insert other "$PWD" &&
	"$tool" event other "of another"
'

test_expect_success 'events are the default, oldest first, of this session only' '
	expect_code 0 git agbranch logs s &&
	sed "s/.*  //" out >shown &&
	printf "%s\n" "first thing" "second thing" >expected &&
	test_cmp expected shown &&
	expect_code 0 git agbranch logs s -n 1 &&
	grep "second thing" out && test "$(wc -l <out)" = 1
'

test_expect_success '--json is an array with all keys' '
	expect_code 0 git agbranch logs --session s --json &&
	json_is length 2 &&
	json_is ".[0].source" events && json_is ".[0].session" s &&
	json_is ".[1].message" "second thing" &&
	jq -e ".[0] | has (\"at\") and has (\"level\") and has (\"kind\")" out &&
	expect_code 0 git agbranch logs s --source=sync --json &&
	json_is length 0
'

test_expect_success '--since takes a time and a duration' '
	expect_code 0 git agbranch logs s --since=1h &&
	test "$(wc -l <out)" = 2 &&
	expect_code 0 git agbranch logs s --since=2999-01-01T00:00:00Z &&
	test_must_be_empty out &&
	expect_code 1 git agbranch logs s --since=yesterday &&
	grep "yesterday" err
'

test_expect_success 'sync runs' '
	"$tool" sync s blocked &&
	expect_code 0 git agbranch logs s --source=sync &&
	grep " blocked" out &&
	expect_code 0 git agbranch logs s --source=sync --json &&
	json_is length 1 && json_is ".[0].result" blocked && json_is ".[0].source" sync &&
	jq -e ".[0] | has (\"id\") and has (\"direction\") and has (\"started_at\") and has (\"finished_at\")
		and has (\"staging_path\") and has (\"patch_path\") and has (\"error_text\")" out
'

test_expect_success 'files: a missing one is empty, text of the guest is escaped' '
	for source in guest kernel provision; do
		expect_code 0 git agbranch logs s --source=$source &&
		test_must_be_empty out || return 1
	done &&
	expect_code 0 git agbranch logs s --source=provision --json &&
	path=$(jq -r ".[0].path" out) &&
	mkdir -p "$(dirname "$path")" &&
	printf "one\ntwo \033[31mred\nthree\n" >"$path" &&
	expect_code 0 git agbranch logs s --source=provision -n 2 &&
	printf "%s\n" "two \\x1b[31mred" three >expected &&
	test_cmp expected out &&
	expect_code 0 git agbranch logs s --source=provision --json &&
	jq -j ".[0].contents" out >contents &&
	test_cmp "$path" contents
'

test_expect_success 'what cannot be is exit 1 with a hint' '
	expect_code 1 git agbranch logs s --source=nonsense &&
	grep "^hint: one of: events" err &&
	expect_code 1 git agbranch logs sss &&
	grep "no session .sss." err && grep "^hint: " err &&
	expect_code 1 git agbranch logs s --source=guest --since=1h
'

test_expect_success '--follow sees what other processes write, and Ctrl-C is exit 0' '
	{ follow logs s --follow --json >followed & } &&
	pid=$! &&
	wait_until 30 grep "second thing" followed &&
	"$tool" event s "third thing" &&
	wait_until 30 grep "third thing" followed &&
	kill -INT $pid &&
	wait $pid &&
	tail -n 1 followed | jq -e ".message == \"third thing\"" &&
	! grep "of another" followed
'

test_expect_success '--follow of a file' '
	{ follow logs s --source=provision -n 1 --follow >followed & } &&
	pid=$! &&
	wait_until 30 grep three followed &&
	echo four >>"$path" &&
	wait_until 30 grep four followed &&
	kill -INT $pid &&
	wait $pid &&
	printf "%s\n" three four >expected &&
	test_cmp expected followed
'

test_expect_success '--follow ends when the session is closed' '
	{ git agbranch logs s --follow >followed & } &&
	pid=$! &&
	wait_until 30 grep "third thing" followed &&
	"$tool" event s "last words" &&
	"$tool" update s lifecycle_state closed &&
	wait $pid &&
	grep "last words" followed
'

test_expect_success 'a reader that goes away ends it' '
	{ git agbranch logs other --follow; echo $? >status; } | head -n 1 >first &&
	grep "of another" first &&
	test "$(cat status)" = 0
'

test_done
