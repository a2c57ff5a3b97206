#!/bin/sh
test_description='repositories as people have them: Git LFS'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

requires git-lfs

in_guest () {
	git agbranch run one -- "$@"
}
# store HASH [DIR]: the file of an LFS object.
store () {
	echo "${2:-host}/.git/lfs/objects/$(echo "$1" | cut -c1-2)/$(echo "$1" | cut -c3-4)/$1"
}
sum () {
	sha256sum "$1" | cut -d" " -f1
}

git config --global filter.lfs.clean "git-lfs clean -- %f" &&
git config --global filter.lfs.smudge "git-lfs smudge -- %f" &&
git config --global filter.lfs.process "git-lfs filter-process" &&
git config --global filter.lfs.required true

test_expect_success 'the objects of the checkout are in the guest, and checked out there' '
	make_repo host && ( cd host && git lfs track --no-modify-attrs "*.bin" >/dev/null && echo "*.bin filter=lfs diff=lfs merge=lfs -text" >.gitattributes &&
		head -c 100000 /dev/urandom >"big one.bin" && mkdir d && head -c 5000 /dev/urandom >d/old.bin && git add . && git commit -qm lfs &&
		head -c 6000 /dev/urandom >d/old.bin && git commit -qam newer ) &&
	host_snapshot host >before &&
	git -C host agbranch open one -q &&
	in_guest cat "big one.bin" >found && cmp "host/big one.bin" found && in_guest cat d/old.bin >found && cmp host/d/old.bin found &&
	in_guest git status --porcelain >status && test_must_be_empty status &&
	test "$(in_guest find .git/lfs/objects -type f | wc -l)" = 2
'

test_expect_success 'what the agent makes comes back with the sync, checked' '
	in_guest sh -c "head -c 70000 /dev/urandom >new.bin && git add new.bin && git commit -qm new && head -c 100 /dev/zero >new.bin && git commit -qam less && sha256sum new.bin" >line &&
	expect_code 0 git agbranch sync one --json && json_is ".findings | length" 0 &&
	hash=$(cut -d" " -f1 line) && test "$(sum "$(store "$hash")")" = "$hash" && test "$(find host/.git/lfs/objects -type f | wc -l)" = 5 &&
	git -C host cat-file blob agbranch/one:new.bin | grep "oid sha256:$hash" &&
	git clone -q host other && ( cd other && git checkout -q agbranch/one && test "$(sum new.bin)" = "$hash" ) &&
	host_snapshot host >after && test_cmp before after && test -z "$(find host/.git/lfs -name "*agbranch-*")"
'

test_expect_success 'a pointer without its object is named, also one whose object is another' '
	hash=$(printf "%064d" 7) && lie=$(printf "%064d" 8) &&
	for each in $hash $lie; do printf "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 5\n" $each >pointer-$each || return 1; done &&
	for each in $hash $lie; do
		git agbranch run one -- sh -c "git update-index --add --cacheinfo 100644,\$(git hash-object -w --stdin),odd-$each.bin" <pointer-$each || return 1
	done &&
	in_guest sh -c "git commit -qm pointers && git reset -q --hard 2>/dev/null && mkdir -p .git/lfs/objects/00/00 && echo lies >.git/lfs/objects/00/00/$lie" &&
	expect_code 0 git agbranch sync one && grep "lfs-missing: odd-$hash.bin" out && grep "lfs-missing: odd-$lie.bin" out &&
	! test -e "$(store $hash)" && ! test -e "$(store $lie)" && test -z "$(find host/.git/lfs -name "*agbranch-*")"
'

test_expect_success 'more than agbranch.limits.export is named, and comes with the next sync that allows it' '
	in_guest sh -c "head -c 40000 /dev/urandom >large.bin && git add large.bin && git commit -qm large && sha256sum large.bin" >line && hash=$(cut -d" " -f1 line) &&
	expect_code 0 git -C host -c agbranch.limits.export=1000 agbranch sync one && grep "lfs-missing: large.bin" out && ! test -e "$(store $hash)"
'

test_expect_success 'work that is only rescued keeps its objects' '
	in_guest sh -c "head -c 4000 /dev/urandom >rescued.bin && sha256sum rescued.bin" >line && hash=$(cut -d" " -f1 line) &&
	git agbranch close one --discard --yes -q && test "$(sum "$(store $hash)")" = "$hash" && repo_is_sound host
'

test_expect_success '--with-changes, a linked work tree, lfs.storage elsewhere' '
	git -C host branch -q -D agbranch/one && git -C host worktree add -q --detach ../linked 2>/dev/null && head -c 3000 /dev/urandom >linked/changed.bin &&
	git -C linked agbranch open one --with-changes -q && in_guest cat changed.bin >found && cmp linked/changed.bin found &&
	in_guest cat d/old.bin >found && cmp host/d/old.bin found && git agbranch close one --discard --yes -q &&
	mv host/.git/lfs away && git -C host config lfs.storage "$(pwd)/away" &&
	whole_way host && mv away host/.git/lfs && git -C host config --unset lfs.storage
'

test_expect_success 'objects that the host has not: said, the files stay pointers' '
	env GIT_LFS_SKIP_SMUDGE=1 git clone -q host pointers && rm -rf pointers/.git/lfs &&
	expect_code 0 git -C pointers agbranch open one && grep "2 LFS objects of the base are not on this host" err &&
	in_guest head -n 1 d/old.bin >found && grep "^version https://git-lfs" found && in_guest git status --porcelain >status && test_must_be_empty status &&
	git agbranch close one --discard --yes -q && whole_way pointers
'

test_expect_success 'LFS objects of a submodule go in with it, and come back with what is saved of it' '
	git config --global protocol.file.allow always && make_repo super && git -C super submodule --quiet add "$(pwd)/host" lib && git -C super commit -qm sub &&
	git -C super agbranch open one -q && in_guest cat "lib/big one.bin" >found && cmp "host/big one.bin" found &&
	in_guest git status --porcelain >status && test_must_be_empty status &&
	in_guest sh -c "cd lib && head -c 4500 /dev/urandom >made.bin && git add made.bin && git commit -qm made && sha256sum made.bin" >line && hash=$(cut -d" " -f1 line) &&
	git agbranch close one --discard --yes -q && modules=super/.git/modules/lib &&
	test "$(sum "$modules/lfs/objects/$(echo "$hash" | cut -c1-2)/$(echo "$hash" | cut -c3-4)/$hash")" = "$hash" && repo_is_sound super/lib
'

test_expect_success 'a repository without LFS does not know of it' '
	make_repo plain && git -C plain agbranch open one -q && in_guest sh -c "test ! -e .git/lfs && ! git config --get filter.lfs.clean" &&
	agent_commit one file text && git agbranch close one --sync --yes -q && ! test -e plain/.git/lfs && no_process_left
'

test_done
