#!/bin/sh
test_description='hooks: guards that are put into a repository and taken out again'
. ./t/lib/test-lib.sh

# A row of the catalog as `open` leaves it, without a guest.
live_session () {
	git -C "$1" agbranch hooks run post-checkout </dev/null &&
	common=$(cd "$1" && git rev-parse --path-format=absolute --git-common-dir) &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "INSERT INTO sessions (name, vm_name, session_mode,
		repo_sync_mode, host_context_path, guest_workspace_path, review_branch, lifecycle_state,
		sync_state, created_at, git_common_dir)
		VALUES ('$2', 'agbranch-$2', 'repo', 'git_native', '$common', '/home/agent/workspaces/$2/repo',
		'agbranch/$2', 'running', 'pending', '2026-01-01T00:00:00Z', '$common')"
}

test_expect_success 'setup' '
	make_repo repo &&
	git init -q --bare remote.git &&
	git -C repo remote add origin ../remote.git &&
	git -C repo update-ref refs/agbranch/sessions/live/base HEAD &&
	git -C repo branch agbranch/live &&
	git -C repo branch agbranch/old &&
	live_session repo live
'

test_expect_success 'status before: missing' '
	expect_code 0 git -C repo agbranch hooks status --json &&
	json_is length 3 &&
	json_is "map(.state) | unique | .[]" missing &&
	json_is ".[0].hook" reference-transaction
'

test_expect_success 'install, and again' '
	expect_code 0 git -C repo agbranch hooks install &&
	grep -c installed out &&
	test -x repo/.git/hooks/pre-push &&
	find repo/.git/hooks -type f ! -name "*.sample" -exec cksum {} + | sort >before &&
	expect_code 0 git -C repo agbranch hooks install --json &&
	json_is "map(.state) | unique | .[]" installed &&
	json_is "map(.chained) | any" false &&
	find repo/.git/hooks -type f ! -name "*.sample" -exec cksum {} + | sort >after &&
	test_cmp before after
'

test_expect_success 'a ref of ours cannot be deleted by accident' '
	test_must_fail git -C repo update-ref -d refs/agbranch/sessions/live/base 2>err &&
	grep "^fatal: .refs/agbranch/sessions/live/base. is kept for git agbranch" err &&
	grep "^hint: " err &&
	git -C repo rev-parse --verify -q refs/agbranch/sessions/live/base
'

test_expect_success 'nor the review branch of a live session' '
	test_must_fail git -C repo branch -D agbranch/live 2>err &&
	grep "is the review branch of the live session .live." err &&
	git -C repo rev-parse --verify -q refs/heads/agbranch/live
'

test_expect_success 'others can, and with AGBRANCH_HOOKS=off all' '
	git -C repo branch -D agbranch/old &&
	git -C repo branch topic &&
	git -C repo branch -D topic &&
	git -C repo update-ref refs/agbranch/rescue/x/1 HEAD &&
	AGBRANCH_HOOKS=off git -C repo update-ref -d refs/agbranch/rescue/x/1
'

test_expect_success 'gc and pack-refs are not in the way, packed refs are guarded too' '
	git -C repo pack-refs --all --prune &&
	git -C repo gc -q &&
	grep "refs/heads/agbranch/live$" repo/.git/packed-refs &&
	test ! -e repo/.git/refs/heads/agbranch/live &&
	test_must_fail git -C repo update-ref -d refs/agbranch/sessions/live/base &&
	test_must_fail git -C repo update-ref -d refs/agbranch/sessions/live/base HEAD &&
	test_must_fail git -C repo branch -D agbranch/live &&
	git -C repo rev-parse -q --verify agbranch/live
'

test_expect_success 'a mirror push is refused before anything is sent' '
	test_must_fail git -C repo push --mirror origin 2>err &&
	grep "^fatal: .refs/agbranch/sessions/live/base. is of this repository only" err &&
	git -C remote.git for-each-ref >refs &&
	test_must_be_empty refs
'

