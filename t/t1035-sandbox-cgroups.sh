#!/bin/sh
test_description='sandbox: limits where there are no control groups, with those of version 2, and with those of systemd'
. ./t/lib/test-lib.sh
# Its shadow is larger than any limit of an address space.
if sanitized; then
	skip_all='the address sanitizer cannot run where memory is limited'
	test_done
fi

tool=$AGB_BUILD/t/tools/guest-tool

in_guest () {
	session=$1
	shift
	"$tool" exec "$session" "$@" </dev/null
}

# Busy processes, more than processors; prints the seconds of cpu that they had together in one second.
cat >busy.py <<-\EOF
	import os, time
	end = time.monotonic() + 1
	for i in range(4):
	    if os.fork() == 0:
	        while time.monotonic() < end:
	            pass
	        os._exit(0)
	for i in range(4):
	    os.wait()
	used = os.times()
	print("%.2f" % (used.children_user + used.children_system))
EOF

# Nothing is below this one, as for an ordinary user to whom no part of the tree was given.
AGB_CGROUP_TOP=$TEST_TMP/none
export AGB_CGROUP_TOP

test_expect_success 'without control groups the processors are the limit, and status says so' '
	"$tool" create p cpus=1 memory=256M && "$tool" start p 2>note &&
	expect_code 0 "$tool" status p &&
	grep "^running cpu=enforced memory=advisory pids=enforced disk=" out &&
	! grep "cpus not at all" note &&
	test "$(in_guest p nproc)" = 1
'

test_expect_success 'four busy processes do not get more than that' '
	"$tool" exec p sh -c "cat >busy.py" <busy.py &&
	expect_code 0 in_guest p python3 busy.py &&
	awk "{ exit !(\$1 < 1.3) }" out
'

test_expect_success 'the guest cannot give itself other processors' '
	expect_code 1 in_guest p python3 -c "import os; os.sched_setaffinity(0, range(os.cpu_count()))" &&
	grep "PermissionError" err &&
	test "$(in_guest p nproc)" = 1
'

test_expect_success 'a second start of it, and what is started later, has the same limit' '
	"$tool" stop p && "$tool" start p 2>/dev/null &&
	test "$(in_guest p sh -c "nproc & wait")" = 1 &&
	"$tool" destroy p p.1
'

# The same probe where the limit is a control group.
unset AGB_CGROUP_TOP
"$tool" create c cpus=1 && "$tool" start c 2>/dev/null
if grep -q / "$AGBRANCH_STATE_ROOT/bwrap/agbranch-c/cgroups" 2>/dev/null && "$tool" status c | grep -q cpu=enforced &&
	test "$(in_guest c nproc)" = "$(nproc)"; then
	test_set_prereq CPU_GROUP
fi
test_expect_success CPU_GROUP 'that proves something: where a control group is the limit it may choose its processors' '
	expect_code 0 in_guest c python3 -c "import os; os.sched_setaffinity(0, range(os.cpu_count()))"
'
test_expect_success CPU_GROUP 'and four busy processes do not get more there either' '
	"$tool" exec c sh -c "cat >busy.py" <busy.py &&
	expect_code 0 in_guest c python3 busy.py &&
	awk "{ exit !(\$1 < 1.3) }" out
'
"$tool" destroy c c.1
export AGB_CGROUP_TOP

# Version 2: the mount that is there, else one of our own.
mount=$(findmnt -rno TARGET -t cgroup2 2>/dev/null | head -n 1)
mounted=
if test -z "$mount" && test "$(id -u)" = 0 && mkdir cgroup2 && mount -t cgroup2 none "$(pwd)/cgroup2" 2>/dev/null; then
	mount=$(pwd)/cgroup2 mounted=t
fi
parent=$mount/agbt-$$
if test -n "$mount" && mkdir "$parent" 2>/dev/null; then
	mkdir "$parent/caller"
	for controller in memory pids cpu; do
		if grep -qw "$controller" "$parent/cgroup.controllers"; then
			test_set_prereq "CGROUP2_$controller"
		else
			say "# the controller $controller is not of version 2 here: what is written to it is not tested"
		fi
	done
	test_set_prereq CGROUP2
elif test -n "$AGB_NO_SKIP" && test "$(id -u)" = 0; then
	error 'no control groups of version 2, and AGB_NO_SKIP is set'
else
	say '# no place for control groups of version 2: only root can make one'
fi
AGB_CGROUP_TOP=$mount

