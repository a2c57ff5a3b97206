#!/bin/sh
test_description='agbranch 0.1: its own manual, typed as it stands, through the link agbranch'
. ./t/lib/test-lib.sh

row () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT $1 FROM sessions WHERE name = '$2'"
}

# The assets of 0.1's AGBRANCH_LIMA_ASSETS_DIR, whose scripts put agents into the guest that only tell how
# they were called.
cp -RL "$AGB_BUILD/share/git-agbranch/lima" assets
cat - "$AGB_BUILD/share/git-agbranch/lima/guest/tmux.sh" >assets/guest/tmux.sh <<\END
test -d ~/.local/bin || {
	mkdir -p ~/.local/bin
	for agent in claude codex gemini; do
		printf '%s\n' '#!/bin/sh' 'echo "this is ${0##*/} in $PWD $(git branch --show-current 2>/dev/null)"' 'for arg; do echo "<$arg>"; done' 'exec cat' \
			>~/.local/bin/$agent
		chmod +x ~/.local/bin/$agent
	done
}
END
AGBRANCH_LIMA_ASSETS_DIR=$PWD/assets
export AGBRANCH_LIMA_ASSETS_DIR

agent_says () {
	agbranch logs --source guest "$1" >said && grep -q -- "$2" said
}

mkdir -p ours/input/deep
echo data >ours/input/deep/data
make_repo ours/repo

