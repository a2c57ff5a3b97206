#!/bin/sh
test_description='the real agent programs in a session: a task, its commit, wait, logs, top, stop, kill'
. ./t/lib/test-lib.sh

# The programs are those that their makers publish; only what they reach over the network is stood in for
# (t/tools/agent-services.py says how and why).  It runs in the sandbox, on its loopback: there is no other
# network in it.  Nothing is installed here: see t/install-agents.sh.
: "${AGB_AGENTS_DIR:=/var/cache/agbranch-test-agents}"
requires python3 jq

skip_or_fail () {
	test -z "$AGENTS_MUST_WORK$AGB_NO_SKIP" || error "$1, and it must work"
	skip_all="$1: install it with t/install-agents.sh, or name its folder in AGB_AGENTS_DIR"
	test_done
}
there=
for agent in claude codex gemini opencode aider; do
	if test -x "$AGB_AGENTS_DIR/bin/$agent"; then
		there="$there $agent"
		test_set_prereq "$(echo "$agent" | tr a-z A-Z)"
	else
		say "# skipped: $agent is not in '$AGB_AGENTS_DIR' (t/install-agents.sh $agent)"
		test -z "$AGENTS_MUST_WORK" || error "there is no $agent in '$AGB_AGENTS_DIR', and it must work"
	fi
done
test -n "$there" || skip_or_fail "there are no agent programs in '$AGB_AGENTS_DIR'"

# Where a user has them: in PATH, below a prefix of npm.
PATH=$AGB_AGENTS_DIR/bin:$PATH
git config --global --unset agbranch.bwrap.programs
URL=http://127.0.0.1:8765
PATIENCE=240 # seconds; they are large programs

# serve SESSION: the stand-in for the services, and the task that the scripted model has done.
serve () {
	git agbranch run "$1" -- sh -c "cat >~/services.py" <"$TEST_TOP/t/tools/agent-services.py" &&
	git agbranch run "$1" -- sh -c "cat >~/task.sh" <<-\END &&
	echo "done by the agent" >>file && git add -A && git commit -qm "the work of the agent"
	END
	{ git agbranch run -q "$1" -- python3 /home/agent/services.py 8765 /home/agent/task.sh \
		/home/agent/requests </dev/null >/dev/null 2>&1 & } &&
	wait_until 30 git agbranch run "$1" -- bash -c "exec 3<>/dev/tcp/127.0.0.1/8765" 2>/dev/null
}

# asked SESSION WHAT: the services were asked, and answered with WHAT.
asked () {
	git agbranch run "$1" -- grep -q " $2\$" /home/agent/requests 2>/dev/null
}

# finished SESSION: the agent ran the command and was told the end.
finished () {
	wait_until $PATIENCE asked "$1" "last word" && asked "$1" call &&
	expect_code 0 git agbranch wait "$1" --for=idle --quiet-for=1s --timeout=${PATIENCE}s --json &&
	json_is .for idle
}

# reviewed SESSION: its commit arrives, and is what is to be reviewed.
reviewed () {
	expect_code 0 git agbranch sync "$1" --json &&
	test "$(git log --format=%s "main..agbranch/$1")" = "the work of the agent" &&
	test "$(git diff "main...agbranch/$1" | grep "^+done")" = "+done by the agent" &&
	repo_is_sound .
}

says () {
	git agbranch logs --source guest "$1" >said && grep -q -- "$2" said
}

# A terminal with us at it.
term () {
	tmux -S "$TEST_TMP/term" "$@"
}

term_has () {
	term capture-pane -p >screen && grep -q -- "$1" screen
}

# top_shows PATTERN: on the screen of top.
top_shows () {
	tmux -S "$TEST_TMP/tmux" capture-pane -p -t top >screen && grep "$1" screen
}

# window_has SESSION TEXT: on the agent's screen.
window_has () {
	git agbranch run "$1" -- tmux -S "/home/agent/.agbranch/tmux/$1.sock" capture-pane -p -t "=$1:=agent" >screen &&
	grep -q -- "$2" screen
}

