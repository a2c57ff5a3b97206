#!/bin/sh
test_description='agent: start, stop, prompts, imports, what is kept'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$1"
}

# agent_log_has TEXT: the guest's log of the agent window.
agent_log_has () {
	git agbranch run one -- cat /home/agent/.agbranch/log/agent.log >log 2>/dev/null &&
	grep -q -- "$1" log
}

window_state () {
	git agbranch run one -- tmux -S /home/agent/.agbranch/tmux/one.sock list-panes -s -t =one \
		-F '#{window_name} #{pane_dead}' >panes && grep -qx "$1" panes
}

test_expect_success 'set up a session' '
	make_repo repo &&
	git -C repo agbranch open one >/dev/null &&
	cd repo
'

test_expect_success 'any command: JSON, window, environment, workspace' '
	expect_code 0 git agbranch agent start --json --env FROM_HOST=x=1 one -- \
		sh -c "echo \"in=\$PWD session=\$AGBRANCH_SESSION compose=\$COMPOSE_PROJECT_NAME env=\$FROM_HOST args=\$*\"; exec cat" sh "a b" "c'\''d" &&
	json_is .session one && json_is .provider null && json_is .agent_window agent &&
	json_is .status started && json_is ".imported_provider_files | length" 0 &&
	wait_until 30 agent_log_has "in=/home/agent/workspaces/one/repo session=one compose=agbranch-one env=x=1 args=a b c'\''d" &&
	window_state "agent 0"
'

test_expect_success 'a second one is exit 3 with a hint' '
	expect_code 3 git agbranch agent start --json one -- true &&
	json_is .error.kind action_required &&
	jq -r .error.hint out | grep "git agbranch agent stop one"
'

test_expect_success 'variables are stored nowhere, nor left in the guest' '
	! db .dump | grep "x=1" &&
	! grep -r -a "FROM_HOST=x=1" "$AGBRANCH_STATE_ROOT" &&
	git agbranch run one -- ls /home/agent/.agbranch/run >left &&
	test_must_be_empty left
'

test_expect_success 'stop ends it; a repeat says that there was none' '
	expect_code 0 git agbranch agent stop --json one &&
	json_is .status stopped && json_is .agent_window agent &&
	! window_state "agent 0" &&
	expect_code 0 git agbranch agent stop --json one &&
	json_is .status not_running
'

test_expect_success 'an agent that has ended leaves its window with the exit status' '
	expect_code 0 git agbranch agent start -d one -- sh -c "echo last words; exit 6" &&
	wait_until 30 window_state "agent 1" &&
	git agbranch run one -- cat /home/agent/.agbranch/run/agent.status >status &&
	test "$(cat status)" = 6 &&
	agent_log_has "last words" &&
	expect_code 0 git agbranch agent start -d one -- sh -c "echo again; exec cat" &&
	wait_until 30 window_state "agent 0" &&
	git agbranch agent stop one
'

test_expect_success 'a program that is not in the guest is exit 6 with a hint' '
	expect_code 6 git agbranch agent start -d --provider codex one &&
	grep "Codex: program .codex. is not installed in session .one." err &&
	grep "^hint: install it on this machine (npm install -g @openai/codex)" err &&
	expect_code 6 git agbranch agent start -d one -- /no/such/program
'

test_expect_success 'an unknown profile names those that there are' '
	expect_code 1 git agbranch agent start --provider nobody one &&
	grep "no agent profile .nobody." err &&
	grep "claude-code, codex, gemini, opencode, aider" err &&
	expect_code 129 git agbranch agent start one &&
	expect_code 129 git agbranch agent one &&
	expect_code 129 git agbranch agent start --prompt x one -- true
'

# A profile'\''s program that tells how it was called; the guest'\''s own PATH finds it.
test_expect_success 'set up a program called claude in the guest' '
	git agbranch run one -- sh -c "mkdir -p ~/.local/bin && cat >~/.local/bin/claude && chmod +x ~/.local/bin/claude" <<-\EOF &&
	#!/bin/sh
	echo "IS_SANDBOX=$IS_SANDBOX"
	for arg; do echo "<$arg>"; done
	exec cat
	EOF
	git agbranch run one -- sh -c "command -v claude" >where &&
	test "$(cat where)" = /home/agent/.local/bin/claude
'

