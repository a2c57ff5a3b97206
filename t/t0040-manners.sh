#!/bin/sh
test_description='manners: 80 columns, colour, pipes, full disks, -q, -v, trace, JSON errors'
. ./t/lib/test-lib.sh

make_repo repo

# on_terminal COMMAND...: its output on a terminal of 80 by 24, in `screen`; with -e also its colours.
TMUX_SOCKET=$TEST_TMP/tmux
on_terminal () {
	rm -f done &&
	cat >terminal.sh <<-END &&
	cd "$PWD/repo" || exit 1
	PATH="$PATH" HOME="$HOME" AGBRANCH_STATE_ROOT="$AGBRANCH_STATE_ROOT" TERM=screen-256color $*
	echo "\$?" >"$PWD/done.new" && mv "$PWD/done.new" "$PWD/done"
	cat
	END
	tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -s screen -x 80 -y 24 sh terminal.sh &&
	wait_until 30 test -e done &&
	tmux -S "$TMUX_SOCKET" capture-pane -e -p -S - -t screen >coloured &&
	tmux -S "$TMUX_SOCKET" capture-pane -p -S - -t screen >screen &&
	tmux -S "$TMUX_SOCKET" capture-pane -J -p -S - -t screen >joined &&
	tmux -S "$TMUX_SOCKET" kill-session -t screen
}

# A row with long and wide fields.
git -C repo agbranch hooks run post-checkout </dev/null
sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "INSERT INTO sessions (name, vm_name, session_mode,
	host_context_path, guest_workspace_path, review_branch, lifecycle_state, sync_state, created_at,
	agent_launch_preset, provider_kind)
	VALUES ('a-session-with-a-name-of-forty-eight-characters-x', 'agbranch-x', 'repo',
	'/home/user/projects/with/a/rather/long/path/that/goes/on/and/on/and/on/日本語のフォルダ/repo', '/x',
	'agbranch/x', 'stopped', 'pending', '2026-01-01T00:00:00Z', 'claude-code', 'claude-code')"

for command in ps config 'hooks status' 'rescue list'; do
	test_expect_success "$command fits 80 columns, and is not cut in a pipe" '
		on_terminal git agbranch $command &&
		echo 0 >expected &&
		test_cmp expected done &&
		test_cmp screen joined &&
		git -C repo agbranch $command >piped &&
		! grep "…" piped
	'
done

test_expect_success 'help fits 80 columns' '
	git agbranch help >out && ! grep ".\{81\}" out
'

test_expect_success 'NO_COLOR and color.agbranch=never mean no colour' '
	escape=$(printf "\033\[[0-9;]*m") &&
	on_terminal env NO_COLOR=1 git agbranch ps &&
	! grep "$escape" coloured &&
	on_terminal git -c color.agbranch=never agbranch ps &&
	! grep "$escape" coloured &&
	git -C repo agbranch ps >piped &&
	! grep "$escape" piped
'

test_expect_success 'a closed pipe is no error, a full disk is' '
	(git -C repo agbranch config 2>err; echo $? >code) | head -n 1 >first &&
	test -s first &&
	test_must_be_empty err &&
	grep -q "^\(0\|141\)$" code &&
	test_expect_code 8 git -C repo agbranch config >/dev/full 2>err &&
	grep "^fatal: cannot write.*No space left" err
'

test_expect_success '-v and AGBRANCH_TRACE tell the programs that are run' '
	git -C repo agbranch hooks status 2>err &&
	test_must_be_empty err &&
	git -C repo agbranch hooks status -v 2>err &&
	grep "rev-parse" err &&
	AGBRANCH_TRACE=1 git -C repo agbranch hooks status 2>err &&
	grep "rev-parse" err &&
	AGBRANCH_TRACE=$PWD/trace git -C repo agbranch hooks status 2>err &&
	test_must_be_empty err &&
	grep "rev-parse" trace
'

test_expect_success 'an error with --json is one object on stdout' '
	expect_code 1 git -C repo agbranch show --json not-there &&
	json_is .error.code 1 &&
	json_is .error.kind user &&
	json_is ".error | has(\"hint\")" true &&
	test_must_be_empty err
'

test_expect_success 'people get a message and at most one hint' '
	expect_code 1 git -C repo agbranch show not-there &&
	test_must_be_empty out &&
	grep -c "^fatal: " err >count && echo 1 >expected && test_cmp expected count &&
	test "$(grep -c "^hint: " err)" -le 1
'

test_expect_success '-q leaves only data' '
	git -C repo agbranch open -q quiet >out 2>err &&
	test_must_be_empty err &&
	git -C repo agbranch sync -q quiet >out 2>err &&
	test_must_be_empty err &&
	git -C repo agbranch close -q --discard --yes quiet >out 2>err &&
	test_must_be_empty err
'

test_expect_success 'progress: a line a phase without a terminal, a bar that is wiped on one' '
	git -C repo agbranch open lines >out 2>err &&
	grep "^starting the guest$" err &&
	on_terminal git agbranch open bar &&
	# A phase that took its time, as on a busy machine, leaves a line of its own, which is wider than a bar.
	! grep "starting the guest" screen | grep -v -x ".\{55\}" &&
	grep "^session bar is running" screen
'

ends_with () {
	code=0
	wait "$2" || code=$?
	test "$code" = "$1" || fail "exit code $code, not $1"
}

test_expect_success 'Ctrl-C while waiting: exit 4, nothing half done' '
	spawn git-agbranch -C repo wait --for=stopped --timeout=60s lines >out 2>err &&
	waits () {
		pid=$(pgrep -g "$spawned" -f "agbranch-wait") &&
		grep -q "^SigCgt:.*[2367abef]$" "/proc/$pid/status" # SIGINT is caught: proc(5)
	} &&
	wait_until 20 waits &&
	kill -INT "-$spawned" &&
	ends_with 4 "$spawned" &&
	git -C repo agbranch ps -q >names &&
	grep "^lines$" names
'

tmux -S "$TMUX_SOCKET" kill-server 2>/dev/null
test_done
