# Sweeps over the system calls of one command: strace makes the nth call of a kind fail, or kills the
# program in it.  Sourced after test-lib.sh, in t3400 and t/torture/.
#
# A script defines:
#   torture_prepare        what each point begins with; cheap when the last point changed nothing
#   torture_command        the command under test, through torture_run
#   torture_check CODE     after the repairs, beyond what is checked for every command
# and calls torture_plan once, then torture_sweep.
#
# A point is "TARGET CALL N FAULT": TARGET is main for the program itself, or git.K for the Kth git that
# it starts.

no_leak_check
TORTURE=$TEST_TMP/torture
TORTURE_CALLS=openat,read,write,pwrite64,ftruncate,fsync,fdatasync,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,symlink,pipe2,clone3,vfork,poll,wait4,recvfrom,sendmsg,connect,flock,chmod,fchmod,execve
mkdir -p "$TORTURE/bin"
torture_real_git=$(command -v git)

# Programs that stand in front: they count, and put strace before the one that the point names.
torture_wrapper () {
	cat >"$1" <<-WRAPPER
	#!/bin/sh
	echo x >>"$TORTURE/count.$2"
	me=$2.\$(wc -l <"$TORTURE/count.$2")
	test -z "\$TORTURE_PLAN" || exec strace -y -e trace=$TORTURE_CALLS -o "$TORTURE/plan/\$me" "$3" "\$@"
	test "\$me" = "\$TORTURE_TARGET" || exec "$3" "\$@"
	case \$TORTURE_INJECT in
	# Not the execve that strace itself begins with.
	execve:*) exec strace -o /dev/null -e trace=execve -e inject="\$TORTURE_INJECT" sh -c 'exec "\$0" "\$@"' "$3" "\$@" ;;
	esac
	exec strace -o /dev/null -e trace="\${TORTURE_INJECT%%:*}" -e inject="\$TORTURE_INJECT" "$3" "\$@"
	WRAPPER
	chmod +x "$1"
}
torture_wrapper "$TORTURE/bin/git" git "$torture_real_git"

# torture_run VERB ARGS…: the verb, under strace when the point is in it.
torture_run () {
	verb=$AGB_BUILD/libexec/git-agbranch/git-agbranch-$1
	shift
	rm -f "$TORTURE"/count.*
	(
		PATH=$TORTURE/bin:$PATH
		export PATH TORTURE_PLAN TORTURE_TARGET TORTURE_INJECT
		if test -n "$TORTURE_PLAN"; then
			exec strace -y -e trace=$TORTURE_CALLS -o "$TORTURE/plan/main" "$verb" "$@"
		elif test "$TORTURE_TARGET" = main; then
			exec timeout 60 strace -o /dev/null -e trace="${TORTURE_INJECT%%:*}" -e inject="$TORTURE_INJECT" \
				"$verb" "$@"
		fi
		exec timeout 60 "$verb" "$@"
	)
}

