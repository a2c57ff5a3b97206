#!/bin/sh
test_description='damage: catalog, refs, objects, clocks, locks and pid files'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# repaired SESSION ACTION: `repair --all` did that for the session, a second one does nothing, doctor is
# content, and the session works.
repaired () {
	expect_code 0 git agbranch repair --all --json -q &&
	json_is ".[] | select(.session == \"$1\") | .action" "$2" &&
	expect_code 0 git agbranch repair --all --json -q &&
	json_is "map(.action) | unique | join(\",\")" noop &&
	expect_code 0 git agbranch doctor --json -q &&
	json_is ".messages | length" 0 &&
	agent_commit "$1" file "after $2" &&
	git agbranch sync "$1" -q >/dev/null &&
	test "$(git rev-parse "agbranch/$1")" = "$(git agbranch run "$1" -- git rev-parse HEAD)" &&
	repo_is_sound .
}

# In place of the catalog, as a machine that lost its power may leave it.
drop_log () {
	rm -f "$AGBRANCH_STATE_ROOT/state.db-wal" "$AGBRANCH_STATE_ROOT/state.db-shm"
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q &&
	agent_commit one file text &&
	git agbranch sync one -q &&
	catalog=$AGBRANCH_STATE_ROOT/state.db
'

test_expect_success 'a catalog of 0 bytes is rebuilt' '
	drop_log && : >"$catalog" &&
	repaired one rebuilt
'

test_expect_success 'a catalog of zeroes is moved away and rebuilt' '
	size=$(stat -c %s "$catalog") && drop_log &&
	head -c "$size" /dev/zero >"$catalog" &&
	expect_code 5 git agbranch sync one &&
	grep "hint:.*git agbranch repair --all" err &&
	repaired one rebuilt &&
	ls "$catalog".damaged-*
'

test_expect_success 'a catalog that is cut off is moved away and rebuilt' '
	db "PRAGMA wal_checkpoint (TRUNCATE)" && drop_log &&
	for part in 100 4096 6000 "$(($(stat -c %s "$catalog") / 2))"; do
		truncate -s "$part" "$catalog" &&
		repaired one rebuilt || { fail "cut to $part"; return 1; }
		db "PRAGMA wal_checkpoint (TRUNCATE)" && drop_log || return 1
	done
'

test_expect_success 'garbage in the write-ahead log loses nothing that was acknowledged before' '
	db "PRAGMA wal_checkpoint (TRUNCATE)" && drop_log &&
	head -c 8192 /dev/urandom >"$catalog-wal" &&
	repaired one noop
'

test_expect_success 'a newer catalog is exit 5 for every command, and stays as it is' '
	version=$(db "PRAGMA user_version") &&
	db "PRAGMA user_version = 9999" &&
	for command in "repair --all" "sync one" "close one --discard --yes" "ps" "open other"; do
		expect_code 5 git agbranch $command || return 1
	done &&
	db "PRAGMA user_version = $version" &&
	repaired one noop
'

test_expect_success 'session refs that were deleted by hand come back' '
	git update-ref -d refs/agbranch/sessions/one/base &&
	git update-ref -d refs/agbranch/sessions/one/head &&
	expect_code 1 git agbranch sync one &&
	repaired one rebuilt
'

test_expect_success 'a ref that cannot be read is not taken for one that is absent' '
	tip=$(git rev-parse agbranch/one) &&
	agent_commit one file unreadable &&
	: >.git/refs/heads/agbranch/one &&
	expect_code 7 git agbranch sync one &&
	grep "cannot read ref .refs/heads/agbranch/one." err &&
	test "$(git rev-parse refs/agbranch/sessions/one/head)" = "$tip" &&
	echo "$tip" >.git/refs/heads/agbranch/one &&
	git agbranch sync one -q
'

test_expect_success 'the review branch deleted by hand: blocked, and the hint brings it back' '
	git update-ref -d refs/heads/agbranch/one &&
	agent_commit one file deleted &&
	expect_code 3 git agbranch sync one &&
	sh -c "$(sed -n "s/^hint: bring it back: //p" err)" &&
	repaired one noop
'

test_expect_success 'a quarantine whose removal was cut off goes with the next repair' '
	mkdir -p .git/agbranch/removed-quarantine-abcdef/objects &&
	expect_code 0 git agbranch doctor --json -q &&
	jq -e "any (.checks[]; .level == \"warning\" and (.message | contains (\"removed-\")))" out &&
	repaired one noop &&
	! ls -d .git/agbranch/removed-* .git/agbranch/quarantine-*
'

faketime=
for library in /usr/lib/*/faketime/libfaketime.so.1; do
	test ! -e "$library" || faketime=$library
done
test -z "$faketime" || test_set_prereq FAKETIME
test_expect_success FAKETIME 'a clock that was set back' '
	agent_commit one file clock &&
	LD_PRELOAD=$faketime FAKETIME=-400d expect_code 0 git agbranch sync one &&
	LD_PRELOAD=$faketime FAKETIME=-400d expect_code 0 git agbranch repair --all &&
	repaired one noop
'

test_expect_success 'rows from a clock that was ahead' '
	db "UPDATE sessions SET created_at = '\''2099-01-01T00:00:00.000000Z'\'', last_used_at = '\''2099-01-01T00:00:00.000000Z'\'';
		UPDATE session_events SET at = '\''2099-01-01T00:00:00.000000Z'\'';
		UPDATE sync_runs SET started_at = '\''2099-01-01T00:00:00.000000Z'\''" &&
	expect_code 0 git agbranch ps && expect_code 0 git agbranch gc &&
	repaired one noop
'

# A process of this boot that lives and is not ours: the shell itself, with a wrong start time.
dead_pid () {
	sh -c "echo \$\$"
}
test_expect_success '50 stale locks and pid files: of the dead, of reused numbers, of another boot' '
	boot=$(cat /proc/sys/kernel/random/boot_id) &&
	other=00000000-0000-4000-8000-000000000000 &&
	git agbranch stop one -q &&
	for n in $(seq 16); do
		printf "%s 12345 %s\nsync\n" "$(dead_pid)" "$boot" >"$AGBRANCH_STATE_ROOT/locks/dead$n.lock" &&
		printf "%s 1 %s\nsync\n" "$$" "$boot" >"$AGBRANCH_STATE_ROOT/locks/reused$n.lock" &&
		printf "1 1 %s\nsync\n" "$other" >"$AGBRANCH_STATE_ROOT/locks/boot$n.lock" || return 1
	done &&
	printf "%s 1 %s\nsync\n" "$$" "$boot" >"$AGBRANCH_STATE_ROOT/locks/one.lock" &&
	db "UPDATE sessions SET lock_owner_pid = $$, lock_operation = '\''sync'\'' WHERE name = '\''one'\''" &&
	for file in "$AGBRANCH_STATE_ROOT"/bwrap/agbranch-one/*; do
		case $file in
		*/keeper.lock | *.pid | */keeper | */guest | */pid) printf "%s 1 %s\n" "$$" "$boot" >"$file" ;;
		esac
	done &&
	git agbranch repair --all -q &&
	git agbranch start one -q &&
	repaired one noop &&
	for n in 1 2; do
		expect_code 0 git agbranch open "dead$n" -q &&
		expect_code 0 git agbranch close "dead$n" --discard --yes -q &&
		expect_code 0 git agbranch open "boot$n" -q &&
		expect_code 0 git agbranch close "boot$n" --discard --yes -q || return 1
	done
