#!/bin/sh
test_description='Lima: the host was switched off under sessions in machines, and boots again'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_machine

# By a link, as somebody has it whose home is small: Lima follows it in all that its processes are told.
real_home=$LIMA_HOME
LIMA_HOME=$TEST_TMP/l && mkdir -p "$real_home" && ln -s "$real_home" "$LIMA_HOME" || exit 1
ours="($real_home|$LIMA_HOME)/(agbranch-(one|two)|_agbranch)/|$AGBRANCH_STATE_ROOT"

# Others, who may get the numbers that Lima's processes had.  The second also looks like them.
bystanders () {
	ln -s "$(command -v sleep)" "$TEST_TMP/qemu-system-x86_64" &&
	{ sleep 3600 & bystander=$!; } &&
	{ "$TEST_TMP/qemu-system-x86_64" 3600 & impostor=$!; }
}
bystanders_live () {
	kill -0 "$bystander" && kill -0 "$impostor"
}

# All that ran goes at once and writes nothing more: QEMU with what it has not written, the host agents, the ssh
# connections, our own helpers.  Their sockets and pid files stay, the boot that they knew is another.
power_cut () {
	pids=$(pgrep -u "$(id -u)" -f -- "$ours" | tr "\n" " ") &&
	kill -KILL $pids && wait_until 60 ended &&
	boot=$(cat /proc/sys/kernel/random/boot_id) &&
	{ grep -rlI --exclude="state.db*" -e "$boot" "$AGBRANCH_STATE_ROOT" "$real_home/_agbranch" >holds || :; } &&
	while IFS= read -r file; do
		sed -i "s/$boot/00000000-0000-4000-8000-000000000000/" "$file" || return 1
	done <holds
}
# Not even a zombie: Lima takes that for the process.
ended () {
	for pid in $pids; do
		test ! -e "/proc/$pid" || return 1
	done
	none_left
}
none_left () {
	! pgrep -u "$(id -u)" -f -- "$ours" >/dev/null
}

who () {
	git agbranch run one -- sh -c "hostname; echo \$AGBRANCH_SESSION; cat /etc/machine-id"
}

# is_back: it runs, is the machine that it was, guarded, and what it has goes on and arrives.
is_back () {
	git agbranch show one --json >show.json &&
	json_is .lifecycle_state running show.json && json_is .runtime.vm.status running show.json &&
	json_is .runtime.guest.shell_window.state live show.json &&
	who >who.now && test_cmp who.before who.now &&
	git agbranch run one -- sudo nft list table inet agbranch >/dev/null &&
	git agbranch run one -- git fsck --strict --no-progress --no-dangling &&
	git agbranch run one -- git reset -q --hard &&
	agent_commit one file "after a boot" &&
	expect_code 0 git agbranch sync one -q &&
	git agbranch run one -- git rev-parse HEAD >guest &&
	git rev-parse agbranch/one >host && test_cmp guest host && repo_is_sound .
}

# commit SUBJECT: by the agent; then what the guest's file system does within five seconds (the commit of its
# journal), and nothing more: no other file is written to the disk by it.
commit () {
	git agbranch run one -- sh -c "echo \"$1\" >>file && git commit -qam \"$1\" && sync .git/refs/heads/agbranch"
}
# has SUBJECT: that commit is in what came to the host, or in the guest.
has () {
	git agbranch run one -- git log --format=%s >subjects && grep -x "$1" subjects
}

test_expect_success 'set up: one that runs, one that is stopped' '
	make_repo repo && bystanders &&
	git agbranch base prepare --minimal &&
	cd repo &&
	git agbranch open two -q && git agbranch stop two -q &&
	git agbranch open one -q && who >who.before
'

test_expect_success 'the power goes right after a commit: show and doctor say what is' '
	commit first && power_cut &&
	ls "$LIMA_HOME/agbranch-one" >files && grep -x qemu.pid files && grep -x ha.pid files && grep -x ha.sock files &&
	git agbranch show one --json >out && json_is .runtime.vm.status stopped &&
	git agbranch ps --json >out && json_is "map(.name) | sort | join(\",\")" one,two &&
	expect_code 1 git agbranch doctor --json &&
	jq -r ".checks[] | select(.level == \"problem\") | [.check, .message, .fix] | join(\"|\")" out >problems &&
	echo "guests|the guest of session '\''one'\'' has ended without a stop (stopped)|git agbranch repair one" >expected &&
	test_cmp expected problems
'

test_expect_success 'start brings it back, with the commit' '
	expect_code 0 git agbranch start one --json && json_is .lifecycle_state running &&
	has first && is_back
'

# The locks of git are on the disk then, more often than not.
test_expect_success 'in the middle of a commit, and the numbers are others now: repair brings it back, nobody else is ended' '
	{ git agbranch run one -- sh -c "while :; do echo more >>file && git commit -qam more; done" & } &&
	more () { git agbranch run one -- git log --format=%s -n 3 >last && test "$(grep -cx more last)" = 3; } &&
	wait_until 60 more && power_cut &&
	echo "$bystander" >"$LIMA_HOME/agbranch-one/ha.pid" &&
	echo "$impostor" >"$LIMA_HOME/agbranch-one/qemu.pid" &&
	echo "$bystander" >"$LIMA_HOME/agbranch-two/qemu.pid" &&
	expect_code 0 git agbranch repair --all --json && cat out &&
	bystanders_live && git agbranch logs one && is_back &&
	expect_code 0 git agbranch repair --all --json && json_is "map(.action) | unique | join(\",\")" noop &&
	bystanders_live
'

test_expect_success 'close without a start before: what was committed comes back, the machines go' '
	commit last && git agbranch run one -- sync file && power_cut &&
	echo "$bystander" >"$LIMA_HOME/agbranch-one/qemu.pid" &&
	echo "$impostor" >"$LIMA_HOME/agbranch-two/ha.pid" &&
	expect_code 0 git agbranch close one --sync --yes -q &&
	git log -1 --format=%s agbranch/one >subject && echo last >expected && test_cmp expected subject &&
	expect_code 0 git agbranch close two --discard --yes -q &&
	bystanders_live &&
	test ! -e "$LIMA_HOME/agbranch-one" && test ! -e "$LIMA_HOME/agbranch-two" && none_left &&
	repo_is_sound .
'

kill "$bystander" "$impostor"
test_done
