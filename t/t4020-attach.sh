#!/bin/sh
test_description='attach and shell: on a real terminal'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/terminal.sh"

test_expect_success 'set up a session' '
	make_repo repo &&
	git -C repo agbranch open one >/dev/null &&
	cd repo
'

test_expect_success 'without a terminal it is exit 1 with a hint' '
	expect_code 1 git agbranch attach one </dev/null &&
	grep "can be entered from a terminal only" err &&
	grep "hint: run a single command: git agbranch run one -- <command>" err &&
	expect_code 1 git agbranch shell one </dev/null &&
	grep "from a terminal only" err
'

test_expect_success '--json says where it would go and opens nothing' '
	expect_code 0 git agbranch attach --json one &&
	json_is .session one && json_is .target shell &&
	json_is "has(\"ssh_config_file\") and has(\"host_alias\")" true &&
	expect_code 0 git agbranch shell --json one &&
	json_is .workdir /home/agent/workspaces/one/repo &&
	json_is "has(\"ssh_config_file\") and has(\"host_alias\")" true
'

test_expect_success 'a missing window is exit 1 with the command that makes it' '
	expect_code 1 git agbranch attach --json --window agent one &&
	json_is .error.message "session '\''one'\'' has no agent window" &&
	json_is .error.hint "make it: git agbranch agent start one --provider <profile>" &&
	expect_code 1 git agbranch attach --json --window other one &&
	json_is .error.code 1
'

test_expect_success 'ssh: a sandbox has none, and says what to use' '
	expect_code 1 git agbranch ssh one &&
	grep "^agbranch: session .one. has no ssh" err &&
	grep "hint: enter it with: git agbranch shell one" err &&
	expect_code 1 git agbranch ssh --json one &&
	json_is .error.kind user
'

test_expect_success 'attach: the shell window, its size, and leaving by C-b d' '
	on_terminal sh -c "stty -a >before; git agbranch attach one; echo left \$? >left; stty -a >after; exec cat" &&
	see "agent@" &&
	type_in "echo size \$(tput cols)x\$(tput lines); echo \$AGBRANCH_SESSION/\$COMPOSE_PROJECT_NAME" Enter &&
	see "size 100x29" &&
	see "one/agbranch-one" &&
	type_in C-b d &&
	wait_until 30 test -s after &&
	test_cmp before after &&
	test "$(cat left)" = "left 0" &&
	screen_has detached
'

test_expect_success 'what was typed before is there when one comes back, and a new size is passed on' '
	on_terminal git agbranch attach --window shell one &&
	see "size 100x29" &&
	term resize-window -x 80 -y 24 &&
	type_in "clear; while test \$(tput cols)x\$(tput lines) != 80x23; do sleep 0.1; done; echo now \$(tput cols)" Enter &&
	see "now 80"
'

test_expect_success 'a second terminal sees the same, read-only cannot type' '
	type_in "clear; echo from-the-first" Enter &&
	see from-the-first &&
	rm -f left &&
	on_terminal sh -c "git agbranch attach --read-only one; echo left \$? >left; exec cat" &&
	see from-the-first &&
	type_in "echo must-not-arrive" Enter &&
	type_in C-b d &&
	wait_until 30 test -s left &&
	test "$(cat left)" = "left 0" &&
	git agbranch run one -- tmux -S /home/agent/.agbranch/tmux/one.sock capture-pane -p -t =one:=shell >pane &&
	! grep must-not-arrive pane
'

test_expect_success 'no tmux session stays behind from those who left' '
	tmux -S "$TEST_TMP/term.2" send-keys C-b d &&
	wait_until 30 sh -c "
		git agbranch run one -- tmux -S /home/agent/.agbranch/tmux/one.sock \\
			list-sessions -F \"#{session_name}\" >sessions &&
		test \"\$(cat sessions)\" = one"
'

test_expect_success 'the agent window comes first when it lives' '
	expect_code 0 git agbranch agent start -d one -- sh -c "echo i am the agent; exec cat" &&
	expect_code 0 git agbranch attach --json one &&
	json_is .target agent &&
	on_terminal git agbranch attach one &&
	see "i am the agent" &&
	type_in C-b n &&
	see from-the-first &&
	type_in C-b d
'

test_expect_success 'agent start on a terminal attaches' '
	git agbranch agent stop one &&
	on_terminal git agbranch agent start one -- sh -c "echo second agent; exec cat" &&
	see "second agent" &&
	type_in C-b d &&
	git agbranch agent stop one
'

test_expect_success 'shell: a login shell in the workspace, its status ours, the terminal restored' '
	rm -f before after left &&
	on_terminal sh -c "stty -a >before; git agbranch shell one; echo left \$? >left; stty -a >after; exec cat" &&
	see "agent@" &&
	type_in "pwd; tty; shopt -q login_shell && echo it-is-login" Enter &&
	see "^/home/agent/workspaces/one/repo" &&
	see "^/dev/pts/" &&
	see "^it-is-login" &&
	type_in "exit 7" Enter &&
	wait_until 30 test -s after &&
	test_cmp before after &&
	test "$(cat left)" = "left 7"
'

test_expect_success 'when our side is killed the terminal is as before and the shell is gone' '
	rm -f before after left &&
	on_terminal bash -mc "stty -a >before; git-agbranch shell one; stty -a >after; exec cat" &&
	see "agent@" &&
	type_in "sleep 765" Enter &&
	wait_until 30 git agbranch run one -- pgrep -f "sleep 765" >/dev/null &&
	pkill -TERM -P "$(term display-message -p "#{pane_pid}")" &&
	wait_until 30 test -s after &&
	test_cmp before after &&
	wait_until 30 sh -c "! git agbranch run one -- pgrep -x sleep >/dev/null"
'

# row 10 18
test_expect_success 'a guest cannot write the clipboard or make the terminal answer' '
	on_terminal git agbranch shell one &&
	see "agent@" &&
	type_in "printf '\''\\033]52;c;c3RvbGVu\\007\\033[c\\033[6n\\033P\$q\"p\\033\\\\\\\\done\\n'\''; sleep 1; clear; echo and-$((1+1))" Enter &&
	see "^and-2" &&
	! term show-buffer 2>/dev/null | grep stolen &&
	! screen_has "[0-9]R" && ! screen_has "[0-9]c"
'

# no row
test_expect_success 'a stopped session is started first' '
	git agbranch stop one &&
	on_terminal git agbranch attach one &&
	see "agent@" &&
	type_in C-b d &&
	git agbranch stop one &&
	on_terminal git agbranch shell one &&
	see "agent@" &&
	expect_code 0 git agbranch show one --json && json_is .lifecycle_state running &&
	type_in "exit 0" Enter
'

test_done
