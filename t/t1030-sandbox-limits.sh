#!/bin/sh
test_description='sandbox: limits, and that stop ends everything'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/guest-tool
folder=$AGBRANCH_STATE_ROOT/bwrap/agbranch-l
"$tool" create l memory=256M cpus=1 disk=64M && "$tool" start l 2>start.err
"$tool" status l >status
for limit in cpu memory; do
	if grep -q "$limit=enforced" status
	then
		test_set_prereq "ENFORCED_$limit"
	else
		say "# no control group for $limit here: $(cat start.err)"
	fi
done

in_guest () {
	"$tool" exec l "$@" </dev/null
}

# no_group_left: of those in the file `groups`.
no_group_left () {
	while read -r group; do
		! test -e "$group" || fail "still there: $group" || return 1
	done <groups
}

test_expect_success 'status says how each limit is kept' '
	grep -E "^running cpu=(enforced|none) memory=(enforced|advisory) pids=enforced disk=advisory$" status
'

test_expect_success 'who named limits is told which are kept in part' '
	grep "^note: this sandbox keeps its limits in part: .*disk for each file only" start.err
'

test_expect_success ENFORCED_memory 'enforced means: the control group says it too' '
	while read -r group; do
		case $group in
		*/memory/*) test "$(cat "$group/memory.limit_in_bytes")" = 268435456 ;;
		*/pids/*) test "$(cat "$group/pids.max")" = 4096 ;;
		*/cpuacct/*) test "$(cat "$group/cpuacct.usage")" -gt 0 ;;
		*/cpu/*) test "$(cat "$group/cpu.cfs_quota_us")" = 100000 ;;
		*)
			test "$(cat "$group/memory.max")" = 268435456 &&
			test "$(cat "$group/pids.max")" = 4096 &&
			test "$(cat "$group/cpu.max")" = "100000 100000" &&
			grep "^usage_usec [1-9]" "$group/cpu.stat"
			;;
		esac &&
		grep -q . "$group/cgroup.procs" || return 1
	done <"$folder/cgroups"
'

test_expect_success 'a fork bomb meets the limit, other commands go on after it' '
	expect_code 0 "$tool" create bomb memory=2G &&
	expect_code 0 "$tool" start bomb &&
	"$tool" exec bomb sh -c "cat >~/probe && chmod 755 ~/probe" <"$AGB_BUILD/t/tools/guest-probe" &&
	expect_code 137 "$tool" exec bomb ./probe bomb </dev/null &&
	count=$(cat out) &&
	test "$count" -gt 1000 && test "$count" -le 4096 &&
	wait_until 30 "$tool" exec bomb true </dev/null &&
	expect_code 0 "$tool" destroy bomb bomb.1
'

test_expect_success 'a smaller number of processes holds too' '
	expect_code 0 "$tool" create few memory=1G pids=100 &&
	expect_code 0 "$tool" start few &&
	"$tool" exec few sh -c "cat >~/probe && chmod 755 ~/probe" <"$AGB_BUILD/t/tools/guest-probe" &&
	expect_code 137 "$tool" exec few ./probe bomb </dev/null &&
	count=$(cat out) &&
	test "$count" -gt 50 && test "$count" -le 100 &&
	expect_code 0 "$tool" destroy few few.1
'

test_expect_success 'a fork bomb without memory for it does not end the sandbox either' '
	"$tool" exec l sh -c "cat >~/probe && chmod 755 ~/probe" <"$AGB_BUILD/t/tools/guest-probe" &&
	expect_code 137 in_guest ./probe bomb &&
	expect_code 0 "$tool" status l &&
	grep "^running" out &&
	expect_code 0 "$tool" kill l &&
	expect_code 0 "$tool" start l &&
	expect_code 0 in_guest true
'

test_expect_success 'a memory hog ends, the sandbox does not' '
	{ in_guest python3 -c "a = bytearray(400 << 20); print(len(a))" >out 2>err || :; } &&
	! grep 419430400 out &&
	expect_code 0 in_guest true
'

test_expect_success ENFORCED_memory 'many small hogs are counted together' '
	cat >hog.py <<-\EOF &&
	import os, signal
	signal.alarm(60)
	for i in range(4):
	    if os.fork() == 0:
	        a = b"x" * (120 << 20)
	        print(len(a), flush=True)
	        signal.pause()
	os.wait()
	print("one was killed", flush=True)
	os.killpg(0, signal.SIGKILL)
	EOF
	"$tool" exec l sh -c "cat >~/hog.py" <hog.py &&
	expect_code 137 in_guest python3 hog.py &&
	test "$(grep -c 125829120 out)" -lt 4 &&
	expect_code 0 in_guest true
'

for place in /tmp /dev/shm /run/user/1000; do
	test_expect_success "filling $place ends at its size" "
		expect_code 1 in_guest sh -c 'for i in 1 2 3 4 5; do head -c 50000000 /dev/zero >$place/fill.\$i || exit 1; done' &&
		grep 'No space left' err &&
		expect_code 0 in_guest sh -c 'rm $place/fill.*'
	"
done

if test "$(id -u)" = 0
then
	test_set_prereq ROOT
else
	say "# only root can bound the number of files in /tmp"
fi
for place in /tmp /dev/shm /run/user/1000; do
	test_expect_success ROOT "the number of files in $place is bounded" "
		expect_code 1 in_guest python3 -c '
import os, sys
try:
    for i in range(200000):
        os.mkfifo(\"$place/%d\" % i)
except OSError as e:
    sys.exit(e.strerror)
' &&
		grep 'No space left' err &&
		expect_code 0 in_guest sh -c 'cd $place && find . -type p -delete'
	"
done

test_expect_success 'one file in the home ends at the limit for a file' '
	{ in_guest sh -c "head -c 80000000 /dev/zero >~/fill" >out 2>err || :; } &&
	expect_code 0 in_guest stat -c %s fill &&
	test "$(cat out)" -le 67108864 &&
	expect_code 0 in_guest rm fill
'

test_expect_success 'core dumps are off' '
	expect_code 0 in_guest sh -c "ulimit -c" &&
	test "$(cat out)" = 0
'

test_expect_success 'what runs inside is the first to go when memory runs out' '
	expect_code 0 in_guest cat /proc/self/oom_score_adj &&
	test "$(cat out)" = 500
'

# processes_in NAMESPACE: pid and start time of each process that lives in it; one that has ended and
# waits for its parent is none.  The kernel gives the number of a namespace that is gone to the next
# one, maybe of another test, so the number alone says nothing.
processes_in () {
	python3 - "$1" <<-\EOF
	import glob, os, sys
	for process in glob.glob("/proc/[0-9]*"):
	    try:
	        if os.readlink(process + "/ns/pid") != sys.argv[1]:
	            continue
	        with open(process + "/stat") as stat:
	            fields = stat.read().rpartition(")")[2].split()
	    except OSError:
	        continue
	    if fields[0] not in "ZX":
	        print(os.path.basename(process), fields[19])
	EOF
}

test_expect_success '200 children that ignore TERM and have left their parents: stop ends them in two seconds' '
	cat >trap.sh <<-\EOF &&
	for i in $(seq 200); do
		(setsid sh -c "trap : TERM HUP INT; while :; do sleep 100; done" >/dev/null 2>&1 &)
	done
	EOF
	"$tool" exec l sh <trap.sh &&
	wait_until 30 sh -c "test \$(\"$tool\" exec l pgrep -fc \"[t]rap : TERM\" </dev/null) -ge 200" &&
	guest=$(cut -d" " -f1 "$folder/guest") &&
	pid_namespace=$(readlink "/proc/$guest/ns/pid") &&
	{ cat "$folder/cgroups" 2>/dev/null || :; } >groups &&
	processes_in "$pid_namespace" >inside &&
	if test "$(id -u)" = 0
	then
		test "$(wc -l <inside)" -ge 200
	fi &&
	before=$(date +%s%N) &&
	expect_code 0 "$tool" stop l &&
	took=$((($(date +%s%N) - before) / 1000000)) &&
	say "# stop took $took ms" &&
	test "$took" -lt "${AGB_TEST_STOP_MS:-2000}" &&
	no_process_left &&
	processes_in "$pid_namespace" >after &&
	! grep -xFf inside after
'

test_expect_success 'stop leaves no control group' '
	! test -e "$folder/cgroups" &&
	no_group_left
'

test_expect_success 'after SIGKILL of the keeper, destroy removes them' '
	expect_code 0 "$tool" start l &&
	{ cat "$folder/cgroups" 2>/dev/null || :; } >groups &&
	kill -KILL "$(pgrep -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT")" &&
	expect_code 0 "$tool" destroy l l.1 &&
	no_group_left &&
	no_process_left
'

test_expect_success 'a home that is deeper than any path is destroyed all the same' '
	expect_code 0 "$tool" create l &&
	expect_code 0 "$tool" start l &&
	expect_code 0 in_guest python3 -c "
import os
for i in range(20000):
    os.mkdir(\"d\")
    os.chdir(\"d\")
" &&
	expect_code 0 "$tool" destroy l l.1 &&
	! test -e "$folder"
'

test_done
