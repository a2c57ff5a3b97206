#!/bin/sh
test_description='sandbox: create, start, stop, status, list, destroy'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/guest-tool
folder=$AGBRANCH_STATE_ROOT/bwrap/agbranch-life

test_expect_success 'create makes the folder and its description, and does not start' '
	expect_code 0 "$tool" create life &&
	test_must_be_empty out &&
	json_is .key life.1 "$folder/spec.json" &&
	expect_code 0 "$tool" status life &&
	grep "^stopped " out &&
	no_process_left
'

test_expect_success 'the folder is closed to others' '
	test "$(stat -c %a "$folder")" = 700 &&
	test "$(stat -c %a "$AGBRANCH_STATE_ROOT/bwrap")" = 700
'

test_expect_success 'create again with the same key is the same guest' '
	inode=$(stat -c %i "$folder/spec.json") &&
	expect_code 0 "$tool" create life &&
	test "$inode" = "$(stat -c %i "$folder/spec.json")"
'

test_expect_success 'create with another key is refused' '
	expect_code 6 "$tool" create life attempt=2 &&
	grep "guest .agbranch-life. belongs to .life.1., not to .life.2." err
'

test_expect_success 'exec in a stopped guest says how to start it' '
	expect_code 6 "$tool" exec life true &&
	grep "guest .agbranch-life. is not running" err &&
	grep "hint: start it with: git agbranch start life" err
'

test_expect_success 'start, exec, and start again' '
	expect_code 0 "$tool" start life &&
	expect_code 0 "$tool" status life &&
	grep "^running " out &&
	expect_code 0 "$tool" exec life sh -c "touch ~/kept /tmp/gone; id -un; hostname" &&
	printf "agent\nlife\n" >expected &&
	test_cmp expected out &&
	expect_code 0 "$tool" start life &&
	test "$(pgrep -cf -- "$AGBRANCH_STATE_ROOT")" = 1
'

test_expect_success 'list shows it with its key' '
	expect_code 0 "$tool" list &&
	echo "agbranch-life life.1 running" >expected &&
	test_cmp expected out
'

test_expect_success 'stop leaves no process, keeps the home, and can be repeated' '
	expect_code 0 "$tool" stop life &&
	no_process_left &&
	test -f "$folder/home/kept" &&
	expect_code 0 "$tool" stop life &&
	expect_code 0 "$tool" status life &&
	grep "^stopped " out
'

test_expect_success 'start again: the home is there, what was in /tmp is not' '
	expect_code 0 "$tool" start life &&
	expect_code 0 "$tool" exec life sh -c "test -f ~/kept && ! test -e /tmp/gone"
'

# wakeups FILE: how often keeper, bwrap and execd have gone to sleep, that is, were woken up.
wakeups () {
	keeper=$(pgrep -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT") &&
	for process in "$keeper" "$(pgrep -P "$keeper" bwrap)" "$(cut -d" " -f1 "$folder/guest")"; do
		grep ^voluntary "/proc/$process/status" || return 1
	done >"$1"
}

test_expect_success 'a quiet sandbox wakes nobody up' '
	quiet () {
		wakeups before && python3 -c "import time; time.sleep(2)" && wakeups after &&
		cmp -s before after
	} &&
	wait_until 30 quiet &&
	test "$(wc -l <before)" = 3
'

test_expect_success 'SIGKILL of the keeper leaves nothing, and start works again' '
	guest=$(cut -d" " -f1 "$folder/guest") &&
	kill -KILL "$(pgrep -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT")" &&
	wait_until 30 has_ended "$guest" &&
	expect_code 0 "$tool" status life &&
	grep "^stopped " out &&
	expect_code 0 "$tool" start life &&
	expect_code 0 "$tool" exec life true
'

test_expect_success 'SIGKILL of pid 1 inside ends it all' '
	kill -KILL "$(cut -d" " -f1 "$folder/guest")" &&
	wait_until 30 no_process_left 2>/dev/null &&
	expect_code 0 "$tool" status life &&
	grep "^stopped " out &&
	expect_code 0 "$tool" start life
'

test_expect_success 'destroy with another key is refused, and destroys nothing' '
	expect_code 6 "$tool" destroy life life.2 &&
	grep "belongs to .life.1., not to .life.2." err &&
	expect_code 0 "$tool" exec life true
'

test_expect_success 'destroy of a running guest removes all of it, and can be repeated' '
	expect_code 0 "$tool" exec life sh -c "mkdir -p ~/a/b && touch ~/a/b/c && chmod 000 ~/a/b ~/a" &&
	expect_code 0 "$tool" destroy life life.1 &&
	no_process_left &&
	! test -e "$folder" &&
	expect_code 0 "$tool" destroy life life.1 &&
	expect_code 0 "$tool" status life &&
	grep "^absent " out
'

test_expect_success 'a half-made folder is listed, and destroyed with any key' '
	mkdir -m 700 "$folder" &&
	expect_code 0 "$tool" list &&
	echo "agbranch-life  failed" >expected &&
	test_cmp expected out &&
	expect_code 0 "$tool" destroy life life.3 &&
	! test -e "$folder"
'

test_expect_success 'a state root with a long path works' '
	long=$TEST_TMP/$(printf "%060d" 0)/$(printf "%060d" 0) &&
	mkdir -p "$long" &&
	AGBRANCH_STATE_ROOT=$long/state expect_code 0 "$tool" create far &&
	AGBRANCH_STATE_ROOT=$long/state expect_code 0 "$tool" start far &&
	AGBRANCH_STATE_ROOT=$long/state expect_code 0 "$tool" exec far true &&
	AGBRANCH_STATE_ROOT=$long/state expect_code 0 "$tool" destroy far far.1
'

test_expect_success 'two starts at once make one sandbox' '
	expect_code 0 "$tool" create life &&
	{ "$tool" start life & } &&
	"$tool" start life &&
	wait $! &&
	test "$(pgrep -cf -- "agbranch-keeper $AGBRANCH_STATE_ROOT")" = 1 &&
	expect_code 0 "$tool" destroy life life.1
'

test_expect_success 'started in the background under nohup, signals are default inside' '
	expect_code 0 "$tool" create life &&
	sh -c "trap \"\" INT HUP QUIT TERM; nohup \"$tool\" start life >start.out 2>&1 & wait" &&
	expect_code 0 "$tool" exec life grep SigIgn: /proc/self/status &&
	grep "0000000000000000" out &&
	expect_code 0 "$tool" destroy life life.1
'

test_done
