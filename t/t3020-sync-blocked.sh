#!/bin/sh
test_description='sync: what blocks it; nothing moves, everything is salvaged'
. ./t/lib/test-lib.sh

# blocked REASON COMMAND…: exit 3 with that reason, refs as before, a bundle that verifies.
blocked () {
	reason=$1
	shift
	all_refs . >before &&
	expect_code 3 "$@" --json &&
	json_is .blocked true &&
	json_is .reason "$reason" &&
	jq -e '.hint | length > 0' out >/dev/null &&
	git bundle verify -q "$(jq -r .staged_path out)" &&
	all_refs . >after &&
	test_cmp before after &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" \
		"SELECT sync_state, lifecycle_state FROM sessions WHERE name = 'one'")" = 'blocked|running' &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" \
		"SELECT result FROM sync_runs ORDER BY id DESC LIMIT 1")" = blocked
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q &&
	agent_commit one file one-more
'

test_expect_success 'changes that are not committed' '
	git agbranch run one -- sh -c "echo dirty >>sub/other && echo new >new" &&
	blocked guest_dirty git agbranch sync one --export-patch "$(pwd)/../patch" &&
	json_is .patch_path "$(cd .. && pwd)/patch" &&
	json_is "(.message | test(\"1 changed, 1 untracked\"))" true &&
	git apply --check ../patch &&
	test "$(git bundle list-heads "$(jq -r .staged_path out)" | cut -d" " -f1)" = \
		"$(git agbranch run one -- git rev-parse HEAD)"
'

test_expect_success 'said to people on stderr, with the command' '
	expect_code 3 git agbranch sync one &&
	test_must_be_empty out &&
	grep "^blocked: " err &&
	grep "^nothing moved; the commits are staged in " err &&
	grep "^hint: .*git agbranch sync one --include-dirty" err
'

test_expect_success '--include-dirty commits them and goes on' '
	expect_code 0 git agbranch sync one --include-dirty &&
	test "$(git log -1 --format=%s agbranch/one)" = "Include uncommitted changes" &&
	test "$(git show agbranch/one:new)" = new &&
	git agbranch run one -- git status --porcelain >status &&
	test_must_be_empty status
'

test_expect_success 'untracked files alone block too; ignored ones do not' '
	git agbranch run one -- sh -c "echo x >only" &&
	blocked guest_dirty git agbranch sync one &&
	git agbranch run one -- sh -c "rm only; echo \"*.o\" >.gitignore; git add .; git commit -qm ignore; echo >x.o" &&
	expect_code 0 git agbranch sync one &&
	git agbranch run one -- rm x.o
'

test_expect_success 'a merge under way blocks' '
	git agbranch run one -- sh -c "git switch -qc other HEAD~1 && echo a >>c && git add c && git commit -qm c &&
		git switch -q agbranch/one && git merge -q --no-commit --no-ff other" &&
	blocked guest_dirty git agbranch sync one &&
	git agbranch run one -- git merge --abort
'

test_expect_success 'HEAD on another branch, detached, unborn' '
	git agbranch run one -- git switch -qc elsewhere &&
	git agbranch run one -- sh -c "echo x >x" &&
	blocked guest_off_branch git agbranch sync one --include-dirty &&
	git agbranch run one -- rm x &&
	blocked guest_off_branch git agbranch sync one &&
	json_is "(.message | test(\"on refs/heads/elsewhere, not on agbranch/one\"))" true &&
	git agbranch run one -- git switch -q --detach &&
	blocked guest_off_branch git agbranch sync one &&
	git agbranch run one -- git switch -q --orphan empty &&
	blocked guest_off_branch git agbranch sync one &&
	hint=$(jq -r .hint out) &&
	eval "$hint" &&
	expect_code 0 git agbranch sync one
'

# row 9
test_expect_success 'a branch name with escapes is shown escaped' '
	git agbranch run one -- git symbolic-ref HEAD "refs/heads/$(printf "x\302\233y")" &&
	expect_code 3 git agbranch sync one &&
	! grep "$(printf "\302\233")" err &&
	git agbranch run one -- git symbolic-ref HEAD refs/heads/agbranch/one
'

# no row
test_expect_success 'synced history rewritten in the guest' '
	git agbranch run one -- git rev-parse HEAD >kept &&
	git agbranch run one -- git commit -q --amend --allow-empty -m rewritten &&
	blocked guest_rewritten git agbranch sync one &&
	git agbranch run one -- git reset -q --hard HEAD^ &&
	blocked guest_rewritten git agbranch sync one &&
	git agbranch run one -- git reset -q --hard "$(cat kept)" &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'the hint for a rewrite leads on' '
	agent_commit one file again &&
	git agbranch sync one -q &&
	git agbranch run one -- git commit -q --amend -m other &&
	git agbranch run one -- sh -c "echo late >>file; git commit -qam late" &&
	blocked guest_rewritten git agbranch sync one &&
	command=$(jq -r .hint out | sed "s/^put the new state on top of it: //; s/, then git agbranch sync one$//") &&
	eval "$command" &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'the review branch moved on the host' '
	agent_commit one file further &&
	head=$(git rev-parse agbranch/one) &&
	git update-ref refs/heads/agbranch/one "$(git commit-tree -p agbranch/one -m host "agbranch/one^{tree}")" &&
	blocked host_moved git agbranch sync one &&
	git update-ref -d refs/heads/agbranch/one &&
	blocked host_moved git agbranch sync one &&
	json_is "(.message | test(\"deleted\"))" true &&
	git branch agbranch/one "$head" &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'a branch of that name made between open and the first sync' '
	git agbranch open two -q &&
	agent_commit two file two &&
	git branch agbranch/two main~1 &&
	all_refs . >before &&
	expect_code 3 git agbranch sync two --json &&
	json_is .reason host_moved &&
	all_refs . >after &&
	test_cmp before after &&
	eval "$(jq -r .hint out | sed "s/^give it another name: //")" &&
	expect_code 0 git agbranch sync two &&
	git agbranch close two --discard --yes -q
'

test_expect_success 'the review branch is checked out in a work tree' '
	agent_commit one file checked &&
	git worktree add -q "../re view" agbranch/one &&
	blocked checked_out git agbranch sync one &&
	hint=$(jq -r .hint out | sed "s/, then .*//") &&
	eval "$hint" &&
	expect_code 0 git agbranch sync one
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	repo_is_sound . &&
	no_process_left
'

test_done
