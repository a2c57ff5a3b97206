#!/bin/sh
test_description='catalog: tables, migration from agbranch 0.1, rows written from outside'
. ./t/lib/test-lib.sh

DB=$AGBRANCH_STATE_ROOT/state.db
catalog () {
	"$AGB_BUILD/t/tools/catalog-tool" "$@"
}

# The tables as agbranch 0.1 has them (CONTRACTS: no column may be renamed or dropped).
session_columns="name vm_name session_mode repo_sync_mode host_context_path guest_workspace_path
	seed_host_path host_git_root host_head_oid_at_open host_head_ref_at_open host_dirty_at_open
	base_ref review_branch session_ref_base session_ref_head provider_kind
	imported_provider_files_json guest_tmux_socket_path shell_window_name agent_window_name
	agent_launch_preset lifecycle_state sync_state lock_owner_pid lock_operation created_at
	last_started_at last_stopped_at last_used_at closed_at"
sync_columns="id session_name direction result started_at finished_at staging_path patch_path error_text"
event_columns="id session_name at level kind message"

has_columns () {
	sqlite3 "$DB" "SELECT name FROM pragma_table_info ('$1')" >columns &&
	shift &&
	for column; do
		grep -qx "$column" columns || fail "no column $column" || return 1
	done
}

# An old catalog: sessions a (of a repository), b (a sandbox), c (closed).
make_old_catalog () {
	rm -rf "$AGBRANCH_STATE_ROOT" && mkdir -m 700 "$AGBRANCH_STATE_ROOT" &&
	sqlite3 "$DB" "
		CREATE TABLE sessions (name TEXT PRIMARY KEY, vm_name TEXT NOT NULL UNIQUE,
			$(echo $session_columns | sed "s/^name vm_name //; s/ / TEXT, /g") TEXT);
		CREATE TABLE sync_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, session_name TEXT,
			$(echo $sync_columns | sed "s/^id session_name //; s/ / TEXT, /g") TEXT);
		CREATE TABLE session_events (id INTEGER PRIMARY KEY AUTOINCREMENT, session_name TEXT,
			at TEXT, level TEXT, kind TEXT, message TEXT);
		INSERT INTO sessions (name, vm_name, session_mode, host_git_root, lifecycle_state, sync_state,
			created_at, host_dirty_at_open)
			VALUES (\"a\", \"agbranch-a\", \"repo\", \"/work tree\", \"running\", \"pending\", \"2025-01-01T00:00:00Z\", 1),
			(\"b\", \"agbranch-b\", \"sandbox\", NULL, \"stopped\", NULL, \"2025-01-02T00:00:00Z\", 0),
			(\"c\", \"agbranch-c\", \"repo\", \"/gone\", \"closed\", \"clean\", \"2025-01-03T00:00:00Z\", 0);
		INSERT INTO sync_runs (session_name, direction, result) VALUES (\"a\", \"guest_to_host\", \"ok\");
		INSERT INTO session_events (session_name, at, level, kind, message)
			VALUES (\"a\", \"2025-01-01T00:00:00Z\", \"info\", \"opened\", \"an old event\");
		PRAGMA user_version = $1"
}

test_expect_success 'reading makes nothing, and finds an empty catalog' '
	expect_code 0 catalog list && test_must_be_empty out &&
	expect_code 1 catalog get a && grep "^fatal: no session .a." err &&
	! test -e "$AGBRANCH_STATE_ROOT"
'

test_expect_success 'a new catalog has the tables, private, in WAL mode' '
	expect_code 0 catalog open &&
	has_columns sessions $session_columns &&
	has_columns sync_runs $sync_columns &&
	has_columns session_events $event_columns &&
	test "$(sqlite3 "$DB" "PRAGMA journal_mode")" = wal &&
	test "$(sqlite3 "$DB" "PRAGMA user_version")" -ge 100 &&
	test "$(stat -c %a "$AGBRANCH_STATE_ROOT" "$DB" | tr "\n" " ")" = "700 600 " &&
	expect_code 0 catalog check
'

test_expect_success 'agbranch-formats(5) names every table and column' '
	page=$TEST_TOP/Documentation/agbranch-formats.adoc &&
	for table in $(sqlite3 "$DB" "SELECT name FROM sqlite_schema WHERE type = \"table\" AND name NOT LIKE \"sqlite%\""); do
		grep -q "^=== $table$" "$page" || fail "no table $table" || return 1
		sqlite3 "$DB" "SELECT name FROM pragma_table_info (\"$table\")" >columns &&
		for column in $(cat columns); do
			grep -qw "$column" "$page" || fail "no column $column" || return 1
		done
	done
'

test_expect_success 'sessions: insert, get, list by state, text and order' '
	expect_code 0 catalog insert one /r/.git &&
	expect_code 0 catalog insert two /other/.git stopped &&
	expect_code 0 catalog insert three /r/.git closed &&
	expect_code 0 catalog get one &&
	echo "one|agbranch-one|running|/r/.git|1|2147483648" >expected && test_cmp expected out &&
	catalog list | cut -d"|" -f1 >out && printf "%s\n" one two >expected && test_cmp expected out &&
	ALL=1 catalog list -name | cut -d"|" -f1 >out && printf "%s\n" two three one >expected && test_cmp expected out &&
	catalog list "" closed | cut -d"|" -f1 >out && echo three >expected && test_cmp expected out &&
	catalog list "" "" OTHER | cut -d"|" -f1 >out && echo two >expected && test_cmp expected out &&
	catalog list "" "" "%" >out && test_must_be_empty out &&
	expect_code 1 catalog list "name; DROP TABLE sessions" && grep "no such column" err &&
	expect_code 1 catalog list name idle && grep "^hint: one of: .*repairing" err
'

test_expect_success 'columns that are not asked for stay empty' '
	FEW=1 catalog list >out &&
	printf "%s\n" "one|agbranch-one|running|/r/.git|0|0" "two|agbranch-two|stopped|/other/.git|0|0" >expected &&
	test_cmp expected out
'

test_expect_success 'a live name of another repository says where it lives; a closed one is free' '
	expect_code 1 catalog insert one /elsewhere/.git &&
	grep "there is a session .one. already, of ./r/.git." err &&
	expect_code 0 catalog insert three /elsewhere/.git &&
	expect_code 0 catalog insert one /r/.git stopped &&
	expect_code 0 catalog get one && grep "|stopped|" out
'

test_expect_success 'update: NULL, and a name that is not there with the nearest one' '
	expect_code 0 catalog update one git_common_dir "" &&
	test "$(sqlite3 "$DB" "SELECT git_common_dir IS NULL FROM sessions WHERE name = \"one\"")" = 1 &&
	expect_code 0 catalog update one attempt 7 &&
	test "$(sqlite3 "$DB" "SELECT typeof (attempt) FROM sessions WHERE name = \"one\"")" = integer &&
	expect_code 1 catalog update onr sync_state clean &&
	grep "^hint: did you mean .one." err
'

test_expect_success 'events: after, since, limit, and text that is no UTF-8' '
	expect_code 0 catalog event one first && expect_code 0 catalog event two second &&
	expect_code 0 catalog event one third && expect_code 0 catalog event one "$(printf "bad\377")" &&
	catalog events one 0 "" 0 | cut -d"|" -f1,6 >out &&
	printf "1|first\n3|third\n4|bad\357\277\275\n" >expected && test_cmp expected out &&
	catalog events "" 0 "" 2 | cut -d"|" -f1 >out && printf "%s\n" 3 4 >expected && test_cmp expected out &&
	catalog events one 3 "" 0 | cut -d"|" -f1 >out && echo 4 >expected && test_cmp expected out &&
	catalog events one 0 2999-01-01T00:00:00Z 0 >out && test_must_be_empty out
'

test_expect_success 'sync runs are begun and finished' '
	expect_code 0 catalog sync one synced && expect_code 0 catalog sync two blocked &&
	expect_code 0 catalog syncs one && echo "1|one|synced|finished|1" >expected && test_cmp expected out &&
	expect_code 5 catalog sync nobody synced && grep FOREIGN err
'

test_expect_success 'the journal: one operation a session, its owner dead after the process' '
	expect_code 0 catalog journal one sync moving "{\"a\":1}" &&
	expect_code 0 catalog journals && echo "one|sync|moving|{\"a\":1}|dead" >expected && test_cmp expected out &&
	expect_code 5 catalog journal one close begin &&
	expect_code 0 catalog finish one && expect_code 0 catalog journals && test_must_be_empty out
'

test_expect_success 'rows of outside tools are seen; states set by hand count' '
	sqlite3 "$DB" "INSERT INTO sessions (name, vm_name, lifecycle_state) VALUES (\"hand\", \"v\", \"running\");
		UPDATE sessions SET lifecycle_state = \"destroying\" WHERE name = \"two\";
		INSERT INTO session_events (session_name, at, level, kind, message)
			VALUES (\"hand\", \"2026-01-01T00:00:00Z\", \"info\", \"x\", \"y\")" &&
	expect_code 0 catalog get hand && echo "hand|v|running|-|0|0" >expected && test_cmp expected out &&
	catalog list "" destroying | cut -d"|" -f1 >out && echo two >expected && test_cmp expected out &&
	expect_code 0 catalog events hand 0 "" 0 && grep "|x|y$" out
'

test_expect_success 'the file that a watcher watches is the write-ahead log' '
	read counter path <<-EOF &&
	$(catalog counter)
	EOF
	test "$path" = "$DB-wal" && test "$counter" -gt 0
'

test_expect_success 'pruning keeps what live sessions have written; a dry run changes nothing' '
	catalog update one lifecycle_state closed && catalog update one closed_at 2026-01-02T00:00:00Z &&
	sqlite3 "$DB" "SELECT count (*) FROM session_events" >before &&
	catalog prune 2999 2999 2999 dry >planned &&
	sqlite3 "$DB" "SELECT count (*) FROM session_events" >after && test_cmp before after &&
	catalog prune 2999 2999 2999 >done && test_cmp planned done && test "$(cat done)" -gt 3 &&
	ALL=1 catalog list name | cut -d"|" -f1 >out && printf "%s\n" hand three two >expected && test_cmp expected out &&
	catalog events two 0 "" 0 | grep second &&
	catalog events one 0 "" 0 >out && test_must_be_empty out &&
	expect_code 0 catalog check
'

for version in 0 1 42; do
	test_expect_success "a catalog of agbranch 0.1 (user_version $version) is carried on" '
		make_old_catalog '$version' &&
		sqlite3 "$DB" .dump >dump.old &&
		expect_code 0 catalog open &&
		ALL=1 catalog list name >out &&
		cat >expected <<-\EOF &&
		a|agbranch-a|running|/work tree/.git|1|0
		b|agbranch-b|stopped|-|1|0
		c|agbranch-c|closed|/gone/.git|1|0
		EOF
		test_cmp expected out &&
		catalog events a 0 "" 0 | grep "an old event" &&
		catalog syncs a | grep "^1|a|ok" &&
		sqlite3 "$DB.before-migration" .dump >dump.backup && test_cmp dump.old dump.backup &&
		test "$(sqlite3 "$DB" "SELECT DISTINCT runtime FROM sessions")" = lima &&
		expect_code 0 catalog insert new /r/.git && expect_code 0 catalog sync new synced &&
		expect_code 0 catalog check
	'
done

test_expect_success 'reading an old catalog migrates it too' '
	make_old_catalog 1 &&
	expect_code 0 catalog list && test "$(wc -l <out)" = 2 &&
	test "$(sqlite3 "$DB" "PRAGMA user_version")" -ge 100
'

test_expect_success 'a migration killed or failed at each of its points is done by the next command' '
	make_old_catalog 1 &&
	AGB_FAIL_LIST=$(pwd)/points catalog open && count=$(wc -l <points) && test "$count" -ge 2 &&
	for i in $(seq "$count"); do
		for how in error kill; do
			make_old_catalog 1 &&
			code=0 && { AGB_FAIL_AT=$i:$how catalog open 2>err || code=$?; } &&
			case $how:$code in error:8 | kill:137) ;; *) fail "$how at $i: $code" || return 1 ;; esac &&
			test "$(sqlite3 "$DB" "PRAGMA user_version")" = 1 &&
			expect_code 0 catalog list && test "$(wc -l <out)" = 2 &&
			test "$(sqlite3 "$DB.before-migration" "SELECT count (*) FROM sessions")" = 3 || return 1
		done
	done
'

test_expect_success 'a newer schema is exit 5, also for readers, and the file stays as it is' '
	rm -rf "$AGBRANCH_STATE_ROOT" && catalog insert one /r/.git &&
	sqlite3 "$DB" "PRAGMA user_version = 4711; PRAGMA wal_checkpoint (TRUNCATE)" >/dev/null &&
	sum=$(sha256sum <"$DB") &&
	for how in list open "insert two /r/.git" check; do
		expect_code 5 catalog $how && grep "has schema version 4711" err &&
		grep "^hint: update git agbranch" err || return 1
	done &&
	test "$sum" = "$(sha256sum <"$DB")"
'

test_expect_success 'a database of another program is exit 5' '
	rm -rf "$AGBRANCH_STATE_ROOT" && mkdir -m 700 "$AGBRANCH_STATE_ROOT" &&
	sqlite3 "$DB" "CREATE TABLE music (title)" &&
	expect_code 5 catalog open && grep "is a database of something else" err &&
	test "$(sqlite3 "$DB" .tables)" = music
'

# Make a catalog of 200 events, then damage its file with the command $1.
damage () {
	rm -rf "$AGBRANCH_STATE_ROOT" && catalog insert one /r/.git && catalog fill one 200 >/dev/null &&
	sqlite3 "$DB" "PRAGMA wal_checkpoint (TRUNCATE)" >/dev/null && rm -f "$DB-wal" "$DB-shm" &&
	eval "$1"
}

test_expect_success 'damage is exit 5 with the way to repair, never success' '
	for how in "head -c 65536 /dev/zero >\$DB" "head -c 50 /dev/urandom >\$DB" \
		"dd if=/dev/zero of=\$DB bs=4096 seek=1 count=4 conv=notrunc 2>/dev/null"; do
		damage "$how" &&
		expect_code 5 catalog list && grep "^hint: .*git agbranch repair --all" err &&
		expect_code 5 catalog insert two /r/.git && grep "^hint: .*git agbranch repair --all" err || return 1
	done &&
	damage "truncate -s 12288 \$DB" &&
	expect_code 5 catalog check
'

test_expect_success 'a damaged catalog can be set aside, with its log' '
	damage "head -c 65536 /dev/zero >\$DB && echo x >\$DB-wal" &&
	expect_code 0 catalog aside &&
	test -f "$(cat out)" && test -f "$(cat out)-wal" &&
	! test -e "$DB" &&
	expect_code 0 catalog insert two /r/.git && expect_code 0 catalog check
'

test_expect_success 'a state root that is open to others is closed; one of another user is refused' '
	rm -rf "$AGBRANCH_STATE_ROOT" && mkdir -m 755 "$AGBRANCH_STATE_ROOT" &&
	expect_code 0 catalog open && test "$(stat -c %a "$AGBRANCH_STATE_ROOT")" = 700
'

test_done
