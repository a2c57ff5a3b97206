#!/bin/sh
test_description='Documentation/compatibility.adoc: what it names is there'
. ./t/lib/test-lib.sh

page=$TEST_TOP/Documentation/compatibility.adoc

test_expect_success 'every test that is named exists' '
	grep -o "t/t[0-9][0-9a-z.-]*\.sh" "$page" | sort -u >named &&
	test "$(wc -l <named)" -gt 20 &&
	while read -r name; do
		test -f "$TEST_TOP/$name" || fail "$name does not exist" || return 1
	done <named
'

test_expect_success 'every row of agbranch 0.1 has a verdict and a proof' '
	sed -n "/^== agbranch 0.1/,/^== Words/p" "$page" | grep "^|.*|.*|.*|" | grep -v "|Verdict |" >rows &&
	test "$(wc -l <rows)" -gt 80 &&
	! grep -vE "\|(works|differs|no|not yet) \|" rows &&
	! grep -v "|t/t[0-9][0-9a-z.-]*\.sh$" rows
'

test_expect_success 'every key that agbranch 0.1 printed is required by its schema' '
	sed -n "/^=== JSON keys/,/^=== Exit codes/p" "$page" | sed -n "s/^|\`\([a-z]*\)\`[^|]*|[a-z]* |\([a-z_, ]*\)[^|]*|.*/\1 \2/p" >keys &&
	test "$(wc -l <keys)" -gt 10 &&
	while read -r verb list; do
		case $verb in
		base | repair | show | ps | logs | watch | doctor | gc) continue ;;
		esac
		for key in $(echo "$list" | tr -d ","); do
			jq -e --arg key "$key" ".required | index (\$key) != null" \
				"$TEST_TOP/Documentation/schemas/$verb.schema.json" >answer || fail "$verb: $key" || return 1
		done
	done <keys
'

test_expect_success 'every verb it names is a verb, or said not to be' '
	for verb in $(sed -n "s/^AGB_VERB (\"\([a-z-]*\)\".*/\1/p" "$TEST_TOP/subcommands/verbs.def"); do
		grep -q "\`$verb\|$verb\`" "$page" || echo "$verb"
	done >missing &&
	printf "%s\n" completion config help hooks rescue top >allowed &&
	! grep -vxFf allowed missing
'

test_done
