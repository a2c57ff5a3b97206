#!/bin/sh
test_description='gate: git has few rights when it reads what a guest has sent'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"
. "$TEST_TOP/t/hostile/lib.sh"

command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null && test_set_prereq STRACE
python3 -c "
import ctypes, sys
sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)" && test_set_prereq LANDLOCK

# What the sanitizer reads when a program begins, a confined one may not read.
sanitized || test_set_prereq PROBE

no_leak_check
PROBE=$AGB_BUILD/t/tools/confine-probe
HELPERS=$AGB_BUILD/libexec/git-agbranch
GIT=$HELPERS/agbranch-git

test_expect_success 'set up' '
	gate_repos && git -C host repack -adq && all_refs host >refs.before && mkdir probes &&
	fresh_guest && NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >stream
'

# row 23
# probe free|given WHAT: in a folder of its own, as agbranch-git starts it ("given") or with all rights.
probe () {
	rm -rf probes/in && mkdir probes/in &&
	if test "$1" = given; then
		(cd probes/in && "$GIT" "$PWD" "$AGB_BUILD" -- "$PROBE" given "$2" 2>../reason)
	else
		(cd probes/in && "$PROBE" "$@" 2>../reason)
	fi
}

# refused REASON WHAT…: each is refused for this reason; and done by a process that kept its rights, which
# proves the probe.
refused () {
	reason=$1
	shift
	for what in "$@"; do
		probe free "$what" || fail "even a free process cannot: $what" || return 1
		status=0 && probe given "$what" || status=$?
		test "$status" -eq 1 || fail "$what: status $status: $(cat probes/reason)" || return 1
		grep -qxE "$reason" probes/reason || fail "$what: $(cat probes/reason)" || return 1
	done
}

test_expect_success PROBE 'it can make and remove files in its folder, have threads, and load libraries' '
	for what in create unlink mkdir seek dup truncate map-file thread; do
		probe given "$what" || fail "$what: $(cat probes/reason)" || return 1
	done
'

test_expect_success PROBE 'it cannot connect or make a socket' '
	refused ENOSYS connect socket
'

test_expect_success PROBE 'it cannot start or become anything else, signal, trace, or reach into another process' '
	refused "ENOSYS|EPERM" fork exec kill owner trace peek memory-of-others priority limits
'

test_expect_success PROBE 'it cannot make namespaces, mount, or load programs into the kernel' '
	refused ENOSYS mount unshare setns bpf filter memfd fifo
'

test_expect_success PROBE 'it cannot write memory and run it' '
	refused ENOSYS write-exec
'

test_expect_success PROBE 'it cannot change modes or times, which Landlock does not keep in a folder' '
	refused ENOSYS chmod touch
'

test_expect_success PROBE,LANDLOCK 'it can read or write no file elsewhere' '
	refused EACCES open create-above
'

test_expect_success 'what it is told to do makes sense' '
	for arguments in "" -- "folder" "folder --" "-m" "-m --"; do
		expect_code 129 "$GIT" $arguments && grep "^usage: agbranch-git " err || return 1
	done &&
	expect_code 7 "$GIT" missing -- "$PROBE" free thread &&
	grep "^fatal: agbranch-git cannot give rights away: No such file" err &&
	expect_code 7 "$GIT" probes -- /usr/bin/missing &&
	grep "^fatal: agbranch-git cannot run ./usr/bin/missing.: No such file" err
'

