# For t32xx: a session from open to close on repositories of every kind.  Sourced after test-lib.sh.

# host_snapshot DIR: all that must not change: status, HEAD, index, each file with mode and time.
host_snapshot () {
	git_folder=$(git -C "$1" rev-parse --absolute-git-dir) &&
	if test "$(git -C "$1" rev-parse --is-inside-work-tree)" = true; then
		GIT_OPTIONAL_LOCKS=0 git -C "$1" status --porcelain=v2 --ignored || return 1
		(cd "$1" && cd "$(git rev-parse --show-toplevel)" &&
			find . -name .git -prune -o -printf '%P %y %m %s %T@ %l\n' | LC_ALL=C sort) || return 1
	fi &&
	cat "$git_folder/HEAD" &&
	if test -f "$git_folder/index"; then
		stat -c 'index %s %i %y' "$git_folder/index"
	fi
}

# nothing_made SESSION DIR: neither row nor guest nor ref of it.
nothing_made () {
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT count(*) FROM sessions WHERE name = '$1'")" = 0 &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-$1" &&
	test -z "$(git -C "$2" for-each-ref "refs/agbranch/sessions/$1" "refs/heads/agbranch/$1")"
}

# refused DIR MESSAGE [ARGS…]: open ends with 1, a hint, and has made nothing.
refused () {
	refused_dir=$1 message=$2
	shift 2
	host_snapshot "$refused_dir" >"$TEST_TMP/before" &&
	expect_code 1 git -C "$refused_dir" agbranch open refused "$@" &&
	grep -- "$message" err &&
	grep '^hint: ' err &&
	nothing_made refused "$refused_dir" &&
	host_snapshot "$refused_dir" >"$TEST_TMP/after" &&
	test_cmp "$TEST_TMP/before" "$TEST_TMP/after"
}

# whole_way DIR [ARGS…]: open (with ARGS), look, commit, sync, close; the host's work tree stays.
# The base is left in $base, the tip in $tip.
whole_way () {
	way_dir=$1
	shift
	host_snapshot "$way_dir" >"$TEST_TMP/before" &&
	git -C "$way_dir" agbranch open way -q "$@" &&
	base=$(git -C "$way_dir" rev-parse refs/agbranch/sessions/way/base) &&
	test "$(git agbranch run way -- git rev-parse HEAD)" = "$base" &&
	git agbranch run way -- git status --porcelain >status.out &&
	test_must_be_empty status.out &&
	agent_commit way "agent's file" text &&
	git agbranch sync way -q &&
	tip=$(git -C "$way_dir" rev-parse refs/heads/agbranch/way) &&
	test "$(GIT_NO_REPLACE_OBJECTS=1 git -C "$way_dir" rev-parse "$tip^")" = "$base" &&
	test "$(git -C "$way_dir" diff-tree -r --name-only -z "$base" "$tip" | tr '\0' '|')" = "agent's file|" &&
	git agbranch close way --sync --yes -q &&
	host_snapshot "$way_dir" >"$TEST_TMP/after" &&
	test_cmp "$TEST_TMP/before" "$TEST_TMP/after" &&
	git -C "$way_dir" branch -q -D agbranch/way
}