test_expect_success 'agbranch doctor: human, its last line the state root; --json has the keys' '
	expect_code 0 agbranch doctor &&
	tail -n 1 out | grep -F "$AGBRANCH_STATE_ROOT" &&
	expect_code 0 agbranch doctor --json &&
	jq -e "has (\"ok\") and has (\"platform\") and has (\"lima_version\") and has (\"messages\")
		and has (\"state_root\") and has (\"prepared_base\") and has (\"provider_config_paths\")" out
'

test_expect_success 'agbranch is git agbranch: help, usage, exit codes' '
	expect_code 0 agbranch help && cp out help &&
	expect_code 0 git agbranch help && test_cmp help out &&
	expect_code 129 agbranch show --no-such-option &&
	expect_code 1 agbranch nonsense &&
	expect_code 1 agbranch show --json nobody && json_is .error.code 1
'

test_expect_success 'a sandbox session: launch --session scratch --seed ./input --agent claude' '
	cd ours &&
	expect_code 0 agbranch launch --session scratch --seed ./input --agent claude &&
	wait_until 30 agent_says scratch "this is claude in /home/agent/sandbox/scratch" &&
	expect_code 0 agbranch run scratch -- cat deep/data && test "$(cat out)" = data &&
	cd ..
'

test_expect_success 'launch --cpus --memory --disk --json' '
	cd ours &&
	expect_code 0 agbranch launch --session sized --seed ./input --cpus 1 --memory 1GiB --disk 2 --json &&
	json_is .session sized && json_is .vm_name agbranch-sized && json_is .lifecycle_state running &&
	json_is .guest_workspace_path /home/agent/sandbox/sized &&
	test "$(row cpus,memory_bytes,disk_bytes sized)" = "1|1073741824|2147483648" &&
	expect_code 0 agbranch close --session sized --discard --yes --json &&
	json_is .session sized && json_is .outcome discard && json_is .destroy_result destroyed &&
	cd ..
'

test_expect_success 'attach scratch; export scratch --from ~/sandbox/scratch --to ./artifacts; close --discard' '
	cd ours &&
	expect_code 0 agbranch attach scratch --json &&
	json_is .session scratch && json_is .target agent &&
	agbranch run scratch -- sh -c "echo made >artifact" &&
	expect_code 0 agbranch export scratch --from ~/sandbox/scratch --to ./artifacts &&
	test "$(cat artifacts/artifact)" = made && test "$(cat artifacts/deep/data)" = data &&
	expect_code 1 agbranch export scratch --from "~/sandbox/scratch" --to ./artifacts &&
	expect_code 1 agbranch close scratch --sync --yes &&
	expect_code 0 agbranch close scratch --discard --yes &&
	test "$(row lifecycle_state scratch)" = closed &&
	cd ..
'

test_expect_success 'a repo session: open --session feature-x --repo . --agent claude' '
	cd ours/repo &&
	expect_code 0 agbranch open --session feature-x --repo . --agent claude &&
	wait_until 30 agent_says feature-x "this is claude in /home/agent/workspaces/feature-x/repo agbranch/feature-x" &&
	agent_says feature-x "^<--dangerously-skip-permissions>" &&
	git rev-parse --verify -q refs/agbranch/sessions/feature-x/base &&
	git rev-parse --verify -q refs/agbranch/sessions/feature-x/head &&
	test_must_fail git rev-parse --verify -q refs/heads/agbranch/feature-x &&
	expect_code 0 agbranch run feature-x -- git branch --show-current &&
	test "$(cat out)" = agbranch/feature-x
'

test_expect_success 'a second open, and a remote URL, are exit 1; open --json has its keys' '
	expect_code 1 agbranch open --session feature-x --repo . &&
	expect_code 1 agbranch open --session other --repo https://example.com/x.git && grep "git clone" err &&
	expect_code 0 agbranch open --session other --repo . --base HEAD~1 --cpus 1 --memory 1GiB --disk 2 --json &&
	test "$(row cpus,memory_bytes,disk_bytes other)" = "1|1073741824|2147483648" &&
	json_is .session other && json_is .vm_name agbranch-other && json_is .lifecycle_state running &&
	json_is .repo_host_path "$PWD" && json_is .repo_guest_path /home/agent/workspaces/other/repo
'

test_expect_success 'agent start --provider, agent stop; a positional, or --session' '
	expect_code 0 agbranch agent start other --provider gemini --json &&
	json_is .session other && json_is .provider gemini && json_is .agent_window agent &&
	json_is .status started && json_is ".imported_provider_files | length" 0 &&
	wait_until 30 agent_says other "^<--yolo>" &&
	expect_code 0 agbranch agent stop --session other --json && json_is .status stopped &&
	expect_code 0 agbranch agent start --session other --provider codex --json && json_is .provider codex &&
	wait_until 30 agent_says other "^<--dangerously-bypass-approvals-and-sandbox>" &&
	expect_code 0 agbranch agent stop other --json && json_is .status stopped &&
	expect_code 1 agbranch agent stop --session other feature-x &&
	grep "two sessions are named: .feature-x. and .other." err
'

test_expect_success 'sync-back feature-x --yes' '
	agbranch run feature-x -- sh -c "echo more >>file && git commit -qam more" &&
	expect_code 0 agbranch sync-back feature-x --yes &&
	test "$(git log -1 --format=%s agbranch/feature-x)" = more &&
	expect_code 0 agbranch sync-back --session feature-x --yes --json &&
	json_is .session feature-x && json_is .blocked false && json_is .patch_path null &&
	git bundle verify -q "$(jq -r .staged_path out)"
'

test_expect_success 'a dirty tree blocks: exit 3, staged bundle, --export-patch' '
	agbranch run feature-x -- sh -c "echo again >>file && git commit -qam again && echo dirty >>file" &&
	expect_code 3 agbranch sync-back feature-x --yes --json --export-patch ../salvage &&
	json_is .blocked true && json_is .patch_path "$(cd .. && pwd)/salvage" &&
	git bundle verify -q "$(jq -r .staged_path out)" &&
	git apply --check ../salvage &&
	test "$(git log -1 --format=%s agbranch/feature-x)" = more &&
	expect_code 3 agbranch close feature-x --sync --yes &&
	test "$(row lifecycle_state feature-x)" = running &&
	agbranch run feature-x -- git checkout -q -- file
'

test_expect_success 'run: exit status, login environment, workspace; run starts a stopped one' '
	expect_code 7 agbranch run --session feature-x -- sh -c "exit 7" &&
	expect_code 0 agbranch stop --session feature-x --json &&
	json_is .session feature-x && json_is .vm_name agbranch-feature-x && json_is .lifecycle_state stopped &&
	expect_code 0 agbranch run feature-x -- pwd &&
	test "$(cat out)" = /home/agent/workspaces/feature-x/repo &&
	expect_code 0 agbranch start feature-x --json && json_is .lifecycle_state running
'

test_expect_success 'ps, show, logs of all sources' '
	expect_code 0 agbranch ps --all --search feature --sort name --json && json_is ".[0].name" feature-x &&
	expect_code 0 agbranch ps -a --state closed --json && json_is ".[] | select (.name == \"scratch\") | .name" scratch &&
	expect_code 0 agbranch show feature-x --json && json_is .review_branch agbranch/feature-x &&
	for source in events provision sync guest kernel; do
		expect_code 0 agbranch logs feature-x --source $source --json &&
		json_is "map (.session) | unique | .[]" "$(jq -r "map (.session) | unique | .[]" out)" || return 1
	done &&
	expect_code 0 agbranch logs feature-x --json && json_is ".[0].source" events
'

test_expect_success 'watch --session, repair, gc --dry-run, kill' '
	{ agbranch watch --session other >watched & } && pid=$! &&
	wait_until 30 test -s watched &&
	expect_code 0 agbranch kill --session other --force --json &&
	json_is .session other && json_is .force true && json_is .vm_name agbranch-other &&
	expect_code 0 agbranch repair --session other --json && json_is .session other &&
	expect_code 0 agbranch close other --discard --yes && wait $pid &&
	head -n 1 watched | jq -e ".kind == \"snapshot\" and .session == \"other\"" &&
	expect_code 0 agbranch gc --dry-run --json && json_is "has (\"warnings\") and has (\"reclaimed_paths\")" true
'

test_expect_success 'the columns that outside tools read and write are there' '
	row "name, vm_name, session_mode, repo_sync_mode, host_context_path, guest_workspace_path, seed_host_path,
		host_git_root, host_head_oid_at_open, host_head_ref_at_open, host_dirty_at_open, base_ref, review_branch,
		session_ref_base, session_ref_head, provider_kind, imported_provider_files_json, guest_tmux_socket_path,
		shell_window_name, agent_window_name, agent_launch_preset, lifecycle_state, sync_state, lock_owner_pid,
		lock_operation, created_at, last_started_at, last_stopped_at, last_used_at, closed_at" feature-x >line &&
	grep -F "feature-x|agbranch-feature-x|repo|git_native|$PWD|/home/agent/workspaces/feature-x/repo||$PWD|" line &&
	grep -F "refs/heads/main|1|refs/heads/main|" line && grep -F "|agbranch/feature-x|refs/agbranch/sessions/feature-x/base|refs/agbranch/sessions/feature-x/head|claude-code|" line &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT id, session_name, direction, result, started_at, finished_at,
		staging_path, patch_path, error_text FROM sync_runs WHERE session_name = \"feature-x\"" >runs && test "$(wc -l <runs)" = 4 &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT id, session_name, at, level, kind, message
		FROM session_events WHERE session_name = \"feature-x\"" >events && test "$(wc -l <events)" -gt 4 &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "PRAGMA journal_mode")" = wal
