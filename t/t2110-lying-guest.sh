#!/bin/sh
test_description='a guest whose git, tmux and shell are replaced by liars: nothing moves, nothing runs, nothing hangs'
. ./t/lib/test-lib.sh

name='Evil\033]0;title\007\033[2J\033[31m'

test_expect_success 'set up: a host with programs that no guest may start' '
	make_repo repo &&
	printf "#!/bin/sh\necho \"\$0 \$*\" >>\"$TEST_TMP/sang\"\n" >canary && chmod +x canary &&
	for hook in post-checkout post-merge pre-auto-gc fsmonitor-watchman post-commit; do cp canary repo/.git/hooks/$hook || return 1; done &&
	for key in core.fsmonitor core.pager core.editor core.sshCommand diff.external filter.evil.clean filter.evil.smudge \
		diff.evil.textconv merge.evil.driver credential.helper; do git -C repo config $key "$(pwd)/canary" || return 1; done &&
	cd repo &&
	git agbranch open one -q &&
	agent_commit one file text && git agbranch sync one -q &&
	agent_commit one file "not synced"
'

# liar PROGRAM: stdin is what the guest runs by that name from now on; its own programs come first in its PATH.
liar () {
	git agbranch run one -- /bin/sh -c "/bin/mkdir -p ~/.local/bin && /bin/cat >~/.local/bin/$1 && /bin/chmod 755 ~/.local/bin/$1"
}
honest () {
	git agbranch run one -- /bin/rm -rf /home/agent/.local/bin
}

host_state () {
	git for-each-ref && find . -path ./.git/agbranch -prune -o -path ./.git/objects -prune -o -printf "%p %y %m %s %T@ %l\n" | LC_ALL=C sort &&
	find .git/objects -type f | LC_ALL=C sort
}

# answers CODES COMMAND…: ends in time with one of these codes; refs, files and canaries are as before, and no
# control character is printed.
answers () {
	codes=$1 status=0
	shift
	host_state >../before &&
	timeout -k 1 30 git agbranch "$@" >../out 2>../err </dev/null || status=$?
	case " $codes " in
	*" $status "*) ;;
	*) cat ../out ../err; fail "exit $status of: $*"; return 1 ;;
	esac
	host_state >../after && test_cmp ../before ../after || return 1
	! cat ../out ../err | tr -d "\t\n" | LC_ALL=C grep -q "[[:cntrl:]]" || { cat -v ../out ../err; fail "a terminal would obey"; return 1; }
	test ! -e "$TEST_TMP/sang" || fail "a program of the host ran: $(cat "$TEST_TMP/sang")"
}

works_again () {
	honest && git agbranch run one -- git status --porcelain >../status && test_must_be_empty ../status &&
	answers 0 show one && repo_is_sound .
}

# row 1
test_expect_success 'git that says nothing' '
	printf "#!/bin/sh\nexit 0\n" | liar git &&
	answers "6 9" sync one && answers "0" show one && works_again
'

test_expect_success 'git that fails, with a message for the terminal' '
	printf "#!/bin/sh\nprintf \"%s\" >&2\nexit 1\n" "$name" | liar git &&
	answers "6 9" sync one && answers "6 9" close one --sync --yes && works_again
'

# row 1 8 9
test_expect_success 'a tip that is an option, a path, an escape sequence' '
	for tip in --upload-pack=/bin/sh ../../../etc/passwd "$name" "HEAD@{1}" "$(printf "%s" "$(git rev-parse HEAD)" | tr a-f A-F)"; do
		printf "#!/bin/sh\ncase \$* in *rev-parse*--verify*) printf \"%s\\\\n\"; exit ;; esac\nexec /usr/bin/git \"\$@\"\n" "$tip" | liar git &&
		answers "3 6 9" sync one || return 1
	done && works_again
'

# row 1 9
test_expect_success 'a branch whose name is for the terminal' '
	printf "#!/bin/sh\ncase \$* in *symbolic-ref*) printf \"refs/heads/%s\\\\n\"; exit ;; esac\nexec /usr/bin/git \"\$@\"\n" "$name" | liar git &&
	answers "3 6" sync one && works_again
