#!/bin/sh
test_description='wait: until an agent is idle, waits, is done, has a commit, is stopped'
. ./t/lib/test-lib.sh

# in_window TEXT: type into the agent window.
say_in_window () {
	git agbranch run one -- tmux -S "$socket" send-keys -t =one:=agent "$1" Enter
}

test_expect_success 'set up: an agent that does what it is told' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q --detach -- sh &&
	socket=$(git agbranch show one --json | jq -r .tmux.socket)
'

test_expect_success 'time runs out with 124' '
	expect_code 124 git agbranch wait one --for=exit --timeout=200ms &&
	grep "time ran out while waiting for exit of .one." err &&
	expect_code 124 git agbranch wait --for=commit --timeout=200ms --json &&
	json_is .error.code 124
'

test_expect_success 'idle: nothing is printed any more' '
	expect_code 0 git agbranch wait one --for=idle --quiet-for=1s --timeout=30s --json &&
	json_is .session one && json_is .for idle && json_is .exit_status null
'

test_expect_success 'waiting: the bell' '
	{ git agbranch wait one --for=waiting --timeout=30s >waited & } &&
	pid=$! &&
	say_in_window "printf \"\\a\"" &&
	wait $pid &&
	grep "^one: waiting$" waited
'

test_expect_success 'what the agent says goes before what is guessed' '
	git agbranch run one -- tmux -S "$socket" set-option -w -t =one:=agent @agbranch_state working &&
	expect_code 124 git agbranch wait one --for=idle --quiet-for=1s --timeout=2s &&
	git agbranch run one -- tmux -S "$socket" set-option -w -t =one:=agent @agbranch_state done &&
	expect_code 0 git agbranch wait one --for=done --timeout=30s
'

test_expect_success 'commit: what the host has not' '
	{ git agbranch wait one --for=commit --timeout=30s --json >waited & } &&
	pid=$! &&
	agent_commit one file text &&
	wait $pid &&
	git agbranch run one -- git rev-parse HEAD >head &&
	json_is .oid "$(cat head)" waited &&
	git agbranch sync one -q &&
	expect_code 124 git agbranch wait one --for=commit --timeout=200ms
'

test_expect_success 'exit: with the status' '
	{ git agbranch wait one --timeout=30s --json >waited & } &&
	pid=$! &&
	say_in_window "exit 7" &&
	wait $pid &&
	json_is .for exit waited && json_is .exit_status 7 waited
'

test_expect_success 'done: an agent that ended with another status is an error' '
	git agbranch run one -- tmux -S "$socket" set-option -wu -t =one:=agent @agbranch_state &&
	expect_code 1 git agbranch wait one --for=done --timeout=30s &&
	grep "the agent of session .one. ended with status 7" err &&
	expect_code 1 git agbranch wait one --for=waiting --timeout=30s
'

test_expect_success 'several: --any and --all' '
	git agbranch open two -q &&
	expect_code 1 git agbranch wait two --for=exit --timeout=30s &&
	grep "session .two. has no agent window" err && grep "^hint: .*agent start" err &&
	agent_commit two file text &&
	expect_code 0 git agbranch wait one two --for=commit --timeout=30s --any &&
	expect_code 124 git agbranch wait one two --for=commit --timeout=300ms
' 

test_expect_success 'stopped: by the catalog, and when the guest dies' '
	{ git agbranch wait two --for=stopped --timeout=30s >waited & } &&
	pid=$! &&
	git agbranch stop two -q &&
	wait $pid &&
	grep "^two: stopped$" waited &&
	expect_code 0 git agbranch wait two --for=stopped &&
	expect_code 1 git agbranch wait two --for=idle &&
	grep "session .two. is stopped" err && grep "^hint: .*git agbranch start two" err
'

test_expect_success 'wrong usage' '
	expect_code 1 git agbranch wait one --for=nothing &&
	grep "^hint: --for is one of" err &&
	expect_code 129 git agbranch wait one --any --all &&
	expect_code 1 git agbranch wait one --timeout=soon &&
	expect_code 1 git agbranch wait nobody
'

test_expect_success 'no process is left' '
	git agbranch close one --discard --yes -q &&
	git agbranch close two --discard --yes -q &&
	no_process_left
'

test_done
