#!/bin/sh
test_description='runtime script: .agbranch/runtime.sh of the base, allowed once, before the agent'
. ./t/lib/test-lib.sh

requires tmux
. "$TEST_TOP/t/lib/runtime-script.sh"
. "$TEST_TOP/t/lib/questions.sh"

test_expect_success 'set up' '
	make_repo repo &&
	script_commit repo "echo script ran; export MARKER=one EXTRA=script" &&
	first=$digest
'

test_expect_success 'not allowed: one line with the command, the agent starts without it' '
	expect_code 0 git -C repo agbranch open a -d -- sh -c "$show_all" &&
	grep "^note: .agbranch/runtime.sh was not run: allow it with git -C .$PWD/repo. config --add agbranch.allowedScript $first$" err >line &&
	test "$(wc -l <line)" = 1 &&
	wait_until 30 agent_said a "marker= extra=" &&
	expect_code 0 git agbranch show a --json &&
	json_is .runtime_script.state not_allowed && json_is .runtime_script.digest "$first" &&
	json_is .runtime_script.path .agbranch/runtime.sh &&
	json_is .runtime_script.bytes "$(wc -c <repo/.agbranch/runtime.sh)" &&
	expect_code 0 git agbranch show a && grep "^runtime script  *not allowed" out &&
	close_all a &&
	expect_code 0 git -C repo agbranch open a -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.state not_allowed && grep -c "allowedScript" err >count && test "$(cat count)" = 1 &&
	close_all a
'

test_expect_success 'without an agent nothing is said and nothing runs' '
	expect_code 0 git -C repo agbranch open a --json && json_is .runtime_script null && ! grep runtime.sh err &&
	close_all a
'

test_expect_success 'allowed by that very command: its exports, --env before them, its log, an event' '
	sh -c "$(sed "s/.*allow it with //" line)" &&
	expect_code 0 git -C repo agbranch open a -d --json --env EXTRA=mine -- sh -c "$show_all" &&
	! grep "not run" err && grep "^running .agbranch/runtime.sh$" err &&
	json_is .runtime_script.state ran && json_is .runtime_script.digest "$first" &&
	wait_until 30 agent_said a "marker=one extra=mine at=/home/agent/workspaces/a/repo" &&
	expect_code 0 git agbranch logs a --source=script && test "$(cat out)" = "script ran" &&
	expect_code 0 git agbranch logs a --source=script --json && json_is ".[0].path" /home/agent/.agbranch/log/script.log &&
	events a && grep -x script_ran kinds &&
	git agbranch show a --json >out && json_is .runtime_script.state allowed &&
	git agbranch run a -- ls /home/agent/.agbranch/run >left && test_must_be_empty left
'

test_expect_success 'it runs before each start of an agent: agent start, start --resume-agent' '
	git agbranch agent stop a &&
	expect_code 0 git agbranch agent start a -d --json -- sh -c "$show_all" && json_is .runtime_script.state ran &&
	git agbranch stop a -q &&
	expect_code 0 git agbranch start a --json && json_is .runtime_script null &&
	git agbranch stop a -q && git agbranch run a -- sh -c "rm -f ~/.agbranch/log/*" &&
	git agbranch stop a -q &&
	expect_code 0 git agbranch start a --json --resume-agent && json_is .runtime_script.state ran &&
	wait_until 30 agent_said a "marker=one extra=script" &&
	close_all a
'

test_expect_success 'a changed content has to be allowed anew' '
	script_commit repo "export MARKER=two" && test "$digest" != "$first" &&
	expect_code 0 git -C repo agbranch open a -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.state not_allowed && json_is .runtime_script.digest "$digest" &&
	close_all a &&
	expect_code 0 git -C repo agbranch open a -d --json --base HEAD~1 -- sh -c "$show_all" &&
	json_is .runtime_script.state ran && json_is .runtime_script.digest "$first" &&
	close_all a
'

test_expect_success 'the base commit counts: not the work tree, not the index, not what the guest has made of it' '
	allow repo && allowed=$digest &&
	echo "export MARKER=worktree" >repo/.agbranch/runtime.sh && git -C repo add .agbranch &&
	expect_code 0 git -C repo agbranch open a -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.digest "$allowed" && json_is .runtime_script.state ran &&
	wait_until 30 agent_said a "marker=two" &&
	git agbranch agent stop a &&
	git agbranch run a -- sh -c "echo export MARKER=guest >.agbranch/runtime.sh; rm -f ~/.agbranch/log/*" &&
	expect_code 0 git agbranch agent start a -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.digest "$allowed" && json_is .runtime_script.state ran &&
	wait_until 30 agent_said a "marker=two" && ! grep marker=guest said &&
	close_all a &&
	git -C repo reset -q --hard &&
	make_repo plain && mkdir plain/.agbranch && cp repo/.agbranch/runtime.sh plain/.agbranch &&
	expect_code 0 git -C plain agbranch open a -d --json -- sh -c "$show_all" && json_is .runtime_script null &&
	! grep runtime.sh err && close_all a &&
	expect_code 0 git -C plain agbranch open a -d --json --with-changes -- sh -c "$show_all" &&
	json_is .runtime_script.state not_allowed && close_all a
'

