#!/bin/sh
test_description='the ways git is told where and how, all of them for git agbranch too'
. ./t/lib/test-lib.sh

# The value and origin in force of agbranch.rescueDays are what shows which repository and which settings
# were read.
test_expect_success 'setup' '
	make_repo "here it is" &&
	git -C "here it is" config agbranch.rescueDays 21 &&
	mkdir -p elsewhere "here it is/sub/deeper"
'

value () {
	json_is ".[] | select(.name == \"agbranch.rescueDays\") | .value | tostring" "$1"
}
origin () {
	jq -r ".[] | select(.name == \"agbranch.rescueDays\") | .origin" out | grep -q -- "$1" || {
		cat out >&2
		fail "origin is not $1"
	}
}

test_expect_success 'from the top of the work tree and from a subfolder' '
	(cd "here it is" && git agbranch config --json) >out && value 21 &&
	(cd "here it is/sub/deeper" && git agbranch config --json) >out && value 21 &&
	origin "here it is/.git/config"
'

test_expect_success 'outside any repository' '
	(cd elsewhere && expect_code 0 git agbranch config --json && value 14 && origin default)
'

test_expect_success 'git agbranch -C, several times, and git -C' '
	git agbranch -C "here it is" config --json >out && value 21 &&
	git agbranch -C "here it is" -C sub config --json >out && value 21 &&
	git -C "here it is" agbranch config --json >out && value 21 &&
	git -C elsewhere agbranch -C "../here it is" config --json >out && value 21 &&
	agbranch -C "here it is" config --json >out && value 21
'

test_expect_success 'git -c' '
	git -C "here it is" -c agbranch.rescueDays=7 agbranch config --json >out && value 7 &&
	origin "command line" &&
	git -c agbranch.rescueDays=5 agbranch config --json >out && value 5
'

test_expect_success 'GIT_CONFIG_COUNT, GIT_CONFIG_GLOBAL' '
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=agbranch.rescueDays GIT_CONFIG_VALUE_0=9 \
		git -C "here it is" agbranch config --json >out && value 9 &&
	git config -f other.config agbranch.rescueDays 33 &&
	(cd elsewhere && GIT_CONFIG_GLOBAL=../other.config git agbranch config --json) >out && value 33
'

test_expect_success 'GIT_DIR and GIT_WORK_TREE' '
	(cd elsewhere && GIT_DIR="../here it is/.git" git agbranch config --json) >out && value 21 &&
	(cd elsewhere && GIT_DIR="../here it is/.git" GIT_WORK_TREE="../here it is" \
		git agbranch config --json) >out && value 21 &&
	git --git-dir="here it is/.git" --work-tree="here it is" agbranch config --json >out && value 21
'

test_expect_success 'a linked worktree, a bare repository, a folder inside .git' '
	git -C "here it is" worktree add -q ../linked &&
	git -C linked agbranch config --json >out && value 21 &&
	git clone -q --bare "here it is" bare.git &&
	git -C bare.git config agbranch.rescueDays 3 &&
	git -C bare.git agbranch config --json >out && value 3 &&
	git -C "here it is/.git/objects" agbranch config --json >out && value 21
'

test_expect_success 'as an alias, from a subfolder too' '
	git config --global alias.ab agbranch &&
	git config --global alias.abs "!git agbranch" &&
	git -C "here it is" ab config --json >out && value 21 &&
	git -C "here it is/sub" ab config --json >out && value 21 &&
	git -C "here it is/sub" abs config --json >out && value 21 &&
	git -c agbranch.rescueDays=2 -C "here it is/sub" abs config --json >out && value 2
'

test_expect_success 'from a git hook of another repository' '
	make_repo hooked &&
	mkdir -p hooked/.git/hooks &&
	cat >hooked/.git/hooks/post-commit <<-END &&
	#!/bin/sh
	git agbranch config --json >"$PWD/out"
	END
	chmod +x hooked/.git/hooks/post-commit &&
	git -C hooked config agbranch.rescueDays 4 &&
	git -C hooked commit -q --allow-empty -m x &&
	value 4
'

test_expect_success 'agbranch VERB is git agbranch VERB' '
	git -C "here it is" agbranch config >expected &&
	(cd "here it is" && agbranch config) >out &&
	test_cmp expected out &&
	test "$(agbranch help --version)" = "$(git agbranch --version)"
'

test_expect_success 'a value of the wrong type names where it is set' '
	expect_code 1 git -C "here it is" -c agbranch.rescueDays=soon agbranch config &&
	grep "agbranch.rescueDays" err &&
	grep "soon" err
'

test_expect_success 'a -C that is no folder' '
	expect_code 1 git agbranch -C nowhere config &&
	grep "^fatal: cannot change to .nowhere." err &&
	expect_code 129 git agbranch -C
'

test_done
