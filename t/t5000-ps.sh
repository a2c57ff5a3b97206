#!/bin/sh
test_description='ps: the list of sessions from the catalog alone'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/catalog-tool
ps=$AGB_BUILD/libexec/git-agbranch/git-agbranch-ps

sql () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$1"
}

test_expect_success 'without a catalog there is nothing, and nothing is made' '
	expect_code 0 git agbranch ps &&
	test_must_be_empty out && test_must_be_empty err &&
	expect_code 0 git agbranch ps --json &&
	json_is length 0 &&
	expect_code 0 git agbranch ps -q &&
	test_must_be_empty out &&
	test ! -e "$AGBRANCH_STATE_ROOT"
'

test_expect_success 'it is linked with neither libgit2 nor a runtime library' '
	ldd "$ps" >libraries &&
	! grep -E "git2|gio|archive|seccomp|yaml" libraries
'

test_expect_success 'a table of the open sessions' '
	"$tool" insert first /home/user/some/project &&
	"$tool" insert second /home/user/other stopped &&
	"$tool" insert third /home/user/old closed &&
	sql "UPDATE sessions SET created_at = \"2026-01-0\" || (rowid % 10) || \"T00:00:00Z\"" &&
	sql "UPDATE sessions SET agent_command_json = json_array (\"/usr/bin/thing\", \"-x\") WHERE name = \"second\"" &&
	AGBRANCH_TEST_NOW=2026-01-01T00:05:00Z expect_code 0 git agbranch ps &&
	head -n 1 out | grep "^NAME *STATE *SYNC *AGENT *AGE *WHERE$" &&
	grep "^first *running *pending *- *5m *project$" out &&
	grep "^second *stopped *pending *thing *0s *other$" out &&
	test "$(wc -l <out)" = 3
'

test_expect_success 'closed ones with -a or by state' '
	expect_code 0 git agbranch ps -a -q &&
	printf "%s\n" first second third >expected &&
	test_cmp expected out &&
	expect_code 0 git agbranch ps --state=closed -q &&
	echo third >expected &&
	test_cmp expected out &&
	expect_code 1 git agbranch ps --state=sleeping &&
	grep "sleeping" err && grep "^hint: " err
'

test_expect_success 'search and sort' '
	expect_code 0 git agbranch ps -a --search=OTHER -q &&
	echo second >expected && test_cmp expected out &&
	expect_code 0 git agbranch ps -a --sort=-name -q &&
	printf "%s\n" third second first >expected && test_cmp expected out &&
	expect_code 0 git agbranch ps -a --sort=age -q &&
	test_cmp expected out &&
	expect_code 0 git agbranch ps -a --sort=created_at -q &&
	printf "%s\n" first second third >expected && test_cmp expected out &&
	expect_code 1 git agbranch ps --sort=nonsense
'

test_expect_success 'columns: short words and JSON keys; a typo gets the nearest one' '
	expect_code 0 git agbranch ps --columns=name,vm,memory,review_branch &&
	grep "^first *agbranch-first *2.*GiB *agbranch/first$" out &&
	expect_code 1 git agbranch ps --columns=name,sate &&
	grep "^fatal: .sate. is not a column" err &&
	grep "^hint: did you mean .state." err
'

test_expect_success '-z: fields end in NUL, a session in an empty one' '
	expect_code 0 git agbranch ps -z --columns=name,state &&
	tr "\000" "|" <out >shown &&
	printf "first|running||second|stopped||" >expected &&
	test_cmp expected shown &&
	expect_code 0 git agbranch ps -q -z && tr "\000" "|" <out >shown &&
	printf "first|second|" >expected && test_cmp expected shown
'

test_expect_success '--json has every key, and is one array' '
	expect_code 0 git agbranch ps -a --json &&
	json_is length 3 &&
	jq -e "all (.[]; has (\"name\") and has (\"vm_name\") and has (\"session_mode\")
		and has (\"repo_sync_mode\") and has (\"host_context_path\") and has (\"guest_workspace_path\")
		and has (\"host_head_oid_at_open\") and has (\"host_head_ref_at_open\")
		and has (\"host_dirty_at_open\") and has (\"lifecycle_state\") and has (\"sync_state\")
		and has (\"created_at\") and has (\"last_started_at\") and has (\"last_stopped_at\")
		and has (\"closed_at\") and has (\"provider_kind\") and has (\"guest_tmux_socket_path\")
		and has (\"shell_window_name\") and has (\"agent_window_name\"))" out &&
	json_is ".[0].name" first &&
	json_is ".[0].host_dirty_at_open" false &&
	json_is ".[2].closed_at" 2026-01-02T00:00:00Z &&
	json_is ".[0].closed_at" null
'

test_expect_success 'text of a guest is escaped, and bytes that are not UTF-8 do no harm' '
	sql "UPDATE sessions SET agent_launch_preset = char (27) || \"[31m\" || char (0x202e) || cast (x'"'ff'"' AS TEXT)
		WHERE name = \"first\"" &&
	expect_code 0 git agbranch ps &&
	grep -F "\\x1b[31m\\u{202e}\\xff" out &&
	expect_code 0 git agbranch ps --json &&
	jq -e . out >/dev/null
'

test_expect_success '--watch prints the list again when something has changed' '
	{ "$AGB_BUILD/bin/git-agbranch" ps --watch --columns=name,state >lines & } &&
	pid=$! &&
	wait_until 30 grep "^first *running" lines &&
	"$tool" update first lifecycle_state stopped &&
	wait_until 30 grep "^first *stopped" lines &&
	kill -TERM $pid &&
	wait $pid
'

test_expect_success '--watch=<seconds> prints it again without a change' '
	{ "$AGB_BUILD/bin/git-agbranch" ps --watch=1 -q >lines & } &&
	pid=$! &&
	twice () { test "$(grep -cx first lines)" -ge 2; } &&
	wait_until 30 twice &&
	kill -TERM $pid &&
	wait $pid &&
	expect_code 1 git agbranch ps --watch=often && grep "often" err
'

command -v script >/dev/null && test_set_prereq SCRIPT

test_expect_success SCRIPT 'on a terminal of 80 columns the table fits' '
	long=$(printf "%048d" 0 | tr 0 l) &&
	"$tool" insert "$long" "/home/user/$long$long" &&
	COLUMNS=80 script -qec "git agbranch ps" /dev/null </dev/null >typescript 2>&1 &&
	tr -d "\r" <typescript >shown &&
	grep "^llll.*…" shown &&
	awk "{ if (length (\$0) > 90) exit 1 }" shown
'

test_expect_success 'a catalog of a newer version is exit 5 and stays as it is' '
	version=$(sql "PRAGMA user_version") &&
	sql "PRAGMA user_version = 9999" &&
	expect_code 5 git agbranch ps &&
	grep "newer\|9999" err &&
	test "$(sql "PRAGMA user_version")" = 9999 &&
	sql "PRAGMA user_version = $version"
'

test_expect_success 'a catalog that is none is exit 5, with --json as an object' '
	cp "$AGBRANCH_STATE_ROOT/state.db" kept.db &&
	rm -f "$AGBRANCH_STATE_ROOT"/state.db* &&
	echo "this is no database, but long enough to be looked at" >"$AGBRANCH_STATE_ROOT/state.db" &&
	expect_code 5 git agbranch ps --json &&
	json_is .error.code 5 &&
	json_is .error.kind catalog
'

test_done
