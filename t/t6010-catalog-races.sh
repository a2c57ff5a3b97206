#!/bin/sh
test_description='catalog: many processes at once, kills, a full disk'
. ./t/lib/test-lib.sh

DB=$AGBRANCH_STATE_ROOT/state.db
catalog () {
	"$AGB_BUILD/t/tools/catalog-tool" "$@"
}

# start_all COUNT COMMAND…: as many processes at once, each with its number in $N.
# All must succeed.
start_all () {
	count=$1 && shift &&
	pids= &&
	for N in $(seq "$count"); do
		export N
		sh -c "$*" >"out.$N" 2>"err.$N" &
		pids="$pids $!"
	done
	failed=0
	for pid in $pids; do
		wait "$pid" || failed=$((failed + 1))
	done
	test "$failed" = 0 || {
		cat err.* >&2
		fail "$failed of $count failed"
	}
}
TOOL=$AGB_BUILD/t/tools/catalog-tool
export TOOL

test_expect_success '64 processes that all make the catalog' '
	start_all 64 "exec \$TOOL insert s\$N /r/.git" &&
	test "$(sqlite3 "$DB" "SELECT count (*) FROM sessions")" = 64 &&
	expect_code 0 catalog check
'

test_expect_success '64 processes with 10 transactions each lose nothing' '
	start_all 64 "exec \$TOOL fill s\$N 10" &&
	test "$(sqlite3 "$DB" "SELECT count (*) FROM session_events")" = 640 &&
	test "$(sqlite3 "$DB" "SELECT count (*) FROM (SELECT session_name FROM session_events
		GROUP BY session_name HAVING count (*) = 10)")" = 64 &&
	expect_code 0 catalog check
'

test_expect_success 'writers on one row, and readers beside them' '
	start_all 32 "if test \$((N % 2)) = 0; then exec \$TOOL list; else exec \$TOOL update s1 attempt \$N; fi" &&
	for N in 2 16 32; do
		test "$(wc -l <out.$N)" = 64 || return 1
	done
'

test_expect_success '32 processes that want the journal of one session: one has it' '
	count=0 &&
	start_all 32 "\$TOOL journal s1 sync begin; echo \$? >code.\$N" &&
	cat code.* | sort | uniq -c | tr -s " " >codes &&
	printf " 1 0\n 31 5\n" >expected && test_cmp expected codes
'

test_expect_success '16 processes that migrate one old catalog' '
	rm -rf "$AGBRANCH_STATE_ROOT" && mkdir -m 700 "$AGBRANCH_STATE_ROOT" &&
	sqlite3 "$DB" "CREATE TABLE sessions (name TEXT PRIMARY KEY, vm_name TEXT UNIQUE, lifecycle_state TEXT, host_git_root TEXT);
		INSERT INTO sessions VALUES (\"old\", \"agbranch-old\", \"running\", NULL)" &&
	start_all 16 "exec \$TOOL insert n\$N /r/.git" &&
	test "$(sqlite3 "$DB" "SELECT count (*) FROM sessions")" = 17 &&
	test "$(sqlite3 "$DB.before-migration" "SELECT count (*) FROM sessions")" = 1
'

test_expect_success 'what was acknowledged before a kill is there after it' '
	for round in 1 2 3 4 5 6 7 8; do
		rm -rf "$AGBRANCH_STATE_ROOT" acknowledged &&
		catalog insert killed /r/.git &&
		mkfifo pipe.$round &&
		{ "$TOOL" fill killed 100000 >pipe.$round 2>err & pid=$!; } &&
		head -n $((round * 7)) <pipe.$round >acknowledged &&
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
		lines=$(wc -l <acknowledged) && test "$lines" = $((round * 7)) &&
		test "$(sqlite3 "$DB" "SELECT count (*) FROM session_events WHERE CAST (message AS INTEGER) <= $lines")" = "$lines" &&
		expect_code 0 catalog check || return 1
	done
'

test_expect_success 'a kill or failure before each commit leaves the row out, and nothing else' '
	for command in "insert x /r/.git" "update one sync_state clean" "event one text" "sync one synced" \
		"journal one sync begin" "prune 2999 2999 2999"; do
		rm -rf "$AGBRANCH_STATE_ROOT" && catalog insert one /r/.git &&
		rm -f points && AGB_FAIL_LIST=$(pwd)/points catalog $command >/dev/null &&
		for i in $(seq "$(wc -l <points)"); do
			for how in error kill; do
				rm -rf "$AGBRANCH_STATE_ROOT" && catalog insert one /r/.git &&
				code=0 && { AGB_FAIL_AT=$i:$how catalog $command >/dev/null 2>err || code=$?; } &&
				case $how:$code in error:8 | kill:137) ;; *) fail "$command: $how at $i: $code" || return 1 ;; esac &&
				expect_code 0 catalog check && catalog get one >out &&
				test "$(wc -l <out)" = 1 || return 1
			done
		done || return 1
	done