'

test_expect_success 'the words of states are those of 0.1' '
	schema=$TEST_TOP/Documentation/schemas &&
	for word in preparing_base cloning starting seeding running stopped syncing staging applying destroying repairing error closed; do
		jq -e --arg word "$word" ".items.properties.lifecycle_state.enum | index (\$word)" "$schema/ps.schema.json" || return 1
	done &&
	for word in pending clean blocked error discarded; do
		jq -e --arg word "$word" ".items.properties.sync_state.enum | index (\$word)" "$schema/ps.schema.json" || return 1
	done &&
	for word in noop restart finish_destroy resumed rolled_back rebuilt blocked; do
		grep -F "\"$word\"" "$schema/repair.schema.json" || return 1
	done &&
	for word in live dead missing unknown; do
		jq -e --arg word "$word" "[.. | .state? | .enum? // empty] | flatten | index (\$word)" "$schema/show.schema.json" || return 1
	done &&
	agbranch show feature-x --json >out && json_is .sync_state blocked && json_is .repo_sync_mode git_native &&
	json_is .runtime.guest.shell_window.state live && json_is .runtime.guest.agent_window.state missing
'

test_expect_success 'the state root: where, closed to others, what is in it' '
	test "$(stat -c %a "$AGBRANCH_STATE_ROOT")" = 700 &&
	test -f "$AGBRANCH_STATE_ROOT/state.db" && test -d "$AGBRANCH_STATE_ROOT/staging" &&
	test -f "$AGBRANCH_STATE_ROOT/locks/feature-x.lock" && test -d "$AGBRANCH_STATE_ROOT/logs/feature-x" &&
	git bundle verify -q "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" \
		"SELECT staging_path FROM sync_runs WHERE session_name = \"feature-x\" ORDER BY id DESC LIMIT 1")" &&
	(
		cd "$HOME" && unset AGBRANCH_STATE_ROOT &&
		XDG_STATE_HOME=$HOME/xdg agbranch doctor --json >out && json_is .state_root "$HOME/xdg/agbranch" &&
		agbranch doctor --json >out && json_is .state_root "$HOME/.local/state/agbranch"
	)
