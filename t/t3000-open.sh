#!/bin/sh
test_description='open: a session on a repository, and what refuses before anything is made'
. ./t/lib/test-lib.sh

keys='session vm_name lifecycle_state repo_host_path repo_guest_path phases'

nothing_made () {
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" \
		"SELECT count(*) FROM sessions WHERE name = '$1' AND lifecycle_state <> 'closed'")" = 0 &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" 'SELECT count(*) FROM operations')" = 0 &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-$1"
}

test_expect_success 'set up' '
	make_repo repo
'

test_expect_success 'open: JSON, row, refs; the host stays as it was' '
	expect_code 0 git -C repo agbranch open one --json --quiet &&
	(
		cd repo && mv ../out ../err . &&
		for key in '"$keys"'; do
			jq -e --arg key "$key" "has(\$key)" out >/dev/null || fail "no $key" || return 1
		done &&
		json_is .session one &&
		json_is .vm_name agbranch-one &&
		json_is .lifecycle_state running &&
		json_is .repo_host_path "$(pwd)" &&
		json_is .repo_guest_path /home/agent/workspaces/one/repo &&
		json_is ".phases | length > 2" true &&
		rm out err &&
		test "$(git rev-parse refs/agbranch/sessions/one/base)" = "$(git rev-parse HEAD)" &&
		test "$(git rev-parse refs/agbranch/sessions/one/head)" = "$(git rev-parse HEAD)" &&
		test_must_fail git rev-parse -q --verify refs/heads/agbranch/one &&
		test -z "$(git status --porcelain)" &&
		test "$(git symbolic-ref HEAD)" = refs/heads/main
	) &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT session_mode, repo_sync_mode, lifecycle_state, sync_state,
		review_branch, host_head_oid_at_open, host_head_ref_at_open, host_dirty_at_open
		FROM sessions WHERE name = '\''one'\''" >row &&
	echo "repo|git_native|running|pending|agbranch/one|$(git -C repo rev-parse HEAD)|refs/heads/main|0" >expected &&
	test_cmp expected row
'

test_expect_success 'the clone: branch, base, identity, no remote, clean' '
	git agbranch run one -- git symbolic-ref HEAD >branch &&
	git agbranch run one -- git rev-parse HEAD >head &&
	git agbranch run one -- git config user.email >email &&
	git agbranch run one -- git config commit.gpgsign >sign &&
	git agbranch run one -- git config core.fsync >fsync &&
	echo committed,reference >expected && test_cmp expected fsync &&
	git agbranch run one -- git remote >remotes &&
	git agbranch run one -- git status --porcelain >status &&
	git agbranch run one -- git fsck --strict &&
	echo refs/heads/agbranch/one >expected && test_cmp expected branch &&
	git -C repo rev-parse HEAD >expected && test_cmp expected head &&
	echo test@example.com >expected && test_cmp expected email &&
	echo false >expected && test_cmp expected sign &&
	test_must_be_empty remotes &&
	test_must_be_empty status
'

test_expect_success 'a name is taken, also from another repository, and it is said where' '
	make_repo other &&
	expect_code 1 git -C repo agbranch open one &&
	grep "session .one. is open already (running), in .*/repo" err &&
	grep "hint: .*git agbranch close one" err &&
	expect_code 1 git -C other agbranch open one &&
	grep "in .*/repo" err
'

# row 8
test_expect_success 'what a name may be' '
	expect_code 129 git -C repo agbranch open &&
	for name in Upper a..b list 123 a/b .x $(printf "%049d" 1 | tr 0 a); do
		expect_code 1 git -C repo agbranch open "$name" || return 1
	done
'

# no row
test_expect_success 'an unknown base, an unborn HEAD, no repository: exit 1, nothing made' '
	expect_code 1 git -C repo agbranch open two --base nonsense &&
	grep nonsense err &&
	git init -q unborn &&
	expect_code 1 git -C unborn agbranch open two &&
	grep "^hint:" err &&
	mkdir plain &&
	expect_code 1 git -C plain agbranch open two &&
	nothing_made two
