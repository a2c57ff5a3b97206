#!/bin/sh
test_description='run: exit status, streams, signals, timeout, JSON'
. ./t/lib/test-lib.sh

test_expect_success 'set up a session' '
	make_repo repo &&
	git -C repo agbranch open one >/dev/null &&
	cd repo
'

test_expect_success 'the exit status is the command'\''s' '
	expect_code 0 git agbranch run one -- true &&
	expect_code 1 git agbranch run one -- false &&
	expect_code 42 git agbranch run one -- sh -c "exit 42" &&
	expect_code 139 git agbranch run one -- sh -c "kill -SEGV \$\$" &&
	expect_code 127 git agbranch run one -- no-such-program
'

test_expect_success 'words arrive as they are, without a shell' '
	expect_code 0 git agbranch run one -- printf "<%s>" "a  b" "\$HOME" "*" "" "it'\''s" &&
	test "$(cat out)" = "<a  b><\$HOME><*><><it'\''s>"
'

test_expect_success 'it starts in the workspace with a login environment, of the guest only' '
	SECRET_OF_HOST=1 && export SECRET_OF_HOST &&
	expect_code 0 git agbranch run one -- pwd &&
	test "$(cat out)" = /home/agent/workspaces/one/repo &&
	expect_code 0 git agbranch run one -- env &&
	grep -x "AGBRANCH_SESSION=one" out &&
	grep -x "HOME=/home/agent" out &&
	grep "^PATH=" out &&
	grep "^USER=agent" out &&
	! grep -e SECRET_OF_HOST -e "$AGBRANCH_STATE_ROOT" out
'

test_expect_success 'the session may be left out when there is one, and be given as an option' '
	expect_code 0 git agbranch run -- echo hello &&
	test "$(cat out)" = hello &&
	expect_code 0 git agbranch run --session one -- echo hello &&
	expect_code 1 git agbranch run --session two one -- echo hello &&
	grep "^agbranch: two sessions are named" err
'

test_expect_success 'stdin, stdout and stderr pass bytes of any kind' '
	head -c 3000000 /dev/urandom >bytes &&
	git agbranch run one -- cat <bytes >copy &&
	test_cmp bytes copy &&
	expect_code 0 git agbranch run one -- sh -c "echo to-out; echo to-err >&2" &&
	test "$(cat out)" = to-out &&
	test "$(cat err)" = to-err &&
	rm bytes copy
'

test_expect_success 'there is no terminal, and our own files are out of reach' '
	expect_code 1 git agbranch run one -- sh -c "test -t 0 || test -t 1 || test -t 2" &&
	echo secret >input &&
	{ git agbranch run one -- sh -c "echo changed >>/proc/self/fd/0" <input >/dev/null 2>&1 || :; } &&
	test "$(cat input)" = secret &&
	rm input
'

test_expect_success 'a command that does not read its input ends all the same' '
	expect_code 0 timeout 30 sh -c "yes | git agbranch run one -- true"
'

test_expect_success '--env sets variables; a name alone takes the value of the host' '
	FROM_HOST="a b" && export FROM_HOST &&
	expect_code 0 git agbranch run --env X="1 = 2" --env FROM_HOST one -- \
		sh -c "echo \"\$X|\$FROM_HOST\"" &&
	test "$(cat out)" = "1 = 2|a b" &&
	expect_code 1 git agbranch run --env NOT_SET_HERE one -- true && grep "is not set here" err &&
	expect_code 1 git agbranch run --env "1X=2" one -- true &&
	grep "is no name of an environment variable" err
'

test_expect_success 'a login shell finds what a command finds, however often one is started' '
	expect_code 0 git agbranch run one -- sh -c "echo \$PATH" && grep "^/home/agent/.local/bin:" out && cp out path &&
	expect_code 0 git agbranch run one -- sh -lc "echo \$PATH" && grep -F "$(cat path)" out && cp out login &&
	expect_code 0 git agbranch run one -- sh -lc "exec bash -lc \"exec sh -lc \\\"echo \\\\\$PATH\\\"\"" &&
	test_cmp login out
'

