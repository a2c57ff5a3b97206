# Functions shared by the test scripts.

# fail MESSAGE: end an assertion with its reason.
fail () {
	echo "assertion failed: $*" >&2
	return 1
}

# expect_code CODE COMMAND…: exactly this exit code; stdout and stderr go to `out` and `err`.
expect_code () {
	expected=$1
	shift
	actual=0
	"$@" >out 2>err || actual=$?
	test "$actual" -eq "$expected" && return 0
	echo "expected exit code $expected, got $actual from: $*" >&2
	sed 's/^/  out: /' out >&2
	sed 's/^/  err: /' err >&2
	return 1
}

# wait_until SECONDS COMMAND…: try until it succeeds; an event is better where there is one.
wait_until () {
	deadline=$(($(date +%s) + $1))
	shift
	until "$@"; do
		test "$(date +%s)" -lt "$deadline" || fail "still not true: $*" || return 1
		sleep 0.05
	done
}

# spawn COMMAND…: in the background, with default signals and a session and process group of its own;
# $spawned is its pid and the group's (kill -INT "-$spawned" is Ctrl-C).
spawn () {
	setsid env --default-signal "$@" &
	spawned=$!
}

# requires PROGRAM…: end the script as skipped when one of them is missing.
requires () {
	for program; do
		if ! command -v "$program" >/dev/null; then
			test -z "$AGB_NO_SKIP" || error "$program is missing, and AGB_NO_SKIP is set"
			skip_all="$program is not installed"
			test_done
		fi
	done
}

# sanitized: the address sanitizer is in the programs.
sanitized () {
	grep -q "SANITIZE='[^']*address" "$AGB_BUILD/.variables" 2>/dev/null
}

# no_leak_check: from here on; where a program is traced, or has no /proc, the checker itself fails.
no_leak_check () {
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
	export ASAN_OPTIONS
}

# json_is FILTER VALUE [FILE]: jq FILTER of FILE (default `out`) prints exactly VALUE.
json_is () {
	got=$(jq -r "$1" "${3:-out}") || return 1
	test "$got" = "$2" || fail "jq '$1' gives '$got', not '$2'"
}

# make_repo DIR [FILES]: a small repository with two commits on main.
make_repo () {
	git init -q "$1" &&
	(
		cd "$1" &&
		echo one >file &&
		mkdir -p sub &&
		echo two >sub/other &&
		git add . &&
		git commit -qm 'first commit' &&
		echo more >>file &&
		git commit -qam 'second commit'
	)
}

# all_refs DIR: a listing of all refs, to compare before and after.
all_refs () {
	git -C "$1" for-each-ref --format='%(refname) %(objectname) %(symref)'
}

# is_valid VERB [FILE]: every JSON value of FILE (default `out`) fits VERB's schema.
is_valid () {
	test -s "${2:-out}" || fail "nothing was printed" || return 1
	jq -r --argjson schema "$(cat "$TEST_TOP/Documentation/schemas/$1.schema.json")" \
		-f "$TEST_TOP/t/lib/schema.jq" "${2:-out}" >faults &&
	test_must_be_empty faults
}

# agent_commit SESSION FILE TEXT [SUBJECT]: a commit in the guest.
agent_commit () {
	git agbranch run "$1" -- sh -c \
		'echo "$2" >>"$1" && git add -- "$1" && git commit -qm "$3"' \
		sh "$2" "$3" "${4:-change $2}"
}

# repo_is_sound DIR: strict fsck, no lock files, no quarantine left.
repo_is_sound () {
	git -C "$1" fsck --strict --no-progress --no-dangling >fsck.out 2>&1 || {
		cat fsck.out >&2
		fail "git fsck --strict of $1"
		return 1
	}
	common=$(cd "$1" && git rev-parse --path-format=absolute --git-common-dir) &&
	left=$(find "$common" -name '*.lock' -o -path '*/agbranch/quarantine-*' -prune) &&
	test -z "$left" || fail "left behind: $left"
}

# no_process_left: no process of this test's state root lives (keepers carry it in their environment
# or arguments).
no_process_left () {
	! pgrep -f -- "$AGBRANCH_STATE_ROOT" >/dev/null || {
		pgrep -af -- "$AGBRANCH_STATE_ROOT" >&2
		fail "processes left"
	}
}

# has_ended PID: also when nobody has waited for it, as under a pid 1 that does not (a container's).
has_ended () {
	! grep -q -s "^State:	[^ZX]" "/proc/$1/status"
}

# Called at the end of every script: end what the sessions of this test still run.  AGB_KEEP_TRASH=1
# leaves the files for a look.
test_remove_everything () {
	cd / || return 0
	if test -f "$AGBRANCH_STATE_ROOT/state.db" && test -x "$AGB_BUILD/libexec/git-agbranch/git-agbranch-kill"; then
		for name in $(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" \
			"SELECT name FROM sessions WHERE lifecycle_state <> 'closed'" 2>/dev/null); do
			git agbranch kill --force "$name" >/dev/null 2>&1
		done
	fi
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT" 2>/dev/null
	# Terminals: they hold the output of the script open, and prove waits for its end.
	pkill -KILL -f -- "^tmux -S $TEST_TMP/" 2>/dev/null
	test -n "${AGB_KEEP_TRASH:-}" || rm -rf "$TEST_TMP"
}

test "$(id -u)" = 0 && test_set_prereq ROOT