'

test_expect_success 'journals of the dead, of a reused number and of another boot' '
	boot=$(cat /proc/sys/kernel/random/boot_id) &&
	for owner in "$(dead_pid) 12345 $boot" "$$ 1 $boot" "1 1 00000000-0000-4000-8000-000000000000" "nonsense"; do
		db "INSERT INTO operations (session_name, operation, step, owner, started_at, updated_at)
			VALUES ('\''one'\'', '\''sync'\'', '\''receive'\'', '\''$owner'\'', '\''2026-01-01T00:00:00Z'\'', '\''2026-01-01T00:00:00Z'\'')" &&
		repaired one rolled_back || { fail "$owner"; return 1; }
	done
'

test_expect_success 'a journal that cannot be read keeps nobody out' '
	db "INSERT INTO operations (session_name, operation, step, owner, data_json, started_at, updated_at)
		VALUES ('\''one'\'', '\''sync'\'', '\''refs'\'', '\''1 1 -'\'', '\''{\"refs\": [{]'\'', '\''2026-01-01T00:00:00Z'\'', '\''2026-01-01T00:00:00Z'\'')" &&
	repaired one rolled_back &&
	git agbranch logs one >../log && grep "had a journal that cannot be read" ../log
'

test_expect_success 'the mark of a lock in the row of a closed session, from an open that was killed' '
	git agbranch open mark -q && git agbranch close mark --discard --yes -q &&
	db "UPDATE sessions SET lock_owner_pid = 1, lock_operation = '\''open'\'' WHERE name = '\''mark'\''" &&
	repaired one noop
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