test_expect_success '--timeout ends it with 124' '
	expect_code 124 git agbranch run --timeout 1s one -- sleep 600 &&
	grep "^agbranch: " err &&
	wait_until 30 sh -c "! git agbranch run one -- pgrep -x sleep" &&
	expect_code 0 git agbranch run --timeout 60 one -- true &&
	expect_code 1 git agbranch run --timeout never one -- true &&
	grep "^agbranch: " err
'

test_expect_success 'SIGTERM is passed on' '
	rm -f started && mkfifo started &&
	{ git-agbranch run one -- sh -c "trap \"echo got it; exit 5\" TERM; echo ready; while :; do sleep 0.1; done" >started 2>err & } &&
	pid=$! &&
	exec 8<started &&
	read -r line <&8 &&
	test "$line" = ready &&
	kill -TERM "$pid" &&
	read -r line <&8 &&
	test "$line" = "got it" &&
	{ code=0; wait "$pid" || code=$?; } &&
	test "$code" = 5 &&
	exec 8<&- &&
	rm started
'

test_expect_success 'when run is killed the command is gone too' '
	{ git-agbranch run one -- sleep 543 & } && pid=$! &&
	wait_until 30 git agbranch run one -- pgrep -f "sleep 543" >/dev/null &&
	kill -KILL "$pid" &&
	! wait "$pid" 2>/dev/null &&
	wait_until 30 sh -c "! git agbranch run one -- pgrep -x sleep >/dev/null"
'

test_expect_success '--json tells all in one object' '
	expect_code 3 git agbranch run --json one -- sh -c "echo out; echo err >&2; exit 3" &&
	test_must_be_empty err &&
	json_is .stdout out && json_is .stderr err && json_is .exit_code 3 && json_is .signal null &&
	json_is .stdout_encoding utf-8 && json_is ".duration_ms >= 0" true && json_is .timed_out false &&
	expect_code 137 git agbranch run --json one -- sh -c "kill -KILL \$\$" &&
	json_is .signal 9 && json_is .exit_code 137
'

test_expect_success '--json: bytes that are no UTF-8 are base64, stdin is passed' '
	printf "a\377b" >bytes &&
	expect_code 0 git agbranch run --json one -- cat <bytes &&
	json_is .stdout_encoding base64 &&
	jq -r .stdout out | base64 -d >copy &&
	test_cmp bytes copy &&
	rm bytes copy
'

test_expect_success '--json: a timeout keeps what was printed' '
	expect_code 124 git agbranch run --json --timeout 1s one -- sh -c "echo before; exec sleep 600" &&
	json_is .stdout before && json_is .exit_code 124 && json_is .timed_out true
'

test_expect_success 'our own failures begin with agbranch:, in JSON exit_code is null' '
	expect_code 1 git agbranch run missing -- true &&
	grep "^agbranch: no session .missing." err &&
	expect_code 1 git agbranch run --json missing -- true &&
	json_is .exit_code null && json_is .error.code 1 && json_is .error.kind user &&
	expect_code 129 git agbranch run one &&
	grep "^error: there is no command" err &&
	expect_code 129 git agbranch run one true
'

test_expect_success 'a stopped session is started first' '
	git agbranch run one -- sh -c "echo kept >~/kept" &&
	git agbranch stop one &&
	expect_code 0 git agbranch run -q one -- cat /home/agent/kept &&
	test "$(cat out)" = kept &&
	test_must_be_empty err
'

test_expect_success 'also one whose sandbox died unseen' '
	pkill -KILL -f -- "$AGBRANCH_STATE_ROOT" &&
	expect_code 0 git agbranch run one -- cat /home/agent/kept &&
	test "$(cat out)" = kept
'

test_expect_success 'many at once' '
	for i in 1 2 3 4 5 6 7 8; do
		{ git agbranch run one -- sh -c "echo $i" >"many.$i" & } && pids="$pids $!" || return 1
	done &&
	for pid in $pids; do wait "$pid" || return 1; done &&
	cat many.* | sort -n | tr -d "\n" >all &&
	test "$(cat all)" = 12345678 &&
	rm many.* all
'

test_done