'

test_expect_success 'in the guest: the identity of the host, no remote, its own name' '
	expect_code 0 agbranch run feature-x -- sh -c "git config user.name; git config user.email; git config commit.gpgsign
		git remote; echo \$AGBRANCH_SESSION; ls ~/.agbranch/tmux" &&
	printf "%s\n" "Test User" test@example.com false feature-x feature-x.sock >expected &&
	test_cmp expected out
'

test_expect_success 'an operator sets destroying by hand: repair finishes it' '
	agbranch launch --session doomed --json -q &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET lifecycle_state = \"destroying\" WHERE name = \"doomed\"" &&
	expect_code 0 agbranch repair doomed --json &&
	json_is .action finish_destroy && json_is .lifecycle_state closed
'

test_expect_success 'close feature-x --sync --yes brings the last commit and leaves nothing' '
	expect_code 0 agbranch close feature-x --sync --yes --json &&
	json_is .outcome sync && json_is .destroy_result destroyed &&
	test "$(git log -1 --format=%s agbranch/feature-x)" = again &&
	test -z "$(git for-each-ref refs/agbranch/sessions)" &&
	no_process_left && repo_is_sound .
'

# A server that ends still holds its socket for a moment: one for each.
term () {
	tmux -S "$TEST_TMP/term.$terminal" "$@"
}
term_has () {
	term capture-pane -p >screen && grep -q -- "$1" screen
}
cleanup 'for terminal in 1 2 3; do term kill-server 2>/dev/null; done'

test_expect_success 'on a terminal --agent attaches at once; -d and --json do not' '
	terminal=1 &&
	term -f /dev/null new-session -d -x 100 -y 30 "agbranch open --session seen --repo . --agent claude -q" &&
	wait_until 30 term_has "this is claude" &&
	expect_code 0 agbranch show seen --json && json_is .lifecycle_state running &&
	test "$(row "coalesce (lock_owner_pid, 0)" seen)" = 0 &&
	term kill-server &&
	agbranch close seen --discard --yes -q &&
	terminal=2 &&
	term -f /dev/null new-session -d -x 100 -y 30 "agbranch open --session unseen --repo . --agent claude -q -d; exec cat" &&
	wait_until 30 term_has "session unseen is running" &&
	wait_until 30 agent_says unseen "this is claude" &&
	! term_has "this is claude" &&
	term kill-server &&
	agbranch close unseen --discard --yes -q &&
	terminal=3 &&
	term -f /dev/null new-session -d -x 100 -y 30 "agbranch open --session object --repo . --agent claude -q --json; exec cat" &&
	wait_until 30 term_has "\"lifecycle_state\": *\"running\"" && ! term_has "this is claude" &&
	term kill-server &&
	agbranch close object --discard --yes -q
'

test_done