test_expect_success 'branches can be pushed, also a review branch' '
	git -C repo push -q origin main agbranch/live &&
	git -C remote.git for-each-ref --format="%(refname)" >refs &&
	printf "%s\n" refs/heads/agbranch/live refs/heads/main >expected &&
	test_cmp expected refs
'

test_expect_success 'a checkout of the review branch is said and logged, another is not' '
	git -C repo checkout -q agbranch/live 2>err &&
	grep "session .live. cannot sync while its review branch is checked out" err &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" \
		"SELECT kind FROM session_events WHERE session_name = '\''live'\''" >events &&
	echo review_branch_checked_out >expected &&
	test_cmp expected events &&
	git -C repo checkout -q main 2>err &&
	test_must_be_empty err
'

test_expect_success 'remove, and again' '
	expect_code 0 git -C repo agbranch hooks remove --json &&
	json_is "map(.state) | unique | .[]" missing &&
	expect_code 0 git -C repo agbranch hooks remove &&
	find repo/.git/hooks -type f ! -name "*.sample" >left &&
	test_must_be_empty left
'

test_expect_success 'a hook that is there is called by ours, with its arguments and its input' '
	make_repo chained &&
	cat >chained/.git/hooks/reference-transaction <<-\END &&
	#!/bin/sh
	{ echo "$1"; cat; } >>seen
	END
	chmod +x chained/.git/hooks/reference-transaction &&
	cp chained/.git/hooks/reference-transaction original &&
	expect_code 0 git -C chained agbranch hooks install --json &&
	json_is ".[0].chained" true &&
	git -C chained branch topic &&
	grep "^prepared$" chained/seen &&
	grep "^committed$" chained/seen &&
	grep " refs/heads/topic$" chained/seen
'

test_expect_success 'what the hook that was there refuses stays refused' '
	printf "#!/bin/sh\nexit 1\n" >chained/.git/hooks/reference-transaction.before-agbranch &&
	test_must_fail git -C chained branch other &&
	cp original chained/.git/hooks/reference-transaction.before-agbranch
'

test_expect_success 'remove puts it back' '
	expect_code 0 git -C chained agbranch hooks remove --json &&
	json_is ".[0].state" other &&
	test_cmp original chained/.git/hooks/reference-transaction &&
	test -x chained/.git/hooks/reference-transaction &&
	test ! -e chained/.git/hooks/reference-transaction.before-agbranch
'

test_expect_success 'a hook that cannot be kept is not overwritten' '
	printf "#!/bin/sh\nexit 0\n" >chained/.git/hooks/pre-push.before-agbranch &&
	cp original chained/.git/hooks/pre-push &&
	expect_code 1 git -C chained agbranch hooks install &&
	grep "^hint: join the two" err &&
	test_cmp original chained/.git/hooks/pre-push
'

test_expect_success 'another program writes over ours: that stays, and what was there before is named' '
	rm -f chained/.git/hooks/pre-push* && printf "#!/bin/sh\necho before\n" >chained/.git/hooks/pre-push &&
	chmod +x chained/.git/hooks/pre-push && cp chained/.git/hooks/pre-push before-ours &&
	expect_code 0 git -C chained agbranch hooks install --json && json_is ".[1].chained" true &&
	cp original chained/.git/hooks/pre-push &&
	expect_code 0 git -C chained agbranch hooks status --json && json_is ".[1].state" other && json_is ".[1].chained" false &&
	expect_code 0 git -C chained agbranch hooks remove &&
	grep "^note: .*/pre-push. is not ours any more and stays; what was there before ours is .*/pre-push.before-agbranch.$" err &&
	test_cmp original chained/.git/hooks/pre-push && test_cmp before-ours chained/.git/hooks/pre-push.before-agbranch &&
	mv chained/.git/hooks/pre-push.before-agbranch chained/.git/hooks/pre-push &&
	expect_code 0 git -C chained agbranch hooks remove && test_must_be_empty err && rm chained/.git/hooks/pre-push
'

