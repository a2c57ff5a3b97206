#!/bin/sh
test_description='locks, pid files and journals of processes that are not there any more'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/damage.sh"

test_expect_success 'set up' '
	in_synced_repo
'

# A process of this boot that lives and is not ours: the shell itself, with a wrong start time.
dead_pid () {
	sh -c "echo \$\$"
}
test_expect_success 'more than 50 stale locks and pid files: of the dead, of reused numbers, of another boot' '
	boot=$(cat /proc/sys/kernel/random/boot_id) &&
	other=00000000-0000-4000-8000-000000000000 &&
	git agbranch stop one -q &&
	for n in $(seq 17); do
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