# The points of one trace (stdin), named TARGET.  What the dynamic linker and the C library read is no
# part of the program.
torture_points_of () {
	awk -v target="$1" '
		function point (fault) { print target, call, number[call], fault }
		{
			call = $0
			if (call !~ /^[a-z0-9_]+\(/) next
			sub (/\(.*/, "", call)
			number[call]++
			# A program that execve refuses is to main what a fork is that fails: posix_spawn says so.
			if (call == "execve" && target != "main") { point ("error=EIO"); point ("signal=KILL") }
			if (call == "execve") next
			if ($0 ~ /"\/(usr|lib|etc|proc|sys|dev)\// || $0 ~ /<\/(usr|lib|etc|proc|sys|dev)\//) next
			if (call == "openat") { point ("signal=KILL"); point ("error=EIO"); point ("error=EINTR") }
			if (call == "openat" && $0 ~ /O_CREAT/) point ("error=ENOSPC")
			if (call == "read") { point ("error=EIO"); point ("error=EINTR") }
			if (call ~ /^(write|pwrite64|ftruncate)$/) {
				point ("signal=KILL"); point ("error=EIO"); point ("error=ENOSPC"); point ("error=EINTR")
			}
			if (call ~ /^f(data)?sync$/) { point ("signal=KILL"); point ("error=EIO"); point ("error=ENOSPC") }
			if (call ~ /^(mkdir|rename|link|symlink)/) {
				point ("signal=KILL"); point ("error=EIO"); point ("error=ENOSPC")
			}
			if (call ~ /^(unlink|rmdir)/) { point ("signal=KILL"); point ("error=EIO") }
			if (call == "pipe2") point ("error=EMFILE")
			if (call ~ /^(clone3|vfork)$/) { point ("signal=KILL"); point ("error=EAGAIN") }
			if (call ~ /^(poll|wait4|flock)$/) point ("error=EINTR")
			if (call == "wait4") point ("signal=KILL")
			if (call ~ /^(recvfrom|sendmsg|connect)$/) { point ("error=EINTR"); point ("error=ECONNRESET") }
			if (call ~ /chmod$/) point ("error=EIO")
		}'
}

# torture_plan: the points of one good run, into $TORTURE/points.
torture_plan () {
	rm -rf "$TORTURE/plan" && mkdir -p "$TORTURE/plan" &&
	torture_prepare &&
	TORTURE_PLAN=yes && torture_command >../out 2>../err || { cat ../err >&2; return 1; }
	TORTURE_PLAN=
	torture_check 0 &&
	for trace in "$TORTURE"/plan/*; do
		torture_points_of "${trace##*/}" <"$trace"
	done >"$TORTURE/points" &&
	test "$(wc -l <"$TORTURE/points")" -gt 100
}

torture_db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# No process but keepers of live sessions, no mount, no lock, no temporary file, nothing unfinished.
torture_sound () {
	test "$(torture_db 'SELECT count(*) FROM operations')" = 0 || fail 'an operation is unfinished' || return 1
	torture_db "SELECT vm_name FROM sessions WHERE lifecycle_state <> 'closed'" >"$TORTURE/live"
	for folder in "$AGBRANCH_STATE_ROOT"/bwrap/*; do
		test ! -e "$folder" || grep -qxF "${folder##*/}" "$TORTURE/live" || fail "left: $folder" || return 1
	done
	for closed in $(torture_db "SELECT name FROM sessions WHERE lifecycle_state = 'closed'"); do
		test -z "$(git for-each-ref "refs/agbranch/sessions/$closed")" || fail "refs of $closed" || return 1
	done
	pgrep -af -- "$AGBRANCH_STATE_ROOT" | grep -v " strace \| awk " >"$TORTURE/processes"
	if test -s "$TORTURE/live"; then
		test "$(pgrep -fc -- "^[^ ]*agbranch-keeper .*$AGBRANCH_STATE_ROOT ")" -le 1 || fail 'two keepers'
	else
		wait_until 10 torture_no_process || { cat "$TORTURE/processes" >&2; fail 'a process is left'; }
	fi || return 1
	! grep -F "$TEST_TMP" /proc/mounts || fail 'a mount is left' || return 1
	find "$AGBRANCH_STATE_ROOT" -path "$AGBRANCH_STATE_ROOT/bwrap/*/*" -prune -o -type f -print |
		sed "s,^$AGBRANCH_STATE_ROOT/,,; /^said\/[0-9a-f]*$/d; /^state\.db\(-wal\|-shm\)\{0,1\}$/d; /^locks\/[a-z]*\.lock$/d
			/^staging\/[a-z]*\/[0-9]*\.\(bundle\|patch\)$/d; /^logs\//d" >"$TORTURE/files"
	test ! -s "$TORTURE/files" || { cat "$TORTURE/files" >&2; fail 'a file is left'; } || return 1
	find .git -name '*.lock' -o -name '*.keep' -o -name 'tmp_*' -o -name 'packed-refs.new' -o -name 'quarantine-*' >"$TORTURE/files"
	test ! -s "$TORTURE/files" || { cat "$TORTURE/files" >&2; fail 'left in the repository'; } || return 1
	repo_is_sound .
}
torture_no_process () {
	! pgrep -f -- "$AGBRANCH_STATE_ROOT" >/dev/null
}

torture_settle () {
	git agbranch repair --all --json -q >../first 2>../first.err || {
		cat ../first ../first.err >&2
		fail 'repair --all'
		return 1
	}
	! grep '"blocked"' ../first >&2 || fail 'repair --all is blocked' || return 1
	git agbranch repair --all --json -q >../second &&
	test "$(jq -r 'map(select(.action != "noop")) | length' ../second)" = 0 || {
		cat ../first ../second >&2
		fail 'the second repair is not noop'
		return 1
	}
	git agbranch doctor --json -q >../doctor &&
	test "$(jq -c '[.messages[], (.checks[] | select(.level == "problem" or .level == "warning") | .message)]' ../doctor)" = '[]' || {
		jq -c .messages ../doctor >&2
		fail 'doctor names something'
		return 1
	}
	torture_sound
}

# torture_point TARGET CALL N FAULT
torture_point () {
	torture_prepare >../out 2>../err || { cat ../err >&2; fail 'prepare'; } || return 1
	code=0
	TORTURE_TARGET=$1 TORTURE_INJECT=$2:$4:when=$3
	torture_command >../out 2>../err || code=$?
	TORTURE_TARGET=
	case $code:$4 in
	[0-9]:* | 137:signal=KILL) ;;
	*) fail "exit code $code" || return 1 ;;
	esac
	test "$code" = 0 || test "$code" = 137 || grep -q "^fatal: \|^agbranch: \|^blocked: \|blocked" ../err ../out || fail "exit $code and says nothing" || return 1
	torture_settle && torture_check "$code"
}

