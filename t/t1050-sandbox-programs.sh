#!/bin/sh
test_description='bwrap: programs of the host that a sandbox has, wherever a user has installed them'
. ./t/lib/test-lib.sh

# Real layouts, with programs that only say who they are.
program () {
	mkdir -p "$(dirname "$1")" && cat >"$1" && chmod 755 "$1"
}

# Nothing but the setting says what goes in; they are found by PATH.
given () {
	git config --global --unset-all agbranch.bwrap.programs || :
	for name; do
		git config --global --add agbranch.bwrap.programs "$name" || return 1
	done
}

new_session () {
	{ git agbranch close one --discard --yes -q || :; } &&
	expect_code 0 git agbranch launch one
}

test_expect_success 'set up: an own installer, npm, node beside it, yarn, a Python environment' '
	share=$HOME/.local/share/claude/versions &&
	printf "#!/bin/sh\necho \"claude of its installer\"\n" | program "$share/2.1.0" &&
	mkdir -p "$HOME/.local/bin" && ln -s "$share/2.1.0" "$HOME/.local/bin/claude" &&
	npm=$HOME/.nvm/versions/node/v22.1.0 &&
	printf "#!/bin/sh\necho \"node runs\"; exec sh \"\$@\"\n" | program "$npm/bin/node" &&
	codex=$npm/lib/node_modules/@openai/codex &&
	printf "#!/usr/bin/env node\ncat \"\$(dirname \"\$(readlink -f \"\$0\")\")/../part\"\n" | program "$codex/bin/codex.js" &&
	echo "codex and its part" >"$codex/part" &&
	ln -s ../lib/node_modules/@openai/codex/bin/codex.js "$npm/bin/codex" &&
	echo secret >"$npm/lib/node_modules/other" &&
	global=$HOME/.config/yarn/global/node_modules &&
	printf "#!/bin/sh\ncat \"\$(dirname \"\$(readlink -f \"\$0\")\")/../beside/part\"\n" | program "$global/gemini/gemini" &&
	mkdir "$global/beside" && echo "gemini and what lies beside" >"$global/beside/part" &&
	mkdir -p "$HOME/.yarn/bin" && ln -s "$global/gemini/gemini" "$HOME/.yarn/bin/gemini" &&
	env=$HOME/.local/share/venvs/aider &&
	python3 -m venv --without-pip "$env" &&
	printf "#!%s/bin/python3\nimport sys\nprint (\"aider in\", sys.prefix)\n" "$env" | program "$env/bin/aider" &&
	ln -s "$env/bin/aider" "$HOME/.local/bin/aider" &&
	echo private >"$HOME/private" &&
	PATH=$HOME/.local/bin:$npm/bin:$HOME/.yarn/bin:$PATH &&
	chmod -R go+rX "$HOME"
'

test_expect_success 'unset: the agents that PATH has; each runs with what it is made of' '
	given && new_session &&
	git agbranch run one -- claude >out && echo "claude of its installer" >expected && test_cmp expected out &&
	git agbranch run one -- codex >out && printf "%s\n" "node runs" "codex and its part" >expected && test_cmp expected out &&
	git agbranch run one -- gemini >out && echo "gemini and what lies beside" >expected && test_cmp expected out &&
	git agbranch run one -- aider >out && echo "aider in $env" >expected && test_cmp expected out &&
	expect_code 127 git agbranch run one -- sh -c "command -v opencode"
'

test_expect_success 'a login shell finds them too' '
	git agbranch run one -- bash -lc "command -v claude; command -v node" >out &&
	printf "%s\n" /run/agb/bin/claude /run/agb/bin/node >expected && test_cmp expected out
'

test_expect_success 'read-only, and nothing else of the home' '
	expect_code 2 git agbranch run one -- sh -c "echo x >>$codex/part" &&
	git agbranch run one -- grep -c " $HOME/[^ ]* [^ ]* ro," /proc/self/mounts >out && test "$(cat out)" -ge 5 &&
	expect_code 1 git agbranch run one -- rm -f "$share/2.1.0" &&
	expect_code 1 git agbranch run one -- test -e "$HOME/private" &&
	expect_code 1 git agbranch run one -- test -e "$npm/lib/node_modules/other" &&
	expect_code 1 git agbranch run one -- test -e "$HOME/.gitconfig" &&
	test "$(cat "$codex/part")" = "codex and its part"
'

test_expect_success 'none: nothing' '
	given none && new_session &&
	expect_code 127 git agbranch run one -- sh -c "command -v claude" &&
	expect_code 1 git agbranch run one -- test -e "$HOME"
'

test_expect_success 'named ones: a program, and a folder as it is; others not' '
	given node "$HOME/.config/yarn" && new_session &&
	git agbranch run one -- node -c "echo in node" >out && printf "%s\n" "node runs" "in node" >expected && test_cmp expected out &&
	git agbranch run one -- cat "$global/beside/part" &&
	expect_code 127 git agbranch run one -- sh -c "command -v claude"
'

test_expect_success 'never the home, or what it lies in' '
	given "$HOME" "$TEST_TMP" / && new_session &&
	grep "note: .$HOME. is not given to the sandbox: it holds your home" err &&
	grep "note: ./. is not given to the sandbox: it holds your home" err &&
	expect_code 1 git agbranch run one -- test -e "$HOME/private" &&
	expect_code 0 git agbranch run one -- test -d /usr
'

test_expect_success 'one that is installed, or gone, after the session was made: with the next start' '
	given && new_session &&
	rm "$HOME/.local/bin/claude" && rm -r "$share" &&
	printf "#!/bin/sh\necho newer\n" | program "$share/2.2.0" && ln -s "$share/2.2.0" "$HOME/.local/bin/claude" &&
	chmod -R go+rX "$HOME/.local" &&
	git agbranch run one -- claude >out && echo "claude of its installer" >expected && test_cmp expected out &&
	git agbranch stop one -q && git agbranch start one -q &&
	git agbranch run one -- claude >out && echo newer >expected && test_cmp expected out &&
	rm -r "$share" && git agbranch stop one -q && git agbranch start one -q &&
	expect_code 6 git agbranch agent start -d --provider claude one &&
	grep "Claude Code: program .claude. is not installed in session .one." err &&
	grep "^hint: install it on this machine (npm install -g @anthropic-ai/claude-code) and start the session anew, or in the session (git agbranch shell one)" err
'

test_expect_success 'clean up' '
	git agbranch close one --discard --yes -q && no_process_left
'

test_done
