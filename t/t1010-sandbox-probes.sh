#!/bin/sh
test_description='sandbox: ways out of it, each tried from inside

Most attempts are also made in a bwrap without our defences (user namespace with all capabilities, no
system call filter): there they must succeed, or fail in another way, or the probe proves nothing.'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/guest-tool
cp "$AGB_BUILD/t/tools/guest-probe" "$TEST_TMP/probe"

# start NAME [OPTION…]: a guest with the probe in its home.
start () {
	"$tool" create "$@" >start.out 2>&1 && "$tool" start "$1" >>start.out 2>&1 &&
	"$tool" exec "$1" sh -c "cat >~/probe && chmod 755 ~/probe" <"$TEST_TMP/probe"
}

# inside EXPECTED PROBE [ARGUMENT]
inside () {
	expected_word=$1
	shift
	expect_code 0 "$tool" exec p ./probe "$@" &&
	test "$(cat out)" = "$expected_word" || fail "inside: $(cat out), not $expected_word"
}

# bare EXPECTED PROBE [ARGUMENT]: in a sandbox without our defences.
bare () {
	expected_word=$1
	shift
	got=$(no_leak_check && bwrap --unshare-user --uid 0 --gid 0 --cap-add ALL --unshare-pid --unshare-net \
		--unshare-ipc --unshare-uts --die-with-parent --bind / / --dev /dev --proc /proc \
		--tmpfs /tmp --ro-bind "$TEST_TMP/probe" /tmp/probe --as-pid-1 \
		sh -c '/tmp/probe "$@"; exit 0' sh "$@" 5</dev/null) &&
	test "$got" = "$expected_word" || fail "without defences: $got, not $expected_word"
}

test_expect_success 'a sandbox to try them in' '
	start p
'

# row 22
# probe, argument, result inside, result without our defences ("-": depends on the machine)
while read -r probe argument result without; do
	test "$argument" = - && argument=
	test_expect_success "$probe $argument: $result" "
		inside $result $probe $argument
	"
	test "$without" = - || test_expect_success "$probe $argument proves something" "
		bare $without $probe $argument
	"
done <<-\EOF
	keyctl - EPERM done
	add-key - EPERM done
	request-key - EPERM ENOKEY
	clone-user - EPERM done
	unshare-user - EPERM done
	unshare-net - EPERM done
	clone3 - ENOSYS EINVAL
	mount - EPERM done
	remount /tmp EPERM done
	remount /usr EPERM -
	umount /proc EPERM done
	umount /proc/sys EPERM -
	fsopen - EPERM done
	open-tree - EPERM done
	pivot-root - EPERM EINVAL
	chroot - EPERM done
	setns - EPERM done
	bpf - EPERM EINVAL
	perf - EPERM EFAULT
	userfaultfd - EPERM done
	io-uring - EPERM EFAULT
	module - EPERM -
	kexec - EPERM -
	reboot - EPERM -
	settime - EPERM -
	hostname - EPERM done
	personality - EPERM done
	handle - EPERM EFAULT
	packet - EAFNOSUPPORT done
	vsock - EAFNOSUPPORT -
	alg - EAFNOSUPPORT -
	raw - EPERM done
	ptrace 1 EPERM -
	process-vm 1 EPERM EFAULT
	mknod - EPERM -
	setuid - EINVAL done
	setgid - EINVAL done
	chown /tmp EINVAL done
	list /proc/1/fd EACCES -
	list /proc/1/root EACCES -
	read /proc/1/mem EACCES -
	read /proc/1/environ EACCES -
	leaked-fd - EBADF done
EOF

test "$(uname -m)" = x86_64 && test_set_prereq X86_64
test_expect_success X86_64 'the other system call tables are closed' '
	inside ENOSYS int80 &&
	inside ENOSYS x32
'

