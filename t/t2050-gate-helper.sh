#!/bin/sh
test_description='gate: what reads the stream of a guest has no rights, and nothing it says is believed'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"
. "$TEST_TOP/t/hostile/lib.sh"

command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null && test_set_prereq STRACE

no_leak_check
PROBE=$AGB_BUILD/t/tools/confine-probe
SCAN=$AGB_BUILD/libexec/git-agbranch/agbranch-scan

test_expect_success 'set up' '
	gate_repos && all_refs host >refs.before && mkdir probes &&
	fresh_guest && NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >stream
'

# row 23
# probe MODE WHAT: in a folder of its own, with a file as stdin and as stdout.
probe () {
	rm -rf probes/in && mkdir probes/in &&
	(cd probes/in && head -c 100 /dev/zero >../zeros && "$PROBE" "$@" <../zeros >../written 2>../reason)
}

# refused MODE REASON WHAT…: each is refused for this reason; and done by a process that kept its rights,
# which proves the probe.
refused () {
	mode=$1 reason=$2
	shift 2
	for what in "$@"; do
		probe free "$what" || fail "even a free process cannot: $what" || return 1
		status=0 && probe "$mode" "$what" || status=$?
		test "$status" -eq 1 || fail "$what: status $status: $(cat probes/reason)" || return 1
		grep -qxE "$reason" probes/reason || fail "$what: $(cat probes/reason)" || return 1
	done
}

test_expect_success 'it cannot open, make, change or look for a file' '
	refused streams EPERM open create create-above unlink mkdir stat fifo truncate memfd
'

test_expect_success 'it cannot use another descriptor, nor its own for more than reading and writing' '
	refused streams EPERM read-other write-other seek pwrite dup
'

test_expect_success 'it cannot connect or make a socket' '
	refused streams EPERM connect socket
'

test_expect_success 'it cannot start, run, signal or trace anything' '
	refused streams "EPERM|ENOSYS" fork exec kill trace peek priority limits
'

test_expect_success 'it cannot map a file or memory that can be executed' '
	refused streams EPERM map-exec map-file make-exec
'

test_expect_success 'it cannot write or hold more than it may' '
	probe free large-file && test "$(wc -c <probes/written)" -eq 200 &&
	expect_code 1 probe streams large-file && test "$(wc -c <probes/written)" -eq 100 &&
	probe free large-memory &&
	{ test -n "$(grep -s "address" "$AGB_BUILD/.variables")" || refused streams ENOMEM large-memory; }
'

test_expect_success 'with a folder: files in it, and nothing else' '
	for what in create unlink mkdir modes-and-times; do probe folder "$what" || return 1; done &&
	refused folder "EPERM|ENOSYS" truncate-path chmod-path times-path connect socket fork exec kill trace map-exec map-file make-exec memfd fifo
'

test_expect_success 'with a folder: Landlock keeps it there, where the kernel has it' '
	if python3 -c "
import ctypes, sys
sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)"; then
		refused folder EACCES open create-above
	else
		say "skipped: this kernel has no Landlock"
	fi
'

# reader_of_sync: the pid of what reads the stream of our sync; other tests have readers of their own.
reader_of_sync () {
	for pid in $(pgrep -P "$SYNC"); do
		test "$(readlink "/proc/$pid/exe")" != "$SCAN" || echo "$pid"
	done
}