# from_group COMMAND…: run in the group of the caller.
from_group () {
	sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$parent/caller" "$@"
}
group_of () {
	find "$parent" -mindepth 1 -maxdepth 1 -name "agbranch-*-agbranch-$1"
}
# is_in_group COMMAND: a process of that name is in the group of g.
is_in_group () {
	pids=$(cat "$(group_of g)/cgroup.procs") &&
	for pid in $pids; do cat "/proc/$pid/comm"; done | grep -qx "$1"
}
is_down () {
	! "$tool" status g | grep -q "^running"
}

test_expect_success CGROUP2 'the sandbox, and all that is started in it, is in a group beside the one of its caller' '
	from_group "$tool" create g cpus=1 memory=256M pids=200 && from_group "$tool" start g 2>/dev/null &&
	test -d "$(group_of g)" &&
	{ from_group "$tool" exec g sleep 1000 </dev/null >/dev/null 2>&1 & } &&
	wait_until 20 is_in_group sleep &&
	grep -q . "$parent/caller/cgroup.procs"
'

test_expect_success CGROUP2 'what a controller does not keep is not called enforced' '
	expect_code 0 "$tool" status g &&
	grep "^running cpu=enforced " out &&
	if grep -qw memory "$parent/cgroup.controllers"; then grep "memory=enforced" out; else grep "memory=advisory" out; fi
'

test_expect_success CGROUP2,CGROUP2_memory 'memory.max' '
	test "$(cat "$(group_of g)/memory.max")" = 268435456
'
test_expect_success CGROUP2,CGROUP2_pids 'pids.max' '
	test "$(cat "$(group_of g)/pids.max")" = 200
'
test_expect_success CGROUP2,CGROUP2_cpu 'cpu.max' '
	test "$(cat "$(group_of g)/cpu.max")" = "100000 100000"
'

test_expect_success CGROUP2 'the kernel can end all of it at once, and it comes back with start' '
	if test -e "$(group_of g)/cgroup.kill"; then
		echo 1 >"$(group_of g)/cgroup.kill"
	else
		kill -KILL $(cat "$(group_of g)/cgroup.procs")
	fi &&
	wait_until 20 is_down &&
	from_group "$tool" start g 2>/dev/null &&
	expect_code 0 in_guest g true &&
	test "$(group_of g | wc -l)" = 1
'

test_expect_success CGROUP2 'the group of a killed keeper is used again' '
	pkill -KILL -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT agbranch-g" &&
	wait_until 20 is_down &&
	from_group "$tool" start g 2>/dev/null &&
	expect_code 0 in_guest g true &&
	test "$(group_of g | wc -l)" = 1
'

test_expect_success CGROUP2 'no group is left' '
	expect_code 0 "$tool" destroy g g.1 &&
	test -z "$(group_of g)" && wait_until 20 rmdir "$parent/caller" && rmdir "$parent" && no_process_left
'
test -z "$mounted" || umount "$mount"

# Where systemd manages the groups it is asked for one.
unset AGB_CGROUP_TOP
manager=--system
test "$(id -u)" = 0 || manager=--user
# What test-lib.sh has taken away, so that the sandbox has to find the user's manager without it.
with_manager () {
	XDG_RUNTIME_DIR=/run/user/$(id -u) "$@"
}
if test -d /run/systemd/system && test -f /sys/fs/cgroup/cgroup.controllers &&
	with_manager systemd-run "$manager" --scope --quiet true 2>/dev/null &&
	{ test "$(id -u)" = 0 || grep -q "/user@$(id -u)[.]service/" /proc/self/cgroup ||
		test "$(loginctl show-user "$(id -u)" --property=Linger --value)" = yes; }; then
	test_set_prereq SYSTEMD
	test "$(id -u)" = 0 || test_set_prereq SYSTEMD_USER
	grep -q "/user@$(id -u)[.]service/" /proc/self/cgroup || test_set_prereq SYSTEMD_LOGIN
else
	say '# systemd gives no control groups here: it does not run, not with version 2, or the user does not linger'
fi
folder=$AGBRANCH_STATE_ROOT/bwrap/agbranch-s
keeper () {
	pgrep -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT agbranch-s"
}
# is_gone SCOPE: for systemd, too.
is_gone () {
	! test -e "$1" && ! with_manager systemctl "$manager" list-units --all --no-legend --plain | grep -F "${1##*/}"
}
limits_hold () {
	test "$(cat "$group/memory.max")" = 268435456 && test "$(cat "$group/memory.swap.max")" = 0 &&
	test "$(cat "$group/pids.max")" = 200 && test "$(cat "$group/cpu.max")" = "100000 100000"
}

