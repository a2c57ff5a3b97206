#!/bin/sh
test_description='a session that was killed, or whose machine was started anew, comes back with start'
. ./t/lib/test-lib.sh

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q -- sh -c "echo agent >agent-was-here; exec sleep 1000" &&
	agent_commit one file text &&
	git agbranch run one -- sh -c "echo unsaved >draft" &&
	folder=$AGBRANCH_STATE_ROOT/bwrap/agbranch-one
'

# What must be true after the session came back: commits, files, windows, and a sync.
is_back () {
	git agbranch run one -- cat draft >../draft && test "$(cat ../draft)" = unsaved &&
	git agbranch show one --json >../show &&
	json_is .lifecycle_state running ../show &&
	json_is .runtime.guest.shell_window.state live ../show &&
	test "$(pgrep -fc -- "agbranch-keeper $AGBRANCH_STATE_ROOT agbranch-one$")" = 1 &&
	git agbranch run one -- rm draft &&
	git agbranch run one -- git clean -fdq &&
	git agbranch sync one -q &&
	test "$(git rev-parse agbranch/one)" = "$(git agbranch run one -- git rev-parse HEAD)" &&
	git agbranch run one -- sh -c "echo unsaved >draft"
}

test_expect_success 'the keeper is killed' '
	pkill -KILL -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT agbranch-one$" &&
	expect_code 0 git agbranch start one -q &&
	is_back
'

test_expect_success 'kill -9 of all that is in it, from inside' '
	agent_commit one file inside &&
	{ git agbranch run one -- sh -c "kill -9 -1" || :; } &&
	expect_code 0 git agbranch start one -q &&
	is_back
'

test_expect_success 'everything of it is killed from outside at once' '
	agent_commit one file outside &&
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT" &&
	wait_until 30 no_process_left 2>/dev/null &&
	expect_code 0 git agbranch start one -q &&
	is_back
'

test_expect_success 'git was in the middle of it: its locks go, other files stay, and it is told' '
	git agbranch run one -- sh -c "cd .git && touch index.lock HEAD.lock refs/heads/main.lock info/notes.txt" &&
	test_must_fail git agbranch run one -- git commit -q --allow-empty -m "in the way" &&
	expect_code 0 git agbranch start one -q &&
	git agbranch run one -- test -e .git/index.lock &&
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT" &&
	wait_until 30 no_process_left 2>/dev/null &&
	expect_code 0 git agbranch start one -q &&
	git agbranch run one -- git commit -q --allow-empty -m "not in the way" &&
	git agbranch run one -- test -e .git/info/notes.txt &&
	git agbranch logs one >../log && grep "3 lock files of a git that was ended with the guest" ../log &&
	is_back
'

# After a boot no process of before lives, and numbers may be taken by others: every identity on disk has
# the old boot_id, and a number that lives now.
test_expect_success 'the machine was started anew' '
	agent_commit one file boot &&
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT" &&
	wait_until 30 no_process_left 2>/dev/null &&
	boot=$(cat /proc/sys/kernel/random/boot_id) &&
	grep -rlI --include="*" -e "$boot" "$AGBRANCH_STATE_ROOT" --exclude-dir=home --exclude="state.db*" >../holds &&
	test -s ../holds &&
	while IFS= read -r file; do
		sed -i "s/^[0-9]* \([0-9]*\) $boot/$$ \1 00000000-0000-4000-8000-000000000000/" "$file" || return 1
	done <../holds &&
	find "$folder" -maxdepth 2 -type s -exec test -e {} \; &&
	expect_code 0 git agbranch ps --json && 
	expect_code 0 git agbranch start one -q &&
	is_back
'

test_expect_success 'the same through repair, for all' '
	agent_commit one file again &&
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT" &&
	wait_until 30 no_process_left 2>/dev/null &&
	expect_code 1 git agbranch doctor --json &&
	jq -r ".checks[] | select(.level == \"problem\") | [.check, .message, .fix] | join(\"|\")" out >problems &&
	echo "guests|the guest of session '\''one'\'' has ended without a stop (stopped)|git agbranch repair one" >expected &&
	test_cmp expected problems &&
	expect_code 0 git agbranch repair --all --json -q &&
	json_is "map(.action) | join(\",\")" restart &&
	expect_code 0 git agbranch doctor --json -q &&
	rm problems expected out err &&
	is_back
'

test_expect_success 'nothing is left' '
	git agbranch run one -- rm draft &&
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
