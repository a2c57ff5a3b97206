#!/bin/sh
test_description='start, stop, kill: what ends, what stays, what comes back'
. ./t/lib/test-lib.sh

row () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT $1 FROM sessions WHERE name = '${2:-one}'"
}

test_expect_success 'set up a session' '
	make_repo repo &&
	git -C repo agbranch open one >/dev/null &&
	cd repo &&
	git agbranch run one -- sh -c "echo work >>file; echo new >untracked"
'

test_expect_success 'stop ends everything in it and keeps its files' '
	git agbranch run one -- sh -c "setsid sleep 654 >/dev/null 2>&1 &" &&
	expect_code 0 git agbranch stop one &&
	grep "session .one. is stopped" out &&
	no_process_left &&
	! pgrep -f "sleep 654" &&
	test "$(row lifecycle_state)" = stopped &&
	test -n "$(row last_stopped_at)"
'

test_expect_success 'a repeat is no error, and says the same' '
	stopped_at=$(row last_stopped_at) &&
	expect_code 0 git agbranch stop --json one &&
	json_is .session one && json_is .vm_name agbranch-one && json_is .lifecycle_state stopped &&
	test "$(row last_stopped_at)" = "$stopped_at"
'

test_expect_success 'phases: in the JSON of stop and run, and each with its own time in a profile' '
	expect_code 0 git agbranch start one &&
	expect_code 0 env AGBRANCH_PROFILE=1 git agbranch run --json one -- sleep 1 &&
	json_is "[.phases[].name] | join (\",\")" "reaching the guest,running the command" &&
	json_is ".phases[1].ms >= 200" true &&
	sed -n "s/.*profile: \(.*\) [0-9.]* ms\$/\1/p" err >named &&
	printf "%s\n" "reaching the guest" "running the command" >expected && test_cmp expected named &&
	took=$(sed -n "s/.*profile: running the command \([0-9]*\).*/\1/p" err) && test "$took" -ge 200 &&
	expect_code 0 env AGBRANCH_PROFILE=1 git agbranch stop --json one &&
	json_is "[.phases[].name] | join (\",\")" "stopping the guest" &&
	took=$(sed -n "s/.*profile: stopping the guest \([0-9.]*\) ms/\1/p" err) && test "$took" != 0.0
'

test_expect_success 'start brings it back, with the shell window' '
	expect_code 0 git agbranch start --json one &&
	json_is .session one && json_is .vm_name agbranch-one && json_is .lifecycle_state running &&
	test "$(row lifecycle_state)" = running &&
	expect_code 0 git agbranch attach --json --window shell one &&
	expect_code 0 git agbranch run one -- cat file untracked &&
	grep -x work out && grep -x new out
'

test_expect_success 'start on a running session makes a missing shell window' '
	git agbranch run one -- sh -c "tmux -S ~/.agbranch/tmux/one.sock kill-server" &&
	expect_code 1 git agbranch attach --json --window shell one &&
	expect_code 0 git agbranch start one &&
	expect_code 0 git agbranch attach --json --window shell one
'

test_expect_success 'kill ends it at once; its files stay' '
	{ git agbranch run one -- sh -c "trap \"\" TERM HUP; sleep 655" & } && pid=$! &&
	wait_until 30 git agbranch run one -- pgrep -f "sleep 655" >/dev/null &&
	expect_code 0 git agbranch kill --json one &&
	json_is .session one && json_is .vm_name agbranch-one && json_is .force false &&
	! wait "$pid" &&
	no_process_left &&
	test "$(row lifecycle_state)" = stopped &&
	expect_code 0 git agbranch run one -- cat untracked &&
	test "$(cat out)" = new
'

cat >hold.py <<\EOF
import fcntl, struct, sys, time
lock = open(sys.argv[1], "r+")
fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
print("held", flush=True)
time.sleep(60)
EOF

test_expect_success 'kill --force goes past a command that holds the session' '
	git agbranch run one -- true &&
	{ python3 hold.py "$AGBRANCH_STATE_ROOT/locks/one.lock" >ready & } &&
	holder=$! &&
	wait_until 30 grep -q held ready &&
	expect_code 1 git -c agbranch.lockTimeout=0s agbranch kill one &&
	grep "busy" err &&
	expect_code 0 git agbranch kill --force --json one &&
	json_is .force true &&
	kill "$holder" && ! wait "$holder" &&
	test "$(row lifecycle_state)" = stopped
'

test_expect_success 'events are written' '
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT kind FROM session_events WHERE session_name = '\''one'\''" >kinds &&
	grep -x started kinds && grep -x stopped kinds && grep -x killed kinds
'

for action in error kill; do
	test_expect_success "stop, failed by $action at each point, is finished by a second one" '
		git agbranch start one &&
		rm -f points && AGB_FAIL_LIST=$PWD/points git agbranch stop one &&
		count=$(wc -l <points) && test "$count" -ge 2 &&
		for n in $(seq "$count"); do
			git agbranch start one >/dev/null &&
			{ AGB_FAIL_AT=$n:$action git agbranch stop one >out 2>&1; true; } &&
			expect_code 0 git agbranch stop one &&
			test "$(row lifecycle_state)" = stopped &&
			no_process_left || return 1
		done &&
		expect_code 0 git agbranch run one -- cat untracked
	'
done

test_expect_success 'a session that is not there, or closed' '
	expect_code 1 git agbranch start missing &&
	expect_code 1 git agbranch stop missing &&
	expect_code 1 git agbranch kill missing &&
	grep "no session .missing." err
'

test_done
