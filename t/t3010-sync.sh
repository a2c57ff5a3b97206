#!/bin/sh
test_description='sync: commits onto the review branch, only forward'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q
'

test_expect_success 'nothing to sync is success, with a bundle' '
	expect_code 0 git agbranch sync one --json &&
	json_is .blocked false &&
	json_is .session one &&
	json_is .patch_path null &&
	git bundle verify -q "$(jq -r .staged_path out)" &&
	test_must_fail git rev-parse -q --verify refs/heads/agbranch/one
'

test_expect_success 'commits arrive as they are; three refs move' '
	agent_commit one file text "by the agent" &&
	git agbranch run one -- git rev-parse HEAD >guest &&
	all_refs . >before &&
	expect_code 0 git agbranch sync one --json &&
	json_is .blocked false &&
	json_is .commits 1 &&
	json_is .sync_number 1 &&
	git bundle verify -q "$(jq -r .staged_path out)" &&
	git rev-parse agbranch/one >host && test_cmp guest host &&
	git rev-parse refs/agbranch/sync/one/1 >host && test_cmp guest host &&
	git rev-parse refs/agbranch/sessions/one/head >host && test_cmp guest host &&
	all_refs . >after &&
	test "$(comm -3 before after | wc -l)" -eq 4 &&
	test -z "$(git status --porcelain --untracked-files=no)" &&
	repo_is_sound .
'

test_expect_success 'sync-back is the same command; a later sync goes on' '
	agent_commit one file more &&
	expect_code 0 git agbranch sync-back one --yes &&
	grep "^agbranch/one: [0-9a-f]*\.\.[0-9a-f]*, 1 commit (sync 2)" out &&
	git rev-parse refs/agbranch/sync/one/2
'

test_expect_success 'the catalog has runs and events' '
	db "SELECT result, number, direction FROM sync_runs WHERE session_name = '\''one'\'' ORDER BY id" >runs &&
	printf "nothing|0|guest_to_host\nsynced|1|guest_to_host\nsynced|2|guest_to_host\n" >expected &&
	test_cmp expected runs &&
	test "$(db "SELECT count(*) FROM session_events WHERE kind = '\''synced'\''")" = 3 &&
	test "$(db "SELECT sync_state, lifecycle_state FROM sessions")" = "clean|running" &&
	test "$(db "SELECT count(*) FROM operations")" = 0
'

test_expect_success 'what was synced lies in packs, without .keep' '
	agent_commit one file third &&
	git agbranch sync one -q &&
	test "$(ls .git/objects/pack/*.pack | wc -l)" -eq 3 &&
	! ls .git/objects/pack/*.keep 2>/dev/null &&
	repo_is_sound .
'

test_expect_success 'the hook pre-sync sees the commits and may refuse: exit 9, nothing moved' '
	test_when_finished "rm -f .git/hooks/pre-sync" &&
	cat >.git/hooks/pre-sync <<-\EOF &&
	#!/bin/sh
	read old new ref
	echo "$old $new $ref" >"$HOOK_OUT"
	git cat-file -e "$new" && git log -1 --format=%s "$new" >>"$HOOK_OUT"
	echo "not today" >&2
	exit 1
	EOF
	chmod +x .git/hooks/pre-sync &&
	agent_commit one file fourth "for the hook" &&
	all_refs . >before &&
	expect_code 9 env HOOK_OUT="$(pwd)/hook-out" git agbranch sync one &&
	grep "not today" err &&
	grep "for the hook" hook-out &&
	all_refs . >after &&
	test_cmp before after &&
	test "$(db "SELECT sync_state FROM sessions")" = error &&
	repo_is_sound .
'

test_expect_success 'the next sync without it brings them' '
	expect_code 0 git agbranch sync one &&
	test "$(git log -1 --format=%s agbranch/one)" = "for the hook" &&
	test "$(db "SELECT sync_state FROM sessions")" = clean
'

test_expect_success 'merge commits, deletions, modes and binary files arrive' '
	git agbranch run one -- sh -c "
		git switch -qc side && printf \"\\0\\1\" >bin && git add bin && git commit -qm bin &&
		git switch -q agbranch/one && git rm -q sub/other && printf \"#!/bin/sh\\n\" >x && chmod +x x &&
		git add x && git commit -qm x && git merge -q --no-edit side" &&
	git agbranch run one -- git rev-parse HEAD HEAD^{tree} >guest &&
	git agbranch sync one -q &&
	git rev-parse agbranch/one "agbranch/one^{tree}" >host &&
	test_cmp guest host &&
	repo_is_sound .
'

test_expect_success 'a stopped session is started first' '
	git agbranch stop one -q &&
	expect_code 0 git agbranch sync one &&
	test "$(db "SELECT lifecycle_state FROM sessions")" = running
'

test_expect_success 'from anywhere by name; without a name only in its repository' '
	agent_commit one file fifth &&
	expect_code 0 git -C "$HOME" agbranch sync one &&
	agent_commit one file sixth &&
	expect_code 0 git agbranch sync &&
	mkdir ../plain &&
	expect_code 1 git -C ../plain agbranch sync &&
	grep "no session is named" err
'

test_expect_success 'with two sessions in a repository a name is needed' '
	git agbranch open two -q &&
	expect_code 1 git agbranch sync &&
	grep "hint: name one of: " err &&
	git agbranch close two --discard --yes -q
'

test_expect_success 'numbers go on after a close' '
	last=$(git for-each-ref --format="%(refname:lstrip=4)" refs/agbranch/sync/one | sort -n | tail -n 1) &&
	git agbranch close one --sync --yes -q &&
	git branch -q -m agbranch/one done &&
	git agbranch open one -q &&
	agent_commit one file again &&
	expect_code 0 git agbranch sync one --json &&
	json_is .sync_number $((last + 1)) &&
	test "$(git rev-parse agbranch/one^)" = "$(git rev-parse main)"
'

test_expect_success 'an unknown and a closed session are exit 1' '
	expect_code 1 git agbranch sync nobody &&
	git agbranch close one --discard --yes -q &&
	expect_code 1 git agbranch sync one &&
	grep "is closed" err
'

test_expect_success 'nothing is left' '
	repo_is_sound . &&
	no_process_left
'

test_done
