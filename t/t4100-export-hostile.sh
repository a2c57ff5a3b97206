#!/bin/sh
test_description='unpacking what a guest sends: hostile archives are refused with the rule named'
. ./t/lib/test-lib.sh

no_leak_check
make_tar="python3 $TEST_TOP/t/hostile/make-tar.py"
unpack=$AGB_BUILD/libexec/git-agbranch/agbranch-unpack

# unpack_case CASE: into d/; the exit code to `code`.
unpack_case () {
	chmod -R u+rwX d 2>/dev/null
	rm -rf d && mkdir d &&
	$make_tar "$1" >archive &&
	code=0 &&
	(cd d && timeout 30 "$unpack" top 1000000 100 <../archive >../out 2>../err) || code=$?
}

# nothing_outside: what lies around the folder is as before, and nothing in it leads out.
nothing_outside () {
	test "$(ls)" = "$(printf "archive\nbait\nd\nerr\nlisted\nout")" || fail "beside the folder: $(ls)" || return 1
	test "$(cat bait)" = bait && test "$(stat -c %h bait)" = 1 || fail "the bait was touched" || return 1
	test ! -e /tmp/agb-escaped || fail "/tmp/agb-escaped" || return 1
	find d -type l | while read -r link; do
		case $(readlink -m "$link") in
		"$PWD"/d/*) ;;
		*) echo "$link" ;;
		esac
	done >out
	test_must_be_empty out || return 1
	find d ! -type f ! -type d ! -type l >out && test_must_be_empty out || return 1
	find d -perm /7000 >out && test_must_be_empty out
}

echo bait >bait
touch archive err out
mkdir d
$make_tar >listed || error 'no corpus'

test_expect_success 'the corpus has at least 20 cases' '
	test "$(wc -l <listed)" -ge 20
'

tab=$(printf '\t')
while IFS=$tab read -r name rule; do
	test_expect_success "$name: $rule" '
		unpack_case "$name" &&
		{ test "$code" = 9 || fail "exit code $code: $(cat out err)"; } &&
		{ grep -F -- "$rule" err || fail "another reason: $(cat err)"; } &&
		test "$(wc -l <err)" = 1 &&
		! LC_ALL=C grep "[[:cntrl:]]" err &&
		nothing_outside
	'
done <listed

test_expect_success 'what is harmless comes through, without set-uid and owners' '
	unpack_case good &&
	{ test "$code" = 0 || fail "exit code $code: $(cat err)"; } &&
	test "$(stat -c %a d/top/set-uid)" = 755 &&
	test "$(stat -c %a d/top/read-only)" = 644 &&
	test "$(cat d/top/none)" = z &&
	test "$(readlink d/top/here)" = sub/up &&
	test "$(cat d/top/here)" = x &&
	test "$(stat -c %i d/top/sub/hard)" = "$(stat -c %i d/top/set-uid)" &&
	test "$(cat "d/top/ünï 中 \"q\" '\''s'\'' \$x")" = u &&
	test "$(stat -c %u d/top/dot)" = "$(id -u)" &&
	test "$(stat -c %Y d/top/dot)" = 86400 &&
	nothing_outside
'

test_expect_success 'the process that reads it can neither write elsewhere nor run anything' '
	mkfifo input && mkdir -p e &&
	{ (cd e && exec "$unpack" top 1000 10 <../input) & } &&
	pid=$! &&
	exec 9>input &&
	wait_until 30 grep -q "^Seccomp:.2" "/proc/$pid/status" &&
	grep -q "^NoNewPrivs:.1" "/proc/$pid/status" &&
	exec 9>&- &&
	! wait "$pid" &&
	rm -rf input e
'

test_done