test_expect_success 'a hook that is a link, and one that git does not run, come back as they were' '
	mkdir chained/scripts && cp before-ours chained/scripts/push && ln -s ../../scripts/push chained/.git/hooks/pre-push &&
	printf "#!/bin/sh\ntouch ran\n" >chained/.git/hooks/post-checkout && chmod -x chained/.git/hooks/post-checkout &&
	expect_code 0 git -C chained agbranch hooks install && git -C chained push -q ../remote.git HEAD:refs/heads/linked 2>err >out &&
	cat out err | grep -x before && git -C chained checkout -q -b unseen && test ! -e chained/ran &&
	expect_code 0 git -C chained agbranch hooks remove &&
	test "$(readlink chained/.git/hooks/pre-push)" = ../../scripts/push &&
	test "$(cat chained/.git/hooks/post-checkout)" = "$(printf "#!/bin/sh\ntouch ran")" && test ! -x chained/.git/hooks/post-checkout
'

test_expect_success 'core.hooksPath is respected' '
	make_repo shared &&
	git -C shared config core.hooksPath "$PWD/hooks of mine" &&
	expect_code 0 git -C shared agbranch hooks install &&
	grep "core.hooksPath is .*hooks of mine" err &&
	test -x "hooks of mine/pre-push" &&
	test ! -e shared/.git/hooks/pre-push &&
	git -C shared update-ref refs/agbranch/sessions/x/base HEAD &&
	test_must_fail git -C shared update-ref -d refs/agbranch/sessions/x/base &&
	expect_code 0 git -C shared agbranch hooks remove &&
	test ! -e "hooks of mine/pre-push"
'

test_expect_success 'in a linked worktree and in a bare repository' '
	git -C repo worktree add -q ../linked &&
	expect_code 0 git -C linked agbranch hooks install &&
	test -x repo/.git/hooks/pre-push &&
	expect_code 0 git -C linked agbranch hooks remove &&
	expect_code 0 git -C remote.git agbranch hooks install &&
	test -x remote.git/hooks/pre-push
'

test_expect_success 'killed at any step, the hook that was there is still called, and install ends it' '
	make_repo killed &&
	for n in 1 2 3 4; do
		rm -f killed/.git/hooks/* killed/seen &&
		cp original killed/.git/hooks/reference-transaction &&
		AGB_FAIL_AT=$n:kill git -C killed agbranch hooks install >/dev/null 2>&1
		git -C killed branch "topic-$n" &&
		grep -q "topic-$n" killed/seen &&
		expect_code 0 git -C killed agbranch hooks install --json &&
		json_is "map(.state) | unique | .[]" installed &&
		expect_code 0 git -C killed agbranch hooks remove &&
		test_cmp original killed/.git/hooks/reference-transaction || return 1
	done
'

test_expect_success 'without git-agbranch in PATH git works as before' '
	expect_code 0 git -C repo agbranch hooks install &&
	PATH=/usr/bin:/bin git -C repo update-ref refs/agbranch/sessions/gone/base HEAD &&
	PATH=/usr/bin:/bin git -C repo update-ref -d refs/agbranch/sessions/gone/base
'

test_expect_success 'what is wrong to say is said' '
	expect_code 129 git -C repo agbranch hooks &&
	expect_code 129 git -C repo agbranch hooks nonsense &&
	expect_code 129 git -C repo agbranch hooks install twice && grep "^error: unexpected operand .twice." err &&
	expect_code 1 git -C repo agbranch hooks run nonsense </dev/null &&
	expect_code 1 git agbranch hooks status
'

test_expect_success 'our own commands pass the guards: open, sync, close, gc' '
	make_repo own && cd own && git agbranch hooks install -q &&
	git agbranch open guarded -q && agent_commit guarded file text &&
	expect_code 0 git agbranch sync guarded &&
	agent_commit guarded file more &&
	expect_code 0 git agbranch close guarded --discard --yes &&
	test -z "$(git for-each-ref refs/agbranch/sessions)" &&
	git rev-parse -q --verify refs/agbranch/rescue/guarded/1 &&
	expect_code 0 git -c agbranch.rescueDays=0 -c agbranch.syncRefDays=0 agbranch gc
'

test_done
