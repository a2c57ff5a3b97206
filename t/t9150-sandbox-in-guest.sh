#!/bin/sh
test_description='Lima: the limits of sandboxes inside a guest, with systemd and control groups of version 2'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_tool
: "${AGB_LIMA_SANDBOX_IMAGE:=/var/cache/agbranch-test-image-sandbox}"
AGB_LIMA_IMAGE=$AGB_LIMA_SANDBOX_IMAGE
test -f "$AGB_LIMA_IMAGE/image.qcow2" ||
	lima_skip "no guest image: make one with t/lima/make-image.sh --with-sandbox, or name it in AGB_LIMA_SANDBOX_IMAGE"
lima_machine

in_machine () {
	limactl --tty=false shell --workdir / agbranch-limits "$@"
}

# The tests of the sandbox, and the programs that were built, without what only a debugger reads.
copy_tree () {
	mkdir -p tree/build/t &&
	cp -RL "$AGB_BUILD/bin" "$AGB_BUILD/libexec" "$AGB_BUILD/share" tree/build/ &&
	cp -R "$AGB_BUILD/t/tools" tree/build/t/ &&
	find tree/build -type f -perm -u+x -exec sh -c "strip --strip-debug \"\$@\" 2>/dev/null || :" sh {} + &&
	mkdir tree/t && cp -R "$TEST_TOP/t/lib" "$TEST_TOP"/t/t10*.sh tree/t/ &&
	in_machine sudo sh -c "rm -rf /opt/agb && mkdir /opt/agb" &&
	tar -C tree -czf - . | in_machine sudo tar -C /opt/agb --no-same-owner -xzf -
}

# run_there WHO SCRIPT: its results are in WHO.SCRIPT, all that it said in WHO.SCRIPT.log, its exit code in
# WHO.SCRIPT.code.  The two seconds that a stop may take are those of a real processor: an emulated one is ten
# times slower.
run_there () {
	case $1 in root) as=sudo ;; *) as= ;; esac
	in_machine $as sh -c "cd /opt/agb && AGB_TEST_STOP_MS=20000 AGB_BUILD=/opt/agb/build exec sh t/$2 -v" >"$1.$2.log" 2>&1
	echo $? >"$1.$2.code"
	grep -E "^((not )?ok [0-9]+ (-|# skip) |1[.][.][0-9])" "$1.$2.log" >"$1.$2"
}

# show WHO SCRIPT: each test of it as one of ours; one that was skipped there is skipped here.
show () {
	while IFS= read -r line; do
		case $line in
		ok*' # skip '*) test_expect_success THERE "$1, $2: ${line#* # skip }" : ;;
		ok*) test_expect_success "$1, $2: ${line#* - }" : ;;
		not*) test_expect_success "$1, $2: ${line#* - }" 'fail "not ok in the guest"' ;;
		esac
	done <"$1.$2"
	test "$(cat "$1.$2.code")" = 0 || sed "s/^/# /" "$1.$2.log"
}

test_expect_success 'set up: a guest with systemd, control groups of version 2, and the programs' '
	lima_start agbranch-limits 2 2GiB &&
	in_machine stat -f -c %T /sys/fs/cgroup >type && echo cgroup2fs >expected && test_cmp expected type &&
	in_machine test -d /run/systemd/system &&
	copy_tree &&
	in_machine sh -c "sudo loginctl disable-linger \"\$(id -un)\"" &&
	in_machine sh -c "uname -r; systemctl --version | head -n 1; cat /sys/fs/cgroup/cgroup.controllers" >about &&
	sed "s/^/# /" about
'

# by_user COMMAND…: with the programs that were brought, and a state root of its own.
by_user () {
	in_machine env PATH=/opt/agb/build/bin:/opt/agb/build/t/tools:/usr/bin:/bin AGBRANCH_STATE_ROOT=/tmp/state "$@"
}

