#!/bin/sh
test_description='the pager, what a trace may not show, readers that go away, Ctrl-C'
. ./t/lib/test-lib.sh

test_expect_success 'set up' '
	make_repo repo && cd repo &&
	git agbranch open one -q && agent_commit one file text
'

test_expect_success 'AGBRANCH_TRACE: every program with its arguments, status and time' '
	AGBRANCH_TRACE=1 expect_code 0 git agbranch sync one &&
	grep "^trace: run: .*git.* .*index-pack" err && grep "^trace: end: git status=0 ms=[0-9.]*$" err &&
	AGBRANCH_TRACE="$PWD/../trace" expect_code 0 git agbranch show one &&
	! grep trace: err && grep "^trace: run: " ../trace && test "$(stat -c %a ../trace)" = 600 &&
	AGBRANCH_TRACE=0 expect_code 0 git agbranch show one && ! grep trace: err
'

test_expect_success '-v is the same for one command' '
	expect_code 0 git agbranch sync one -v && grep "^trace: run: " err
'

test_expect_success 'no prompt, no variable and no input of a command is in a trace' '
	SECRET_B=planted-b && export SECRET_B &&
	AGBRANCH_TRACE=1 expect_code 0 git agbranch open two -d --env SECRET_A=planted-a --env SECRET_B -- cat &&
	cat err >traces &&
	echo planted-c | AGBRANCH_TRACE=1 git agbranch run two --env SECRET_A=planted-d -- cat >out 2>>traces &&
	AGBRANCH_TRACE=1 expect_code 0 git agbranch agent stop two && cat err >>traces &&
	AGBRANCH_TRACE=1 expect_code 0 git agbranch agent start two -d --env SECRET_A=planted-e -- cat && cat err >>traces &&
	{ echo planted-f | AGBRANCH_TRACE=1 git agbranch open three -d -a claude --prompt - 2>>traces >out || :; } &&
	grep "^trace: run: " traces &&
	! grep planted traces &&
	git agbranch close two --discard --yes -q
'

test_expect_success 'credentials in a URL are in no trace, message or hint' '
	for url in https://user:planted@127.0.0.1:1/x.git https://planted@127.0.0.1:1/x.git; do
		AGBRANCH_TRACE=1 expect_code 7 git agbranch open --clone "$url" away &&
		grep "^trace: run: .git. .clone. .*https://<redacted>@127.0.0.1:1/x.git" err &&
		grep "^fatal: cannot clone .https://<redacted>@127.0.0.1:1/x.git." err && ! grep planted err &&
		expect_code 1 git agbranch open --repo "$url" away && ! grep planted err &&
		grep "^hint: git clone .https://<redacted>@127.0.0.1:1/x.git. <dir>" err || return 1
	done
'

# early VERB…: the reader goes away at once; that is no error, and nothing is said about it.
early () {
	{ { git agbranch "$@"; echo $? >code; } 2>err | :; } && test_must_be_empty err &&
	case $(cat code) in 0 | 141) ;; *) fail "$1 exited with $(cat code)" ;; esac
}

test_expect_success 'a reader that goes away is no error, for every verb that lists' '
	early ps -a && early ps --json && early ps -z && early show one && early logs one && early logs one --json &&
	early config && early config --json && early help && early rescue list && early gc --dry-run -q &&
	early completion bash && early repair --all -q &&
	{ { git agbranch watch one; echo $? >code; } 2>err | head -n 1 >/dev/null & } && pid=$! &&
	git agbranch stop one -q && git agbranch start one -q && wait_until 30 test -s code && wait $pid &&
	test_must_be_empty err
'

test_expect_success 'a full disk on stdout is exit 8' '
	test -c /dev/full &&
	code=0 && { git agbranch ps -a >/dev/full 2>err || code=$?; } && test "$code" = 8 &&
	grep "standard output" err &&
	code=0 && { git agbranch show one >/dev/full 2>err || code=$?; } && test "$code" = 8
'

term () {
	tmux -S "$TEST_TMP/term.$terminal" "$@"
}
on_terminal () {
	term -f /dev/null new-session -d -x 80 -y 24 "$1; echo status \$? end; exec cat"
}
screen_has () {
	term capture-pane -p >screen && grep -q -- "$1" screen
}
cleanup 'for terminal in 1 2 3 4; do term kill-server 2>/dev/null; done'

test_expect_success 'a pager as git has it: only on a terminal, core.pager, agbranch.pager, GIT_PAGER' '
	printf "#!/bin/sh\nsed \"s/^/paged: /\"\n" >$TEST_TMP/pager && chmod +x $TEST_TMP/pager &&
	terminal=1 && on_terminal "env -u GIT_PAGER -u PAGER git -c core.pager=$TEST_TMP/pager agbranch logs one" &&
	wait_until 30 screen_has "status 0 end" && screen_has "^paged: .*opened" &&
	terminal=2 && on_terminal "GIT_PAGER=$TEST_TMP/pager git agbranch show one" &&
	wait_until 30 screen_has "status 0 end" && screen_has "^paged: session  *one" &&
	terminal=3 && on_terminal "GIT_PAGER=$TEST_TMP/pager git --no-pager agbranch ps" &&
	wait_until 30 screen_has "status" && ! screen_has "^paged: " &&
	terminal=4 && on_terminal "GIT_PAGER= git -c agbranch.pager=$TEST_TMP/pager agbranch ps; env -u GIT_PAGER git -c agbranch.pager=$TEST_TMP/pager agbranch ps" &&
	wait_until 30 screen_has "status 0 end" && screen_has "^NAME" && screen_has "^paged: NAME" &&
	GIT_PAGER=$TEST_TMP/pager git agbranch show one >out && ! grep paged out