# attacker: a git for GIT_EXEC_PATH that is what a pack has taken over: it reads the stream, and says how far
# it got.
attacker () {
	rm -rf evil && mkdir -p evil "$HOME/.ssh" && echo secret >"$HOME/.ssh/id_test" &&
	cat >evil/git <<-\EOF && chmod +x evil/git
	#!/usr/bin/perl
	use Socket;
	my ($home, $host, @said) = @ENV{qw(HOME GIT_DIR)};
	$host =~ s{/\.git/.*}{};
	sub attempt {
		my ($what, $done) = @_;
		push @said, "$what=" . ($done ? 'done' : $!{ENOSYS} || $!{EACCES} || $!{EPERM} ? 'refused' : $!);
	}
	read (STDIN, my $bytes, 12);
	attempt ('stdin', $bytes =~ /^PACK/);
	attempt ('quarantine', open (my $own, '>', "$ENV{GIT_DIR}/objects/pack/x"));
	attempt ('objects', opendir (my $objects, "$host/.git/objects/pack"));
	attempt ('socket', socket (my $socket, PF_INET, SOCK_STREAM, 0));
	attempt ('unix', socket (my $unix, PF_UNIX, SOCK_STREAM, 0));
	my $pid = fork;
	exit if defined $pid && !$pid;
	attempt ('fork', $pid);
	attempt ('kill', kill (0, getppid));
	attempt ('key', open (my $key, '<', "$home/.ssh/id_test"));
	attempt ('config', open (my $config, '<', "$host/.git/config"));
	attempt ('above', open (my $above, '>', "$host/.git/agbranch/x"));
	attempt ('worktree', open (my $file, '>>', "$host/file"));
	attempt ('hook', open (my $hook, '>', "$host/.git/hooks/post-commit"));
	attempt ('ref', open (my $ref, '>', "$host/.git/refs/heads/evil"));
	attempt ('pack', open (my $pack, '>', "$host/.git/objects/pack/evil.pack"));
	attempt ('mode', chmod (0777, "$home/.ssh/id_test"));
	print STDERR "@said\n";
	exec '/bin/sh', '-c', 'echo "exec=done" >&2; exit 1' or attempt ('exec', 0);
	print STDERR "@said\n";
	exit 1;
	EOF
}

# attacked: a sync whose index-pack is that; its words are in `said`, the files that it should not have changed
# as `before` and `after`.
attacked () {
	snapshot >before
	expect_code 9 env GIT_EXEC_PATH="$PWD/evil" "$@" sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	sed -n "s/^fatal: refused: pack: //p" err >said && cat said && rm -f staged &&
	snapshot >after
}

test_expect_success 'an index-pack that was taken over: with all rights everything succeeds' '
	attacker && mkdir free && ln -s "$HELPERS"/* free/ && rm free/agbranch-git &&
	printf "#!/bin/sh\nwhile test \"\$1\" != --; do shift; done\nshift\nexec \"\$@\"\n" >free/agbranch-git &&
	chmod +x free/agbranch-git &&
	sed -i "s/^exec .*/exit 1;/" evil/git && attacked GIT_AGBRANCH_EXEC_PATH="$PWD/free" &&
	grep "stdin=done" said && ! grep -v "^[a-z]*=done\( [a-z]*=done\)*$" said && test_must_fail cmp -s before after &&
	attacker && attacked GIT_AGBRANCH_EXEC_PATH="$PWD/free" && grep "exec=done" said &&
	rm -f host/.git/agbranch/x host/.git/hooks/post-commit host/.git/refs/heads/evil host/.git/objects/pack/evil.pack
'

test_expect_success LANDLOCK 'with its rights given away, nothing but what git index-pack does' '
	attacker && attacked &&
	echo "stdin=done quarantine=done objects=done socket=refused unix=refused fork=refused" \
		"kill=refused key=refused config=refused above=refused worktree=refused hook=refused" \
		"ref=refused pack=refused mode=refused exec=refused" >wanted &&
	test_cmp wanted said && test_cmp before after && all_refs host >refs.after && test_cmp refs.before refs.after
'

# READER is the git that does nothing.  (Its descriptor 3 is the script.)
waiting () {
	READER=$(cat host/.git/agbranch/quarantine-*/waits 2>/dev/null) && test -n "$READER"
}