test_expect_success 'the profile'\''s arguments, then ours, then the prompt' '
	expect_code 0 git agbranch agent start -d --json --provider claude --prompt "fix it; \$HOME \"now\"" one -- --model x &&
	json_is .provider claude-code &&
	wait_until 30 agent_log_has "<fix it; .HOME \"now\">" &&
	tr -d "\r" <log | grep -A4 -x "IS_SANDBOX=1" >said &&
	printf "%s\n" IS_SANDBOX=1 "<--dangerously-skip-permissions>" "<--model>" "<x>" "<fix it; \$HOME \"now\">" >expected &&
	test_cmp expected said &&
	git agbranch agent stop one
'

test_expect_success '--prompt @file and -, of any length, and one that begins with a dash' '
	{ head -c 40000 /dev/zero | tr "\0" "p"; echo; echo end-of-file-prompt; } >prompt &&
	expect_code 0 git agbranch agent start -d -a claude --prompt @prompt one &&
	wait_until 30 agent_log_has "end-of-file-prompt>" &&
	git agbranch agent stop one &&
	echo "-prompt from stdin" | git agbranch agent start -d -a claude --prompt - one &&
	wait_until 30 agent_log_has "<-prompt from stdin>" &&
	git agbranch agent stop one &&
	expect_code 1 git agbranch agent start -d -a claude --prompt @missing one &&
	: >empty &&
	expect_code 1 git agbranch agent start -d -a claude --prompt @empty one &&
	grep "the prompt is empty" err
'

test_expect_success 'after stop and start the agent comes back only when asked for, without the prompt' '
	expect_code 0 git agbranch agent start -d -a claude --prompt first-task one -- --model y &&
	wait_until 30 agent_log_has "<first-task>" &&
	git agbranch stop one &&
	git agbranch run -q one -- rm /home/agent/.agbranch/log/agent.log &&
	expect_code 0 git agbranch start --json one && json_is .agent_resumed false &&
	! window_state "agent 0" &&
	git agbranch stop one &&
	expect_code 0 git agbranch start --json --resume-agent one && json_is .agent_resumed true &&
	wait_until 30 agent_log_has "<y>" &&
	! grep first-task log &&
	git agbranch agent stop one
'

test_expect_success 'agbranch.resumeAgent is always asking for it, also where a command starts the session' '
	git config agbranch.resumeAgent true &&
	git agbranch stop one && expect_code 0 git agbranch start --json one && json_is .agent_resumed true &&
	git agbranch stop one && expect_code 0 git agbranch run one -- true && window_state "agent 0" &&
	git config --unset agbranch.resumeAgent &&
	git agbranch stop one && expect_code 0 git agbranch run one -- true && ! window_state "agent 0" && window_state "shell 0"
'

test_expect_success 'an agent whose program is gone: an error when it is asked for by name, a warning by the setting' '
	expect_code 0 git agbranch agent start -d one -- /home/agent/.local/bin/claude gone &&
	git agbranch run one -- mv /home/agent/.local/bin/claude /home/agent/kept && git agbranch stop one &&
	expect_code 6 git agbranch start --resume-agent one && test_must_be_empty out &&
	grep "^fatal: program ./home/agent/.local/bin/claude. is not installed in session .one." err &&
	test "$(db "SELECT lifecycle_state FROM sessions WHERE name = \"one\"")" = running && window_state "shell 0" &&
	test "$(db "SELECT count(*) FROM operations")" = 0 &&
	git config agbranch.resumeAgent true &&
	git agbranch stop one && expect_code 0 git agbranch start one && grep "is running$" out &&
	grep "^warning: the agent was not started again: program ./home/agent/.local/bin/claude. is not installed" err &&
	git agbranch stop one && expect_code 0 git agbranch start --json one && is_valid start &&
	json_is .agent_resumed false && json_is .lifecycle_state running &&
	json_is ".agent_problem | contains (\"is not installed\")" true &&
	git agbranch stop one && expect_code 0 git agbranch run one -- echo done && test "$(cat out)" = done &&
	grep "^warning: the agent was not started again: " err &&
	git agbranch stop one && expect_code 0 git agbranch run -q one -- true && test_must_be_empty err &&
	git agbranch run one -- mv /home/agent/kept /home/agent/.local/bin/claude &&
	git agbranch stop one && expect_code 0 git agbranch start --json one && is_valid start &&
	json_is .agent_resumed true && json_is .agent_problem null &&
	git config --unset agbranch.resumeAgent && git agbranch agent stop one
