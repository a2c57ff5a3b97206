#!/bin/sh
test_description='repositories as people have them: submodules'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

TOP=$(pwd -P)
git config --global protocol.file.allow always

# git in the guest without the identity of the clone.
name='git config --global user.name A && git config --global user.email a@example.com'

in_guest () {
	git agbranch run one -- "$@"
}

test_expect_success 'set up: submodules, one in another, one with an odd name, one that was never got' '
	make_repo innermost && make_repo inner && git -C inner submodule --quiet add "$TOP/innermost" deep/est && git -C inner commit -qm deep &&
	make_repo other && make_repo never && make_repo outer &&
	( cd outer && git submodule --quiet add "$TOP/inner" libs/inner && git submodule --quiet add --name "odd. [name]" "$TOP/other" "o ther" &&
		git submodule --quiet add "$TOP/never" never && git commit -qm modules ) &&
	git clone -q outer host && git -C host submodule --quiet update --init --recursive libs/inner "o ther"
'

test_expect_success 'the guest has them at their recorded commits, clean' '
	git -C innermost commit -q --allow-empty -m newer && git -C host/libs/inner commit -q --allow-empty -m newer &&
	git -C host/libs/inner checkout -q HEAD^ &&
	host_snapshot host >before &&
	expect_code 0 git -C host agbranch open one && grep "this submodule is empty, since .*: never (git submodule update" err &&
	in_guest sh -c "cat libs/inner/file libs/inner/deep/est/file && cat o*ther/file && ls never" >found &&
	printf "%s\n" one more one more one more >expected && test_cmp expected found &&
	in_guest git status --porcelain >status && test_must_be_empty status &&
	in_guest git submodule status --recursive >found && test "$(grep -c "^ " found)" = 3 && grep "^-.* never" found &&
	test "$(in_guest git -C libs/inner rev-parse HEAD)" = "$(git -C host rev-parse HEAD:libs/inner)" &&
	test "$(in_guest git -C libs/inner rev-list --count HEAD)" = 3 && in_guest git -C libs/inner fsck
'

test_expect_success 'a new commit of a submodule: the sync brings the link and names it' '
	in_guest sh -c "cd libs/inner && echo agent >>file && git commit -qam inner-work && cd ../.. && git commit -qam link" &&
	expect_code 0 git agbranch sync one --json && jq -r ".findings[]" out >findings && grep "^submodule: libs/inner" findings &&
	test "$(git -C host rev-parse agbranch/one:libs/inner)" = "$(in_guest git -C libs/inner rev-parse HEAD)"
'

test_expect_success 'what is not committed in a submodule blocks a sync' '
	in_guest sh -c "echo dirty >libs/inner/new" &&
	expect_code 3 git agbranch sync one --json && json_is .reason guest_dirty
'

test_expect_success 'work in submodules is saved when the session is closed, each in its own repository' '
	in_guest sh -c "cd libs/inner/deep/est && echo deepest >>file && cd \"../../../../o ther\" && git checkout -q -b topic && echo x >x && git add x && git commit -qm other-work" &&
	tip=$(in_guest git -C "o ther" rev-parse HEAD) && linked=$(git -C host rev-parse agbranch/one:libs/inner) &&
	git agbranch close one --discard --yes 2>err && cat err &&
	grep "work in submodule .libs/inner. was saved in its repository" err &&
	grep "work in submodule .libs/inner/deep/est. was saved" err && grep "work in submodule .o ther. was saved" err && ! grep never err &&
	saved=$(git -C host/libs/inner rev-parse refs/agbranch/rescue/one/1) &&
	git -C host/libs/inner merge-base --is-ancestor "$linked" "$saved" && git -C host/libs/inner cat-file -e "$saved:new" &&
	test "$(git -C "host/o ther" rev-parse refs/agbranch/rescue/one/1)" = "$tip" &&
	git -C host/libs/inner/deep/est show refs/agbranch/rescue/one/1:file | grep deepest &&
	host_snapshot host >after && test_cmp before after && no_process_left &&
	for dir in host host/libs/inner host/libs/inner/deep/est "host/o ther"; do repo_is_sound "$dir" || return 1; done
'