test_expect_success 'the process state: no capability, no new privileges, filtered' '
	expect_code 0 "$tool" exec p grep -E "^(CapEff|CapPrm|CapBnd|CapAmb|NoNewPrivs|Seccomp):" /proc/self/status &&
	tr -d "\t" <out >state &&
	printf "%s\n" CapPrm:0000000000000000 CapEff:0000000000000000 CapBnd:0000000000000000 \
		CapAmb:0000000000000000 NoNewPrivs:1 Seccomp:2 >expected &&
	test_cmp expected state
'

test_expect_success 'typing into a terminal: refused, also with high bits set' '
	expect_code 0 "$tool" exec --tty p ./probe tiocsti &&
	grep EPERM out &&
	expect_code 0 "$tool" exec --tty p ./probe tioclinux &&
	grep EPERM out
'

test_expect_success 'typing into a terminal proves something' '
	if test "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 1
	then
		script -qec "bwrap --dev-bind / / $TEST_TMP/probe tiocsti" /dev/null </dev/null |
		grep done
	fi
'

test_expect_success 'without a terminal there is none to open' '
	inside ENXIO write /dev/tty &&
	! "$tool" exec p test -t 0
'

# --- processes ---

test_expect_success 'only processes of the sandbox are to be seen' '
	expect_code 0 "$tool" exec p sh -c "ls -d /proc/[0-9]* | wc -l" &&
	test "$(cat out)" -le 5
'

test_expect_success 'pid 1 survives KILL and STOP, and everything killed' '
	inside done kill 1 &&
	expect_code 137 "$tool" exec p sh -c "kill -STOP 1; kill -KILL -1; kill -KILL \$\$" &&
	expect_code 0 "$tool" exec p true
'

test_expect_success 'the environment of the caller is not in it' '
	AGB_TEST_SECRET=planted expect_code 0 "$tool" exec p env &&
	! grep planted out &&
	cut -d= -f1 out | sort >names &&
	printf "%s\n" AGBRANCH_SESSION HOME LANG LOGNAME PATH PWD SHELL TERM USER XDG_RUNTIME_DIR |
	grep -vx PWD >expected &&
	grep -vx PWD names >names.2 &&
	test_cmp expected names.2
'

test_expect_success 'nor is that of whoever started the sandbox' '
	AGB_TEST_SECRET=planted start other &&
	expect_code 0 "$tool" exec other env &&
	! grep planted out &&
	expect_code 0 "$tool" destroy other other.1
'

test_expect_success 'the command line of pid 1 names no path of the host' '
	expect_code 0 "$tool" exec p sh -c "tr \"\\0\" \" \" </proc/1/cmdline" &&
	grep "^/run/agb/execd " out &&
	! grep -F "$TEST_TMP" out
'

# --- files ---

while read -r path result; do
	test_expect_success "writing $path: $result" "
		inside $result write $path
	"
done <<-\EOF
	/usr/bin/env EACCES
	/proc/sys/kernel/core_pattern EACCES
	/proc/sys/vm/overcommit_memory EACCES
	/etc/passwd EACCES
	/dev/mem ENOENT
	/dev/kmsg ENOENT
	/dev/kvm ENOENT
	/dev/net/tun ENOENT
	/dev/fuse ENOENT
EOF

test_expect_success 'what belongs to the guest but is read-only stays so' '
	for place in / /etc /dev /home /var /usr; do
		expect_code 1 "$tool" exec p touch "$place/agb" || return 1
	done &&
	expect_code 2 "$tool" exec p sh -c "echo x >/proc/sys/kernel/printk_ratelimit"
'

test_expect_success 'devices are the seven that programs need' '
	expect_code 0 "$tool" exec p find /dev -xdev -type b -o -xdev -type c &&
	! grep -v -x -E "/dev/(null|zero|full|random|urandom|tty|console)" out &&
	expect_code 0 "$tool" exec p sh -c "for d in null zero full random urandom tty; do test -c /dev/\$d || exit 1; done"
'