test_expect_success SYSTEMD 'systemd: the sandbox has a scope of its own, and its limits are enforced' '
	"$tool" create s cpus=1 memory=256M pids=200 && "$tool" start s 2>note &&
	expect_code 0 "$tool" status s &&
	grep "^running cpu=enforced memory=enforced pids=enforced " out &&
	! grep "linger" note &&
	group=$(cat "$folder/cgroups") && scope=${group%/*} &&
	case $scope in /sys/fs/cgroup/*.scope) ;; *) fail "$scope" ;; esac &&
	limits_hold
'

test_expect_success SYSTEMD 'the keeper is beside it, and nothing in the scope itself' '
	test "/sys/fs/cgroup$(cut -d: -f3 "/proc/$(keeper)/cgroup")" = "$scope/keeper" &&
	grep -x "$(cut -d" " -f1 "$folder/guest")" "$group/cgroup.procs" &&
	! grep -q . "$scope/cgroup.procs"
'

test_expect_success SYSTEMD 'systemd has left the scope to it, says whose it is, and sets no limit of its own' '
	with_manager systemctl "$manager" show "${scope##*/}" --property=Delegate,Description,TasksMax >out &&
	printf "%s\n" "Delegate=yes" "Description=git agbranch: sandbox agbranch-s" "TasksMax=infinity" >expected &&
	sort out >sorted && test_cmp expected sorted
'

test_expect_success SYSTEMD_USER 'it is one of the user'\''s own manager' '
	case $scope in */user@$(id -u).service/*) ;; *) fail "$scope" ;; esac
'

test_expect_success SYSTEMD 'other units come and go: the limits stay' '
	with_manager systemd-run "$manager" --scope --quiet --property=CPUWeight=50 --property=MemoryMax=64M true &&
	with_manager systemctl "$manager" daemon-reload &&
	limits_hold &&
	"$tool" exec s sh -c "cat >busy.py" <busy.py &&
	expect_code 0 in_guest s python3 busy.py &&
	awk "{ exit !(\$1 < 1.3) }" out
'

test_expect_success SYSTEMD 'stop: the scope goes with it' '
	expect_code 0 "$tool" stop s && wait_until 20 is_gone "$scope" &&
	! test -e "$folder/cgroups"
'

test_expect_success SYSTEMD 'SIGKILL of the keeper: the scope goes too, and start makes another' '
	"$tool" start s && group=$(cat "$folder/cgroups") && scope=${group%/*} && limits_hold &&
	kill -KILL "$(keeper)" && wait_until 20 is_gone "$scope" &&
	"$tool" start s && group=$(cat "$folder/cgroups") && scope=${group%/*} && limits_hold
'

test_expect_success SYSTEMD 'who stops the scope stops the sandbox' '
	with_manager systemctl "$manager" stop "${scope##*/}" &&
	wait_until 20 is_gone "$scope" &&
	expect_code 0 "$tool" status s && grep "^stopped" out &&
	no_process_left
'

test_expect_success SYSTEMD 'systemd that refuses: it starts without a group, and says so' '
	mkdir -p refuses && printf "#!/bin/sh\nexit 1\n" >refuses/systemd-run && chmod 755 refuses/systemd-run &&
	PATH=$(pwd)/refuses:$PATH "$tool" start s 2>note &&
	grep "memory for each process only" note && ! grep "linger" note &&
	! test -e "$folder/cgroups" &&
	expect_code 0 "$tool" status s && grep "^running cpu=enforced memory=advisory pids=enforced " out &&
	"$tool" stop s
'

test_expect_success SYSTEMD_USER,SYSTEMD_LOGIN 'a manager that ends with the login gets none, and the note says what gives one' '
	mkdir -p leaves && printf "#!/bin/sh\necho no\n" >leaves/loginctl && chmod 755 leaves/loginctl &&
	PATH=$(pwd)/leaves:$PATH "$tool" start s 2>note &&
	grep "memory for each process only.*loginctl enable-linger" note &&
	! test -e "$folder/cgroups" &&
	"$tool" stop s
'

test_expect_success SYSTEMD 'launch: show says it, and the usage of the group is counted' '
	expect_code 0 git agbranch launch l --cpus 1 --memory 256M --json && ! grep "memory for each" err &&
	expect_code 0 git agbranch show l --json &&
	json_is .runtime.vm.limits.cpu enforced && json_is .runtime.vm.limits.memory enforced &&
	json_is .runtime.vm.limits.pids enforced &&
	group=$(cat "$AGBRANCH_STATE_ROOT"/bwrap/agbranch-l/cgroups) && scope=${group%/*} &&
	grep "^usage_usec [1-9]" "$group/cpu.stat" &&
	expect_code 0 git agbranch close l --discard --yes && wait_until 20 is_gone "$scope"
'

test_expect_success SYSTEMD 'nothing of it is left' '
	expect_code 0 "$tool" destroy s s.1 && no_process_left
'

test_done