test_expect_success 'gc: what was saved in submodules goes with agbranch.rescueDays, not before' '
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET closed_at = '\''2020-01-01T00:00:00.000000Z'\''" &&
	git -C host config agbranch.rescueDays 100000 && git -C host/libs/inner config agbranch.rescueDays 100000 &&
	expect_code 0 git -C host agbranch gc && git -C host/libs/inner rev-parse -q --verify refs/agbranch/rescue/one/1 &&
	git -C host config agbranch.rescueDays 30 && git -C host/libs/inner config --unset agbranch.rescueDays &&
	expect_code 0 git -C host agbranch gc --dry-run --json && jq -e ".reclaimed_refs | index (\"refs/agbranch/rescue/one/1\")" out &&
	git -C host/libs/inner rev-parse -q --verify refs/agbranch/rescue/one/1 &&
	expect_code 0 git -C host agbranch gc &&
	for dir in host host/libs/inner host/libs/inner/deep/est "host/o ther"; do
		test -z "$(git -C "$dir" for-each-ref refs/agbranch/rescue)" && repo_is_sound "$dir" || return 1
	done && git -C host config --unset agbranch.rescueDays
'

test_expect_success 'a submodule that the agent added: the sync names it, the close saves its commits' '
	for url in inner other never; do git -C host config --add agbranch.allow "submodule-url:$TOP/$url" || return 1; done &&
	git -C host branch -q -D agbranch/one && git -C host agbranch open one -q &&
	in_guest sh -c "$name && git init -q /tmp/new && cd /tmp/new && echo agent >made && git add made && git commit -qm made && git branch side &&
		cd - && git -c protocol.file.allow=always submodule --quiet add --name new /tmp/new new && git config -f .gitmodules submodule.new.url https://example.com/new &&
		cd new && echo more >>made && git commit -qam linked && cd .. && git add . && git commit -qm adds" &&
	linked=$(in_guest git rev-parse HEAD:new) &&
	in_guest sh -c "cd new && echo later >>made && git commit -qam later && git switch -q -c topic && git commit -q --allow-empty -m topic && git switch -q -" &&
	expect_code 3 git agbranch sync one --json && json_is .reason guest_dirty &&
	in_guest git commit -qam "the link again" &&
	expect_code 0 git agbranch sync one --json && jq -r ".findings[]" out | grep -x "submodule: new" &&
	! git -C host cat-file -e "$linked" 2>/dev/null &&
	tip=$(in_guest git -C new rev-parse topic) &&
	expect_code 0 git agbranch close one --sync --yes &&
	number=$(sed -n "s/^.*.new. is a repository that this host has not; it was saved; see it: git agbranch rescue show one.//p" err) &&
	git -C host merge-base --is-ancestor "$linked" "refs/agbranch/rescue/one/$number" &&
	git -C host merge-base --is-ancestor "$tip" "refs/agbranch/rescue/one/$number" &&
	expect_code 0 git -C host agbranch rescue list && grep "Work of session one in new that was not synced" out && repo_is_sound host
'

test_expect_success 'one that was put away again, one that is ignored, one without a commit, one inside of another' '
	git -C host branch -q -D agbranch/one && git -C host agbranch open one -q &&
	in_guest sh -c "$name && git init -q /tmp/new && git -C /tmp/new commit -q --allow-empty -m away &&
		git -c protocol.file.allow=always submodule --quiet add /tmp/new away && git config -f .gitmodules submodule.away.url https://example.com/away && git commit -qam away && git submodule --quiet deinit -f away && rm -rf /tmp/new &&
		echo /cache >.git/info/exclude && git init -q cache && git -C cache commit -q --allow-empty -m cached &&
		git init -q empty && echo text >empty/file && echo text >plain &&
		mkdir -p a/b && git init -q a/b/outer && git init -q a/b/outer/in && git -C a/b/outer/in commit -q --allow-empty -m in" &&
	away=$(in_guest git rev-parse HEAD:away) && inside=$(in_guest git -C a/b/outer/in rev-parse HEAD) &&
	expect_code 3 git agbranch sync one --include-dirty && grep "^hint: a repository of its own in the workspace is not taken along" err &&
	in_guest git show --stat HEAD | grep plain &&
	expect_code 0 git agbranch close one --discard --yes && ! grep -i "could not" err && ! grep cache err &&
	for place in away empty a/b/outer a/b/outer/in; do grep ".$place. is a repository" err || return 1; done &&
	last=$(git -C host for-each-ref --format="%(refname)" --sort=-version:refname refs/agbranch/rescue/one | head -n 1) &&
	test "$(git -C host show "$last:plain")" = text && ! git -C host cat-file -e "$last:empty" 2>/dev/null &&
	git -C host for-each-ref --format="%(objectname)" refs/agbranch/rescue/one >saved &&
	git -C host rev-list --stdin <saved >commits && grep "$away" commits && grep "$inside" commits &&
	while read -r oid; do git -C host cat-file blob "$oid:file" 2>/dev/null; done <saved | grep -x text && repo_is_sound host && no_process_left