# nothing_left SESSION PATTERN: no process of the agent is in its guest, but for one that is just being
# taken apart.
nothing_left () {
	git agbranch run "$1" -- ps -eo stat=,args= >processes && ! grep -v "^Z" processes | grep -E "$2"
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo
'

test_expect_success CLAUDE 'claude: open with a task; nothing is asked, its commit comes back' '
	expect_code 0 git agbranch open one --network none --agent claude --prompt "do the task" -d \
		--env ANTHROPIC_BASE_URL=$URL --env ANTHROPIC_API_KEY=placeholder-key-of-a-test &&
	serve one &&
	finished one &&
	reviewed one
'

test_expect_success CLAUDE 'claude: logs, show, ps and top tell of it' '
	wait_until 30 window_has one "The task is done" && says one "task.sh" &&
	expect_code 0 git agbranch show one --json && json_is .agent.provider claude-code &&
	json_is .runtime.guest.agent_window.state live &&
	tmux -S "$TEST_TMP/tmux" -f /dev/null new-session -d -s top -x 80 -y 24 "git agbranch top" &&
	test_when_finished "tmux -S \"\$TEST_TMP/tmux\" kill-server" &&
	wait_until 30 top_shows "^>one  *running .*claude"
'

test_expect_success CLAUDE 'claude: stop ends the program; the commits stay' '
	expect_code 0 git agbranch agent stop one --json && json_is .status stopped &&
	nothing_left one "claude" &&
	git agbranch run one -- git log -1 --format=%s >out && test "$(cat out)" = "the work of the agent"
'

test_expect_success CLAUDE 'claude: without a window to look at it (-p), wait for its exit and its status' '
	git agbranch run one -- rm /home/agent/requests &&
	expect_code 0 git agbranch agent start one -d --provider claude --prompt "do the task" \
		--env ANTHROPIC_BASE_URL=$URL --env ANTHROPIC_API_KEY=placeholder-key-of-a-test -- -p &&
	expect_code 0 git agbranch wait one --for=exit --timeout=${PATIENCE}s --json && json_is .exit_status 0 &&
	asked one "last word" &&
	wait_until 30 says one "The task is done" &&
	expect_code 0 git agbranch wait one --for=done --timeout=10s &&
	test "$(git agbranch run one -- git rev-list --count HEAD)" = 4
'

test_expect_success CLAUDE 'claude: kill, in its midst; the work that was committed is not lost' '
	expect_code 0 git agbranch agent start one -d --provider claude --prompt "do the task" \
		--env ANTHROPIC_BASE_URL=$URL --env ANTHROPIC_API_KEY=placeholder-key-of-a-test &&
	expect_code 0 git agbranch kill one --json && json_is .lifecycle_state stopped &&
	expect_code 0 git agbranch start one --json && json_is .agent_resumed false &&
	expect_code 0 git agbranch close one --sync --yes --json && json_is .outcome sync &&
	test "$(git rev-list --count main..agbranch/one)" = 2 &&
	no_process_left
'

test_expect_success CLAUDE 'claude: launch, in a session without a repository' '
	expect_code 0 git agbranch launch box --network none -d --agent claude --prompt "do the task" \
		--env ANTHROPIC_BASE_URL=$URL --env ANTHROPIC_API_KEY=placeholder-key-of-a-test &&
	git agbranch run box -- git init -q . &&
	serve box &&
	finished box &&
	git agbranch run box -- cat file >out && test "$(cat out)" = "done by the agent" &&
	git agbranch close box --discard --yes -q
'

test_expect_success CLAUDE 'claude: on a terminal open attaches; what is typed there is done; Ctrl-B d leaves it at work' '
	git branch -D -q agbranch/one &&
	test_when_finished "term kill-server" &&
	term -f /dev/null new-session -d -x 100 -y 36 "git agbranch open seen -q --network none --agent claude \
		--env ANTHROPIC_BASE_URL=$URL --env ANTHROPIC_API_KEY=placeholder-key-of-a-test; echo left with \$?; exec cat" &&
	wait_until $PATIENCE term_has "bypass permissions on" &&
	serve seen &&
	term send-keys "please do the task" Enter &&
	finished seen && wait_until 30 term_has "The task is done" &&
	term send-keys C-b d && wait_until 30 term_has "left with 0" &&
	expect_code 0 git agbranch attach seen --json && json_is .target agent &&
	reviewed seen &&
	git agbranch close seen --discard --yes -q
'

test_expect_success CLAUDE 'claude: without a window and without a key it says so, and the status is not 0' '
	git agbranch launch bare --network none -q &&
	expect_code 0 git agbranch agent start bare -d --provider claude --prompt "do the task" -- -p &&
	expect_code 0 git agbranch wait bare --for=exit --timeout=${PATIENCE}s --json &&
	test "$(jq .exit_status out)" != 0 &&
	wait_until 30 says bare "Not logged in" &&
	git agbranch close bare --discard --yes -q
'

test_expect_success CODEX 'codex: a task with a key of the environment; its commit comes back' '
	git agbranch open two --network none -q &&
	serve two &&
	expect_code 0 git agbranch agent start two -d --provider codex --prompt "do the task" \
		--env OPENAI_BASE_URL=$URL/v1 --env OPENAI_API_KEY=placeholder-key-of-a-test &&
	finished two &&
	reviewed two &&
	wait_until 30 window_has two "The task is done"
'

test_expect_success CODEX 'codex: stop ends it, and the server that it leaves in the background' '
	expect_code 0 git agbranch agent stop two --json && json_is .status stopped &&
	nothing_left two "codex" &&
	git agbranch close two --sync --yes -q && no_process_left
'

test_expect_success GEMINI 'gemini: a task with a key of the environment; its commit comes back' '
	git agbranch open three --network none -q &&
	serve three &&
	expect_code 0 git agbranch agent start three -d --provider gemini --prompt "do the task" \
		--env GOOGLE_GEMINI_BASE_URL=$URL --env GEMINI_API_KEY=placeholder-key-of-a-test &&
	finished three &&
	reviewed three &&
	wait_until 30 window_has three "The task is done"
'

test_expect_success GEMINI 'gemini: stop and close' '
	expect_code 0 git agbranch agent stop three --json && json_is .status stopped &&
	nothing_left three "gemini" &&
	git agbranch close three --sync --yes -q && no_process_left
'

# Without a network it first tries for a minute to fetch what it could use.
test_expect_success OPENCODE 'opencode: a task with a key of the environment; its commit comes back' '
	git agbranch open four --network none -q &&
	serve four &&
	config="{\"model\": \"anthropic/claude-sonnet-4-5\", \"autoupdate\": false, \"provider\":
		{\"anthropic\": {\"options\": {\"baseURL\": \"$URL/v1\"}}}}" &&
	expect_code 0 git agbranch agent start four -d --provider opencode --prompt "do the task" \
		--env "OPENCODE_CONFIG_CONTENT=$config" --env ANTHROPIC_API_KEY=placeholder-key-of-a-test &&
	finished four &&
	reviewed four &&
	expect_code 0 git agbranch agent stop four --json && json_is .status stopped &&
	nothing_left four "opencode" &&
	git agbranch close four --sync --yes -q && no_process_left
'

# It has no tools: the model edits, and it commits by itself.  With a task it ends when that is done.
test_expect_success AIDER 'aider: a task with a key of the environment; its commit comes back, its own files do not' '
	git agbranch open five --network none -q &&
	serve five &&
	expect_code 0 git agbranch agent start five -d --provider aider --prompt "do the task" \
		--env OPENAI_API_BASE=$URL/v1 --env OPENAI_API_KEY=placeholder-key-of-a-test -- --model openai/gpt-4o &&
	! grep "gets none of" err &&
	expect_code 0 git agbranch wait five --for=exit --timeout=${PATIENCE}s --json && json_is .exit_status 0 &&
	asked five call && asked five "last word" &&
	git agbranch run five -- ls -A >files && grep "^.aider" files && ! grep gitignore files &&
	reviewed five && test "$(git diff --name-only "main...agbranch/five")" = file &&
	says five "Commit [0-9a-f]* the work of the agent"
'

test_expect_success AIDER 'aider: in its window; typed there, and stopped; the settings of --env count' '
	git agbranch run five -- rm /home/agent/requests &&
	expect_code 0 git agbranch agent start five -d --provider aider --env AIDER_MODEL=openai/gpt-4o \
		--env OPENAI_API_BASE=$URL/v1 --env OPENAI_API_KEY=placeholder-key-of-a-test &&
	wait_until $PATIENCE window_has five "^>" &&
	git agbranch run five -- tmux -S /home/agent/.agbranch/tmux/five.sock send-keys -t =five:=agent "do it again" Enter &&
	wait_until $PATIENCE asked five "last word" && wait_until 30 window_has five "Commit [0-9a-f]* the work" &&
	expect_code 0 git agbranch agent stop five --json && json_is .status stopped &&
	nothing_left five "aider" &&
	expect_code 0 git agbranch close five --sync --yes --json && json_is .outcome sync &&
	test "$(git rev-list --count main..agbranch/five)" = 2 && no_process_left
'

test_expect_success 'no key of the environment is left in the state root, and none was written whole in a guest' '
	! grep -r -a "placeholder-key-of-a-test" "$AGBRANCH_STATE_ROOT" &&
	git agbranch ps -q >left && test_must_be_empty left
'

test_done
