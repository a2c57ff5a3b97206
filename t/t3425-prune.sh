#!/bin/sh
test_description='git on the host cleans up beside a sync: gc, prune, repack, maintenance'
. ./t/lib/test-lib.sh

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q
'

tip_is_here () {
	test "$(git rev-parse agbranch/one)" = "$(git agbranch run one -- git rev-parse HEAD)" &&
	git rev-list --objects --all >/dev/null &&
	repo_is_sound .
}

# A git in front of git: it cleans up just before the refs move.
test_expect_success 'gc, prune and maintenance before the refs move: nothing is lost' '
	mkdir -p ../bin &&
	real=$(command -v git) &&
	write_script () { cat >"$1" && chmod +x "$1"; } &&
	for command in "gc -q --prune=now" "prune --expire=now" "maintenance run --task=gc --quiet" "repack -a -d -q" \
		"maintenance run --task=loose-objects --quiet" "prune-packed"; do
		write_script ../bin/git <<-SCRIPT &&
		#!/bin/sh
		case " \$* " in
		*" update-ref "*) test -e "$TEST_TMP/done" || { : >"$TEST_TMP/done"; "$real" -C "$(pwd)" $command; } ;;
		esac
		exec "$real" "\$@"
		SCRIPT
		rm -f "$TEST_TMP/done" &&
		agent_commit one file "$command" &&
		(PATH=$(cd ../bin && pwd):$PATH && export PATH &&
			expect_code 0 git-agbranch sync one) &&
		test -e "$TEST_TMP/done" &&
		tip_is_here || { fail "$command"; return 1; }
	done
'

# Stopped in its first deletion: by then it has looked at every ref.
if strace -o /dev/null true 2>/dev/null; then
	test_set_prereq STRACE
elif test -n "$AGB_NO_SKIP"; then
	error 'strace may not trace here, and AGB_NO_SKIP is set'
fi
is_stopped () {
	grep -q -- "--- stopped by SIGSTOP ---" ../trace 2>/dev/null
}
for command in "prune --expire=now" "gc -q --prune=now"; do
	test_expect_success STRACE "'git $command' that looked at the refs before they moved, and deletes afterwards" '
		command="'"$command"'" &&
		git repack -adq && git prune --expire=now &&
		: "nobody reaches it, and it lies in the first folder that a prune looks into" &&
		oid=$(echo "nobody 179" | git hash-object -w --stdin) && loose=.git/objects/00/${oid#00} && test -f "$loose" &&
		agent_commit one file "stopped $command" &&
		rm -f ../trace &&
		{
			strace -f -o ../trace -P "$loose" \
				-e trace=unlink,unlinkat -e inject=unlink,unlinkat:signal=SIGSTOP git $command &
			cleaner=$!
		} &&
		wait_until 20 is_stopped &&
		expect_code 0 git agbranch sync one &&
		kill -CONT $(sed -n "/stopped by SIGSTOP/s/ .*//p" ../trace) &&
		wait $cleaner &&
		! test -e "$loose" &&
		tip_is_here
	'
done

test_expect_success 'gc.auto=0: nothing on the host cleans up by itself' '
	head -c 9000000 /dev/urandom >large && git add large && git commit -qm large && git repack -adq &&
	git config gc.auto 0 &&
	for n in $(seq 17); do
		agent_commit one file "none $n" && git agbranch sync one -q || return 1
	done &&
	test "$(ls .git/objects/pack/*.pack | wc -l)" = 18
'

test_expect_success 'else many small packs become few; a large one is left alone' '
	git config --unset gc.auto &&
	large=$(find .git/objects/pack -name "*.pack" -size +8M) && test -n "$large" &&
	agent_commit one file last && git agbranch sync one -q &&
	test "$(ls .git/objects/pack/*.pack | wc -l)" -lt 8 && test -f "$large" &&
	! ls .git/objects/pack/*.keep &&
	tip_is_here
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