test_expect_success 'a user who does not linger: doctor and the note of a sandbox say what is missing' '
	in_machine sh -c "loginctl show-user \"\$(id -u)\" --property=Linger --value" >linger &&
	echo no >expected && test_cmp expected linger &&
	{ by_user git agbranch doctor >doctor 2>&1 || :; } &&
	grep "memory of a sandbox is counted for each process only" doctor && grep "loginctl enable-linger" doctor &&
	by_user sh -c "guest-tool create early memory=256M cpus=1 && guest-tool start early" >note 2>&1 &&
	grep "memory for each process only.*loginctl enable-linger" note &&
	by_user guest-tool status early >status && grep "^running cpu=enforced memory=advisory pids=enforced" status
'

test_expect_success 'it gives itself what doctor says, and doctor is content' '
	in_machine loginctl enable-linger &&
	{ by_user git agbranch doctor >doctor 2>&1 || :; } && ! grep "linger" doctor &&
	by_user sh -c "guest-tool stop early && guest-tool start early" >note 2>&1 && ! grep linger note &&
	by_user guest-tool status early >status && grep "^running cpu=enforced memory=enforced pids=enforced" status
'

# A login of its own: Lima shares one connection for all its commands.
test_expect_success 'that sandbox outlives the login that it was started in' '
	by_user guest-tool stop early &&
	ssh -F "$LIMA_HOME/agbranch-limits/ssh.config" -o ControlMaster=no -o ControlPath=none lima-agbranch-limits \
		"cat /proc/self/cgroup; AGBRANCH_STATE_ROOT=/tmp/state /opt/agb/build/t/tools/guest-tool start early" >login 2>&1 &&
	session=$(sed -n "s,.*/\(session-.*[.]scope\)$,\1,p" login) && test -n "$session" &&
	over () {
		! in_machine systemctl is-active "$session"
	} &&
	wait_until 60 over &&
	by_user guest-tool exec early true &&
	by_user guest-tool destroy early early.1
'

test_expect_success 'the user has a login session, and a manager that lingers' '
	in_machine sh -c "loginctl show-user \"\$(id -u)\" --property=Linger --value; cat /proc/self/cgroup; echo \"\$XDG_RUNTIME_DIR\"" >login &&
	sed "s/^/# /" login &&
	grep -x yes login && grep "/session-.*[.]scope$" login && grep "^/run/user/" login &&
	in_machine sh -c "systemctl --user is-active default.target"
'

for script in t1035-sandbox-cgroups.sh t1030-sandbox-limits.sh t1040-sandbox-disk.sh; do
	for who in user root; do
		run_there $who $script
		show $who $script
		test_expect_success "$who, $script: runs to its end" "
			test \"\$(cat $who.$script.code)\" = 0 && grep '^1\\.\\.' $who.$script
		"
	done
	test_expect_success "root, $script: only what is a user's is skipped" "
		! grep -i '# skip' root.$script | grep -v 'missing SYSTEMD_USER'
	"
done

test_expect_success 'the user, too, has cpu, memory and processes enforced' '
	grep -E "^ok .* enforced means: the control group says it too" user.t1030-sandbox-limits.sh &&
	grep -E "^ok .* many small hogs are counted together" user.t1030-sandbox-limits.sh &&
	! grep -E "# skip .*missing (ENFORCED|SYSTEMD)" user.t1030-sandbox-limits.sh user.t1035-sandbox-cgroups.sh
'

test_expect_success 'nothing is left in the guest: no process, no scope, no group' '
	gone () {
		in_machine sh -c "
			! pgrep -f [a]gbranch-keeper &&
			test -z \"\$(systemctl --user list-units --no-legend --plain \"run-*.scope\")\" &&
			test -z \"\$(sudo systemctl list-units --no-legend --plain \"run-*.scope\")\" &&
			test -z \"\$(find /sys/fs/cgroup -name \"*agbranch-*\" -o -name \"agbt-*\")\"
		" >left 2>&1
	} &&
	wait_until 60 gone
'

test_done
