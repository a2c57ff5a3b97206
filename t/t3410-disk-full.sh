#!/bin/sh
test_description='a full disk in each phase of open, sync and close'
. ./t/lib/test-lib.sh
requires unshare

# The state root and the repository on a small file system, mounted in a namespace of our own.
if test -z "$AGB_SMALL_DISK"; then
	how=--mount
	test "$(id -u)" = 0 || how='--mount --map-root-user'
	unshare $how sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null || {
		skip_all='no file system can be mounted here'
		test_done
	}
fi

# on_small_disk SIZE SCRIPT: SCRIPT there, in a repository with an open session "one" that has a commit; $disk
# is its folder, `fill LEFT` leaves LEFT KiB of it.
cat >prelude.sh <<'PRELUDE'
disk=$TEST_TMP/disk
AGBRANCH_STATE_ROOT=$disk/state
TMPDIR=$disk
export AGBRANCH_STATE_ROOT TMPDIR
test_set_prereq () {
	:
}
. "$TEST_TOP/t/lib/functions.sh" || :
fill () {
	rm -f "$disk/ballast"
	free=$(df -k --output=avail "$disk" | tail -n 1)
	test "$free" -le "$1" || head -c "$(((free - $1) * 1024))" /dev/zero >"$disk/ballast"
}
empty () {
	rm -f "$disk/ballast"
}
codes='0 1 2 3 5 6 7 8 9'
# tried COMMAND…: a documented exit code, and words when it is not 0.
tried () {
	code=0
	timeout 60 "$@" >"$TEST_TMP/said.out" 2>"$TEST_TMP/said.err" </dev/null || code=$?
	case " $codes " in *" $code "*) ;; *) echo "exit code $code of $*" >&2; cat "$TEST_TMP/said.err" >&2; exit 1 ;; esac
	test "$code" = 0 || grep -q "^fatal: \|^blocked: " "$TEST_TMP/said.err" || { echo "says nothing: $*" >&2; exit 1; }
}
settled () {
	empty
	git agbranch repair --all --json -q >"$TEST_TMP/first" || { cat "$TEST_TMP/first" >&2; exit 1; }
	git agbranch repair --all --json -q >"$TEST_TMP/second" &&
	test "$(jq "map (select (.action != \"noop\")) | length" "$TEST_TMP/second")" = 0 || { cat "$TEST_TMP/second" >&2; exit 1; }
	git fsck --strict --no-progress --no-dangling >"$TEST_TMP/fsck" 2>&1 || { cat "$TEST_TMP/fsck" >&2; exit 1; }
	left=$(find .git -name "*.lock" -o -name "tmp_*" -o -name "quarantine-*" -o -name "*.keep")
	test -z "$left" || { echo "left: $left" >&2; exit 1; }
}
make_repo "$disk/repo" && cd "$disk/repo" || exit 99
PRELUDE

# An ordinary user may mount as the root of a name space, and is himself again in one below it.
small_disk () {
	cat prelude.sh - >script.sh &&
	how=--mount self= &&
	{ test "$(id -u)" = 0 || {
		how="--mount --map-root-user" && self="unshare --map-user=$(id -u) --map-group=$(id -g)"
	}; } &&
	mkdir -p "$TEST_TMP/disk" &&
	export TEST_TOP TEST_TMP self &&
	timeout 150 unshare $how --propagation private sh -c "
		mount -t tmpfs -o size=24m,mode=700 tmpfs \"\$TEST_TMP/disk\" || exit 99
		exec \$self sh -e script.sh"
}

test_expect_success 'open' '
	small_disk <<-\SCRIPT
	for left in 0 4 8 16 32 64 96 128 160 192 256 512; do
		fill $left
		tried git agbranch open one -q
		settled
		git agbranch open one -q >/dev/null 2>&1 || :
		git agbranch run one -- git rev-parse HEAD >/dev/null
		git agbranch close one --discard --yes -q >/dev/null
	done
	SCRIPT
'

test_expect_success 'sync: the commit is in the guest or on the branch' '
	small_disk <<-\SCRIPT
	git agbranch open one -q >/dev/null
	for left in 0 4 8 16 32 48 64 96 128 192 256 512; do
		empty
		agent_commit one file "$left" >/dev/null
		git agbranch run one -- sh -c "head -c 60000 /dev/urandom >data && git add data && git commit -qm data"
		tip=$(git agbranch run one -- git rev-parse HEAD)
		fill $left
		tried git agbranch sync one -q
		settled
		test "$(git agbranch run one -- git rev-parse HEAD)" = "$tip"
		git agbranch sync one -q >/dev/null
		test "$(git rev-parse agbranch/one)" = "$tip"
	done
	git agbranch close one --discard --yes -q >/dev/null
	SCRIPT
'

test_expect_success 'close: nothing is destroyed that is not saved' '
	small_disk <<-\SCRIPT
	for left in 0 4 8 16 32 64 96 128 192 256; do
		empty
		git agbranch open one -q >/dev/null
		agent_commit one file "$left" >/dev/null
		tip=$(git agbranch run one -- git rev-parse HEAD)
		fill $left
		tried git agbranch close one --sync --yes -q
		settled
		state=$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT lifecycle_state FROM sessions WHERE name = \"one\"")
		test "$state" = closed || git agbranch close one --sync --yes -q >/dev/null
		test "$(git rev-parse agbranch/one)" = "$tip"
		git branch -q -D agbranch/one
	done
	SCRIPT
'

test_done