'

# row 1 7
test_expect_success 'a tip that nobody has, and a pack without it; a pack of something else' '
	for send in "printf PACK" "/usr/bin/git pack-objects --stdout -q --all </dev/null" "exec yes PACK" "cat /dev/zero" "exit 0"; do
		printf "#!/bin/sh\ncase \$* in *rev-parse*HEAD^*) echo %s; exit ;; *pack-objects*) %s; exit ;; esac\nexec /usr/bin/git \"\$@\"\n" \
			1234567890123456789012345678901234567890 "$send" | liar git &&
		answers "3 6 9" sync one || return 1
	done && works_again
'

# row 1
test_expect_success 'a tip of before what was synced' '
	printf "#!/bin/sh\ncase \$* in *rev-parse*HEAD^*) echo %s; exit ;; esac\nexec /usr/bin/git \"\$@\"\n" "$(git rev-parse main)" | liar git &&
	answers "3" sync one && works_again
'

test_expect_success 'a git that never answers, or never ends to: Ctrl-C ends the wait' '
	for lie in "exec sleep 1000" "exec yes"; do
		printf "#!/bin/sh\n%s\n" "$lie" | liar git &&
		host_state >../before &&
		{ timeout -s INT -k 20 3 git-agbranch sync one >../out 2>../err; test $? = 124; } &&
		host_state >../after && test_cmp ../before ../after || return 1
	done && works_again
'

test_expect_success 'a git that is silent gets agbranch.limits.seconds, whatever it was asked' '
	printf "#!/bin/sh\nexec sleep 1000\n" | liar git && git config agbranch.limits.seconds 1 &&
	for command in "sync one" "close one --sync --yes"; do
		answers 124 $command && grep "^fatal: git in the guest did not answer within 1 seconds" ../err || return 1
	done &&
	printf "#!/bin/sh\ncase \$* in *pack-objects*) exec sleep 1000 ;; esac\nexec /usr/bin/git \"\$@\"\n" | liar git &&
	answers 9 sync one && grep "agbranch.limits.seconds: .* did not end within 1 seconds" ../err &&
	git config --unset agbranch.limits.seconds && works_again
'

test_expect_success 'Ctrl-C while a pack is awaited, trickles or does not end: exit 4 at once, nothing is left' '
	for lie in "exec sleep 1000" "printf PACK; while printf x; do sleep 0.2; done" "/usr/bin/git \"\$@\"; exec sleep 1000"; do
		printf "#!/bin/sh\ncase \$* in *pack-objects*) : >/home/agent/asked; %s ;; esac\nexec /usr/bin/git \"\$@\"\n" "$lie" | liar git &&
		git agbranch run one -- /bin/rm -f /home/agent/asked && host_state >../before &&
		{ spawn git-agbranch sync one >../out 2>../err; } &&
		wait_until 20 git agbranch run one -- /bin/test -e /home/agent/asked && begun=$(date +%s) && kill -INT "-$spawned" &&
		code=0 && { wait "$spawned" || code=$?; } && test "$code" = 4 && test "$(date +%s)" -le "$((begun + 5))" &&
		grep "^fatal: interrupted by SIGINT" ../err && host_state >../after && test_cmp ../before ../after &&
		test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT count(*) FROM operations")" = 0 && repo_is_sound . || { cat ../err; return 1; }
	done && works_again
'

# row 9 10
test_expect_success 'tmux that lies, is endless, or speaks to the terminal' '
	for lie in "exit 0" "exec yes" "printf \"$name\"; printf \"$name\" >&2; exit 1" "printf \"agent|0|%%s\\\\n\" \"$name\"" "exec head -c 100000000 /dev/zero"; do
		printf "#!/bin/sh\n%s\n" "$lie" | liar tmux &&
		answers "0" show one && answers 0 ps && answers "0 1 6 124" wait one --for=idle --timeout=2 &&
		answers "0 1 3 6" attach one --json && answers "0 6" agent stop one || { fail "$lie"; return 1; }
	done && works_again
