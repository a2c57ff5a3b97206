#!/bin/sh
test_description='runtime script: how it ends, what it leaves running, what the agent gets of it'
. ./t/lib/test-lib.sh

requires tmux
. "$TEST_TOP/t/lib/runtime-script.sh"

test_expect_success 'a script that fails: exit 7, the session is kept, a hint and a log' '
	make_repo fails &&
	script_commit fails "echo before; echo \"last words\" >&2; false" && allow fails &&
	expect_code 7 git -C fails agbranch open a -d -- sh -c "$show_all" &&
	grep "^fatal: .agbranch/runtime.sh ended with status 1, and the agent was not started: last words$" err &&
	grep "^hint: session .a. is kept; see: git agbranch logs a --source=script; go on with: git agbranch agent start a -- <command>$" err &&
	git agbranch show a --json >out && json_is .lifecycle_state running && json_is .operation null &&
	json_is .runtime.guest.agent_window.state missing &&
	expect_code 0 git agbranch logs a --source=script && printf "before\nlast words\n" >expected && test_cmp expected out &&
	events a && grep -x script_failed kinds &&
	expect_code 0 git agbranch repair a --json && json_is .action noop &&
	expect_code 7 git agbranch agent start a -d --json -- sh -c "$show_all" &&
	json_is .error.kind child && json_is ".error.hint | contains(\"--source=script\")" true &&
	git agbranch stop a -q && expect_code 7 git agbranch start a --resume-agent &&
	grep "^fatal: .agbranch/runtime.sh ended with status 1, and the agent was not started: last words$" err &&
	git agbranch show a --json >out && json_is .lifecycle_state running && json_is .operation null &&
	expect_code 0 git agbranch run a -- true &&
	git -C fails config agbranch.resumeAgent true && git agbranch stop a -q &&
	expect_code 0 git agbranch start a --json && is_valid start && json_is .agent_resumed false &&
	json_is .runtime_script.state failed && json_is ".agent_problem | contains (\"ended with status 1\")" true &&
	git agbranch stop a -q && expect_code 0 git agbranch run a -- true &&
	grep "^warning: the agent was not started again: .agbranch/runtime.sh ended with status 1" err &&
	git -C fails config --unset agbranch.resumeAgent &&
	agent_commit a file text && git agbranch sync a -q && close_all a &&
	git -C fails branch -q -D agbranch/a &&
	expect_code 7 git -C fails agbranch open a -d -a claude &&
	grep "^hint: .*go on with: git agbranch agent start a --provider claude-code$" err && close_all a
'

test_expect_success 'however it ends: exit, set -e, a signal, a syntax error, its own trap' '
	for how in "exit 42" "set -e; false; true" "kill -KILL \$\$" "if" "trap : EXIT; exit 3" "return 5" \
		"tmux () { :; }; rm () { :; }; echo () { :; }; false"; do
		script_commit fails "$how" && allow fails &&
		code=0 && { git -C fails agbranch open a -d -- true >out 2>err || code=$?; } &&
		test "$code" = 7 && grep "^fatal: .agbranch/runtime.sh ended with status [1-9]" err &&
		git agbranch run a -- ls /home/agent/.agbranch/run >left && test_must_be_empty left &&
		close_all a || fail "$how" || return 1
	done
'

test_expect_success 'one that does not end: exit 124 after agbranch.scriptTimeout, nothing of it left in the window' '
	script_commit fails "sleep 3574 & sleep 3571" && allow fails &&
	expect_code 124 git -C fails -c agbranch.scriptTimeout=1s agbranch open a -d -- true &&
	grep "did not end within agbranch.scriptTimeout" err && grep "^hint: session .a. is kept" err &&
	gone () { ! git agbranch run a -- pgrep -f "sleep 357[14]" >/dev/null; } && gone &&
	close_all a
'

test_expect_success 'Ctrl-C meanwhile: exit 4, the open is undone' '
	spawn git-agbranch -C fails open a -d -- true >out 2>err &&
	runs () { pgrep -f "sleep 357[1]" >/dev/null; } && wait_until 30 runs &&
	kill -INT "-$spawned" && code=0 && { wait "$spawned" || code=$?; } && test "$code" = 4 &&
	git agbranch show a --json >out && json_is .lifecycle_state closed &&
	! pgrep -f "sleep 357[14]"
'

test_expect_success 'killed meanwhile: the next command finishes the open' '
	spawn git-agbranch -C fails open a -d -- true >out 2>err &&
	runs () { pgrep -f "sleep 357[1]" >/dev/null; } && wait_until 30 runs &&
	pid=$(pgrep -g "$spawned" -f git-agbranch-open) && kill -KILL "$pid" && { wait "$spawned" || :; } &&
	expect_code 0 git agbranch repair a --json && json_is .action resumed && json_is .lifecycle_state running &&
	close_all a