'

test_expect_success 'no identity: exit 1 with the command, nothing made' '
	test_when_finished "git config --global user.email test@example.com" &&
	git config --global --unset user.email &&
	expect_code 1 git -C repo agbranch open two &&
	grep "user.email is not set" err &&
	grep "hint: git config --global user.email" err &&
	nothing_made two
'

test_expect_success 'agbranch.identity is used instead' '
	git -C repo -c agbranch.identity.name="An \"odd\" \\ name" -c agbranch.identity.email=agent@example.com \
		agbranch open ident -q &&
	git agbranch run ident -- git config user.name >name &&
	echo "An \"odd\" \\ name" >expected &&
	test_cmp expected name &&
	git agbranch close ident --discard --yes -q
'

test_expect_success 'a dirty work tree stays behind, and one line says so' '
	test_when_finished "git -C repo checkout -q . && rm -f repo/new" &&
	echo changed >>repo/file && echo new >repo/new &&
	expect_code 0 git -C repo agbranch open dirty --json &&
	json_is .host_dirty true &&
	grep "uncommitted changes of .*/repo. and untracked files stay behind" err &&
	git agbranch run dirty -- git status --porcelain >status &&
	test_must_be_empty status &&
	git agbranch close dirty --discard --yes -q
'

test_expect_success '--base and --repo' '
	git -C repo tag v1 HEAD^ &&
	git agbranch open --repo repo --base v1 older -q &&
	git agbranch run older -- git rev-parse HEAD >head &&
	git -C repo rev-parse v1 >expected &&
	test_cmp expected head &&
	git agbranch close older --discard --yes -q
'

test_expect_success '--repo with an address is exit 1 with the commands' '
	for url in https://example.com/x.git git://example.com/x.git git@example.com:x.git ssh://example.com/x; do
		expect_code 1 git agbranch open --repo "$url" two &&
		grep "hint: git clone $url <dir> && git agbranch open --repo <dir> two" err &&
		grep "git agbranch open --clone $url two" err || return 1
	done &&
	nothing_made two
'

test_expect_success '--clone keeps a bare clone, --ref picks, and fetches anew' '
	git agbranch open --clone "file://$(pwd)/repo" --ref v1 cloned -q &&
	git agbranch run cloned -- git rev-parse HEAD >head &&
	git -C repo rev-parse v1 >expected &&
	test_cmp expected head &&
	agent_commit cloned file more &&
	git agbranch sync cloned -q &&
	git agbranch close cloned --discard --yes -q &&
	clone=$(ls -d "$AGBRANCH_STATE_ROOT"/clones/repo-*.git) &&
	git --git-dir="$clone" rev-parse -q --verify agbranch/cloned &&
	git -C repo commit -q --allow-empty -m third &&
	git agbranch open --clone "file://$(pwd)/repo" again -q &&
	git agbranch run again -- git rev-parse HEAD >head &&
	git -C repo rev-parse HEAD >expected &&
	test_cmp expected head &&
	git --git-dir="$clone" rev-parse -q --verify agbranch/cloned &&
	git agbranch close again --discard --yes -q
'

test_expect_success 'an old review branch: not merged refuses, merged is taken forward' '
	git -C repo branch agbranch/old HEAD &&
	git -C repo branch -f agbranch/old "$(git -C repo commit-tree -p HEAD -m apart "HEAD^{tree}")" &&
	expect_code 1 git -C repo agbranch open old &&
	grep "branch .agbranch/old. is left from an earlier session" err &&
	grep "git branch -m agbranch/old <name>" err &&
	nothing_made old &&
	git -C repo branch -f agbranch/old HEAD^ &&
	git -C repo agbranch open old -q &&
	agent_commit old file text &&
	expect_code 0 git agbranch sync old &&
	test "$(git -C repo rev-parse agbranch/old^)" = "$(git -C repo rev-parse HEAD)" &&
	git agbranch close old --discard --yes -q