'

strace -o /dev/null true 2>/dev/null && test_set_prereq STRACE
test_expect_success STRACE 'writes and syncs that fail, or end the process: acknowledged or not there, never half' '
	no_leak_check &&
	for call in pwrite64 fdatasync; do
		for how in error=EIO error=ENOSPC signal=KILL; do
			for i in $(seq 12); do
				rm -rf "$AGBRANCH_STATE_ROOT" && catalog insert one /r/.git && catalog event one first &&
				code=0 && { strace -o /dev/null -e inject=$call:$how:when=$i "$TOOL" event one second \
					>/dev/null 2>err || code=$?; } &&
				case $how:$code in *:0 | error=*:5 | error=*:8 | signal=*:137) ;; *) fail "$call $how at $i: $code" || return 1 ;; esac &&
				expect_code 0 catalog check &&
				catalog events one 0 "" 0 | cut -d"|" -f6 | tr "\n" " " >there &&
				case "$code:$(cat there)" in
				0:"first second " | [1-9]*:"first " | [1-9]*:"first second ") ;;
				*) fail "$call $how at $i: exit $code, there: $(cat there)" || return 1 ;;
				esac || return 1
			done || return 1
		done || return 1
	done
'

test_expect_success 'a catalog that is held for long: a signal ends the wait' '
	rm -rf "$AGBRANCH_STATE_ROOT" && catalog insert one /r/.git &&
	mkfifo hold held &&
	{ sqlite3 -batch "$DB" <hold >held & holder=$!; } &&
	exec 8>hold 9<held && echo "BEGIN IMMEDIATE; SELECT 1;" >&8 && read answer <&9 &&
	{ "$TOOL" event one text 2>err 8>&- 9<&- & pid=$!; } &&
	wait_until 30 sh -c "ls -l /proc/$pid/fd | grep -q state.db-wal" &&
	kill -TERM "$pid" &&
	code=0 && { wait "$pid" || code=$?; } &&
	exec 8>&- 9<&- && wait "$holder" &&
	test "$code" = 4
'

# On a file system of its own, which is mounted in a mount namespace of its own.
on_small_disk () {
	mkdir -p small && mount -t tmpfs -o size=300k,mode=700 tmpfs small &&
	AGBRANCH_STATE_ROOT=$(pwd)/small/state && export AGBRANCH_STATE_ROOT &&
	"$TOOL" insert one /r/.git || exit 99
	code=0
	"$TOOL" fill one 100000 >acknowledged 2>err || code=$?
	"$TOOL" events one 0 "" 0 >there
	exit "$code"
}

test "$(id -u)" = 0 && unshare -m true 2>/dev/null && test_set_prereq UNSHARE
test_expect_success UNSHARE 'a full disk is exit 5, and nothing acknowledged is lost' '
	{ sed -n "/^on_small_disk ()/,/^}/p" "$TEST_TOP/t/t6010-catalog-races.sh" && echo on_small_disk; } >small.sh &&
	expect_code 5 unshare -m sh small.sh &&
	grep "full" err && grep "^hint: make room" err &&
	test "$(wc -l <acknowledged)" -gt 0 &&
	test "$(wc -l <there)" -ge "$(wc -l <acknowledged)"
'

test_done