# only_said DIR STATE TEXT: it is not run, and why is said in one line.
only_said () {
	expect_code 0 git -C "$1" agbranch open a -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.state "$2" && json_is .runtime_script.digest null &&
	grep "^note: .agbranch/runtime.sh .*was not run" err >line && test "$(wc -l <line)" = 1 && grep -- "$3" line &&
	wait_until 30 agent_said a "marker= " && ! agent_said a "marker=[a-z]" &&
	close_all a
}

test_expect_success 'not executable, a link, a folder, a submodule, a linked folder, binary, large: not run' '
	git -C repo update-index --chmod=-x .agbranch/runtime.sh && git -C repo commit -qm "not executable" &&
	only_said repo not_executable "not executable" &&
	git clone -q repo shapes && cd shapes && git config user.name x && git config user.email x@x &&
	git rm -q .agbranch/runtime.sh && mkdir -p .agbranch && printf "export MARKER=link\n" >real && chmod +x real &&
	ln -s ../real .agbranch/runtime.sh && git add . && git commit -qm link && cd .. &&
	only_said shapes not_regular "not a file" &&
	cd shapes && git rm -q .agbranch/runtime.sh && mkdir -p .agbranch/runtime.sh && echo x >.agbranch/runtime.sh/x &&
	git add . && git commit -qm folder && cd .. &&
	only_said shapes not_regular "not a file" &&
	cd shapes && git rm -qr .agbranch && git update-index --add --cacheinfo "160000,$(git rev-parse HEAD),.agbranch/runtime.sh" &&
	git commit -qm gitlink && cd .. &&
	only_said shapes not_regular "not a file" &&
	cd shapes && git rm -q --cached .agbranch/runtime.sh && rm -rf .agbranch && mkdir real.d && cp real real.d/runtime.sh &&
	ln -s real.d .agbranch && git add . && git commit -qm "linked folder" && cd .. &&
	expect_code 0 git -C shapes agbranch open a -d --json -- true && json_is .runtime_script null && close_all a &&
	cd shapes && git rm -q .agbranch && mkdir .agbranch && printf "x\000y\n" >.agbranch/runtime.sh && chmod +x .agbranch/runtime.sh &&
	git add . && git commit -qm binary && cd .. &&
	only_said shapes not_text "no text" &&
	cd shapes && head -c 300000 /dev/zero | tr "\0" "#" >.agbranch/runtime.sh && git commit -qam large && cd .. &&
	only_said shapes not_text "at most 256 KiB"
'

test_expect_success 'a sandbox session has no base and no script' '
	mkdir -p seed/.agbranch && cp repo/.agbranch/runtime.sh seed/.agbranch && chmod +x seed/.agbranch/runtime.sh &&
	expect_code 0 git agbranch launch b --seed seed -d --json -- sh -c "$show_all" && json_is .runtime_script null &&
	close_all b
'

test_expect_success 'a terminal asks: name, size, hash, how to read it; no is no' '
	make_repo asks && script_commit asks "export MARKER=asked" &&
	on_terminal no "git -C asks agbranch open a -d -- sh -c \"\\\$CODE\"" &&
	wait_until 30 screen_has no "allow this content, now and in future? .y/N." &&
	grep "^.agbranch/runtime.sh would run in the guest before the agent: 20 bytes" screen && grep "$digest" screen &&
	read_it=$(sed -n "s/^  read it: //p" screen) && eval "$read_it" >read && test_cmp asks/.agbranch/runtime.sh read &&
	answer no n &&
	wait_until 30 screen_has no "status 0 end" && grep "runtime.sh was not run" screen &&
	! git -C asks config agbranch.allowedScript &&
	git agbranch show a --json >out && json_is .runtime_script.state not_allowed &&
	close_all a
'

test_expect_success 'yes is remembered for that content, and asked no more' '
	on_terminal yes "git -C asks agbranch open a -d -- sh -c \"echo marker=\\\$MARKER; cat\"" &&
	wait_until 30 screen_has yes "now and in future? .y/N." &&
	answer yes y &&
	wait_until 30 screen_has yes "status 0 end" &&
	test "$(git -C asks config --local agbranch.allowedScript)" = "$digest" &&
	git agbranch logs a --json >out && json_is "[.[] | select(.kind | startswith(\"script_\"))] | last | .kind" script_ran &&
	close_all a &&
	on_terminal again "git -C asks agbranch open a -d -- cat" &&
	wait_until 30 screen_has again "status 0 end" && ! grep "y/N" screen &&
	close_all a
'

test_expect_success 'Ctrl-C at the question: exit 4, nothing was made' '
	script_commit asks "export MARKER=anew" &&
	on_terminal stop "trap : INT; git-agbranch -C asks open fresh -d -- cat" &&
	wait_until 30 screen_has stop "now and in future? .y/N." &&
	tmux -S "$TMUX_SOCKET" send-keys -t stop C-c &&
	wait_until 30 screen_has stop "status 4 end" && grep "^fatal: interrupted by SIGINT" screen &&
	expect_code 1 git agbranch show fresh
'

test_expect_success 'nothing is left' '
	tmux -S "$TMUX_SOCKET" kill-server &&
	wait_until 10 no_process_left && repo_is_sound repo && repo_is_sound asks
'

test_done
