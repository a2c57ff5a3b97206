#!/bin/sh
test_description='every verb: -h, --help, unknown options, --list-options'
. ./t/lib/test-lib.sh

git agbranch help --list-verbs >verbs || error 'there is no list of verbs'

for verb in $(cut -f 1 verbs); do
	test_expect_success "$verb: -h is the usage on stdout, exit 129" '
		expect_code 129 git agbranch "$verb" -h </dev/null &&
		test_must_be_empty err &&
		head -n 1 out | grep -q "^usage: git agbranch [a-z-]*" &&
		! grep -n ".\{81\}" out
	'

	test_expect_success "$verb: an unknown option is exit 129, with the usage on stderr" '
		expect_code 129 git agbranch "$verb" --no-such-option </dev/null &&
		test_must_be_empty out &&
		grep -q "^error: .*no-such-option" err &&
		grep -q "^usage: git agbranch" err
	'

	test_expect_success "$verb: --list-options is a list of options with what they mean" '
		expect_code 0 git agbranch "$verb" --list-options </dev/null &&
		test_must_be_empty err &&
		grep "^--quiet	" out &&
		tab=$(printf "\t") &&
		! grep -v -E "^(--[a-z0-9][a-z0-9-]*=?|-[a-zA-Z0-9])$tab[^ $tab]" out &&
		git agbranch "$verb" -h | sed -n "s/^    \(-., \|    \)\(--[a-z0-9-]*\).*/\2/p" | sort >shown &&
		sed -n "s/^\(--[a-z0-9-]*\)=\{0,1\}$tab.*/\1/p" out | sort >listed &&
		test_cmp shown listed
	'

	test_expect_success "$verb: --help shows its page" '
		program=$(sed -n "s/^AGB_VERB *(\"$verb\", *\"\([a-z-]*\)\".*/\1/p" "$TEST_TOP/subcommands/verbs.def") &&
		test -n "$program" &&
		expect_code 0 git agbranch "$verb" --help </dev/null &&
		if test -f "$AGB_BUILD/share/man/man1/git-agbranch-$program.1" && command -v man >/dev/null; then
			grep -q "^SYNOPSIS" out && grep -q "git-agbranch-$program" out
		else
			grep -q "^usage: git agbranch" out
		fi
	'
done

test_expect_success 'exit codes of the pages are in the table of the main page' '
	sed -n "/^== EXIT STATUS/,/^== [^E]/s/^\*\([0-9]*\)\*::.*/\1/p" \
		"$TEST_TOP/Documentation/git-agbranch.adoc" | sort >known &&
	for page in "$TEST_TOP"/Documentation/git-agbranch-*.adoc; do
		sed -n "/^== EXIT STATUS/,/^== [^E]/s/^[|*\`]*\([0-9][0-9]*\)[*\`]*\(::\| *|\).*/\1/p" "$page" | sort -u >used &&
		test -s used || fail "no exit code in $page" || return 1
		comm -13 known used >unknown &&
		test_must_be_empty unknown || return 1
	done
'

test_expect_success 'the table of the main page is the enum of core/error.h' '
	sed -n "s/^  AGB_ERROR_[A-Z]* = \([0-9]*\),.*/\1/p" "$TEST_TOP/git-agbranch/core/error.h" >codes &&
	echo 0 >>codes &&
	sort codes >expected &&
	test_cmp expected known
'

test_expect_success 'a main page and a page a verb are built' '
	if ! test -d "$AGB_BUILD/share/man"; then
		say "# the manual is not built here"
		return 0
	fi &&
	for page in man1/git-agbranch.1 man5/agbranch-formats.5 man7/agbranch-security.7 man7/agbranchtutorial.7 \
		$(sed -n "s/^AGB_VERB *(\"[a-z-]*\", *\"\([a-z-]*\)\".*/man1\/git-agbranch-\1.1/p" "$TEST_TOP/subcommands/verbs.def"); do
		test -s "$AGB_BUILD/share/man/$page" || fail "no $page" || return 1
	done &&
	grep -q "git.*agbranch.*help" "$AGB_BUILD/share/man/man1/git-agbranch.1"
'

test_done