# silent_sync: a sync whose guest says nothing more after the first bytes; READER is who waits for it.
silent_sync () {
	rm -f silent && mkfifo silent && exec 8<>silent && head -c 60 stream >&8 &&
	{ (cd host && exec "$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../other) <silent >out 2>err 8>&- & } &&
	SYNC=$! &&
	wait_until 30 reader_waits
}
reader_waits () {
	READER=$(reader_of_sync) && test -n "$READER" && test -e "/proc/$READER/status" &&
	grep -q "^Seccomp:	2" "/proc/$READER/status" &&
	test -s "$(ls other.?????? 2>/dev/null)"
}
silent_end () {
	status=0 && wait "$SYNC" || status=$?
	exec 8>&-
	nothing_happened other
	return "$status"
}
nothing_happened () {
	all_refs host >refs.after && test_cmp refs.before refs.after &&
	test -z "$(ls -d "$1" "$1".* host/.git/agbranch/quarantine-* 2>/dev/null)" || fail "left behind"
}

test_expect_success 'while it reads: a filter, no privileges, three descriptors, no file larger than the limit' '
	silent_sync &&
	grep "^NoNewPrivs:	1" "/proc/$READER/status" &&
	ls "/proc/$READER/fd" | xargs >fds && echo "0 1 2" >wanted && test_cmp wanted fds &&
	grep -E "^Max open files +3 +3 " "/proc/$READER/limits" &&
	grep -E "^Max processes +0 +0 " "/proc/$READER/limits" &&
	grep -E "^Max core file size +0 +0 " "/proc/$READER/limits" &&
	grep -E "^Max file size +1073807360 +1073807360 " "/proc/$READER/limits" &&
	test "$(readlink "/proc/$READER/cwd")" = / &&
	test -z "$(tr "\\0" "\\n" <"/proc/$READER/environ")" &&
	kill -KILL "$READER" && expect_code 9 silent_end
'

test_expect_success 'killed while it reads: refused, with the signal' '
	silent_sync && kill -TRAP "$READER" &&
	{ silent_end && status=0 || status=$?; } && test "$status" -eq 9 &&
	echo "fatal: refused: scan: agbranch-scan was ended by signal 5" >wanted &&
	grep "^fatal" err >said && test_cmp wanted said &&
	test ! -e "/proc/$READER"
'

test_expect_success 'it ends with the process that started it' '
	silent_sync && kill -KILL "$SYNC" && wait_until 10 test ! -e "/proc/$READER/fd/0" &&
	{ wait "$SYNC" || :; } && exec 8>&- && (cd host && "$GATE_TOOL" sweep) && rm -f other.* &&
	nothing_happened other
'

test_expect_success STRACE 'the filter is there before the first byte of the guest is read' '
	mkdir traces && (cd host && exec strace -ff -qq -o ../traces/pid "$GATE_TOOL" sync \
		"$BASE" "$BASE" "$NEW" ../staged receive <../stream) && rm -f staged &&
	trace=$(grep -l "^execve(\"$SCAN\"" traces/*) && test -n "$trace" &&
	sed "1,/^execve(\"[^\"]*agbranch-scan\"/d" "$trace" >calls &&
	sed "/^seccomp(SECCOMP_SET_MODE_FILTER, 0.* = 0\$/,\$d" calls >before &&
	sed "1,/^seccomp(SECCOMP_SET_MODE_FILTER, 0.* = 0\$/d" calls >after &&
	grep -c "^read(0, " after && ! grep "^read(0, " before &&
	! grep -vE "^(read\(0|write\([12]|brk\(|mmap\(|munmap\(|mremap\(|madvise\(|sigaltstack\(|exit_group\(|\+\+\+)" after &&
	! grep EPERM after
'

# reader SCRIPT: what stands in the place of agbranch-scan.
reader () {
	mkdir -p fake && { echo "#!/bin/sh" && cat; } >fake/agbranch-scan && chmod +x fake/agbranch-scan
}

# refuses CODE MESSAGE [OPTION]: with that reader a sync ends so, and nothing has happened.
refuses () {
	expect_code "$1" env GIT_AGBRANCH_EXEC_PATH="$PWD/fake" GIT_CONFIG_COUNT=1 \
		GIT_CONFIG_KEY_0="${3:-agbranch.limits.seconds}" GIT_CONFIG_VALUE_0="${4:-100}" sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	grep -q -- "$2" err || { cat err; fail "not the message: $2"; return 1; }
	nothing_happened staged
}

test_expect_success 'a reader that dies' '
	echo "kill -KILL \$\$" | reader && refuses 9 "refused: scan: agbranch-scan was ended by signal 9\$" &&
	printf "cat\nprintf \"pack 212 3 40 0\\\\nend\\\\n\" >&2\nkill -ABRT \$\$\n" | reader &&
	refuses 9 "refused: scan: agbranch-scan was ended by signal 6\$"
'

test_expect_success 'a reader that says nothing' '
	: | reader && refuses 9 "refused: scan: agbranch-scan said nothing that can be (status 0)" &&
	echo "exit 9" | reader && refuses 9 "refused: scan: .* (status 9)" &&
	echo "exec sleep 1000" | reader &&
	refuses 9 "agbranch.limits.seconds: the stream of the guest did not end within 1 seconds" \
		agbranch.limits.seconds 1
'

test_expect_success 'a reader that does not stop talking' '
	echo "exec cat /dev/zero >&2" | reader && refuses 9 "refused: scan: agbranch-scan does not stop talking"
'

test_expect_success 'a reader that cannot be run, or cannot give its rights away' '
	rm -rf fake && mkdir fake && refuses 7 "cannot run .*agbranch-scan" &&
	printf "echo failed confine 1 >&2\nexit 7\n" | reader &&
	refuses 7 "agbranch-scan cannot give its rights away: Operation not permitted"
'

# no row
test_expect_success 'a reader whose disk is full' '
	printf "echo failed write 28 >&2\nexit 8\n" | reader && refuses 8 "cannot write .*: No space left on device"
'

test_expect_success STRACE 'the disk is full indeed' '
	printf "exec strace -qq -o /dev/null -e inject=write:error=ENOSPC:when=1 %s \"\$@\"\n" "$SCAN" | reader &&
	sed -i "2i PATH=$PATH" fake/agbranch-scan &&
	refuses 8 "cannot write .*: No space left on device"
'

# lies TEXT COMMAND MESSAGE: a reader that copies the stream, says TEXT and ends with COMMAND.
lies () {
	printf "$1" >report && printf "cat\ncat \"%s\" >&2\n%s\n" "$PWD/report" "$2" | reader &&
	refuses 9 "refused: scan: agbranch-scan $3"
}
test_expect_success 'a reader that lies' '
	bytes=$(wc -c <stream) &&
	for text in "pack $bytes 5 400 0\nend\n" "pack $((bytes - 1)) 4 400 0\nend\n" \
		"pack $((bytes + 1)) 4 400 0\nend\n" "pack $bytes 0 0 0\nend\n"; do
		lies "$text" "" "said something else than it wrote" || return 1
	done &&
	for text in "pack $bytes 4 400 0\n" "pack $bytes 4 400 0\nend" "pack $bytes 4 400 0\nend\n\n" \
		"pack $bytes 4 400 5\nend\n" "pack 0$bytes 4 400 0\nend\n" "pack -1 4 400 0\nend\n" \
		"pack 99999999999999999999 4 400 0\nend\n" "pack $bytes 4 99999999999 0\nend\n" \
		"pack $bytes 1000001 400 0\nend\n" " pack $bytes 4 400 0\nend\n" \
		"bundle 2 40 1 1\npack $bytes 4 400 0\nend\n" "bundle 4 400 1 1\npack $bytes 4 400 0\nend\n" \
		"bundle 2 400 1 0\npack $bytes 4 400 0\nend\n" "refused everything\n" "refused checksum 1\n" \
		"refused packBytes 5\n" "refused packBytes\n" "failed think 1\n" "\033[31mhello\n"; do
		lies "$text" "" "said nothing that can be (status 0)" || return 1
	done
'

test_expect_success 'a reader that says good and ends badly' '
	lies "pack $bytes 4 400 0\nend\n" "exit 3" "said nothing that can be (status 3)"
'

test_expect_success 'a reader that lets a broken pack pass: git still does not' '
	printf "head -c %s\nhead -c 20 /dev/zero\nprintf \"pack %s 4 400 0\\\\nend\\\\n\" >&2\n" \
		"$((bytes - 20))" "$bytes" | reader && ln -sf "$AGB_BUILD/libexec/git-agbranch/agbranch-git" fake/ &&
	expect_code 9 env GIT_AGBRANCH_EXEC_PATH="$PWD/fake" sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	grep "refused: pack: " err && rm staged && nothing_happened staged
'

test_expect_success 'the whole verb: exit 9, the session stays as it is, and the next sync brings the work' '
	make_repo repo && cd repo && git agbranch open one -q && agent_commit one file text &&
	mkdir ../all && ln -s "$AGB_BUILD"/libexec/git-agbranch/* ../all/ && rm ../all/agbranch-scan &&
	printf "#!/bin/sh\nkill -KILL \$\$\n" >../all/agbranch-scan && chmod +x ../all/agbranch-scan &&
	all_refs . >../before &&
	expect_code 9 env GIT_AGBRANCH_EXEC_PATH="$PWD/../all" git agbranch sync one &&
	grep "refused: scan: agbranch-scan was ended by signal 9" err &&
	all_refs . >../after && test_cmp ../before ../after && repo_is_sound . &&
	git agbranch sync one -q && git rev-parse agbranch/one
'

test_done