'

test_expect_success 'a server that it starts lives as long as the session, whatever becomes of the agent' '
	make_repo serves &&
	script_commit serves "(while :; do read -r l <~/in; echo \"\$l\" >~/out; done) & mkfifo ~/in ~/out; sleep 3572 & umask 027; mkdir -p made; cd made" &&
	allow serves &&
	expect_code 0 git -C serves agbranch open a -d -- sh -c "echo \"at=\$PWD umask=\$(umask)\"; exec cat" &&
	wait_until 30 agent_said a "at=/home/agent/workspaces/a/repo/made umask=0027" &&
	git agbranch run a -- tmux -S /home/agent/.agbranch/tmux/a.sock send-keys -t =a:=agent C-c &&
	window_dead () { git agbranch show a --json >out && json_is .runtime.guest.agent_window.state dead 2>/dev/null; } &&
	wait_until 30 window_dead &&
	git agbranch agent stop a &&
	git agbranch run a -- pgrep -f "sleep 357[2]" >/dev/null &&
	git agbranch stop a -q && ! pgrep -f "sleep 357[2]" &&
	close_all a
'

# script_log_has TEXT
script_log_has () {
	git agbranch logs a --source=script >said && grep -q -- "$1" said
}

test_expect_success 'its log is bounded, whatever its servers say; nobody dies of it, and it goes on' '
	script_commit serves "mkfifo ~/go; (head -c 40000000 /dev/zero | tr \"\\0\" \"x\" | fold -w 99; echo end-of-noise; read -r word <~/go; echo \"still here: \$word\"; exec sleep 3573) & sleep 0.1 & wait \$!; echo waited" &&
	allow serves &&
	expect_code 0 git -C serves agbranch open a -d -- cat &&
	wait_until 60 script_log_has end-of-noise &&
	git agbranch run a -- sh -c "cat ~/.agbranch/log/script.log* | wc -c" >size && test "$(cat size)" -le 16777216 &&
	test "$(cat size)" -gt 8000000 &&
	git agbranch run a -- tmux -S /home/agent/.agbranch/tmux/a.sock send-keys -t =a:=agent C-c &&
	git agbranch agent stop a &&
	git agbranch run a -- sh -c "echo hello >~/go" &&
	wait_until 30 script_log_has "^still here: hello" && tail -n 1 said | grep "^still here: hello$" &&
	git agbranch run a -- pgrep -f "sleep 357[3]" >/dev/null &&
	expect_code 0 git agbranch agent start a -d --json -- cat && json_is .runtime_script.state ran &&
	git agbranch run a -- ls /home/agent/.agbranch/run >left && test_must_be_empty left &&
	git agbranch stop a -q && ! pgrep -f "sleep 357[3]" && close_all a
'

test_expect_success 'a script that waits for all of its jobs ends' '
	script_commit serves "sleep 0.1 & wait; echo waited" && allow serves &&
	expect_code 0 git -C serves agbranch open a -d -- cat &&
	wait_until 30 script_log_has "^waited$" && close_all a
'

test_expect_success 'bash in the script, and what the script installs is found' '
	script_commit serves "arr=(x y); export MARKER=\${arr[1]} HERE=\$BASH_SOURCE; mkdir -p ~/tools; printf \"#!/bin/sh\\necho tool of \\\$MARKER \\\$HERE; exec cat\\n\" >~/tools/my-agent; chmod +x ~/tools/my-agent; PATH=\$PATH:~/tools" &&
	allow serves &&
	expect_code 0 git -C serves agbranch open a -d -- my-agent &&
	wait_until 30 agent_said a "tool of y ./.agbranch/runtime.sh" &&
	close_all a &&
	expect_code 6 git -C serves agbranch open a -d -- other-agent &&
	grep "program .other-agent. is not installed" err &&
	git agbranch show a --json >out && json_is .lifecycle_state closed
'

test_expect_success 'what an escaped line and a hostile path would do to a terminal' '
	script_commit fails "printf \"\\\\033]0;owned\\\\007\\\\033[2Jx\\\\n\"; false" && allow fails &&
	expect_code 7 git -C fails agbranch open a -d -- true && grep -F "\\x1b]0;owned\\x07\\x1b[2Jx" err &&
	close_all a &&
	name=$(printf "a \$(touch owned) \033[31m\`touch owned\`;\047x") && make_repo "$name" &&
	script_commit "$name" "export MARKER=hostile" &&
	expect_code 0 git -C "$name" agbranch open a -d -- sh -c "$show_all" &&
	! grep "$(printf "\033")" err && grep "was not run: allow it with git -C .* config --add" err && ! test -e owned &&
	close_all a
'

test_expect_success 'nothing is left' '
	wait_until 10 no_process_left && repo_is_sound fails && repo_is_sound serves
'

test_done
