#!/bin/sh
test_description='the ref transaction: all or nothing, and finished forward after a kill'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"

command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null && test_set_prereq STRACE

test_expect_success 'set up' '
	gate_repos &&
	OLD=$(git -C host rev-parse HEAD^) && NEW=$BASE &&
	DEAD="99999999 1 00000000-0000-0000-0000-000000000000"
'

# reset_refs: as before each transaction: one to create, two to move, one (packed) to delete.
reset_refs () {
	git -C host update-ref --stdin <<-EOF &&
	update refs/agbranch/sessions/s/head $OLD
	update refs/heads/agbranch/s $OLD
	update refs/agbranch/rescue/s/1 $OLD
	EOF
	{ git -C host update-ref -d refs/agbranch/sync/s/1 || :; } &&
	git -C host pack-refs --all
}

updates () {
	printf "[{\"ref\":\"refs/agbranch/rescue/s/1\",\"old\":\"%s\",\"new\":null}," "$OLD"
	printf "{\"ref\":\"refs/agbranch/sync/s/1\",\"old\":null,\"new\":\"%s\"}," "$NEW"
	printf "{\"ref\":\"refs/agbranch/sessions/s/head\",\"old\":\"%s\",\"new\":\"%s\"}," "$OLD" "$NEW"
	printf "{\"ref\":\"refs/heads/agbranch/s\",\"old\":\"%s\",\"new\":\"%s\"}]" "$OLD" "$NEW"
}

all_moved () {
	test "$(git -C host rev-parse refs/agbranch/sync/s/1 refs/agbranch/sessions/s/head agbranch/s |
		sort -u)" = "$NEW" &&
	test_must_fail git -C host rev-parse -q --verify refs/agbranch/rescue/s/1 &&
	test -z "$(find host/.git -name "*.lock" -o -name packed-refs.new)"
}

test_expect_success 'all refs move, with a line in the reflog' '
	reset_refs &&
	gate refs "$(updates)" "agbranch: sync s" &&
	all_moved &&
	git -C host reflog show agbranch/s | grep "agbranch: sync s"
'

test_expect_success 'a ref that is elsewhere: exit 3 names it and its values, nothing moves' '
	reset_refs &&
	git -C host update-ref refs/heads/agbranch/s "$NEW" &&
	all_refs host >before &&
	expect_code 3 gate refs "$(updates)" x &&
	grep "ref .refs/heads/agbranch/s. has moved: it has $NEW, expected was $OLD; nothing was changed" err &&
	grep "^hint: " err &&
	all_refs host >after &&
	test_cmp before after
'

test_expect_success 'a ref that should not be there, and one that is gone' '
	reset_refs &&
	git -C host update-ref refs/agbranch/sync/s/1 "$OLD" &&
	expect_code 3 gate refs "$(updates)" x &&
	grep "refs/agbranch/sync/s/1. has moved: it has $OLD, expected was no value" err &&
	reset_refs &&
	git -C host update-ref -d refs/agbranch/sessions/s/head &&
	expect_code 3 gate refs "$(updates)" x &&
	grep "it has no value, expected was $OLD" err
'

test_expect_success 'a lock of another program is said, and not removed' '
	reset_refs &&
	: >host/.git/refs/heads/agbranch/s.lock &&
	expect_code 8 gate refs "$(updates)" x &&
	grep "s.lock" err &&
	test -f host/.git/refs/heads/agbranch/s.lock &&
	echo "$OLD" >host/.git/refs/heads/agbranch/s.lock &&
	expect_code 3 gate recover "$DEAD" "$(updates)" x &&
	grep "is the lock of another program" err &&
	test -f host/.git/refs/heads/agbranch/s.lock &&
	rm host/.git/refs/heads/agbranch/s.lock
'

test_expect_success 'the hook reference-transaction can refuse' '
	reset_refs &&
	printf "#!/bin/sh\ntest \$1 != prepared\n" >host/.git/hooks/reference-transaction &&
	chmod +x host/.git/hooks/reference-transaction &&
	all_refs host >before &&
	expect_code 7 gate refs "$(updates)" x &&
	all_refs host >after &&
	test_cmp before after &&
	rm host/.git/hooks/reference-transaction
'

test_expect_success 'recovery of a living owner is refused' '
	read -r stat </proc/$$/stat &&
	start=$(echo "$stat" | sed "s/.*) //" | cut -d" " -f20) &&
	expect_code 1 gate recover "$$ $start $(cat /proc/sys/kernel/random/boot_id)" "$(updates)" x &&
	grep "still runs" err
'

test_expect_success 'recovery of what never began moves all; a second one changes nothing' '
	reset_refs &&
	gate recover "$DEAD" "$(updates)" x && all_moved &&
	git -C host reflog show agbranch/s >before &&
	gate recover "$DEAD" "$(updates)" x && all_moved &&
	git -C host reflog show agbranch/s >after &&
	test_cmp before after
'

test_expect_success 'recovery stops at a ref that somebody moved' '
	reset_refs &&
	git -C host update-ref refs/agbranch/sessions/s/head "$NEW" &&
	other=$(git -C host commit-tree -m other "$NEW^{tree}") &&
	git -C host update-ref refs/heads/agbranch/s "$other" &&
	all_refs host >before &&
	expect_code 3 gate recover "$DEAD" "$(updates)" x &&
	grep "refs/heads/agbranch/s. has moved: it has $other" err &&
	all_refs host >after &&
	test_cmp before after
'

# A git that dies at the Nth of some system calls.  With `owner` the program that started it dies too.
test_expect_success STRACE 'a git that is killed at a given call' '
	mkdir bin &&
	real=$(command -v git) &&
	cat >bin/git <<-EOF &&
	#!/bin/sh
	case " \$* " in
	*" update-ref "*" --stdin "*)
		if test -f "$PWD/point" && read -r call count who <"$PWD/point"; then
			rm "$PWD/point"
			strace -qq -o "$PWD/trace" -e trace=\$call -e inject=\$call:signal=KILL:when=\$count \
				"$real" "\$@"
			status=\$?
			grep -q "killed by SIGKILL" "$PWD/trace" && : >"$PWD/killed"
			test "\$who" = owner && kill -KILL \$PPID
			# dies as it did, so that its caller sees it
			test -f "$PWD/killed" && kill -KILL \$\$
			exit \$status
		fi ;;
	esac
	exec "$real" "\$@"
	EOF
	chmod +x bin/git
'

# sweep WHO CALL…: kill at each of these calls in turn, until git ends by itself.
sweep () {
	who=$1
	shift
	points=0
	for call; do
		count=0
		while :; do
			count=$((count + 1)) &&
			reset_refs && rm -f killed &&
			echo "$call $count $who" >point &&
			if test "$who" = owner; then
				(PATH=$PWD/bin:$PATH && gate refs "$(updates)" x) >/dev/null 2>&1
				gate recover "$DEAD" "$(updates)" x || fail "recover after $call $count" || return 1
			else
				(PATH=$PWD/bin:$PATH && gate refs "$(updates)" x) || fail "$call $count" || return 1
			fi
			all_moved || fail "not all moved after $call $count" || return 1
			test -f killed || break
			points=$((points + 1))
		done
	done
	echo "$points points"
	test "$points" -ge 4
}

test_expect_success STRACE 'killed with its owner at every write, rename, unlink, mkdir and sync: recovered' '
	sweep owner write rename unlink mkdir fsync
'

test_expect_success STRACE 'git alone killed: the transaction itself finishes forward' '
	sweep git rename
'

test_expect_success 'nothing else was harmed' '
	repo_is_sound host
'

test_done
