#!/bin/sh
test_description='migrate: sessions of agbranch 0.1 are carried on'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
. "$TEST_TOP/t/lib/agbranch-0.1.sh"

# limactl is a stand-in: what is tested is that instances are taken over as they are.  Lima refuses root
# before any of this, so an ordinary user runs it.
test "$(id -u)" != 0 || lima_as_user

LIMA_HOME=$TEST_TMP/lima
PATH=$TEST_TMP/bin:$PATH
export LIMA_HOME
mkdir -p "$TEST_TMP/bin" "$LIMA_HOME"
git config --global agbranch.runtime lima
cat >"$TEST_TMP/bin/limactl" <<'END'
#!/bin/sh
test "$1" != --tty=false || shift
echo "$*" >>"$HOME/limactl.calls"
case $1 in
--version) echo "limactl version 2.2.0" ;;
list)
	for dir in "$LIMA_HOME"/agbranch-*; do
		test -d "$dir" || continue
		printf '{"name":"%s","status":"%s","dir":"%s","vmType":"qemu","arch":"x86_64","cpus":2,"memory":2147483648,"disk":32212254720,"config":{}}\n' \
			"${dir##*/}" "$(cat "$dir/status")" "$dir"
	done
	;;
esac
END
chmod +x "$TEST_TMP/bin/limactl"

instance () {
	mkdir -p "$LIMA_HOME/agbranch-$1" && : >"$LIMA_HOME/agbranch-$1/lima.yaml" && echo "$2" >"$LIMA_HOME/agbranch-$1/status"
}

make_repo plain
git -C plain worktree add -q ../linked -b linked
git clone -q --bare plain bare.git
old_catalog

test_expect_success 'set up the catalog and the instances of agbranch 0.1' '
	old_row one plain running && instance one Running &&
	old_row two linked stopped && instance two Stopped &&
	old_row three bare.git running && instance three Running &&
	old_row gone plain running &&
	old_row old plain closed &&
	old_row busy plain running $$ && instance busy Running &&
	sqlite3 "$DB" .dump >before.dump
'

test_expect_success 'doctor says that they are there, and what to do' '
	expect_code 1 git agbranch doctor --json &&
	jq -r ".messages[] | tostring" out | grep "made by agbranch 0.1"
'

test_expect_success 'migrate adopts what runs, under its own name, and reports the rest' '
	: >"$HOME/limactl.calls" &&
	expect_code 3 git agbranch migrate --json &&
	acted one adopted && acted two adopted && acted three adopted &&
	acted gone carried && acted old carried && acted busy blocked &&
	json_is .wrote_since false &&
	test "$(row vm_name,lifecycle_state,runtime,attempt,network one)" = "agbranch-one|running|lima|1|open" &&
	test "$(row cpus,memory_bytes two)" = "2|2147483648" &&
	! grep -E "^(start|stop|delete|clone|create|edit)" "$HOME/limactl.calls"
'

test_expect_success 'refs are found: of a work tree, a linked one, a bare repository' '
	test "$(row git_common_dir one)" = "$PWD/plain/.git" &&
	test "$(row git_common_dir two)" = "$PWD/plain/.git" &&
	test "$(row git_common_dir three)" = "$PWD/bare.git" &&
	test "$(row base_oid two)" = "$(git -C plain rev-parse HEAD)"
'

test_expect_success 'the catalog as it was lies beside it' '
	sqlite3 "$DB.before-migration" .dump >backup.dump && test_cmp before.dump backup.dump &&
	backup=$(jq -r .backup out) && test -f "$backup" &&
	test "$(stat -c %a "$backup")" = 600
'

test_expect_success 'ours now: ps, show, and the guest is not an orphan' '
	expect_code 0 git agbranch ps -q && grep -x one out &&
	expect_code 0 git agbranch ps --live --json && json_is ".[] | select (.name == \"one\") | .lifecycle_state" running &&
	json_is .key one.1 "$LIMA_HOME/_agbranch/sessions/agbranch-one.json"
'

test_expect_success 'a process that has ended is in nobody'\''s way; then there is nothing to do' '
	sqlite3 "$DB" "UPDATE sessions SET lock_owner_pid = NULL WHERE name = \"busy\"" &&
	expect_code 0 git agbranch migrate && grep "^busy .*adopted" out &&
	expect_code 0 git agbranch migrate && grep "nothing to migrate" out &&
	expect_code 0 git agbranch migrate --json && json_is .backup null && json_is ".sessions | length" 0
'

test_expect_success 'what the old program writes afterwards is noticed' '
	old_row later plain running && instance later Running &&
	{ git agbranch doctor --json >out || :; } &&
	jq -r ".messages[] | tostring" out | grep "later.*made by agbranch 0.1" &&
	expect_code 0 git agbranch migrate --json &&
	json_is .wrote_since true && acted later adopted &&
	grep "note: agbranch 0.1 has made sessions since" err
'

test_expect_success 'a repository that is gone, a base ref that is gone: blocked, the row stays' '
	old_row lost plain running && instance lost Running &&
	sqlite3 "$DB" "UPDATE sessions SET host_git_root = \"/no/where\" WHERE name = \"lost\"" &&
	old_row noref plain running && git -C plain update-ref -d refs/agbranch/sessions/noref/base &&
	expect_code 3 git agbranch migrate --json &&
	acted lost blocked && acted noref blocked &&
	test "$(row "network IS NULL" lost)" = 1 &&
	sqlite3 "$DB" "DELETE FROM sessions WHERE name IN (\"lost\", \"noref\")"
'

test_expect_success 'killed at each of its points, it is finished by a second one' '
	old_row again plain running && instance again Running &&
	AGB_FAIL_LIST=$PWD/points git agbranch migrate -q >/dev/null && count=$(wc -l <points) && test "$count" -ge 2 &&
	for n in $(seq "$count"); do
		sqlite3 "$DB" "UPDATE sessions SET network = NULL, cpus = NULL, memory_bytes = NULL WHERE name = \"again\"" &&
		rm -f "$LIMA_HOME/_agbranch/sessions/agbranch-again.json" &&
		expect_code 137 env AGB_FAIL_AT="$n:kill" git agbranch migrate &&
		expect_code 0 git agbranch migrate &&
		test "$(row network again)" = open || return 1
	done
'

test_expect_success 'an instance that is ours and has no session any more is an orphan' '
	sqlite3 "$DB" "DELETE FROM sessions WHERE name IN (\"two\", \"later\")" &&
	expect_code 1 git agbranch doctor --json &&
	json_is "[.messages[] | select (startswith (\"orphaned Lima instances:\"))] | length" 1 &&
	json_is ".messages[] | select (startswith (\"orphaned Lima instances:\")) | contains (\"agbranch-two\") and contains (\"agbranch-later\")" true
'

test_done