test_expect_success 'while it reads: a filter, no privileges, three descriptors, no core; and it ends with the sync' '
	rm -rf evil && mkdir evil &&
	cat >evil/git <<-\EOF && chmod +x evil/git &&
	#!/usr/bin/perl
	open (my $file, ">", "$ENV{GIT_DIR}/waits");
	print $file "$$\n";
	close $file;
	sleep 1000 while 1;
	EOF
	{ (cd host && GIT_EXEC_PATH="$PWD/../evil" exec "$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../other) <stream >out 2>err & } &&
	SYNC=$! && wait_until 30 waiting &&
	grep "^NoNewPrivs:	1" "/proc/$READER/status" && grep "^Seccomp:	2" "/proc/$READER/status" &&
	grep -E "^Max core file size +0 +0 " "/proc/$READER/limits" &&
	ls "/proc/$READER/fd" | grep -v "^3\$" | xargs >fds && echo "0 1 2" >wanted && test_cmp wanted fds &&
	kill -KILL "$SYNC" && { wait "$SYNC" || :; } && wait_until 10 test ! -e "/proc/$READER/fd/0" &&
	(cd host && "$GATE_TOOL" sweep) && rm -f other* && test -z "$(ls -d host/.git/agbranch/quarantine-* 2>/dev/null)"
'

# refuses CODE MESSAGE SCRIPT: with SCRIPT in the place of agbranch-git a sync ends so, and nothing has happened.
refuses () {
	rm -rf fake && mkdir fake && ln -s "$HELPERS"/* fake/ && rm fake/agbranch-git &&
	{ test -z "$3" || { printf "#!/bin/sh\nPATH=%s\n%s\n" "$PATH" "$3" >fake/agbranch-git && chmod +x fake/agbranch-git; }; } &&
	expect_code "$1" env GIT_AGBRANCH_EXEC_PATH="$PWD/fake" sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	grep -q -- "$2" err || { cat err; fail "not the message: $2"; return 1; }
	rm -f staged && all_refs host >refs.after && test_cmp refs.before refs.after &&
	test -z "$(ls -d host/.git/agbranch/quarantine-* 2>/dev/null)" || fail "left behind"
}

test_expect_success 'what cannot be run is no refusal, and git is not run without it' '
	refuses 7 "cannot run .*agbranch-git" "" &&
	refuses 7 "^fatal: agbranch-git cannot give rights away: Operation not permitted" \
		"echo fatal: agbranch-git cannot give rights away: Operation not permitted >&2; exit 7" &&
	refuses 9 "refused: pack: git was ended by signal 9" "kill -KILL \$\$" &&
	refuses 9 "refused: pack: git ended with status 3" "exit 3"
'

test_expect_success STRACE 'a kernel that refuses a part: git is not run' '
	filter="-e inject=seccomp:error=EPERM -e inject=prctl:error=EPERM:when=3+" &&
	landlock= && { ! test_have_prereq LANDLOCK || landlock="-e inject=landlock_restrict_self:error=EPERM"; } &&
	for part in "$filter" "-e inject=prctl:error=EPERM" "$landlock"; do
		test -n "$part" || continue
		refuses 7 "^fatal: agbranch-git cannot give rights away: " \
			"exec strace -f -qq -o \"$PWD/trace\" $part \"$GIT\" \"\$@\"" || return 1
		! grep "^[0-9]* *execve(\"$(git --exec-path)/git" trace || return 1
	done
'

# traced OPTION…: a sync whose agbranch-git runs under strace; what it is told there decides.
traced () {
	rm -rf fake traces && mkdir fake traces && ln -s "$HELPERS"/* fake/ && rm fake/agbranch-git &&
	{ echo "#!/bin/sh" && echo "PATH=$PATH" &&
		echo "exec strace -ff -qq -o \"$PWD/traces/pid\" $* \"$GIT\" \"\$@\""; } >fake/agbranch-git &&
	chmod +x fake/agbranch-git &&
	(cd host && GIT_AGBRANCH_EXEC_PATH="$PWD/../fake" exec "$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged check) \
		<stream && rm -f staged
}

test_expect_success STRACE 'the filter is there before git is, and git has what it asks for' '
	traced && trace=$(grep -l "^execve(.*\"index-pack\"" traces/*) && test -n "$trace" &&
	git=$(git --exec-path)/git &&
	sed "/^execve(\"$(echo "$git" | sed "s,/,.,g")\"/,\$d" "$trace" >before && sed "1,/^execve(\"$(echo "$git" | sed "s,/,.,g")\"/d" "$trace" >after &&
	grep "^seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER" before && ! grep "^read(0, " before &&
	grep "^read(0, " after >/dev/null &&
	! cat traces/* | grep -E "= -1 (ENOSYS|EPERM|EACCES)" | grep -vE "^(ioctl\([0-9], TCGETS|clone3\()"
'

test_expect_success STRACE 'a kernel without Landlock: the filter alone' '
	traced -e inject=landlock_create_ruleset:error=ENOSYS && ! grep landlock_restrict_self traces/*
'

test_expect_success STRACE 'where a process may not listen to its own filter, the filter is the same but for that' '
	traced -e inject=seccomp:error=EBUSY:when=99 &&
	listening=$(grep -h "^seccomp(" traces/* | grep -n NEW_LISTENER | head -1 | cut -d: -f1) && test -n "$listening" &&
	trace=$(grep -l "^execve(.*\"index-pack\"" traces/*) &&
	when=$(grep "^seccomp(" "$trace" | grep -n "NEW_LISTENER, {" | cut -d: -f1) &&
	traced -e inject=seccomp:error=EBUSY:when=$when &&
	grep -h "^seccomp(SECCOMP_SET_MODE_FILTER, 0, {" traces/* | grep -q "= 0$"
'

# no row
test_expect_success 'a shared repository: the pack has its modes' '
	git init -q --shared=group shared && (
		cd shared && git fetch -q ../host main && git update-ref refs/heads/main FETCH_HEAD &&
		git update-ref refs/agbranch/sessions/s/base "$BASE" && git update-ref refs/agbranch/sessions/s/head "$BASE" &&
		umask 077 && "$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../shared.staged <../stream &&
		ls -l .git/objects/pack/*.pack | grep "^-r--r-----"
	)
'

test_expect_success 'packs that lie elsewhere, by links and alternates; deltas on what is there' '
	git clone -q --bare host far && git -C far repack -adq && mkdir elsewhere && mv far/objects/pack elsewhere/pack &&
	ln -s "$PWD/elsewhere/pack" far/objects/pack && git clone -q -s far near && (
		cd near && git update-ref refs/agbranch/sessions/s/base "$BASE" && git update-ref refs/agbranch/sessions/s/head "$BASE" &&
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../near.staged <../stream && git rev-parse agbranch/s
	) &&
	test -z "$(ls elsewhere/pack/*.keep 2>/dev/null)" && repo_is_sound near
'

test_expect_success 'fetch.fsck.skipList is read where it lies' '
	fresh_guest && NEW=$(raw_commit "tree $(git -C guest rev-parse HEAD^{tree})\nparent $BASE\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 01 +0000\n\nx\n") &&
	pack_loose >stream && expect_code 9 gate sync "$BASE" "$BASE" "$NEW" ../staged check <stream &&
	grep "fsck.zeroPaddedDate" err && echo "$NEW" >"$HOME/skip list" && git -C host config fetch.fsck.skipList "~/skip list" &&
	gate sync "$BASE" "$BASE" "$NEW" ../staged check <stream
'

test_expect_success 'traces of git that go to a file do no harm' '
	GIT_TRACE=$PWD/trace.file GIT_TRACE2_EVENT=$PWD gate sync "$BASE" "$BASE" "$NEW" ../staged check <stream
'

test_done
