# Sweeps over the fault points of one command (core/fault.h).
#
# A script defines, before faults_sweep:
#   faults_prepare N KIND   what each round begins with
#   faults_command          the command under test
#   faults_check CODE       after the two repairs, beyond what is checked for every command
#
# faults_sweep N takes one point in N by kill and another one in N by error; with
# AGB_TEST_ALL_POINTS=1 each is taken in both ways and by a signal.

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# The number of points that faults_command reaches, into $points, their names into ../points.
faults_count () {
	rm -f ../points
	faults_prepare 0 count &&
	AGB_FAIL_LIST=$(cd .. && pwd)/points faults_command >/dev/null &&
	points=$(wc -l <../points) &&
	test "$points" -gt 10
}

# No session that is closed has a process or folder, nothing is unfinished, the repository is sound.
faults_sound () {
	test "$(db 'SELECT count(*) FROM operations')" = 0 || fail 'an operation is unfinished' || return 1
	for closed in $(db "SELECT name FROM sessions WHERE lifecycle_state = 'closed'"); do
		! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-$closed" || fail "folder of $closed" || return 1
		! pgrep -f -- "$AGBRANCH_STATE_ROOT agbranch-$closed\$" >../orphans || fail "keeper of $closed" || return 1
		test -z "$(git for-each-ref "refs/agbranch/sessions/$closed")" || fail "refs of $closed" || return 1
	done
	! ls .git/objects/pack/*.keep >/dev/null 2>&1 || fail 'a .keep is left' || return 1
	repo_is_sound .
}

faults_round () {
	number=$1 kind=$2
	faults_prepare "$number" "$kind" || return 1
	code=0
	(AGB_FAIL_AT="$number:$kind" && export AGB_FAIL_AT && faults_command) >../out 2>../err || code=$?
	case $kind:$code in
	kill:137 | error:8 | error:0 | term:4 | term:0) ;;
	kill:0) ;; # a keeper or helper reached the point, not the command
	*) fail "exit code $code" || return 1 ;;
	esac
	git agbranch repair --all --json -q >../first || {
		cat ../first >&2
		fail 'repair --all'
		return 1
	}
	git agbranch repair --all --json -q >../second &&
	test "$(jq -r 'map(.action) | unique | join(",")' ../second)" = noop ||
	test "$(jq length ../second)" = 0 || {
		cat ../first ../second >&2
		fail 'the second repair is not noop'
		return 1
	}
	faults_sound && faults_check "$code"
}

# faults_each STRIDE KINDS FEW: a round for the points that faults_count has found: every STRIDEth by kill,
# the one after it by an error; all of them by each of KINDS where there are at most FEW.
faults_each () {
	number=1
	while test "$number" -le "$points"; do
		for kind in $2; do
			test "${AGB_TEST_ALL_POINTS:-0}" = 1 || test "$points" -le "$3" ||
			case $kind:$((number % $1)) in
			kill:0 | error:1) ;;
			*) continue ;;
			esac
			faults_round "$number" "$kind" || {
				echo "at point $number ($(sed -n "${number}p" ../points)) by $kind" >&2
				cat ../err >&2
				return 1
			}
		done
		number=$((number + 1))
	done
}

faults_sweep () {
	faults_count && faults_each "$1" 'kill error term' 0
}
