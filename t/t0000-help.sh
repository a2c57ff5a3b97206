#!/bin/sh
test_description='help: the list of verbs, versions, suggestions'
. ./t/lib/test-lib.sh

test_expect_success 'without a verb the list is shown' '
	expect_code 0 git agbranch &&
	grep "^   help  " out &&
	test_must_be_empty err
'

test_expect_success 'an unknown verb is exit 1 with the nearest one' '
	expect_code 1 git agbranch hlep &&
	test_must_be_empty out &&
	grep "fatal: .hlep. is not a verb of git agbranch" err &&
	grep "hint: did you mean: git agbranch help" err
'

test_expect_success '--version names the libraries' '
	expect_code 0 git agbranch --version &&
	for library in glib libgit2 sqlite cjson libyaml libarchive libseccomp; do
		grep -q "^$library " out || return 1
	done
'

test_expect_success '-C changes the folder, and says when it cannot' '
	mkdir folder &&
	expect_code 0 git agbranch -C folder help &&
	expect_code 1 git agbranch -C missing help &&
	grep "cannot change to .missing.: No such file" err
'

test_expect_success 'an unknown option is a usage error' '
	expect_code 129 git agbranch --nonsense &&
	grep "unknown option" err
'

test_done
