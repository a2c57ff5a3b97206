#!/bin/sh
test_description='gate: memory, time, interrupts, full disks'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"
. "$TEST_TOP/t/hostile/lib.sh"

command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null && test_set_prereq STRACE

test_expect_success 'set up' '
	gate_repos && all_refs host >before
'

# peak_below SELF CHILDREN: of the last run, in MiB.
peak_below () {
	read -r word self children <<-EOF &&
	$(grep ^peak out)
	EOF
	sanitized || test "$self" -lt "$(($1 * 1024))" || fail "we took $self KiB" || return 1
	test "$children" -lt "$(($2 * 1024))" || fail "git took $children KiB"
}

# cpu: milliseconds of a processor that the last run took.
cpu () {
	sed -n "s/^cpu //p" out
}

test_expect_success 'a large file streams through: 60 MiB in less than 40 MiB' '
	fresh_guest &&
	oid=$(head -c 62914560 /dev/urandom | git -C guest -c core.looseCompression=0 hash-object -w --stdin) &&
	NEW=$(one_entry 100644 large "$oid") && pack_loose >stream &&
	GATE_TOOL_PEAK=1 gate sync "$BASE" "$BASE" "$NEW" ../staged check <stream >out &&
	peak_below 40 100 &&
	git -C host bundle verify -q ../staged &&
	rm stream staged
'

test_expect_success 'a file that inflates to the limit is taken in little memory' '
	raw_pack zeros=3,200000000 >stream &&
	expect_code 9 env GATE_TOOL_PEAK=1 sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	grep "connectivity" err && peak_below 40 100 && ONE_FILE=$(cpu)
'

# A processor that others take from a virtual machine counts as ours.  Then the file above is the measure: a
# bomb that was inflated to its end would take four times as long.
test_expect_success 'a bomb is refused before it is inflated, in little memory' '
	raw_pack $(for i in 1 2 3 4 5 6 7 8 9 10; do echo zeros=3,26000000$i; done) >stream &&
	rm -f staged &&
	expect_code 9 env GATE_TOOL_PEAK=1 GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=agbranch.limits.inflatedBytes \
		GIT_CONFIG_VALUE_0=1g sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	grep "agbranch.limits.inflatedBytes: the pack has .*, the limit is 1073741824" err &&
	peak_below 40 100 &&
	{ test "$(cpu)" -le 10000 || test "$(cpu)" -le "$((3 * ONE_FILE))" || fail "$(cpu) ms, and $ONE_FILE ms of one file"; } &&
	test ! -e staged
'

test_expect_success 'twenty thousand objects in less than 40 MiB' '
	fresh_guest &&
	perl -e "
		print qq(commit refs/heads/many\ncommitter a <a\@b> 1 +0000\ndata 1\nx\nfrom $BASE\n);
		printf qq(M 100644 inline d%d/f%d\ndata <<E\n%d\nE\n), \$_ % 100, \$_, \$_ for 1 .. 20000;
	" | git -C guest fast-import --quiet &&
	NEW=$(git -C guest rev-parse many) && guest_pack "$NEW" "$BASE" >stream &&
	GATE_TOOL_PEAK=1 gate sync "$BASE" "$BASE" "$NEW" ../staged check <stream >out &&
	peak_below 40 100
'

test_expect_success 'many deltas on objects of the host are no chain' '
	rm -rf deltas && git init -q deltas && (
		cd deltas &&
		for i in 1 2 3 4 5 6 7 8 9; do seq $i 9 9000 >file$i || exit 1; done &&
		git add . && git commit -qm base &&
		base=$(git rev-parse HEAD) && git update-ref refs/agbranch/sessions/s/base "$base" &&
		git clone -q . ../changed && cd ../changed &&
		for i in 1 2 3 4 5 6 7 8 9; do echo more >>file$i || exit 1; done && git commit -qam change &&
		printf "%s\n^%s\n" "$(git rev-parse HEAD)" "$base" |
			git pack-objects --revs --thin --delta-base-offset --stdout -q >../stream &&
		cd ../deltas && git config agbranch.limits.deltaDepth 2 &&
		"$GATE_TOOL" sync "$base" "$base" "$(git -C ../changed rev-parse HEAD)" ../deltas.staged <../stream &&
		git config agbranch.limits.deltaDepth 0 && rm ../deltas.staged && git update-ref -d refs/heads/agbranch/s &&
		git update-ref -d refs/agbranch/sessions/s/head &&
		expect_code 9 "$GATE_TOOL" sync "$base" "$base" "$(git -C ../changed rev-parse HEAD)" ../deltas.staged \
			<../stream &&
		grep "deltaDepth: the pack has 1, the limit is 0" err
	)
'

# started: the gate has its quarantine and has begun to write.
started () {
	ls other.?????? host/.git/agbranch/quarantine-*/lock
}

test_expect_success 'a signal while the guest is silent: exit 4, and nothing is left' '
	mkfifo silent && exec 8<>silent && head -c 1000 stream >&8 &&
	{ (cd host && exec "$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../other) <silent >out 2>err 8>&- & } &&
	pid=$! && wait_until 120 started >/dev/null 2>&1 && kill -TERM "$pid" &&
	{ status=0 && wait "$pid" || status=$?; } &&
	exec 8>&- &&
	test "$status" -eq 4 && grep "interrupted by SIGTERM" err &&
	test -z "$(ls -d other* host/.git/agbranch/quarantine-* 2>/dev/null)"
'

test_expect_success STRACE 'a full disk is exit 8, and nothing is left' '
	no_leak_check &&
	fresh_guest && NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >stream && rm -f staged &&
	mkdir fake && ln -s "$AGB_BUILD"/libexec/git-agbranch/* fake/ && rm fake/agbranch-git &&
	cat >fake/agbranch-git <<-EOF &&
	#!/bin/sh
	PATH=$PATH
	case " \$* " in
	*" index-pack "*) exec strace -qq -o /dev/null -e inject=write:error=ENOSPC:when=1 \
		"$AGB_BUILD/libexec/git-agbranch/agbranch-git" "\$@" ;;
	esac
	exec "$AGB_BUILD/libexec/git-agbranch/agbranch-git" "\$@"
	EOF
	chmod +x fake/agbranch-git &&
	expect_code 8 env GIT_AGBRANCH_EXEC_PATH="$PWD/fake" sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	grep "cannot store the pack: .*No space left on device" err &&
	expect_code 8 strace -qq -f -o /dev/null -e inject=write:error=ENOSPC:when=3+ sh -c "cd host && exec \"\$@\"" sh \
		"$GATE_TOOL" sync "$BASE" "$BASE" "$NEW" ../other <stream &&
	test ! -e other && test -z "$(ls -d host/.git/agbranch/quarantine-* 2>/dev/null)"
'

test_expect_success 'after all of it the refs are as before, and the repository is sound' '
	all_refs host >after && test_cmp before after && repo_is_sound host
'

test_done