'

# row 1 9
test_expect_success 'a shell that lies, is endless, or speaks to the terminal' '
	for lie in "exit 0" "exec yes" "printf \"$name\"; printf \"$name\" >&2; exit 1"; do
		printf "#!/bin/bash\n%s\n" "$lie" | liar sh &&
		answers "6 9" sync one && answers 0 show one && answers 0 ps && answers "6 9" close one --sync --yes || { fail "$lie"; return 1; }
	done && works_again
'

# no row
test_expect_success 'after all of that the work comes, and the session closes' '
	git agbranch sync one -q && test "$(git rev-parse agbranch/one)" = "$(git agbranch run one -- git rev-parse HEAD)" &&
	git show agbranch/one:file | grep "not synced" && test ! -e "$TEST_TMP/sang" && repo_is_sound .
'

# row 16
test_expect_success 'the name and address of the user, a committer, a signature, trailers: they come as claims, nothing is taken from them' '
	git agbranch run one -- sh -c "git config user.name \"Test User\" && git config user.email test@example.com && echo claimed >claimed && git add . &&
		tree=\$(git write-tree) && printf \"tree %s\\nparent %s\\nauthor Test User <test@example.com> 1 +0000\\ncommitter GitHub <noreply@github.com> 1 +0000\\ngpgsig -----BEGIN PGP SIGNATURE-----\\n \\n =aaaa\\n -----END PGP SIGNATURE-----\\n\\nclaims\\n\\nReviewed-by: Test User <test@example.com>\\nagbranch-session: other\\n\" \$tree \$(git rev-parse HEAD) >raw &&
		git reset -q --hard \$(git hash-object -w -t commit raw) && rm -f raw" &&
	claim=$(git agbranch run one -- git rev-parse HEAD) && git agbranch sync one -q &&
	test "$(git rev-parse agbranch/one)" = "$claim" && git cat-file commit agbranch/one | grep "^Reviewed-by: Test User" &&
	git agbranch logs one --json >../events && jq -e "map (select (.kind == \"synced\")) | last | .message | test (\"Test User|GitHub|other\") | not" ../events &&
	git reflog show --format="%gn %gs" agbranch/one >../reflog && head -n 1 ../reflog | grep "^Test User agbranch: sync"
'

test_expect_success 'dates of other centuries are no times of the host: the order and the age of things stay its own' '
	begun=$(date +%s) &&
	for date in "@0 +0000" "@4102444800 +1400"; do
		git agbranch run one -- sh -c "echo \"$date\" >>claimed && GIT_AUTHOR_DATE=\"$date\" GIT_COMMITTER_DATE=\"$date\" git commit -qam dated" && git agbranch sync one -q || return 1
	done &&
	test "$(git log -1 --format=%ct agbranch/one)" = 4102444800 &&
	git agbranch logs one --json >../events && jq -r "map (select (.kind == \"synced\")) | .[-2:] | .[].at" ../events >../times && test "$(wc -l <../times)" = 2 &&
	sort ../times | test_cmp - ../times &&
	while read -r time; do
		seconds=$(date -d "$time" +%s) && test "$seconds" -ge "$begun" && test "$seconds" -le "$(date +%s)" || return 1
	done <../times &&
	git reflog show --date=unix --format=%gd agbranch/one | head -n 2 | tr -dc "0-9\n" >../times && while read -r seconds; do
		test "$seconds" -ge "$begun" && test "$seconds" -le "$(date +%s)" || return 1
	done <../times
'

# no row
test_expect_success 'a liar cannot keep close --discard from ending it' '
	printf "#!/bin/sh\nexit 0\n" | liar git && printf "#!/bin/bash\nexec yes\n" | liar sh &&
	timeout -k 1 60 git agbranch close one --discard --yes >../out 2>../err && grep "^warning: not all work could be saved" ../err &&
	no_process_left && test ! -e "$TEST_TMP/sang"
'

test_done
