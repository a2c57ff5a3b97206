#!/bin/sh
test_description='launch: sandbox sessions and their seed'
. ./t/lib/test-lib.sh

test_expect_success 'launch without a repository: JSON and row' '
	mkdir plain && cd plain &&
	expect_code 0 git agbranch launch box --json &&
	json_is .session box &&
	json_is .vm_name agbranch-box &&
	json_is .lifecycle_state running &&
	json_is .guest_workspace_path /home/agent/sandbox/box &&
	git agbranch run box -- pwd >dir &&
	echo /home/agent/sandbox/box >expected &&
	test_cmp expected dir &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT session_mode, repo_sync_mode FROM sessions")" = "sandbox|"
'

test_expect_success '--sync is exit 1, sync is exit 1, --discard closes' '
	expect_code 1 git agbranch close box --sync --yes &&
	grep "^hint: git agbranch export box" err &&
	expect_code 1 git agbranch sync box &&
	expect_code 0 git agbranch close box --discard --yes --json &&
	json_is .outcome discard &&
	json_is .destroy_result destroyed
'

test_expect_success '--seed: modes and links as they are, nothing followed out, counted' '
	mkdir -p ../seed/sub/.hidden && (
		cd ../seed &&
		echo text >file && printf "#!/bin/sh\n" >run && chmod 755 run && echo x >sub/.hidden/x &&
		ln -s file link && ln -s /etc/passwd outside && ln -s ../.. up && mkfifo pipe &&
		echo "odd" >"a b
c" && chmod 600 file
	) &&
	expect_code 0 git agbranch launch box --seed ../seed --json &&
	json_is .seeded_files 7 &&
	json_is .seed_host_path "$(cd ../seed && pwd)" &&
	git agbranch run box -- sh -c "stat -c %a file run; readlink link outside up; cat sub/.hidden/x; ls -A | wc -l; cat a*c" >got &&
	cat >expected <<-\EOF &&
	600
	755
	file
	/etc/passwd
	../..
	x
	8
	odd
	EOF
	test_cmp expected got &&
	git agbranch close box --discard --yes -q
'

test_expect_success 'above the limit, or not there: exit 1, nothing made' '
	expect_code 1 git -c agbranch.limits.seed=3 agbranch launch box --seed ../seed &&
	grep "larger than" err &&
	grep "agbranch.limits.seed" err &&
	expect_code 1 git agbranch launch box --seed ../missing &&
	expect_code 1 git agbranch launch box --seed ../seed/file &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT count(*) FROM sessions WHERE lifecycle_state <> '\''closed'\''")" = 0 &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-box"
'

test_expect_success 'an agent in a sandbox session' '
	git agbranch launch box -q -- sh -c "echo hello >agent-was-here; exec sleep 600" &&
	wait_until 30 git agbranch run box -- test -s agent-was-here &&
	git agbranch close box --discard --yes -q
'

test_expect_success 'a failure on the way undoes it' '
	: >points &&
	AGB_FAIL_LIST=$(pwd)/points git agbranch launch box -q &&
	git agbranch close box --discard --yes -q &&
	number=$(grep -n "journal: open running" points | head -n 1 | cut -d: -f1) &&
	expect_code 8 env AGB_FAIL_AT="$number:error" git agbranch launch box -q &&
	! test -e "$AGBRANCH_STATE_ROOT/bwrap/agbranch-box" &&
	no_process_left
'

test_done