'

test_expect_success 'an agent that ends at once has been started: its window tells its end' '
	expect_code 0 git agbranch agent start -d one -- sh -c "echo no key; exit 3" && wait_until 30 window_state "agent 1" &&
	git agbranch stop one && expect_code 0 git agbranch start --resume-agent --json one && json_is .agent_resumed true &&
	wait_until 30 window_state "agent 1" &&
	expect_code 0 git agbranch show one --json && json_is .runtime.guest.agent_window.state dead &&
	expect_code 0 git agbranch wait one --for=exit --timeout=30s --json && json_is .exit_status 3 &&
	git agbranch agent stop one
'

test_expect_success 'neither does an agent that open started get its prompt again; a missing variable is a note' '
	cp -RL "$AGB_BUILD/share/git-agbranch/lima" assets &&
	{ echo "mkdir -p ~/.local/bin; for a in claude aider; do" &&
		echo "printf \"#!/bin/sh\nfor arg; do echo \\\"<\\\$arg>\\\"; done; exec cat\n\" >~/.local/bin/\$a; chmod +x ~/.local/bin/\$a; done" &&
		cat "$AGB_BUILD/share/git-agbranch/lima/guest/tmux.sh"; } >assets/guest/tmux.sh &&
	AGBRANCH_LIMA_ASSETS_DIR=$PWD/assets expect_code 0 git agbranch open begun -a claude --prompt first-task -- --model z &&
	db "SELECT agent_command_json FROM sessions WHERE name = \"begun\"" >kept &&
	echo "[\"claude\",\"--dangerously-skip-permissions\",\"--model\",\"z\"]" >expected &&
	test_cmp expected kept &&
	git agbranch stop begun -q &&
	git agbranch run -q begun -- rm -f /home/agent/.agbranch/log/agent.log &&
	git agbranch stop begun -q &&
	expect_code 0 git agbranch start --json --resume-agent begun && json_is .agent_resumed true &&
	begun_says () { git agbranch run begun -- cat /home/agent/.agbranch/log/agent.log >log && grep -q "$1" log; } &&
	wait_until 30 begun_says "<z>" &&
	! grep first-task log &&
	git agbranch agent stop begun &&
	expect_code 0 git agbranch agent start -d -a aider begun &&
	grep "note: Aider gets none of ANTHROPIC_API_KEY, " err &&
	git agbranch agent stop begun &&
	expect_code 0 git agbranch agent start -d -a aider --env OPENAI_API_KEY=x begun &&
	! grep "gets none of" err &&
	excluded () { git agbranch run begun -- grep -cxF ".aider*" .git/info/exclude >count; } && wait_until 30 excluded &&
	test "$(cat count)" = 1 && git agbranch run begun -- sh -c "touch .aider.chat.history.md; git status --porcelain" >dirty &&
	test_must_be_empty dirty &&
	git agbranch close begun --discard --yes -q
'

mkdir -p "$HOME/.claude"
echo '{"theme": "dark"}' >"$HOME/.claude/settings.json"
echo 'be brief' >"$HOME/.claude/CLAUDE.md"
echo '{"accessToken": "planted-secret"}' >"$HOME/.claude/.credentials.json"

test_expect_success 'nothing of the host is imported unless it is named' '
	expect_code 0 git agbranch agent start -d --json -a claude one &&
	json_is ".imported_provider_files | length" 0 &&
	expect_code 1 git agbranch run one -- test -e /home/agent/.claude/settings.json &&
	git agbranch agent stop one
'

test_expect_success '--import settings takes settings and no credentials' '
	expect_code 0 git agbranch agent start -d --json -a claude --import settings one &&
	json_is ".imported_provider_files | join(\" \")" "~/.claude/settings.json ~/.claude/CLAUDE.md" &&
	git agbranch run one -- cat /home/agent/.claude/CLAUDE.md >copy &&
	test_cmp "$HOME/.claude/CLAUDE.md" copy &&
	expect_code 1 git agbranch run one -- test -e /home/agent/.claude/.credentials.json &&
	git agbranch agent stop one
'

