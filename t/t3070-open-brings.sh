#!/bin/sh
test_description='open: what comes along: uncommitted changes, ignored files, promised objects'
. ./t/lib/test-lib.sh

test_expect_success 'set up: changed, staged, deleted, untracked and ignored files' '
	make_repo repo &&
	cd repo &&
	echo "*.secret" >.gitignore && echo gone >gone && git add . && git commit -qm third &&
	echo changed >>file && echo staged >>sub/other && git add sub/other && rm gone && echo new >new &&
	mkdir conf && echo key >conf/a.secret && echo top >top.secret &&
	git status --porcelain >../status &&
	git ls-files --stage >../index
'

test_expect_success '--with-changes: the guest has them, clean; the host is as it was' '
	git agbranch open one --with-changes -q &&
	git status --porcelain >../after && test_cmp ../status ../after &&
	git ls-files --stage >../after && test_cmp ../index ../after &&
	! ls -d .git/agbranch/quarantine-* 2>/dev/null &&
	git agbranch run one -- sh -c "git status --porcelain; tail -n 1 file sub/other; ls" >../got &&
	grep changed ../got && grep staged ../got && grep "^new" ../got &&
	! grep -E "^gone|secret|^ M" ../got
'

test_expect_success 'the review branch is compared with what the agent began with' '
	agent_commit one file by-the-agent &&
	git agbranch sync one -q &&
	base=$(git rev-parse refs/agbranch/sessions/one/base) &&
	test "$(git rev-parse "$base^")" = "$(git rev-parse HEAD)" &&
	test "$(git diff --name-only "$base" agbranch/one)" = file &&
	git agbranch close one --sync --yes -q
'

test_expect_success '--with-changes of a clean work tree is HEAD; not with --base, not in a bare one' '
	git stash -q -u &&
	git agbranch open two --with-changes -q &&
	test "$(git rev-parse refs/agbranch/sessions/two/base)" = "$(git rev-parse HEAD)" &&
	git agbranch close two --discard --yes -q &&
	git stash pop -q --index &&
	expect_code 129 git agbranch open two --with-changes --base HEAD &&
	git clone -q --bare . ../bare.git &&
	expect_code 1 git -C ../bare.git agbranch open two --with-changes
'

test_expect_success '--copy and agbranch.copy bring ignored files; they never block a sync' '
	git -c agbranch.copy=top.secret -c agbranch.copy=not-there agbranch open three --copy conf/a.secret -q &&
	git agbranch run three -- cat conf/a.secret top.secret >../got &&
	printf "key\ntop\n" >../expected && test_cmp ../expected ../got &&
	git agbranch run three -- git status --porcelain >../got &&
	test_must_be_empty ../got &&
	expect_code 0 git agbranch sync three &&
	git agbranch close three --discard --yes -q &&
	test -z "$(git for-each-ref refs/agbranch/rescue/three)"
'

test_expect_success 'what --copy refuses' '
	for path in missing ../status .git/config /etc/passwd; do
		expect_code 1 git agbranch open four --copy "$path" || return 1
	done &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT count(*) FROM sessions WHERE name = '\''four'\''")" = 0
'

test_expect_success 'partial clones: what the base needs is fetched before' '
	git config uploadpack.allowFilter true &&
	git config uploadpack.allowAnySHA1InWant true &&
	for filter in blob:none tree:0; do
		rm -rf ../partial &&
		git clone -q --no-checkout "--filter=$filter" "file://$(pwd)" ../partial &&
		(
			cd ../partial &&
			git agbranch open part -q --base origin/main &&
			git agbranch run part -- git status --porcelain >../got &&
			test_must_be_empty ../got &&
			agent_commit part sub/other more &&
			git agbranch sync part -q &&
			git agbranch close part --sync --yes -q &&
			test "$(git log -1 --format=%s agbranch/part)" = "change sub/other"
		) || return 1
	done
'

test_expect_success 'a promisor that does not answer: said, nothing made' '
	rm -rf ../partial &&
	git clone -q --no-checkout --filter=blob:none "file://$(pwd)" ../partial &&
	git -C ../partial config remote.origin.url "file://$(pwd)/nowhere" &&
	expect_code 1 git -C ../partial agbranch open part &&
	grep "this clone is partial, and objects of the base are missing: .*nowhere" err &&
	grep "^hint: its remote must answer: git fetch origin" err &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT lifecycle_state FROM sessions WHERE name = '\''part'\''")" = closed
'

test_expect_success 'sha256 repositories' '
	git init -q --object-format=sha256 ../sha256 &&
	(
		cd ../sha256 &&
		echo a >a && git add a && git commit -qm a &&
		git agbranch open long -q &&
		agent_commit long a b &&
		git agbranch sync long -q &&
		git agbranch run long -- sh -c "echo x >x" &&
		git agbranch close long --discard --yes -q &&
		git rev-parse -q --verify refs/agbranch/rescue/long/1 &&
		test "$(git show agbranch/long:a | tail -n 1)" = b &&
		repo_is_sound .
	)
'

test_expect_success 'nothing is left' '
	no_process_left
'

test_done