test_expect_success 'the host: no home, no state root, no session folder, no /sys, no boot, no sockets' '
	for place in "$HOME" "$AGBRANCH_STATE_ROOT" "$TEST_TOP" /sys/kernel /boot /lost+found /run/dbus \
		/run/systemd /var/run/docker.sock /etc/shadow /etc/ssh /etc/sudoers /etc/gitconfig; do
		inside ENOENT read "$place" || return 1
	done &&
	expect_code 0 "$tool" exec p ls /home /root &&
	grep -x agent out &&
	test "$(grep -c . out)" = 3
'

test_expect_success 'private keys of the host are hidden' '
	expect_code 0 "$tool" exec p sh -c "ls -A /etc/ssl/private 2>/dev/null; true" &&
	test_must_be_empty out
'

test_expect_success 'every writable file system is the home, or a bounded tmpfs' '
	expect_code 0 "$tool" exec p awk "\$6 ~ /^rw/ && \$8 == \"tmpfs\" && \$5 != \"/home/agent\" { print \$5, \$NF }" /proc/self/mountinfo &&
	! grep -v "size=" out &&
	expect_code 0 "$tool" exec p awk "\$6 ~ /^rw/ && (\$5 == \"/home/agent\" || \$8 !~ /^(tmpfs|devpts|proc|devtmpfs)\$/) { print \$5 }" /proc/self/mountinfo &&
	echo /home/agent >expected &&
	test_cmp expected out
'

test_expect_success 'a read-only stdin file of the caller cannot be written' '
	echo kept >input && cp input before &&
	expect_code 0 "$tool" exec p sh -c "echo x >>/proc/self/fd/0; echo y >/dev/stdin; true" <input &&
	test_cmp before input
'

test_expect_success 'that proves something: with the descriptor handed in it is written' '
	echo kept >input && cp input before &&
	bwrap --unshare-all --ro-bind / / --proc /proc sh -c "echo x >>/proc/self/fd/0" <input &&
	! cmp -s before input
'

test_expect_success 'borrowed objects are read-only, and their alternates hidden' '
	mkdir -p objects/info objects/aa && echo secret-path >objects/info/alternates &&
	echo blob >objects/aa/blob && chmod -R a+rwX objects &&
	start borrower object_dir="$PWD/objects" &&
	expect_code 0 "$tool" exec borrower cat /run/o/0/aa/blob &&
	echo blob >expected && test_cmp expected out &&
	expect_code 0 "$tool" exec borrower cat /run/o/0/info/alternates &&
	test_must_be_empty out &&
	expect_code 2 "$tool" exec borrower sh -c "echo x >>/run/o/0/aa/blob" &&
	expect_code 1 "$tool" exec borrower touch /run/o/0/new &&
	test_cmp expected objects/aa/blob &&
	expect_code 0 "$tool" destroy borrower borrower.1
'

test_expect_success ROOT 'a sandbox of root is not uid 0 of the host' '
	guest=$(cut -d" " -f1 "$AGBRANCH_STATE_ROOT/bwrap/agbranch-p/guest") &&
	uid=$(awk "/^Uid:/ { print \$2 }" "/proc/$guest/status") &&
	test "$uid" -gt 60000 &&
	test "$(stat -c %u "$AGBRANCH_STATE_ROOT/bwrap/agbranch-p/home/probe")" = "$uid"
'

test_expect_success ROOT 'that proves something: as uid 0 the kernel settings can be opened' '
	bwrap --unshare-all --cap-drop ALL --bind / / --proc /proc "$TEST_TMP/probe" write \
		/proc/sys/kernel/core_pattern >out 2>&1 &&
	grep done out
'

# row 20
# --- network ---

# serve KIND ADDRESS: a listener of the host; its address is in $served until unserve.
serve () {
	mkfifo serve.in &&
	{ "$TEST_TMP/probe" "serve-$1" "$2" <serve.in >serve.out & } &&
	exec 8>serve.in &&
	wait_until 30 test -s serve.out &&
	served=$(cat serve.out)
}
unserve () {
	exec 8>&-
	rm -f serve.in serve.out
}

