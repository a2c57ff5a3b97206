#!/bin/sh
test_description='Documentation/compatibility.adoc: what it names is there, and each proof is a test of that name'
. ./t/lib/test-lib.sh

page=$TEST_TOP/Documentation/compatibility.adoc
schemas=$TEST_TOP/Documentation/schemas

# rows FROM TO: the rows of the tables between two headings, without their heads.
rows () {
	sed -n "/^$1/,/^$2/p" "$page" | grep "^|.*|.*|.*|" | grep -v "|Verdict |"
}

test_expect_success 'every row of agbranch 0.1 has a verdict and a proof' '
	rows "== agbranch 0.1" "== Words" >rows &&
	test "$(wc -l <rows)" -gt 170 &&
	! grep -vE "\|(works|differs|no|not yet) \|" rows &&
	! grep -vE "\|t/t[0-9][0-9a-z.-]*\.sh: [^|]+$" rows
'

test_expect_success 'every proof is a script, and a test in it whose title says so' '
	sed -n "/^== The other four/,\$ s/^|.*(\(t\/t.*\))$/\1/p" "$page" >others &&
	test "$(wc -l <others)" -gt 30 &&
	sed "s/.*|//" rows | cat - others | sed "s, / t/t,\nt/t,g" | sort -u >proofs &&
	test "$(wc -l <proofs)" -gt 90 &&
	(cd "$TEST_TOP" && grep -H "^test_expect_success " t/t*.sh) | sed "s/:test_expect_success /: /" >titles &&
	# A line of both: the script, and somewhere behind it the words.
	awk "NR == FNR { titles[NR] = \$0; count = NR; next }
		{ at = index (\$0, \": \"); script = substr (\$0, 1, at); words = substr (\$0, at + 2); found = 0
		  for (i = 1; i <= count && !found; i++)
			found = index (titles[i], script) == 1 && index (titles[i], words) > 0
		  if (!found) print }" titles proofs >missing &&
	test_must_be_empty missing
'

test_expect_success 'the list of what agbranch 0.1 gives its users is whole' '
	rows "=== What it gives its users" "== Words" | sed "s/^|\([0-9]*\) .*/\1/" >numbers &&
	seq 72 >expected && test_cmp expected numbers
'

test_expect_success 'every key that agbranch 0.1 printed is required by its schema' '
	rows "=== JSON keys" "=== Exit codes" | sed -n "s/^|\`\([a-z]*\)\`[^|]*|[a-z ]*|\([^|]*\)|.*/\1 \2/p" >keys &&
	test "$(wc -l <keys)" -ge 22 &&
	while read -r verb list; do
		echo "$list" | sed "s/those of .ps., and//; s/(never null)//; s/; or//g; s/[,;]//g" | tr -s " " "\n" >wanted &&
		jq -r "[.. | .required? // empty] | flatten | .[]" "$schemas/$verb.schema.json" | sort -u >required &&
		sort -u wanted | sed "/^$/d" | comm -23 - required >missing &&
		test_must_be_empty missing || fail "$verb" || return 1
	done <keys
'

test_expect_success 'every exit code is a row' '
	rows "=== Exit codes" "=== Files" | sed -n "s/^|\([0-9]\) .*/\1/p" >codes &&
	seq 0 9 >expected && test_cmp expected codes
'

test_expect_success 'every verb it names is a verb, or said not to be' '
	for verb in $(sed -n "s/^AGB_VERB (\"\([a-z-]*\)\".*/\1/p" "$TEST_TOP/subcommands/verbs.def"); do
		grep -q "\`$verb\|$verb\`" "$page" || echo "$verb"
	done >missing &&
	printf "%s\n" completion config help hooks rescue top >allowed &&
	! grep -vxFf allowed missing
'

test_expect_success 'the words that mean something else are in one table' '
	sed -n "/^== Words/,/^== /p" "$page" >words &&
	for word in run open ps watch kill send clone exec setup shell; do
		grep -q "^|\`$word\` |" words || fail "$word is missing" || return 1
	done
'

test_expect_success 'what is only said is said' '
	section () {
		sed -n "/^== $1/,/^== /p" "$TEST_TOP/Documentation/agbranch-security.adoc" | tr "\n\t" "  " | tr -s " "
	} &&
	section "WHAT IS NOT PROTECTED" >not && section "RUNTIMES COMPARED" >compared && section "WHEN NONE OF THIS" >none &&
	grep "Credentials that you import:: .*A virtual machine does not help against that" not &&
	grep "A network that you open:: " not &&
	grep -i "virtual machine" compared && grep -i "container" compared && grep "kernel" compared &&
	grep "a branch is enough" none
'

test_done
