#!/bin/sh
test_description='Lima: a running machine of agbranch 0.1 is taken over, worked on, and ended'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_machine
. "$TEST_TOP/t/lib/agbranch-0.1.sh"

in_machine () {
	limactl --tty=false shell --workdir / agbranch-old "$@"
}

# As `open` of agbranch 0.1 leaves it: an instance of its name with Lima's own user and home, none of our
# provisioning, the clone in ~/workspaces, and tmux on the session's socket.
set_up_clone () {
	git -C repo bundle create -q ../seed.bundle HEAD main &&
	in_machine sh -c 'cat >/tmp/seed.bundle' <seed.bundle &&
	in_machine sh -ec 'cd; git config --global user.name "Old User"; git config --global user.email old@example.com
		mkdir -p workspaces/old .agbranch/tmux
		git clone -q -b main /tmp/seed.bundle workspaces/old/repo; rm /tmp/seed.bundle
		cd workspaces/old/repo; git remote remove origin; git switch -q -c agbranch/old
		echo "of the old program" >>file; git commit -qam "work under agbranch 0.1"
		tmux -S ~/.agbranch/tmux/old.sock new-session -d -s old -n shell -c "$PWD"'
}

test_expect_success 'set up: a machine and a catalog of agbranch 0.1' '
	make_repo repo &&
	lima_start agbranch-old 1 1GiB &&
	OLD_HOME=$(in_machine sh -c "cd && pwd") && test "$OLD_HOME" != /home/agent &&
	set_up_clone &&
	old_catalog && old_row old repo running &&
	sqlite3 "$DB" .dump >before.dump &&
	in_machine cat /proc/sys/kernel/random/boot_id >boot
'

test_expect_success 'migrate takes the running machine over under its own name, and neither stops nor changes it' '
	expect_code 0 git agbranch migrate --json &&
	acted old adopted && json_is .wrote_since false &&
	test "$(row vm_name,runtime,lifecycle_state,network old)" = "agbranch-old|lima|running|open" &&
	in_machine cat /proc/sys/kernel/random/boot_id >now && test_cmp boot now
'

test_expect_success 'the old catalog lies beside it as it was' '
	sqlite3 "$DB.before-migration" .dump >backup.dump && test_cmp before.dump backup.dump &&
	backup=$(jq -r .backup out) && test -f "$backup" && test "$(stat -c %a "$backup")" = 600
'

test_expect_success 'show: its machine, its ssh, its folder' '
	expect_code 0 git agbranch show old --json &&
	json_is .runtime.vm.status running && json_is .runtime.vm.ssh lima-agbranch-old &&
	json_is .guest_workspace_path "$OLD_HOME/workspaces/old/repo" &&
	json_is .runtime.guest.shell_window.state live
'

test_expect_success 'run in its workspace; cp to and from its home' '
	expect_code 0 git agbranch run old -- sh -c "pwd; cd; pwd" &&
	printf "%s\n" "$OLD_HOME/workspaces/old/repo" "$OLD_HOME" >expected && test_cmp expected out &&
	echo "from the host" >sent &&
	expect_code 0 git agbranch cp sent old:"~/received" &&
	expect_code 0 git agbranch run old -- cat "$OLD_HOME/received" && test_cmp sent out &&
	expect_code 0 git agbranch cp old:"~/received" back && test_cmp sent back
'

test_expect_success 'an agent in its window, attach finds it' '
	expect_code 0 git agbranch agent start -d old -- sh -c "echo \"in=\$PWD\"; exec cat" &&
	expect_code 0 git agbranch attach --json old && json_is .target agent &&
	said () {
		git agbranch logs --source guest old >out && grep "in=$OLD_HOME/workspaces/old/repo" out
	} &&
	wait_until 60 said &&
	tmux -L look.$$ -f /dev/null new-session -d -x 100 -y 30 "git agbranch attach old; echo left with \$?; exec cat" &&
	attached () {
		tmux -L look.$$ capture-pane -p >screen && grep -F "in=$OLD_HOME" screen
	} &&
	wait_until 60 attached; code=$?
	tmux -L look.$$ kill-server
	test $code = 0 &&
	expect_code 0 git agbranch agent stop old
'

test_expect_success 'sync brings what was done under the old program, and what came after' '
	expect_code 0 git agbranch sync old --json &&
	test "$(git -C repo log -1 --format=%s agbranch/old)" = "work under agbranch 0.1" &&
	agent_commit old file later &&
	expect_code 0 git agbranch sync old &&
	test "$(git -C repo rev-list --count main..agbranch/old)" = 2
'

test_expect_success 'stop and start: it comes back as it was' '
	expect_code 0 git agbranch stop old --json && json_is .lifecycle_state stopped &&
	expect_code 0 git agbranch start old --json && json_is .lifecycle_state running &&
	expect_code 0 git agbranch run old -- git log -1 --format=%s && test "$(cat out)" = "change file"
'

test_expect_success 'what the old program writes afterwards is noticed' '
	old_row newer repo stopped &&
	{ git agbranch doctor --json >out || :; } &&
	jq -r ".messages[] | tostring" out | grep "newer.*made by agbranch 0.1" &&
	expect_code 0 git agbranch migrate --json &&
	json_is .wrote_since true && acted newer carried &&
	grep "note: agbranch 0.1 has made sessions since" err
'

test_expect_success 'close --sync brings the rest and removes the machine' '
	agent_commit old file last "the last one" &&
	expect_code 0 git agbranch close old --sync --yes --json && json_is .destroy_result destroyed &&
	test "$(git -C repo log -1 --format=%s agbranch/old)" = "the last one" &&
	limactl list --format "{{.Name}}" >left && ! grep agbranch-old left &&
	! test -e "$LIMA_HOME/agbranch-old" && ! test -e "$LIMA_HOME/_agbranch/sessions/agbranch-old.json" &&
	repo_is_sound repo
'

test_done
