#!/bin/sh
test_description='sandbox: a disk of its own, with a size that the kernel keeps'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/guest-tool
folder=$AGBRANCH_STATE_ROOT/bwrap/agbranch-d

"$tool" create d disk=64M own_disk=1 cpus=1 && "$tool" start d 2>start.err
"$tool" status d >status
if ! grep -q "disk=enforced" status
then
	"$tool" destroy d d.1
	skip_all="no disk of its own for a sandbox here: needs root, mkfs.ext4, ext4 and a loop device"
	test_done
fi

in_guest () {
	"$tool" exec d "$@" </dev/null
}

# no_loop_left: none that has a file of ours in it.
no_loop_left () {
	! grep -sF "$AGBRANCH_STATE_ROOT" /sys/block/loop*/loop/backing_file
}

# Its file system is unmounted some time later.
kill_keeper () {
	keeper=$(pgrep -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT") &&
	kill -KILL "$keeper" &&
	wait_until 30 has_ended "$keeper"
}

test_expect_success 'the home and the workspace are the agent'\''s, and nothing else is there' '
	expect_code 0 in_guest sh -c "ls -A ~; stat -c %U:%a ~ ~/workspaces ~/workspaces/d; touch ~/workspaces/d/file" &&
	printf "workspaces\nagent:755\nagent:755\nagent:755\n" >expected &&
	test_cmp expected out
'

test_expect_success 'no note says that the disk is limited in part' '
	! grep "disk for each file" start.err
'

test_expect_success 'mount options: no set-uid, no devices' '
	expect_code 0 in_guest sh -c "grep \" /home/agent \" /proc/self/mounts" &&
	grep nosuid out && grep nodev out
'

test_expect_success 'a filler gets ENOSPC, the host keeps its space' '
	expect_code 1 in_guest sh -c "i=0; while head -c 10000000 /dev/zero >~/fill.\$i; do i=\$((i + 1)); done; exit 1" &&
	grep "No space left" err &&
	test "$(du -k "$folder/disk.img" | cut -f1)" -le 65536 &&
	expect_code 0 in_guest sh -c "df -k ~ | tail -n 1 | tr -s \" \" | cut -d\" \" -f2" &&
	test "$(cat out)" -le 65536
'

test_expect_success 'a full disk can still be entered, cleaned and used' '
	expect_code 0 in_guest sh -c "rm ~/fill.* && echo ok >~/after && cat ~/after" &&
	test "$(cat out)" = ok
'

test_expect_success 'files are counted too' '
	expect_code 1 in_guest python3 -c "
import os, sys
os.mkdir(\"many\")
try:
    for i in range(1000000):
        os.mkfifo(\"many/%d\" % i)
except OSError as e:
    sys.exit(e.strerror)
" &&
	grep "No space left" err &&
	expect_code 0 in_guest rm -r many
'

test_expect_success 'the guest cannot reach image or device' '
	expect_code 1 in_guest sh -c "ls /dev/loop* || exit 1" &&
	test "$(stat -c %a:%u "$folder/disk.img")" = 600:0
'

test_expect_success 'stop leaves no loop device, start brings everything back' '
	expect_code 0 "$tool" stop d &&
	no_loop_left &&
	test -z "$(ls -A "$folder/home/workspaces/d")" &&
	expect_code 0 "$tool" start d &&
	expect_code 0 in_guest sh -c "cat ~/after; test -f ~/workspaces/d/file" &&
	test "$(cat out)" = ok
'

test_expect_success 'nothing of the mount is seen outside' '
	! grep "$AGBRANCH_STATE_ROOT" /proc/self/mounts
'

test_expect_success 'SIGKILL of the keeper leaves nothing, and start and stop work again, five times' '
	for n in 1 2 3 4 5; do
		in_guest sh -c "head -c 3000000 /dev/zero >~/dirty.$n; sync -f ~; echo $n >~/last" &&
		kill_keeper &&
		expect_code 0 "$tool" start d &&
		test "$(in_guest cat last)" = $n || return 1
	done &&
	kill_keeper &&
	wait_until 30 no_loop_left
'

test_expect_success 'the file system is sound after all that' '
	fsck=$(command -v e2fsck || echo /usr/sbin/e2fsck) &&
	"$tool" start d && "$tool" stop d &&
	expect_code 0 "$fsck" -fn "$folder/disk.img"
'

test_expect_success 'destroy while it runs: no file, no loop device, no process' '
	expect_code 0 "$tool" start d &&
	expect_code 0 "$tool" destroy d d.1 &&
	! test -e "$folder" &&
	no_loop_left && no_process_left
'

test_expect_success 'killed or failing while it is made, create can be repeated' '
	rm -f points &&
	AGB_FAIL_LIST=$PWD/points "$tool" create k disk=16M own_disk=1 &&
	"$tool" destroy k k.1 &&
	count=$(wc -l <points) && grep "make disk" points &&
	for mode in kill error; do
		for n in $(seq "$count"); do
			{ AGB_FAIL_AT=$n:$mode "$tool" create k disk=16M own_disk=1 2>/dev/null || :; } &&
			expect_code 0 "$tool" create k disk=16M own_disk=1 &&
			expect_code 0 "$tool" start k &&
			expect_code 0 "$tool" exec k sh -c "echo x >~/workspaces/k/x" </dev/null &&
			expect_code 0 "$tool" destroy k k.1 || return 1
		done
	done &&
	no_loop_left
'

test_expect_success 'a disk that is too small to be one is said' '
	expect_code 6 "$tool" create tiny disk=1K own_disk=1 &&
	grep "cannot make the disk" err && grep "hint: name another --disk" err &&
	expect_code 0 "$tool" destroy tiny tiny.1
'

test_expect_success 'launch --disk: show says enforced, a filler ends, close leaves nothing' '
	expect_code 0 git agbranch launch full --disk 64M --json &&
	expect_code 0 git agbranch show full --json &&
	json_is .runtime.vm.limits.disk enforced &&
	expect_code 1 git agbranch run full -- sh -c "head -c 100000000 /dev/zero >fill || exit 1" &&
	grep "No space left" err &&
	expect_code 0 git agbranch stop full &&
	expect_code 0 git agbranch run full -- ls &&
	grep fill out &&
	expect_code 0 git agbranch close full --discard --yes &&
	no_loop_left && no_process_left
'

test_done
