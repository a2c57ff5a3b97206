#!/bin/sh
test_description='rescue: list, show, restore'
. ./t/lib/test-lib.sh

test_expect_success 'set up: two sessions with work that was discarded' '
	make_repo repo &&
	cd repo &&
	for round in 1 2; do
		git agbranch open one -q &&
		git agbranch run one -- sh -c "echo round-$round >new" &&
		git agbranch close one --discard --yes -q || return 1
	done &&
	git agbranch open two -q &&
	agent_commit two file text "a $(printf "\033")[31msubject" &&
	git agbranch close two --discard --yes -q
'

test_expect_success 'list: table, JSON, -z, of one session' '
	expect_code 0 git agbranch rescue list &&
	grep "^one/1 " out && grep "^one/2 " out && grep "^two/1 " out &&
	expect_code 0 git agbranch rescue list one --json &&
	json_is length 2 &&
	json_is ".[1].ref" refs/agbranch/rescue/one/2 &&
	json_is ".[1].oid" "$(git rev-parse refs/agbranch/rescue/one/2)" &&
	expect_code 0 git agbranch rescue list -z &&
	test "$(tr "\0" "\n" <out | wc -l)" -eq 9
'

# row 9
test_expect_success 'show: commits and files, escaped; the patch' '
	expect_code 0 git agbranch rescue show one &&
	grep "refs/agbranch/rescue/one/2" out &&
	grep "^ new | 1 +" out &&
	expect_code 0 git agbranch rescue show one/1 --patch &&
	grep "^+round-1" out &&
	expect_code 0 git agbranch rescue show two &&
	! grep "$(printf "\033")" out &&
	grep "31msubject" out
'

# no row
test_expect_success 'restore makes a branch, once' '
	expect_code 0 git agbranch rescue restore one &&
	test "$(git show rescue/one/2:new)" = round-2 &&
	expect_code 1 git agbranch rescue restore one &&
	grep "exists already" err &&
	expect_code 0 git agbranch rescue restore one/1 --branch mine --json &&
	json_is .branch mine &&
	test "$(git show mine:new)" = round-1 &&
	test -z "$(git status --porcelain --untracked-files=no)"
'

test_expect_success 'what is not there, and names that are none' '
	expect_code 1 git agbranch rescue show nobody &&
	expect_code 1 git agbranch rescue show one/7 &&
	expect_code 1 git agbranch rescue restore one/1 --branch "a..b" &&
	expect_code 1 git agbranch rescue restore one/1 --branch=-x &&
	expect_code 129 git agbranch rescue drop one &&
	expect_code 129 git agbranch rescue show &&
	mkdir ../plain &&
	expect_code 1 git -C ../plain agbranch rescue list
'

test_done
