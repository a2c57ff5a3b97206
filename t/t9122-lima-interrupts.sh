#!/bin/sh
test_description='Lima: open cut off in each phase, and a full disk: nothing is orphaned, one repair converges'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_machine

# phase_is TEXT: the open under way says that it is there.
phase_is () {
	grep -q "$1" progress
}

# cut_off SIGNAL PHASE NAME: send SIGNAL to an open of session NAME in PHASE; its status into $code.
cut_off () {
	rm -f progress
	{ spawn git-agbranch open "$3" 2>progress >out; opening=$spawned; } &&
	wait_until 120 phase_is "$2" &&
	kill "-$1" "-$opening" &&
	{ code=0; wait "$opening" || code=$?; } &&
	echo "# $1 in '$2': exit code $code"
}

# nothing_of NAME: no instance, record, process, ref or unfinished operation.
nothing_of () {
	test ! -e "$LIMA_HOME/agbranch-$1" || fail "the instance of $1" || return 1
	test ! -e "$LIMA_HOME/_agbranch/sessions/agbranch-$1.json" || fail "the record of $1" || return 1
	! pgrep -u "$(id -u)" -af "agbranch-$1" >left || { cat left >&2; fail "a process of $1"; } || return 1
	test -z "$(git for-each-ref "refs/agbranch/sessions/$1")" || fail "refs of $1" || return 1
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT count(*) FROM operations")" = 0 ||
		fail "an operation is unfinished" || return 1
	repo_is_sound .
}

no_orphans () {
	git agbranch doctor --json >doctor.json
	! grep "orphaned Lima instances" doctor.json
}

test_expect_success 'set up' '
	make_repo repo &&
	git agbranch base prepare --minimal &&
	cd repo &&
	# Large enough that its seeding can be met.
	head -c 30000000 /dev/urandom >large && git add large && git commit -qm large
'

for phase in "making the guest" "starting the guest" "seeding the workspace"; do
	name=int-$(echo "$phase" | cut -d" " -f1)
	test_expect_success "Ctrl-C while $phase: exit 4, undone at once" '
		cut_off INT "$phase" "$name" &&
		test "$code" = 4 &&
		nothing_of "$name" && no_orphans &&
		git agbranch repair --all --json >out && jq -e "map(.action) - [\"noop\"] == []" out
	'
done

for phase in "making the guest" "starting the guest" "seeding the workspace"; do
	name=kill-$(echo "$phase" | cut -d" " -f1)
	test_expect_success "killed while $phase: one repair takes it back" '
		cut_off KILL "$phase" "$name" &&
		test "$code" = 137 &&
		git agbranch repair --all --json >out && cat out &&
		nothing_of "$name" && no_orphans &&
		git agbranch repair --all --json >out && jq -e "map(.action) - [\"noop\"] == []" out
	'
done

test_expect_success 'after all that a session opens, and Ctrl-C in its close leaves it whole or closed' '
	git agbranch open whole -q &&
	agent_commit whole file kept &&
	rm -f progress &&
	{ spawn git-agbranch close whole --discard --yes 2>progress >out; closing=$spawned; } &&
	wait_until 120 test -s progress && kill -INT "-$closing" &&
	{ code=0; wait "$closing" || code=$?; } && echo "# close: exit code $code" &&
	{ test "$code" = 4 || test "$code" = 0; } &&
	git agbranch repair --all --json >out &&
	git agbranch show whole --json >shown &&
	case $(jq -r .lifecycle_state shown) in
	running | stopped) git agbranch close whole --discard --yes ;;
	closed) : ;;
	*) cat shown && false ;;
	esac &&
	test "$(git show refs/agbranch/rescue/whole/1:file | tail -n 1)" = kept &&
	nothing_of whole
'

# A disk of 40 MB for new instances: a file system of its own where no privilege is needed, with the
# base and our notes bound into it.
small_disk () {
	unshare --user --mount --map-current-user --keep-caps sh -c '
		set -e
		real=$1
		shift
		mkdir -p "$real"
		mount --bind "$LIMA_HOME" "$real"
		mount -t tmpfs -o size=40m small "$LIMA_HOME"
		for name in _agbranch _config agbranch-base-linux; do
			test -d "$real/$name" || continue
			mkdir "$LIMA_HOME/$name"
			mount --bind "$real/$name" "$LIMA_HOME/$name"
		done
		code=0
		"$@" || code=$?
		ls -d "$LIMA_HOME"/agbranch-* >"$real.left"
		exit "$code"' sh "$TEST_TMP/real" "$@"
}

if unshare --user --mount --map-current-user --keep-caps true 2>/dev/null; then
	test_set_prereq SMALL_DISK
fi
test_expect_success SMALL_DISK 'the disk is full while cloning: exit 6 that says so, nothing is left' '
	expect_code 6 small_disk git-agbranch open full &&
	grep -i "no space left" err &&
	! grep agbranch-full ../real.left &&
	nothing_of full && no_orphans &&
	git agbranch base show --require-ready >/dev/null &&
	git agbranch ps --json >out && json_is length 0
'

test_expect_success 'a machine whose disk is full inside: commands fail, the session is saved and closed' '
	git agbranch open brim -q &&
	agent_commit brim file before &&
	git agbranch run brim -- sh -c "fallocate -l \$((\$(df -B1 --output=avail / | tail -n 1) - 16777216)) ~/fill" &&
	test_must_fail git agbranch run brim -- sh -c "cat /dev/zero >~/fill.rest" &&
	test_must_fail git agbranch run brim -- sh -c "echo x >more && sync" 2>err &&
	git agbranch run brim -- rm -f more &&
	expect_code 0 git agbranch sync brim -q &&
	test "$(git show agbranch/brim:file | tail -n 1)" = before &&
	git agbranch stop brim -q && git agbranch start brim -q &&
	git agbranch run brim -- sh -c "rm ~/fill ~/fill.rest" &&
	git agbranch close brim --discard --yes -q &&
	nothing_of brim
'

test_done
