#!/bin/sh
test_description='show: everything about one session; ps --live'
. ./t/lib/test-lib.sh

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q --detach -- sh -c "exec sleep 1000"
'

test_expect_success '--json has every key' '
	expect_code 0 git agbranch show one --json &&
	jq -e "has (\"name\") and has (\"vm_name\") and has (\"lifecycle_state\") and has (\"session_mode\")
		and has (\"repo_sync_mode\") and has (\"sync_state\") and has (\"base_ref\") and has (\"review_branch\")
		and has (\"session_ref_base\") and has (\"session_ref_head\") and has (\"host_context_path\")
		and has (\"guest_workspace_path\") and (.imported_provider_files | type == \"array\")
		and (.agent | has (\"preset\") and has (\"provider\") and has (\"window\"))
		and (.tmux | has (\"socket\") and has (\"shell_window\") and has (\"agent_window\"))
		and (.runtime.vm | has (\"status\") and has (\"ssh\") and has (\"vm_type\") and has (\"arch\")
			and has (\"cpus\") and has (\"memory\") and has (\"disk\"))" out
'

test_expect_success 'the guest and its windows as they are' '
	json_is .lifecycle_state running &&
	json_is .runtime.vm.status running &&
	json_is .runtime.guest.agent agent &&
	json_is .runtime.guest.shell_window.name shell && json_is .runtime.guest.shell_window.state live &&
	json_is .runtime.guest.agent_window.name agent && json_is .runtime.guest.agent_window.state live &&
	json_is .commits_ahead 0 && json_is .last_sync null && json_is .operation null &&
	jq -e ".runtime.vm.limits | all (.[]; . == \"enforced\" or . == \"advisory\" or . == \"none\")" out
'

test_expect_success 'in the repository of one session the name may be left out' '
	expect_code 0 git agbranch show &&
	grep "^session  *one$" out &&
	grep "^agent window  *live, sh$" out &&
	cd .. &&
	expect_code 1 git agbranch show &&
	grep "^hint: " err &&
	cd repo
'

test_expect_success 'commits and the last sync' '
	agent_commit one file text "by the agent" &&
	git agbranch sync one -q &&
	expect_code 0 git agbranch show one --json &&
	json_is .commits_ahead 1 && json_is .last_sync.result synced && json_is .last_sync.number 1 &&
	test "$(jq -r .head_oid out)" = "$(git rev-parse agbranch/one)" &&
	expect_code 0 git agbranch show one &&
	grep "^commits ahead  *1$" out && grep "^last sync  *synced at " out
'

test_expect_success 'ps --live asks the runtime' '
	expect_code 0 git agbranch ps --live --json &&
	json_is ".[0].live" running &&
	expect_code 0 git agbranch ps --live &&
	head -n 1 out | grep " LIVE "
'

test_expect_success 'ps: columns that are measured, asked for by name only' '
	git agbranch run one -- sh -c "echo x >loose; head -c 3000000 /dev/zero >big" &&
	echo other >>file && git commit -qam other &&
	{ git agbranch run one -- sh -c "while ! test -e stop; do :; done" & } && pid=$! &&
	expect_code 0 git agbranch ps --columns=name,ahead,changed,conflicts,cpu,memory-used,disk-used &&
	head -n 1 out | grep "^NAME *AHEAD *CHANGED *CONFLICTS *CPU *MEMORY USED *DISK USED$" &&
	grep "^one *1 *2 *1 *[1-9][0-9]*% *[0-9.]*.[KMG]iB *[23].[0-9].MiB$" out &&
	git agbranch run one -- touch stop && wait $pid &&
	expect_code 0 git agbranch ps -z --columns=name,changed,disk && tr "\000" "|" <out >shown && grep "^one|3|[0-9.]*.GiB||$" shown &&
	expect_code 0 git agbranch ps --json --columns=name,cpu && is_valid ps && json_is ".[0] | has(\"cpu\")" false &&
	expect_code 0 git agbranch ps && ! grep CPU out &&
	expect_code 0 git agbranch ps -q --columns=cpu && echo one >expected && test_cmp expected out &&
	expect_code 1 git agbranch ps --columns=name,conflict && grep "^hint: did you mean .conflicts." err &&
	git agbranch run one -- rm loose big stop && git reset -q --hard HEAD^
'

test_expect_success 'ps: a guest that does not answer is unknown, and so is one that is stopped' '
	git agbranch run one -- sh -c "mkdir -p ~/.local/bin; printf \"#!/bin/sh\nexec sleep 600\n\" >~/.local/bin/tmux; chmod +x ~/.local/bin/tmux" &&
	expect_code 0 git agbranch ps --columns=name,changed,memory-used && grep "^one *- *-$" out &&
	git agbranch run one -- rm /home/agent/.local/bin/tmux &&
	git agbranch launch still -q && git agbranch stop still -q &&
	expect_code 0 git agbranch ps --columns=name,changed,cpu && grep "^still *- *-$" out && grep "^one *0 *[0-9]*%$" out &&
	git agbranch close still --discard --yes -q
'

test_expect_success 'a stopped guest has no windows' '
	git agbranch stop one -q &&
	expect_code 0 git agbranch show one --json &&
	json_is .runtime.vm.status stopped && json_is .runtime.guest.agent shell-only &&
	json_is .runtime.guest.agent_window.state missing &&
	expect_code 0 git agbranch ps --live --json &&
	json_is ".[0].live" stopped
'

test_expect_success 'a guest that cannot be asked is unknown, not an error' '
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET runtime = '"'nowhere'"' WHERE name = '"'one'"'" &&
	expect_code 0 git agbranch show one --json &&
	json_is .runtime.vm.status unreachable && json_is .runtime.guest.agent unknown &&
	json_is .runtime.guest.shell_window.state unknown &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET runtime = '"'bwrap'"' WHERE name = '"'one'"'"
'

test_expect_success 'a closed session can be shown, an unknown one not' '
	git agbranch close one --discard --yes -q &&
	expect_code 0 git agbranch show one --json &&
	json_is .lifecycle_state closed && json_is .runtime.vm.status absent &&
	expect_code 1 git agbranch show on --json &&
	json_is .error.kind user &&
	expect_code 1 git agbranch show on &&
	grep "no session .on." err && grep "^hint: " err
'

test_expect_success 'no process is left' '
	no_process_left
'

test_done