'

test_expect_success 'an agent runs in its window; a prompt needs a profile' '
	git -C repo agbranch open agent -q --env WORD=hello -- \
		sh -c "echo \$WORD >>file && git commit -qam by-agent && exec sleep 600" &&
	wait_until 30 sh -c "git agbranch run agent -- git log --format=%s -1 | grep -q by-agent" &&
	git agbranch sync agent -q &&
	git -C repo show agbranch/agent:file | grep hello &&
	git agbranch close agent --discard --yes -q &&
	expect_code 1 git -C repo agbranch open two --prompt x &&
	expect_code 1 git -C repo agbranch open two --agent nobody &&
	nothing_made two
'

test_expect_success 'an error on the way undoes everything' '
	: >points &&
	AGB_FAIL_LIST=$(pwd)/points git -C repo agbranch open three -q &&
	git agbranch close three --discard --yes -q &&
	all_refs repo >before &&
	number=$(grep -n "journal: open tmux" points | head -n 1 | cut -d: -f1) &&
	test -n "$number" &&
	expect_code 8 env AGB_FAIL_AT="$number:error" git -C repo agbranch open three -q &&
	all_refs repo >after &&
	test_cmp before after &&
	nothing_made three
'

test_expect_success 'a signal on the way undoes everything, exit 4' '
	number=$(grep -n "journal: open seed" points | head -n 1 | cut -d: -f1) &&
	expect_code 4 env AGB_FAIL_AT="$number:term" git -C repo agbranch open three -q &&
	all_refs repo >after &&
	test_cmp before after &&
	nothing_made three &&
	git -C repo agbranch open three -q &&
	git agbranch close three --discard --yes -q
'

test_expect_success 'repositories of other shapes: bare, linked work tree, detached, shallow, odd path' '
	git clone -q --bare repo bare.git &&
	git -C repo worktree add -q --detach ../"li nk'\''ed" HEAD^ &&
	git clone -q --depth 1 "file://$(pwd)/repo" shallow &&
	for dir in bare.git "li nk'\''ed" shallow; do
		git -C "$dir" agbranch open shape -q &&
		git agbranch run shape -- git rev-parse HEAD >head &&
		git -C "$dir" rev-parse HEAD >expected &&
		test_cmp expected head &&
		git agbranch run shape -- git fsck &&
		agent_commit shape file text &&
		git agbranch sync shape -q &&
		git -C "$dir" rev-parse -q --verify refs/heads/agbranch/shape &&
		git agbranch close shape --sync --yes -q &&
		git -C "$dir" branch -q -D agbranch/shape &&
		repo_is_sound "$dir" || return 1
	done
'

test_expect_success 'objects are copied when asked: nothing else of the host is in the guest' '
	secret=$(echo secret | git -C repo hash-object -w --stdin) &&
	git -C repo -c agbranch.bwrap.objects=copy agbranch open copied -q &&
	test_must_fail git agbranch run copied -- git cat-file -e "$secret" &&
	agent_commit copied file text &&
	git agbranch sync copied -q &&
	git agbranch close copied --discard --yes -q &&
	git -C repo -c agbranch.private=true agbranch open private -q &&
	test_must_fail git agbranch run private -- git cat-file -e "$secret" &&
	git agbranch close private --discard --yes -q
'

test_expect_success 'a namespace sandbox is said to be weaker, once; requireVm refuses it' '
	make_repo fresh &&
	expect_code 0 git -C fresh agbranch open note &&
	grep "weaker than a virtual machine" err &&
	git agbranch close note --discard --yes -q &&
	expect_code 0 git -C fresh agbranch open note &&
	! grep "weaker than a virtual machine" err &&
	git agbranch close note --discard --yes -q &&
	test_must_fail git -C fresh -c agbranch.requireVm=true agbranch open note &&
	nothing_made note
'

test_expect_success 'all is closed, nothing is left' '
	git agbranch close one --discard --yes -q &&
	repo_is_sound repo &&
	no_process_left
'

test_done
