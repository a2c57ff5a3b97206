#!/bin/sh
test_description='damage: catalog, refs, quarantines'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/damage.sh"

# In place of the catalog, as a machine that lost its power may leave it.
drop_log () {
	rm -f "$AGBRANCH_STATE_ROOT/state.db-wal" "$AGBRANCH_STATE_ROOT/state.db-shm"
}

test_expect_success 'set up' '
	in_synced_repo &&
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

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