test_expect_success 'credentials need confirmation: exit 3 without a terminal' '
	expect_code 3 git agbranch agent start -d --json -a claude --import credentials one &&
	json_is .error.kind action_required &&
	expect_code 3 git agbranch agent start -d -a claude --import "~/.claude/.credentials.json" one &&
	expect_code 1 git agbranch run one -- test -e /home/agent/.claude/.credentials.json &&
	expect_code 0 git agbranch agent start -d --json --yes -a claude --import credentials one &&
	json_is ".imported_provider_files | index(\"~/.claude/.credentials.json\") != null" true &&
	git agbranch run one -- stat -c %a /home/agent/.claude/.credentials.json >mode &&
	test "$(cat mode)" = 600 &&
	git agbranch agent stop one
'

test_expect_success 'open and launch take --import too, asked before anything is made' '
	mkdir -p bin && printf "#!/bin/sh\nls -A ~/.claude; exec cat\n" >bin/claude && chmod 755 bin/claude &&
	with_claude () {
		PATH=$PWD/bin:$PATH git -c agbranch.bwrap.programs=claude agbranch "$@"
	} &&
	expect_code 3 with_claude open given -d --agent claude --import credentials &&
	grep "confirm with --yes" err &&
	expect_code 1 git agbranch show given &&
	expect_code 1 with_claude launch given --import settings && grep "import needs --agent" err &&
	expect_code 1 with_claude launch given -a claude --import ~/.ssh/id_rsa && grep "is nothing that" err &&
	expect_code 0 with_claude open given -d --agent claude --import settings --import credentials --yes &&
	expect_code 0 git agbranch show given --json &&
	json_is ".imported_provider_files | sort | join(\" \")" "~/.claude/.credentials.json ~/.claude/CLAUDE.md ~/.claude/settings.json" &&
	given_says () { git agbranch logs given --source=guest >log && grep -q "$1" log; } &&
	wait_until 30 given_says "^.credentials.json" &&
	git agbranch run given -- stat -c %a /home/agent/.claude/.credentials.json >mode && test "$(cat mode)" = 600 &&
	git agbranch close given --discard --yes -q
'

test_expect_success 'what it asks at its first start is answered before, also beside settings that are there' '
	git agbranch run one -- rm -f /home/agent/.claude.json &&
	key=$(printf "sk-%040d" 7) &&
	expect_code 0 git agbranch agent start -d -a claude --env "ANTHROPIC_API_KEY=$key" one &&
	answered () { git agbranch run one -- cat /home/agent/.claude.json >answers; } &&
	wait_until 30 answered &&
	json_is .hasCompletedOnboarding true answers &&
	json_is ".projects[\"/home/agent/workspaces/one/repo\"].hasTrustDialogAccepted" true answers &&
	json_is ".customApiKeyResponses.approved | join(\" \")" 00000000000000000007 answers &&
	git agbranch agent stop one &&
	git agbranch run one -- sh -c "echo \"{\\\"mine\\\": 1}\" >~/.claude.json" &&
	expect_code 0 git agbranch agent start -d -a claude one &&
	trusts () { answered && test "$(jq -r .hasCompletedOnboarding answers)" = true; } &&
	wait_until 30 trusts && json_is .mine 1 answers &&
	git agbranch agent stop one
'

test_expect_success 'stop ends what the agent has put into the background, and nothing else' '
	git agbranch run one -- sh -c "setsid sleep 1001 >/dev/null 2>&1 &" &&
	expect_code 0 git agbranch agent start -d one -- sh -c "setsid sleep 1002 >/dev/null 2>&1 & exec cat" &&
	has_process () { git agbranch run one -- pgrep -fx "sleep $1" >/dev/null; } &&
	wait_until 30 has_process 1002 &&
	expect_code 0 git agbranch agent stop one &&
	! has_process 1002 && has_process 1001 &&
	git agbranch run one -- pkill -fx "sleep 1001"
'

test_expect_success 'what was imported is nowhere in the state root but in the guest, and in no JSON' '
	! grep -a planted-secret out err &&
	! db .dump | grep planted-secret &&
	! grep -r -a -l planted-secret "$AGBRANCH_STATE_ROOT/logs" "$AGBRANCH_STATE_ROOT/state.db"*
'