'

test_expect_success 'Ctrl-C: exit 4, nothing is left, and it says how to go on' '
	AGB_FAIL_LIST=$PWD/../points git agbranch open again -q && git agbranch close again --discard --yes -q &&
	number=$(grep -n "journal: open" ../points | sed -n 3p | cut -d: -f1) &&
	expect_code 4 env AGB_FAIL_AT="$number:term" git agbranch open again &&
	grep "^fatal: .*interrupted" err &&
	grep "^hint: run the same command again" err &&
	expect_code 0 git agbranch repair again --json && json_is .lifecycle_state closed &&
	expect_code 0 git agbranch open again -q &&
	git agbranch close again --discard --yes -q
'

# by_keys KEY…: what is on the terminal is ended by these; the terminal is as before then.
by_keys () {
	for key; do
		term send-keys "$key" || return 1
	done
	wait_until 30 test -s after && test_cmp before after &&
	test "$(term display-message -p "#{cursor_flag} #{alternate_on} #{mouse_any_flag}")" = "1 0 0"
}
# with_keys TERMINAL COMMAND
with_keys () {
	terminal=$1
	shift
	rm -f before after && on_terminal "trap : INT; stty -a >before; $*; echo status \$? end; stty -a >after"
}
# waits: a `wait` on the terminal has its handlers: SIGINT is caught (proc(5)).
waits () {
	pid=$(pgrep -t "$(term display-message -p "#{pane_tty}" | sed "s,^/dev/,,")" -f "agbranch-wait one") &&
	grep -q "^SigCgt:.*[2367abef]$" "/proc/$pid/status"
}
cleanup 'for terminal in 5 6 7 8 9 10 11 12; do term kill-server 2>/dev/null; done'

test_expect_success 'Ctrl-C for what follows or looks: status 0, the terminal as before' '
	with_keys 5 git-agbranch watch one && wait_until 30 screen_has "snapshot" && by_keys C-c && screen_has "status 0 end" &&
	! grep ".\{80\}" screen && grep "^[0-9T:-]*Z  running" screen &&
	with_keys 6 git-agbranch logs -f one && wait_until 30 screen_has "opened" && by_keys C-c && screen_has "status 0 end" &&
	grep "^[0-9T:-]*Z  info " screen &&
	with_keys 7 git-agbranch top && wait_until 30 screen_has "^>one" && by_keys C-c && screen_has "status 0 end" &&
	! screen_has "git agbranch top"
'

test_expect_success 'Ctrl-C in wait, sync and at the question of close: status 4, and how to go on' '
	with_keys 8 git-agbranch wait one --for=stopped && wait_until 30 waits &&
	by_keys C-c && screen_has "^^Cfatal: interrupted by SIGINT" && screen_has "status 4 end" &&
	printf "#!/bin/sh\nexec sleep 3577\n" >.git/hooks/pre-sync && chmod +x .git/hooks/pre-sync &&
	agent_commit one file later && all_refs . >refs &&
	with_keys 9 git-agbranch sync one && wait_until 30 pgrep -f "sleep 357[7]" >/dev/null && by_keys C-c &&
	screen_has "^fatal: interrupted by SIGINT" && screen_has "^hint: run the same command again" && screen_has "status 4 end" &&
	! pgrep -f "sleep 357[7]" && all_refs . >now && test_cmp refs now &&
	rm .git/hooks/pre-sync && expect_code 0 git agbranch sync one --json && json_is .commits 1 &&
	with_keys 10 git-agbranch close one --discard && wait_until 30 screen_has "y/N" && by_keys C-c &&
	screen_has "^fatal: interrupted by SIGINT" && screen_has "status 4 end" &&
	expect_code 0 git agbranch show one --json && json_is .lifecycle_state running
'

test_expect_success 'Ctrl-C in attach is for the guest; behind git a shell says 130, when the verb has ended' '
	with_keys 11 git-agbranch attach one && wait_until 30 screen_has "agent@" && term send-keys "sleep 3578" Enter &&
	guest_sleeps () { git agbranch run one -- pgrep -f "sleep 357[8]" >/dev/null; } && wait_until 30 guest_sleeps &&
	term send-keys C-c && wait_until 30 eval "! guest_sleeps" && by_keys C-b d && screen_has "status 0 end" &&
	with_keys 12 git agbranch wait one --for=stopped && wait_until 30 waits &&
	by_keys C-c && screen_has "fatal: interrupted by SIGINT" && screen_has "status 130 end"
'

test_expect_success 'the end: nothing is left' '
	git agbranch close one --discard --yes -q &&
	no_process_left && repo_is_sound .
'

test_done
