#!/bin/sh
test_description='repair: every row of the table in its page, made and repaired'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

set_row () {
	db "UPDATE sessions SET $1 WHERE name = 's'"
}

# The rows of the table: "journal |catalog |guest |action".
sed -n '/^|Journal |Catalog/,/^|===/p' "$TEST_TOP/Documentation/git-agbranch-repair.adoc" |
	sed -n '/^|Journal/d; s/^|\(.* |.* |.* |.*\)$/\1/p' >rows

make_repo repo
cd repo || exit 1

begin () {
	git agbranch open s -q
}

finish () {
	git agbranch close s --discard --yes -q >/dev/null 2>&1
	git branch -q -D agbranch/s 2>/dev/null
	return 0
}

# guest WORD: bring the guest of s into that state, behind the catalog's back.
guest () {
	row=$(db "SELECT quote (lifecycle_state) FROM sessions WHERE name = 's'")
	case $1 in
	running) git agbranch start s -q >/dev/null ;;
	stopped) git agbranch stop s -q >/dev/null ;;
	absent) git agbranch kill --force s -q >/dev/null; rm -rf "$AGBRANCH_STATE_ROOT/bwrap/agbranch-s" ;;
	esac &&
	set_row "lifecycle_state = $row"
}

# repairs ACTION STATE: repair does that, and a second one finds nothing to do (unless it is blocked).
repairs () {
	code=0 && test "$1" != blocked || code=3
	expect_code "$code" git agbranch repair s --json && json_is .action "$1" && json_is .lifecycle_state "$2" &&
	if test "$1" = blocked; then
		expect_code 3 git agbranch repair s --json && json_is .action blocked
	else
		expect_code 0 git agbranch repair s --json && json_is .action noop && json_is .lifecycle_state "$2"
	fi
}

# killed_at POINT COMMAND…: it is killed where POINT is reached first.
killed_at () {
	point=$1
	shift
	number=$(grep -n "^$point" "../points.$1" | head -n 1 | cut -d: -f1) && test -n "$number" || fail "no point $point" || return 1
	verb=$1 && shift
	expect_code 137 env AGB_FAIL_AT="$number:kill" "git-agbranch" "$verb" "$@"
}

test_expect_success 'the points of each command, and the rows of the table' '
	AGB_FAIL_LIST=$PWD/../points.open git agbranch open s -q -- sleep 600 &&
	agent_commit s file one && git agbranch sync s -q && agent_commit s file text &&
	AGB_FAIL_LIST=$PWD/../points.sync git agbranch sync s -q &&
	agent_commit s file more &&
	AGB_FAIL_LIST=$PWD/../points.close git agbranch close s --discard --yes -q && git branch -q -D agbranch/s &&
	test "$(wc -l <../rows)" -ge 17
'

# One function a row; a row without one fails.
walk () {
	case $1 in
	'open, before the agent |any |any |rolled_back')
		killed_at 'journal: open tmux' open s -q && repairs rolled_back closed ;;
	'open, from the agent on |any |any |resumed')
		killed_at 'journal: open running' open s -q -- sleep 600 && repairs resumed running ;;
	'sync, before the refs |syncing |any |rolled_back')
		begin && agent_commit s file a && git agbranch sync s -q && agent_commit s file b &&
		killed_at 'journal: sync accept' sync s -q && repairs rolled_back running ;;
	'sync, at the refs |syncing |any |resumed; rolled_back when the host moved a ref')
		begin && agent_commit s file a && git agbranch sync s -q && agent_commit s file b &&
		killed_at 'refs: move' sync s -q && repairs resumed running &&
		agent_commit s file c && before=$(git rev-parse agbranch/s) &&
		killed_at 'refs: move' sync s -q &&
		git update-ref refs/heads/agbranch/s "$(git commit-tree -p agbranch/s -m host 'agbranch/s^{tree}')" &&
		repairs rolled_back running && git update-ref refs/heads/agbranch/s "$before" ;;
	'close, before destroy |any |any |rolled_back')
		begin && agent_commit s file a &&
		killed_at 'journal: close' close s --discard --yes -q && repairs noop running ||
		repairs rolled_back running ;;
	'close, from destroy on |destroying |any |resumed')
		begin && agent_commit s file a &&
		killed_at 'close: destroy the guest' close s --discard --yes -q && repairs resumed closed ;;
	'none |running |running |noop')
		begin && repairs noop running ;;
	'none |running |stopped, failed |restart')
		begin && guest stopped && repairs restart running ;;
	'none |stopped |stopped |noop')
		begin && git agbranch stop s -q && repairs noop stopped ;;
	'none |stopped |running |resumed')
		begin && set_row "lifecycle_state = 'stopped'" && repairs resumed running ;;
	'none |another, not closed |running, stopped |resumed')
		begin &&
		for state in preparing_base cloning starting seeding syncing staging applying repairing error; do
			for guest in running stopped; do
				guest $guest && set_row "lifecycle_state = '$state'" &&
				repairs resumed $guest || fail "$state, $guest" || return 1
			done
		done ;;
	'none |destroying |any |finish_destroy')
		for guest in running stopped absent; do
			begin && guest $guest && set_row "lifecycle_state = 'destroying'" &&
			repairs finish_destroy closed || fail "$guest" || return 1
		done ;;
	'none |cloning, starting, seeding, never started |absent |rolled_back')
		for state in preparing_base cloning starting seeding; do
			begin && guest absent && set_row "lifecycle_state = '$state', last_started_at = NULL" &&
			repairs rolled_back closed || fail "$state" || return 1
		done ;;
	'none |any other, not closed |absent, lost |blocked')
		begin && guest absent &&
		for state in running stopped syncing staging applying repairing error; do
			set_row "lifecycle_state = '$state'" && repairs blocked error || fail "$state" || return 1
		done ;;
	'none |any |unreachable |blocked')
		begin && set_row "runtime = 'lima'" && repairs blocked running && set_row "runtime = 'bwrap'" ;;
	'none |closed |there |finish_destroy')
		begin && agent_commit s file unsynced && tip=$(git agbranch run s -- git rev-parse HEAD) &&
		set_row "lifecycle_state = 'closed'" && repairs finish_destroy closed &&
		git for-each-ref refs/agbranch/rescue/s | grep "^$tip" ;;
	'none |no row |there, session refs in this repository, or a sandbox |rebuilt (`--all`)')
		begin && db "DELETE FROM sessions WHERE name = 's'" &&
		expect_code 0 git agbranch repair --all --json &&
		json_is '.[] | select (.session == "s") | .action' rebuilt && repairs noop running &&
		git agbranch launch box -q && db "DELETE FROM sessions WHERE name = 'box'" &&
		expect_code 0 git agbranch repair --all --json &&
		json_is '.[] | select (.session == "box") | .action' rebuilt &&
		git agbranch close box --discard --yes -q ;;
	*) fail "the test does not know this row" ;;
	esac
}

while read -r row_of_table; do
	test_expect_success "$row_of_table" '
		walk "$row_of_table" && finish &&
		test -z "$(git for-each-ref refs/agbranch/sessions)" && repo_is_sound .
	'
	finish
done <../rows

test_expect_success 'nothing is left' '
	no_process_left
'

test_done
