#!/bin/sh
test_description='what is printed with --json is as Documentation/schemas says'
. ./t/lib/test-lib.sh

test_expect_success 'the check itself finds what is wrong' '
	echo "{\"session\":\"x\",\"for\":\"idle\",\"exit_status\":null,\"oid\":null}" >good &&
	is_valid wait good &&
	for edit in "del (.oid)" ".extra = 1" ".for = \"never\"" ".exit_status = 1.5" ".oid = \"abc\"" ".session = 1"; do
		jq "$edit" good >bad &&
		! is_valid wait bad >/dev/null || fail "not found: $edit" || return 1
	done
'

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q --detach -- sh -c "exec sleep 1000" &&
	agent_commit one file text &&
	git agbranch sync one -q &&
	git agbranch launch box -q
'

test_expect_success 'ps' '
	expect_code 0 git agbranch ps -a --json && is_valid ps &&
	expect_code 0 git agbranch ps -a --json --live && is_valid ps
'

test_expect_success 'show' '
	expect_code 0 git agbranch show one --json && is_valid show &&
	expect_code 0 git agbranch show box --json && is_valid show
'

test_expect_success 'logs' '
	for source in events sync guest script kernel provision; do
		expect_code 0 git agbranch logs one --json --source=$source && is_valid logs || return 1
	done
'

test_expect_success 'wait' '
	expect_code 124 git agbranch wait one --for=commit --timeout=100ms --json && is_valid error &&
	agent_commit one file more &&
	expect_code 0 git agbranch wait one --for=commit --timeout=30s --json && is_valid wait
'

test_expect_success 'doctor and gc' '
	git update-ref refs/agbranch/sessions/stray/base HEAD &&
	expect_code 1 git agbranch doctor --json && is_valid doctor &&
	expect_code 0 git agbranch gc --dry-run --json && is_valid gc
'

test_expect_success 'watch' '
	git agbranch close box --discard --yes -q &&
	expect_code 0 git agbranch watch box --json && is_valid watch &&
	{ git agbranch watch one --json >lines & } &&
	pid=$! &&
	wait_until 30 test -s lines &&
	git agbranch close one --discard --yes -q &&
	wait $pid &&
	is_valid watch lines &&
	test "$(wc -l <lines)" -gt 1
'

test_expect_success 'closed sessions too, and errors' '
	expect_code 0 git agbranch ps -a --json && is_valid ps &&
	expect_code 0 git agbranch show one --json && is_valid show &&
	expect_code 1 git agbranch show nobody --json && is_valid error
'

test_done
