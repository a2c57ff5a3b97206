#!/bin/sh
test_description='sandbox: running commands in it'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/guest-tool
folder=$AGBRANCH_STATE_ROOT/bwrap/agbranch-x
"$tool" create x && "$tool" start x

# in_guest COMMAND…: with the exit code that comes
in_guest () {
	"$tool" exec x "$@"
}

for code in 0 1 7 126 127 130 137 255; do
	test_expect_success "exit code $code" "
		expect_code $code in_guest sh -c 'exit $code' &&
		expect_code $code \"\$tool\" capture x sh -c 'exit $code' </dev/null
	"
done

for signal in TERM:143 KILL:137 SEGV:139 INT:130 PIPE:141; do
	test_expect_success "ended by SIG${signal%:*}" "
		expect_code ${signal#*:} in_guest sh -c 'kill -${signal%:*} \$\$'
	"
done

test_expect_success 'a command that is not there is 127, one that cannot run 126' '
	expect_code 127 in_guest no-such-command &&
	grep "agbranch: cannot run .no-such-command.: No such file" err &&
	expect_code 126 in_guest /etc &&
	grep "agbranch: cannot run ./etc.: Permission denied" err
'

test_expect_success 'arguments, environment and folder arrive as they are' '
	expect_code 0 "$tool" exec --cwd /tmp --env "A=1 2" --env HOME=/x x \
		sh -c "pwd; echo \"\$A\" \"\$HOME\"; for a; do echo \"[\$a]\"; done" sh "a b" "" "\$HOME" "ü*" &&
	printf "%s\n" /tmp "1 2 /x" "[a b]" "[]" "[\$HOME]" "[ü*]" >expected &&
	test_cmp expected out
'

test_expect_success 'a folder that is not there is our error, not the command'\''s' '
	expect_code 6 "$tool" exec --cwd /nowhere x true &&
	grep "agbranch: cannot enter ./nowhere. in guest .agbranch-x.: No such file" err
'

test_expect_success 'a long command line' '
	long=$(printf "%0100000d" 7) &&
	expect_code 0 in_guest sh -c "echo \${#1} \${#2}" sh "$long" "$long" &&
	test "$(cat out)" = "100000 100000"
'

test_expect_success 'stdout and stderr are apart' '
	expect_code 0 in_guest sh -c "echo out; echo err >&2" &&
	test "$(cat out)" = out &&
	test "$(cat err)" = err
'

for size in 0 1 65519 65520 65521; do
	test_expect_success "$size bytes through stdin and stdout" "
		head -c $size /dev/urandom >input &&
		in_guest cat <input >output &&
		cmp input output &&
		\"\$tool\" capture x cat <input >output &&
		cmp input output
	"
done

test_expect_success '64 MiB of any bytes, there and back' '
	head -c 67108864 /dev/urandom >input &&
	in_guest cat <input >output &&
	cmp input output &&
	"$tool" exec x cat <input | cmp input - &&
	rm input output
'

test_expect_success 'a command that does not read its input' '
	head -c 1000000 /dev/zero >input &&
	expect_code 3 in_guest sh -c "exit 3" <input &&
	head -c 1000000 /dev/zero | expect_code 3 "$tool" capture x sh -c "exit 3"
'

test_expect_success 'a reader that goes away ends the writer' '
	"$tool" exec x sh -c "yes; echo ended by \$? >~/yes" | head -n 1 >out &&
	wait_until 30 "$tool" exec x test -s yes &&
	expect_code 0 in_guest cat yes &&
	grep "ended by 141" out
'

test_expect_success 'a slow reader gets everything that was written before the end' '
	{ "$tool" exec x sh -c "head -c 60000 /dev/zero; exit 4"; echo $? >status; } |
	{ wait_until 30 "$tool" exec x sh -c "! pgrep -x head" </dev/null && cat >output; } &&
	test "$(stat -c %s output)" = 60000 &&
	test "$(cat status)" = 4
'

test_expect_success 'a background child that holds the streams does not hold the command' '
	expect_code 5 timeout 20 "$tool" exec x sh -c "sleep 1000 & echo said; exit 5" &&
	test "$(cat out)" = said &&
	expect_code 0 in_guest pkill -x sleep
'

test_expect_success 'nor does one in a session of its own that goes on writing' '
	expect_code 0 timeout 20 "$tool" exec x setsid sh -c "yes & true" &&
	expect_code 0 in_guest sh -c "pkill -x yes; true"
'

test_expect_success 'a deadline is 124, and the command does not stay' '
	expect_code 124 "$tool" exec --timeout 300 x sleep 1001 &&
	wait_until 30 "$tool" exec x sh -c "! pgrep -f \"[s]leep 1001\""
'

test_expect_success 'SIGTERM is passed on, and the command has the last word' '
	mkfifo said &&
	{ "$tool" exec x sh -c "trap \"exit 9\" TERM; echo up; while :; do sleep 0.02; done" >said & } &&
	pid=$! &&
	read -r line <said &&
	test "$line" = up &&
	kill -TERM "$pid" &&
	expect_code 9 wait "$pid"
'

test_expect_success 'SIGKILL of the client kills the command with its group' '
	rm -f said && mkfifo said &&
	{ "$tool" exec x sh -c "sleep 1002 & sleep 1002 & echo up; wait" >said & } &&
	pid=$! &&
	read -r line <said &&
	kill -KILL "$pid" &&
	expect_code 137 wait "$pid" &&
	wait_until 30 "$tool" exec x sh -c "! pgrep -f \"[s]leep 1002\""
'

test_expect_success 'processes without parent are reaped' '
	expect_code 0 in_guest sh -c "for i in 1 2 3 4 5 6 7 8; do (true &) ; done" &&
	wait_until 30 "$tool" exec x sh -c "! grep -l \"^State:.*Z\" /proc/[0-9]*/status"
'

test_expect_success '64 commands at once' '
	for i in $(seq 64); do
		{ "$tool" exec x sh -c "echo $i; exit $((i % 7))" >"many.$i"; echo $? >"code.$i"; } &
	done &&
	wait &&
	for i in $(seq 64); do
		test "$(cat "many.$i")" = "$i" && test "$(cat "code.$i")" = $((i % 7)) || return 1
	done
'

# --- terminal ---

test_expect_success 'a terminal inside, with its size, its own and controlling' '
	expect_code 0 script -qec "stty rows 33 cols 99; $tool exec --tty x sh -c \"tty; stty size; echo \\\$TERM; ps -o tpgid= -p \\\$\\\$ | tr -d \\\" \\\"\"" /dev/null </dev/null &&
	tr -d "\r" <out >plain &&
	sed -n 1p plain | grep "/dev/pts/" &&
	test "$(sed -n 2p plain)" = "33 99" &&
	test "$(sed -n 3p plain)" = xterm-256color
'

test_expect_success 'exit codes and signals come through a terminal too' '
	expect_code 7 "$tool" exec --tty x sh -c "exit 7" </dev/null &&
	expect_code 143 "$tool" exec --tty x sh -c "kill -TERM \$\$" </dev/null
'

test_expect_success 'what a command says last on a terminal is not lost' '
	for i in 1 2 3 4 5 6 7 8; do
		expect_code 0 "$tool" exec --tty x sh -c "head -c 3000 /dev/zero | tr \"\\\\0\" a; echo end" </dev/null &&
		tr -d "\r" <out | grep -q "^a\{3000\}end$" || return 1
	done
'

test_expect_success 'the end of stdin is the end of file on a terminal' '
	expect_code 0 timeout 20 "$tool" exec --tty x sh -c "cat >/dev/null; echo over" </dev/null &&
	grep over out
'

test_expect_success 'the terminal is as it was after the relay, also after SIGTERM' '
	cat >term.sh <<-EOF &&
	stty -g >before
	"$tool" exec --tty x sh -c "echo up; exec sleep 1003" >said.tty &
	pid=\$!
	while ! grep -q up said.tty; do sleep 0.05; done
	kill -TERM \$pid
	wait \$pid
	stty -g >after
	EOF
	: >said.tty &&
	script -qec "sh term.sh" /dev/null </dev/null >/dev/null &&
	test -s before &&
	test_cmp before after &&
	wait_until 30 "$tool" exec x sh -c "! pgrep -f \"[s]leep 1003\""
'

# row 18
test_expect_success 'guest bytes are filtered on the way to a terminal' '
	expect_code 0 "$tool" exec --tty x printf "a\\033]52;c;ZXZpbA==\\007b\\033[6nc\\033[31mred" </dev/null &&
	printf "abc\\033[31mred\\033[0m" >expected &&
	test_cmp expected out
'

# no row
test_expect_success 'a window that changes its size tells the command' '
	cat >size.sh <<-EOF &&
	stty rows 20 cols 50
	"$tool" exec --tty x sh -c "trap \"stty size; exit 6\" WINCH; echo up; while :; do sleep 0.02; done" >said.size &
	pid=\$!
	while ! grep -q up said.size; do sleep 0.05; done
	stty rows 41 cols 43
	kill -WINCH \$pid
	wait \$pid
	echo \$? >status
	EOF
	: >said.size &&
	script -qec "sh size.sh" /dev/null </dev/null >/dev/null &&
	test "$(cat status)" = 6 &&
	grep "41 43" said.size
'

# --- the sandbox ends under a command ---

test_expect_success 'SIGKILL of the keeper under a command: our error, nothing left, start works' '
	rm -f said && mkfifo said &&
	{ "$tool" exec x sh -c "echo up; exec sleep 1004" >said 2>err.killed & } &&
	pid=$! &&
	read -r line <said &&
	guest=$(cut -d" " -f1 "$folder/guest") &&
	kill -KILL "$(pgrep -f -- "agbranch-keeper $AGBRANCH_STATE_ROOT")" &&
	expect_code 6 wait "$pid" &&
	grep "guest .agbranch-x. ended before the command did" err.killed &&
	wait_until 30 has_ended "$guest" &&
	expect_code 0 "$tool" status x &&
	grep "^stopped" out &&
	no_process_left &&
	expect_code 0 "$tool" start x &&
	expect_code 0 in_guest true
'

test_expect_success 'a guest that wastes descriptors and processes does not stop the next command' '
	expect_code 0 in_guest sh -c "for i in \$(seq 300); do (exec setsid sleep 1005 >/dev/null 2>&1 &) ; done" &&
	expect_code 0 in_guest true &&
	expect_code 0 "$tool" destroy x x.1 &&
	no_process_left
'

test_done