test_expect_success 'a settings file that may hold a secret is left out with a note' '
	echo "{\"env\": {\"ANTHROPIC_API_KEY\": \"sk-1\"}}" >"$HOME/.claude/settings.json" &&
	git agbranch run one -- rm /home/agent/.claude/settings.json &&
	expect_code 0 git agbranch agent start -d -a claude --import settings one &&
	grep "settings.json. may hold a secret" err &&
	expect_code 1 git agbranch run one -- test -e /home/agent/.claude/settings.json &&
	git agbranch agent stop one &&
	expect_code 1 git agbranch agent start -d -a claude --import ~/.ssh/id_rsa one &&
	grep "is nothing that claude-code could import" err
'

test_expect_success 'the log of the agent is bounded' '
	expect_code 0 git agbranch agent start -d one -- sh -c "head -c 20000000 /dev/zero | tr \"\\0\" x; echo; echo end-of-noise" &&
	wait_until 150 agent_log_has end-of-noise &&
	git agbranch run one -- sh -c "cat ~/.agbranch/log/* | wc -c" >size &&
	test "$(cat size)" -le 16777216
'

test_expect_success 'logs shows it, escaped, whole, its end, and what comes' '
	expect_code 0 git agbranch logs --source guest -n 1 one && test "$(cat out)" = end-of-noise &&
	expect_code 0 git agbranch logs --json --source guest one &&
	json_is ".[0].source" guest && json_is ".[0].path" /home/agent/.agbranch/log/agent.log &&
	jq -r ".[0].contents" out | grep -q "^end-of-noise" &&
	expect_code 0 git agbranch agent start -d one -- sh -c "read -r word; printf \"\\033[2Jsaid \$word\\n\"; exec cat" &&
	{ git-agbranch logs --source guest --follow one >followed 2>&1 & } && pid=$! &&
	git agbranch run one -- tmux -S /home/agent/.agbranch/tmux/one.sock send-keys -t =one:=agent it Enter &&
	wait_until 30 grep -F "\\x1b[2Jsaid it" followed &&
	kill -TERM "$pid" && { wait "$pid" || :; } &&
	git agbranch agent stop one
'

test_expect_success 'a dot in the name of a session' '
	git agbranch open dot.ted >/dev/null &&
	expect_code 0 git agbranch agent start -d dot.ted -- cat &&
	expect_code 0 git agbranch attach --json dot.ted && json_is .target agent &&
	expect_code 0 git agbranch agent stop dot.ted &&
	expect_code 0 git agbranch run dot.ted -- pwd && test "$(cat out)" = /home/agent/workspaces/dot.ted/repo
'

test_expect_success 'no damage by what an agent writes to its window' '
	expect_code 0 git agbranch agent start -d one -- printf "\\033]0;agent 1\\007\\033k other\\033\\\\" &&
	wait_until 30 window_state "agent 1"
'

test_expect_success 'what the agent printed is kept when the guest stops and when it is closed' '
	git agbranch launch kept -q --detach -- sh -c "echo \"said \$((40 + 2))\"; sleep 1000" &&
	said () {
		git agbranch logs kept --source=guest >out && grep "said 42" out
	} &&
	wait_until 30 said &&
	git agbranch stop kept -q &&
	said && test "$(stat -c %a "$AGBRANCH_STATE_ROOT/logs/kept/guest.log")" = 600 &&
	git agbranch start kept -q &&
	git agbranch run kept -- sh -c "seq 100000 >~/.agbranch/log/agent.log.1; echo end >>~/.agbranch/log/agent.log" &&
	git -c agbranch.limits.logBytes=1000 agbranch close kept --discard --yes -q &&
	test "$(wc -c <"$AGBRANCH_STATE_ROOT/logs/kept/guest.log")" -le 1000 &&
	git agbranch logs kept --source=guest >out && test "$(tail -n 1 out)" = end
'

test_expect_success 'a guest that does not hand out its log does not keep stop or close waiting' '
	git agbranch launch liar -q &&
	git agbranch run liar -- sh -c "mkdir -p ~/.agbranch/log && cd ~/.agbranch/log && rm -f agent.log* && mkfifo agent.log" &&
	timeout 30 git agbranch close liar --discard --yes -q &&
	! test -s "$AGBRANCH_STATE_ROOT/logs/liar/guest.log"
'

test_done
