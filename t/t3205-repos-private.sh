#!/bin/sh
test_description='a guest with objects of its own: nothing but what the base reaches'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

in_guest () {
	git agbranch run one -- "$@"
}

# secrets_in_guest: how many of the secrets any object that git in the guest can read holds.
secrets_in_guest () {
	in_guest sh -c "git cat-file --batch-all-objects --batch --unordered 2>/dev/null | grep -a -c SECRET; ls /run/o 2>/dev/null | wc -l"
}

test_expect_success 'secrets: on another branch, in a stash, in a tag, unreachable, packed and loose, borrowed from elsewhere' '
	make_repo lender && ( cd lender && git checkout -q -b hidden && echo SECRET-lender >l && git add l && git commit -qm l && git checkout -q main ) &&
	git clone -q --shared lender repo && cd repo && git branch -q -t hidden origin/hidden && echo more >>file && git commit -qam base &&
	git checkout -q -b other && echo SECRET-branch >b && git add b && git commit -qm b && git checkout -q main && git repack -q -a -d -l &&
	echo SECRET-stash >>file && git stash -q && echo SECRET-untracked >u && git stash -q -u &&
	echo SECRET-loose | git hash-object -w --stdin && git tag -a -m SECRET-tag secret HEAD && git replace HEAD~1 "$(git commit-tree -m SECRET-replacement "HEAD~1^{tree}")" &&
	git notes add -m SECRET-note HEAD && echo SECRET-dirty >>file && echo SECRET-ignored >.env && echo .env >.git/info/exclude
'

# row 19
test_expect_success 'borrowed objects show them all, as the page says' '
	git agbranch open one -q && secrets_in_guest >found && test "$(head -n 1 found)" -ge 8 && test "$(tail -n 1 found)" = 2 &&
	git agbranch close one --discard --yes -q
'

for setting in agbranch.private=true agbranch.bwrap.objects=copy; do
	test_expect_success "with $setting there are none, nor the folders" '
		git -c $setting agbranch open one -q && secrets_in_guest >found && printf "0\n0\n" >expected && test_cmp expected found &&
		in_guest git fsck --full --strict && in_guest git for-each-ref --format="%(refname)" >refs && echo refs/heads/agbranch/one >expected && test_cmp expected refs &&
		in_guest sh -c "git log --format=%s | wc -l" >found && test "$(cat found)" = 3 && test "$(in_guest git rev-parse HEAD)" = "$(git rev-parse HEAD)" &&
		in_guest sh -c "! grep -r -s -q SECRET . /run /tmp" &&
		agent_commit one file text && git agbranch sync one -q && git agbranch stop one -q && git agbranch start one -q &&
		secrets_in_guest >found && printf "0\n0\n" >expected && test_cmp expected found &&
		git agbranch close one --discard --yes -q && git branch -q -D agbranch/one
	'
done

test_expect_success 'with --with-changes only the changes that were asked for are added' '
	git -c agbranch.private=true agbranch open one -q --with-changes && in_guest grep -c SECRET-dirty file &&
	secrets_in_guest >found && printf "1\n0\n" >expected && test_cmp expected found &&
	git agbranch close one --discard --yes -q
'

test_expect_success 'a second session of the same repository sees nothing of the first' '
	git -c agbranch.private=true agbranch open one -q && git -c agbranch.private=true agbranch open two -q &&
	git agbranch run two -- sh -c "echo SECRET-two >two && git add two && git commit -qm two" && git agbranch sync two -q &&
	secrets_in_guest >found && printf "0\n0\n" >expected && test_cmp expected found &&
	git agbranch close one --discard --yes -q && git agbranch close two --discard --yes -q && no_process_left
'

test_done
