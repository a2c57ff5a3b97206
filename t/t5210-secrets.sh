#!/bin/sh
test_description='credentials of the host: in no guest, no catalog, no log and no JSON'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/secrets.sh"

# With a virtual machine, its image and its saved state: t9130.

test_expect_success 'set up: secrets of the host everywhere' '
	make_repo repo &&
	plant_secrets "$HOME" repo
'

test_expect_success 'a session, its agent and its work, with secrets in the environment' '
	with_secrets expect_code 0 git -C repo agbranch open one --json -- sh -c "env >~/agent-env; sleep 600" &&
	cp out one.json &&
	wait_until 20 sh -c "git agbranch run one -- test -s /home/agent/agent-env" &&
	agent_commit one file "by the agent" &&
	with_secrets expect_code 0 git agbranch sync one --json && cp out sync.json &&
	mkdir seed && echo CONTROL-SEEDED >seed/file &&
	with_secrets expect_code 0 git agbranch launch --seed seed box --json && cp out box.json &&
	for verb in "show one" ps "logs one" "logs one --source guest" doctor config; do
		with_secrets test_might_fail git agbranch $verb --json >>more.json || return 1
	done
'

# row 13
test_expect_success 'the guest reads none: environment, files, configuration, processes' '
	for name in one box; do
		git agbranch run $name -- sh -c "
			env; cat ~/agent-env 2>/dev/null; git config --list --show-origin; git remote -v
			cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr \"\\0\" \"\\n\"
			cat /home/*/.netrc /root/.netrc $HOME/.netrc $HOME/.ssh/id_ed25519 $HOME/.aws/credentials 2>/dev/null
			find / -xdev -type f -size -1000k -path \"*/.*\" 2>/dev/null | head -2000 | xargs cat 2>/dev/null
			true" >guest.$name &&
		test -s guest.$name && no_secret guest.$name || return 1
	done
'

test_expect_success 'none is in catalog, logs, staged syncs, sandboxes, locks or JSON' '
	has_control CONTROL-SEEDED "$AGBRANCH_STATE_ROOT" &&
	has_control "by the agent" "$AGBRANCH_STATE_ROOT" one.json more.json &&
	no_secret "$AGBRANCH_STATE_ROOT" *.json
'

test_expect_success 'a variable that the user names goes to the agent, and is stored nowhere' '
	with_secrets expect_code 0 git -C repo agbranch open two --env MY_PASSWORD --json -- \
		sh -c "printenv MY_PASSWORD | wc -c >~/length; sleep 600" &&
	cp out two.json &&
	wait_until 20 sh -c "git agbranch run two -- test -s /home/agent/length" &&
	git agbranch run two -- cat /home/agent/length >length &&
	test "$(cat length)" -gt 10 &&
	git agbranch show two --json >show.json &&
	no_secret "$AGBRANCH_STATE_ROOT" *.json
'

test_expect_success 'what a close leaves has none' '
	for name in one two box; do
		expect_code 0 git agbranch close --discard --yes $name || return 1
	done &&
	no_secret "$AGBRANCH_STATE_ROOT" repo/.git/objects repo/.git/refs repo/.git/logs
'

test_done