'

test_expect_success 'what cannot be had of one keeps a close --sync from destroying it' '
	git -C host agbranch open two -q && in_guest2 () { git agbranch run two -- "$@"; } &&
	in_guest2 sh -c "$name && echo /odd >.git/info/exclude && mkdir odd && git init -q --object-format=sha256 odd && git -C odd commit -q --allow-empty -m odd && : >.git/info/exclude" &&
	expect_code 3 git agbranch close two --sync --yes &&
	in_guest2 sh -c "git commit -q --allow-empty -m x; printf \"[submodule \\\"odd\\\"]\\n\\tpath = odd\\n\\turl = https://example.com/x\\n\" >>.gitmodules; git add .gitmodules &&
		git update-index --add --cacheinfo 160000,$(git -C host rev-parse HEAD),odd && git commit -qm odd && git config submodule.odd.ignore all" &&
	if in_guest2 git status --porcelain --ignore-submodules=none | grep odd; then
		expect_code 3 git agbranch close two --sync --yes && grep "1 changed" err # git 2.47 sees that it is at another commit
	else
		expect_code 9 git agbranch close two --sync --yes && grep "work in repository .odd. could not be saved" err &&
		grep "^hint: git agbranch close two --discard" err
	fi &&
	in_guest2 git -C odd log -1 --format=%s | grep odd &&
	expect_code 0 git agbranch close two --discard --yes && grep "warning.*work in repository .odd. could not be saved" err && no_process_left
'

test_expect_success 'nothing was done in them: nothing is saved; one that the agent removed is no error' '
	whole_way host &&
	git -C host agbranch open one -q && in_guest rm -rf libs/inner && git agbranch close one --discard --yes -q 2>err &&
	test -z "$(git -C "host/o ther" for-each-ref refs/agbranch/rescue/way)"
'

test_expect_success 'a bare host, a linked work tree, copied objects, a shallow submodule' '
	git clone -q --bare host bare.git && expect_code 0 git -C bare.git agbranch open one && grep "these submodules are empty" err &&
	git agbranch close one --discard --yes -q &&
	git -C host worktree add -q --detach "$TOP/linked" && git -C host config agbranch.private true && whole_way linked &&
	git -C host worktree remove --force linked && git -C host config --unset agbranch.private &&
	git clone -q outer flat && git -C flat submodule --quiet update --init --depth 1 "o ther" 2>/dev/null &&
	git -C flat agbranch open one -q && in_guest cat "o ther/file" && git agbranch close one --discard --yes -q
'

test_expect_success '--with-changes takes the commit that a submodule is at on the host' '
	( cd "flat/o ther" && echo host >>file && git commit -qam host && echo dirty >>file ) &&
	git -C flat agbranch open one -q --with-changes && test "$(in_guest tail -n 1 "o ther/file")" = host &&
	in_guest git status --porcelain >status && test_must_be_empty status && git agbranch close one --discard --yes -q
'

test_expect_success 'a submodule is a repository of its own' '
	whole_way host/libs/inner && repo_is_sound host/libs/inner
'

test_expect_success 'names that leave .git/modules are not followed' '
	make_repo evil && make_repo secret && ( cd evil && oid=$(git -C ../secret rev-parse HEAD) &&
		printf "[submodule \"../../../secret/.git\"]\n\tpath = x\n\turl = ./x\n[submodule \"y\"]\n\tpath = ../y\n\turl = ./y\n" >.gitmodules &&
		git update-index --add --cacheinfo "160000,$oid,x" && git add .gitmodules && git commit -qm evil ) &&
	expect_code 0 git -C evil agbranch open one && grep "this submodule is empty, since .*: x" err &&
	in_guest sh -c "test ! -e x/file" && git agbranch close one --discard --yes -q
'

test_done