# torture_sweep STRIDE [FILTER]: each STRIDEth point whose line matches FILTER.  All are tried, the bad
# ones are named at the end; where one left damage, the next begin anew.
torture_sweep () {
	tried=0 bad=0
	grep -E -- "${2:-.}" "$TORTURE/points" | awk -v stride="$1" -v start="${TORTURE_START:-1}" 'NR % stride == start % stride' >"$TORTURE/chosen"
	while read -r target call number fault; do
		test "$(date +%s)" -lt "${TORTURE_UNTIL:-9999999999}" || break
		tried=$((tried + 1))
		torture_point "$target" "$call" "$number" "$fault" >../said 2>&1 </dev/null && continue
		bad=$((bad + 1))
		echo "not ok at: $target $call $number $fault (exit code $code)" >&2
		cat ../said ../err >&2
		git agbranch repair --all >&2
		test "$bad" -lt "${TORTURE_MAX_BAD:-3}" || break
		torture_anew >/dev/null 2>&1 || return 1
	done <"$TORTURE/chosen"
	echo "$tried points, $bad bad, of $(wc -l <"$TORTURE/points")" >"$TORTURE/result"
	cat "$TORTURE/result" >&2
	test -z "$TORTURE_COUNTS" || cp "$TORTURE/result" "$TORTURE_COUNTS/$torture_verb"
	test "$bad" = 0
}

# After damage: a new state root and repository.
torture_anew () {
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT"
	cd .. &&
	rm -rf repo "$AGBRANCH_STATE_ROOT" &&
	make_repo repo &&
	cd repo
}

# The four commands.
torture_session () {
	test "$(torture_db "SELECT lifecycle_state FROM sessions WHERE name = 'one'" 2>/dev/null)" = running ||
		git agbranch open one -q
}
torture_commit () {
	torture_session &&
	before=$(git rev-parse refs/agbranch/sessions/one/head) &&
	if test "$(git agbranch run one -- git rev-parse HEAD)" = "$before"; then
		agent_commit one file "after $before"
	fi &&
	tip=$(git agbranch run one -- git rev-parse HEAD)
}
# The guest's commit is on the review branch, or still in the guest and the next sync brings it.
torture_commit_is_there () {
	if test "$(torture_db "SELECT lifecycle_state FROM sessions WHERE name = 'one'")" = closed; then
		test "$(git rev-parse agbranch/one)" = "$tip" || fail 'the commit is lost' || return 1
		git branch -q -D agbranch/one
		return
	fi
	head=$(git rev-parse refs/agbranch/sessions/one/head) &&
	review=$(git rev-parse -q --verify agbranch/one || git rev-parse refs/agbranch/sessions/one/base) &&
	test "$head" = "$review" || fail 'head and review branch differ' || return 1
	test "$head" = "$before" || test "$head" = "$tip" || fail 'an unknown head' || return 1
	test "$1" -ne 0 || test "$head" = "$tip" || fail 'success, but not synced' || return 1
	test "$(git agbranch run one -- git rev-parse HEAD)" = "$tip" || fail 'the guest lost its commit'
}
torture_use () {
	torture_verb=$1
	case $1 in
	open)
		torture_prepare () {
			:
		}
		torture_command () {
			torture_run open one -q
		}
		torture_check () {
			state=$(torture_db "SELECT lifecycle_state FROM sessions WHERE name = 'one'") &&
			case $1:$state in
			0:running) ;;
			0:*) fail "success, and the session is $state" || return 1 ;;
			*: | *:closed) ! git rev-parse -q --verify refs/agbranch/sessions/one/base || fail 'a ref' || return 1; return 0 ;;
			esac &&
			git agbranch run one -- git rev-parse HEAD >../head &&
			test "$(cat ../head)" = "$(git rev-parse HEAD)" &&
			git agbranch close one --discard --yes -q &&
			torture_sound
		}
		;;
	sync)
		torture_prepare () {
			torture_commit
		}
		torture_command () {
			torture_run sync one -q
		}
		torture_check () {
			torture_commit_is_there "$1"
		}
		;;
	close)
		torture_prepare () {
			torture_commit
		}
		torture_command () {
			torture_run close one --sync --yes -q
		}
		torture_check () {
			torture_commit_is_there "$1"
		}
		;;
	repair)
		# A sync that was killed between its refs, and a sandbox that has ended.
		torture_prepare () {
			torture_commit &&
			{
				! AGB_FAIL_AT=$(cat "$TORTURE/cut"):kill git agbranch sync one -q
			} &&
			pkill -KILL -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT "
			:
		}
		torture_command () {
			torture_run repair one -q
		}
		torture_check () {
			torture_commit_is_there 1
		}
		;;
	esac
	case $1 in
	repair)
		torture_commit &&
		AGB_FAIL_LIST=$TORTURE/list git agbranch sync one -q >/dev/null &&
		grep -n '^journal: sync refs' "$TORTURE/list" | sed 's/:.*//; s/.*/expr & + 1/' | sh >"$TORTURE/cut"
		;;
	esac
}
