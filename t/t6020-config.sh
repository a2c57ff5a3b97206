#!/bin/sh
test_description='config: the table of settings with value and origin in force'
. ./t/lib/test-lib.sh

test_expect_success 'the table has every setting of settings.def' '
	make_repo repo &&
	cd repo &&
	expect_code 0 git agbranch config &&
	test "$(grep -c "^agbranch\." out)" = "$(grep -c "^AGB_SETTING (" "$TEST_TOP/git-agbranch/store/settings.def")" &&
	grep "^agbranch.cpus  *2  *default$" out &&
	grep "^agbranch.runtime  *bwrap  *file:$HOME/.gitconfig$" out
'

test_expect_success 'one name, with and without its section, in any case' '
	expect_code 0 git agbranch config agbranch.memory && echo 2GiB >expected && test_cmp expected out &&
	expect_code 0 git agbranch config MEMORY && test_cmp expected out &&
	expect_code 0 git agbranch config image && test_must_be_empty out
'

test_expect_success 'an unknown name is exit 1 with the nearest one' '
	expect_code 1 git agbranch config agbranch.cpuss &&
	test_must_be_empty out &&
	grep "is not a setting of git agbranch" err &&
	grep "^hint: did you mean: git agbranch config agbranch.cpus$" err &&
	expect_code 1 git agbranch config --json cpus.x &&
	json_is .error.kind user &&
	expect_code 129 git agbranch config a b
'

test_expect_success 'system, user, repository and command line: the last one counts' '
	git config -f "$TEST_TMP/system" agbranch.cpus 3 &&
	(
		unset GIT_CONFIG_NOSYSTEM &&
		GIT_CONFIG_SYSTEM=$TEST_TMP/system && export GIT_CONFIG_SYSTEM &&
		expect_code 0 git agbranch config --json cpus
	) &&
	json_is .value 3 && json_is .origin "file:$TEST_TMP/system" &&
	git config --global agbranch.cpus 4 &&
	expect_code 0 git agbranch config --json cpus &&
	json_is .value 4 && json_is .origin "file:$HOME/.gitconfig" &&
	git config agbranch.cpus 5 &&
	expect_code 0 git agbranch config --json cpus &&
	json_is .value 5 && json_is .origin "file:$(pwd)/.git/config" &&
	expect_code 0 git -c agbranch.cpus=6 agbranch config --json cpus &&
	json_is .value 6 && json_is .origin "command line"
'

test_expect_success 'GIT_CONFIG_COUNT, GIT_CONFIG_GLOBAL and includes are seen' '
	expect_code 0 env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=agbranch.cpus GIT_CONFIG_VALUE_0=7 \
		git agbranch config cpus &&
	echo 7 >expected && test_cmp expected out &&
	git config -f "$TEST_TMP/other" agbranch.disk 5G &&
	expect_code 0 env GIT_CONFIG_GLOBAL="$TEST_TMP/other" git agbranch config --json disk &&
	json_is .origin "file:$TEST_TMP/other" &&
	git config -f "$TEST_TMP/included" agbranch.memory 7G &&
	git config --global "includeIf.gitdir:$(pwd)/elsewhere.path" "$TEST_TMP/included" &&
	expect_code 0 git agbranch config memory && echo 2GiB >expected && test_cmp expected out &&
	git config --global "includeIf.gitdir:$(pwd)/.git.path" "$TEST_TMP/included" &&
	expect_code 0 git agbranch config memory && echo 7G >expected && test_cmp expected out
'

test_expect_success 'config.worktree of a linked work tree' '
	git config extensions.worktreeConfig true &&
	git worktree add -q ../linked &&
	git -C ../linked config --worktree agbranch.cpus 9 &&
	expect_code 0 git -C ../linked agbranch config cpus && echo 9 >expected && test_cmp expected out &&
	expect_code 0 git agbranch config cpus && echo 5 >expected && test_cmp expected out
'

test_expect_success 'outside a repository the settings of the user' '
	cd "$TEST_TMP" && mkdir -p outside && cd outside &&
	expect_code 0 git agbranch config cpus && echo 4 >expected && test_cmp expected out
'

test_expect_success 'values of a list; an empty one clears what came before' '
	cd "$TEST_TMP/outside" &&
	expect_code 0 git -c agbranch.copy=a -c agbranch.copy= -c agbranch.copy=.env -c "agbranch.copy=b c" \
		agbranch config copy &&
	printf "%s\n" .env "b c" >expected && test_cmp expected out &&
	expect_code 0 git -c agbranch.copy=a agbranch config --json copy &&
	json_is ".value | length" 1
'

test_expect_success '-z ends each of three fields by NUL' '
	expect_code 0 git -c agbranch.cpus=8 agbranch config -z cpus &&
	printf "agbranch.cpus\0008\0command line\000" >expected && test_cmp expected out
'

test_expect_success 'a value of a wrong type is exit 1 and names setting, value and origin' '
	for bad in cpus=x cpus=-1 cpus=9999999999999999999 memory=2XB disk=0 requireVm=perhaps \
		lockTimeout=soon network=private bwrap.objects=link cpus; do
		expect_code 1 git -c "agbranch.$bad" agbranch config &&
		grep "^fatal: agbranch.${bad%%=*} .* is not .*(from command line)$" err || return 1
	done &&
	git config --global agbranch.limits.objects many &&
	expect_code 1 git agbranch config && grep "(from file:$HOME/.gitconfig)" err &&
	git config --global --unset agbranch.limits.objects
'

test_expect_success 'a configuration that git cannot read is exit 1 with its line' '
	cd "$TEST_TMP" && make_repo broken && cd broken &&
	echo "[agbranch" >>.git/config &&
	expect_code 1 git --git-dir=/dev/null agbranch config &&
	expect_code 1 "$AGB_BUILD/libexec/git-agbranch/git-agbranch-config" &&
	grep "bad config line" err
'

test_done