test_expect_success 'without a network: no host loopback, no interface but lo' '
	serve tcp 127.0.0.1 &&
	inside ECONNREFUSED tcp "$served" &&
	test "$("$TEST_TMP/probe" tcp "$served")" = done &&
	test "$(bwrap --dev-bind / / "$TEST_TMP/probe" tcp "$served")" = done &&
	unserve &&
	inside ENETUNREACH tcp 192.0.2.1:80 &&
	expect_code 0 "$tool" exec p sh -c "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d \" \"" &&
	echo lo >expected && test_cmp expected out
'

test_expect_success 'abstract sockets of the host are out of reach' '
	serve abstract "agb-$$" &&
	inside ECONNREFUSED abstract "agb-$$" &&
	test "$(bwrap --unshare-pid --dev-bind / / "$TEST_TMP/probe" abstract "agb-$$")" = done &&
	unserve
'

start out network=public &&
if grep -q "no network" start.out
then
	say "# network probes are skipped: $(sed -n "s/^note: //p" start.out)"
else
	test_set_prereq NETWORK
fi
host_address=$(ip -4 -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }')
test -n "$host_address" && test_have_prereq NETWORK && test_set_prereq HOST_ADDRESS

# out EXPECTED PROBE ARGUMENT: in the guest NAME that has a network.
via () {
	expect_code 0 "$tool" exec "$1" ./probe "$3" "$4" &&
	test "$(cat out)" = "$2" || fail "$3 $4 from $1: $(cat out), not $2"
}

test_expect_success NETWORK 'public: a route to the world' '
	expect_code 0 "$tool" exec out cat /proc/net/route &&
	grep "^tap0.00000000" out &&
	expect_code 0 "$tool" exec out cat /etc/resolv.conf &&
	grep "nameserver 10.0.2.3" out
'

for address in 10.1.2.3 172.16.0.1 172.31.255.254 192.168.0.1 100.64.0.1 169.254.169.254 198.18.0.1; do
	test_expect_success NETWORK "public: $address is refused" "
		via out EACCES tcp $address:80
	"
done

test_expect_success NETWORK 'public: nor is it reached past the routes' '
	expect_code 0 "$tool" exec out ./probe tcp-bound 192.168.0.1:80 &&
	grep -E "^(EHOSTUNREACH|ETIMEDOUT)$" out
'

test_expect_success HOST_ADDRESS 'public: the address of the host is refused' '
	serve tcp "$host_address" &&
	via out EACCES tcp "$served" &&
	! via out "done" tcp-bound "$served" &&
	unserve
'

test_expect_success NETWORK 'open: the metadata address is refused, the local network is not' '
	start open network=open &&
	via open EACCES tcp 169.254.169.254:80 &&
	! via open EACCES tcp 10.1.2.3:80
'

test_expect_success HOST_ADDRESS 'open: the address of the host is reached, which proves the rule of public' '
	serve tcp "$host_address" &&
	via open "done" tcp "$served" &&
	unserve
'

test_expect_success NETWORK 'neither reaches the loopback of the host' '
	serve tcp 127.0.0.1 &&
	port=${served##*:} &&
	for name in out open; do
		! via "$name" "done" tcp "10.0.2.2:$port" || return 1
	done &&
	unserve
'

test_expect_success NETWORK 'the rules cannot be changed from inside' '
	if command -v ip >/dev/null
	then
		expect_code 2 "$tool" exec out ip route del prohibit 10.0.0.0/8 &&
		expect_code 2 "$tool" exec out ip link set tap0 down
	fi &&
	inside EPERM setns
'

# no row
test_expect_success 'everything goes' '
	for name in p out open; do
		"$tool" destroy "$name" "$name.1" || return 1
	done &&
	no_process_left
'

test_done
