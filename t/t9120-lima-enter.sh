#!/bin/sh
test_description='Lima: variables, terminals, the ssh agent, files in and out, stop and start'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/terminal.sh"
. "$TEST_TOP/t/lib/lima.sh"
lima_machine
# A login shell of an emulated machine takes its time.
terminal_seconds=180

in_guest () {
	git agbranch run one -- "$@"
}

window_state () {
	in_guest tmux -S /home/agent/.agbranch/tmux/one.sock list-panes -s -t =one \
		-F '#{window_name} #{pane_dead}' >panes && grep -qx "$1" panes
}

test_expect_success 'set up: a session' '
	make_repo repo &&
	git agbranch base prepare --minimal &&
	cd repo &&
	git agbranch open one --json >out &&
	jq -r ".phases[] | \"# \(.name): \(.ms | floor) ms\"" out
'

# The value is given by name, from a file that only grep reads: no argument list here has it either.
test_expect_success 'variables: no argument list ever has their values, on neither side, and nothing is left' '
	value=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d " \n") &&
	{ set +x; printf "%s\n" "$value" >../value; } &&
	SECRET="a '\''b'\'' \"c\" \$d $value" && export SECRET &&
	in_guest sh -c "cat >/tmp/value" <../value &&
	{ in_guest sh -c "touch /tmp/looking; while test -e /tmp/looking; do
		cat /proc/[0-9]*/cmdline 2>/dev/null | grep -a -f /tmp/value && exit 7; done; exit 0" >seen.guest & guest=$!; } &&
	: >../looking &&
	{ sh -c "while test -e ../looking; do
		cat /proc/[0-9]*/cmdline 2>/dev/null | grep -a -f ../value && exit 7; done; exit 0" >seen.host & host=$!; } &&
	wait_until 60 in_guest test -e /tmp/looking &&
	for round in 1 2 3; do
		AGBRANCH_TRACE=$PWD/trace git agbranch run --env SECRET --env OTHER=x one -- \
			sh -c "printf \"%s|%s|%s\" \"\$SECRET\" \"\$OTHER\" \"\${LC_AGBRANCH_ENV-unset}\"" >out &&
		printf "%s|x|unset" "$SECRET" >expected && test_cmp expected out || return 1
	done &&
	git agbranch agent start -d --env SECRET one -- sh -c "echo \"\$SECRET\" | sha256sum >/tmp/sum; exec cat" &&
	wait_until 60 in_guest test -s /tmp/sum &&
	rm ../looking && in_guest rm /tmp/looking &&
	wait "$host" && wait "$guest" &&
	in_guest cut -c1-64 /tmp/sum >sum && printf "%s\n" "$SECRET" | sha256sum | cut -c1-64 >expected &&
	test_cmp expected sum &&
	git agbranch agent stop one &&
	! grep -f ../value trace &&
	test_must_be_empty seen.host && test_must_be_empty seen.guest &&
	{ in_guest sudo grep -r -l -s -f /tmp/value /home /tmp /etc /run /var/log /var/tmp >left || :; } &&
	echo /tmp/value >expected && test_cmp expected left &&
	! grep -r -a -q -f ../value "$AGBRANCH_STATE_ROOT"
'

test_expect_success 'variables: names that shells keep for themselves, a path of its own' '
	git agbranch run --env UID=7 --env PATH=/usr/bin:/odd one -- sh -c "env | grep -E \"^(UID|PATH)=\" | sort" >out &&
	printf "%s\n" PATH=/usr/bin:/odd UID=7 >expected && test_cmp expected out &&
	expect_code 127 git agbranch run --env X=1 one -- no-such-program
'

test_expect_success 'variables: many, and more than a command takes' '
	LARGE=$(head -c 50000 /dev/zero | tr "\0" "x") && export LARGE &&
	git agbranch run --env LARGE --env B="$LARGE" one -- sh -c "echo \${#LARGE} \${#B}" >out &&
	echo 50000 50000 >expected && test_cmp expected out &&
	expect_code 1 git agbranch run --env LARGE --env B="$LARGE" --env C="$LARGE" one -- true &&
	grep "^agbranch: variables of 1[0-9]* bytes are too many for a command, 122880 is the most" err &&
	unset LARGE
'

test_expect_success 'shell: a terminal of our size, which follows ours; its status; ours is restored' '
	rm -f before after left &&
	on_terminal sh -c "stty -a >before; git agbranch shell one; echo left \$? >left; stty -a >after; exec cat" &&
	see "agent@one" &&
	type_in "stty size; pwd; tty; shopt -q login_shell && echo it-is-login" Enter &&
	see "^30 100" &&
	see "^/home/agent/workspaces/one/repo" &&
	see "^/dev/pts/" &&
	see "^it-is-login" &&
	term resize-window -x 81 -y 25 &&
	type_in "until test \"\$(stty size)\" = \"25 81\"; do sleep 0.2; done; echo now-\$((80+1))" Enter &&
	see "^now-81" &&
	type_in "exit 7" Enter &&
	wait_until 60 test -s after &&
	echo "left 7" >expected && test_cmp expected left &&
	# The size is told too, and ours was changed meanwhile.
	sed "s/rows [0-9]*; columns [0-9]*;//" before >expected && sed "s/rows [0-9]*; columns [0-9]*;//" after >restored &&
	test_cmp expected restored
'

test_expect_success 'attach: the shell window, its size, and leaving it as it is' '
	rm -f left &&
	on_terminal sh -c "git agbranch attach one; echo left \$? >left; exec cat" &&
	see "agent@one" &&
	type_in "echo size \$(tput cols)x\$(tput lines); echo \$AGBRANCH_SESSION/\$COMPOSE_PROJECT_NAME" Enter &&
	see "size 100x29" &&
	see "one/agbranch-one" &&
	type_in C-b d &&
	wait_until 60 test -s left &&
	echo "left 0" >expected && test_cmp expected left
'

test_expect_success 'when our side is killed its shell in the guest is gone too' '
	on_terminal git-agbranch shell one &&
	see "agent@one" &&
	type_in "sleep 765" Enter &&
	wait_until 60 in_guest pgrep -f "^sleep 765" &&
	pkill -TERM -f "git-agbranch/git-agbranch-shell one" &&
	wait_until 60 sh -c "! git agbranch run one -- pgrep -f \"^sleep 765\""
'

test_expect_success 'ssh: words, status; the keys of our ssh agent only when asked for' '
	ssh-keygen -q -t ed25519 -N "" -C key-of-the-host -f key &&
	eval "$(ssh-agent -s)" >/dev/null && test_when_finished "ssh-agent -k >/dev/null" &&
	ssh-add -q key &&
	expect_code 7 git agbranch ssh one -- sh -c "exit 7" &&
	git agbranch ssh one -- printf "%s|" "a b" "\$HOME" >out &&
	printf "%s|" "a b" "\$HOME" >expected && test_cmp expected out &&
	expect_code 2 git agbranch ssh one -- ssh-add -l &&
	expect_code 2 git agbranch run one -- ssh-add -l &&
	expect_code 0 git agbranch ssh --forward-ssh-agent one -- ssh-add -l &&
	grep key-of-the-host out &&
	expect_code 0 git agbranch run --forward-ssh-agent one -- ssh-add -l && grep key-of-the-host out &&
	on_terminal git agbranch shell --forward-ssh-agent one && see "agent@one" &&
	type_in "ssh-add -l; exit" Enter && see "key-of-the-host" &&
	expect_code 2 git agbranch ssh one -- ssh-add -l &&
	expect_code 2 git agbranch run one -- ssh-add -l
'

test_expect_success 'cp: files and folders in and out, streams, and what it refuses' '
	head -c 300000 /dev/urandom >bytes && mkdir -p tree/sub && echo in >tree/sub/file && chmod +x tree/sub/file &&
	git agbranch cp bytes one:/tmp/bytes && git agbranch cp one:/tmp/bytes back && cmp bytes back &&
	git agbranch cp - one:~/streamed <bytes && git agbranch cp one:~/streamed - >back && cmp bytes back &&
	git agbranch cp -r tree one:~/tree && git agbranch cp -r one:~/tree came && diff -r tree came &&
	test -x came/sub/file &&
	expect_code 1 git agbranch cp bytes one:/tmp/bytes && grep "exists" err &&
	expect_code 0 git agbranch cp --force bytes one:/tmp/bytes &&
	expect_code 1 git agbranch cp one:~/tree other && grep "is a folder" err &&
	test ! -e other
'

test_expect_success 'export: a folder, not over what exists, never what git would obey' '
	in_guest sh -c "mkdir -p ~/out/sub ~/out/.git && echo result >~/out/sub/file && ln -s /etc/passwd ~/out/link" &&
	expect_code 9 git agbranch export one --from "~/out" --to "$TEST_TMP/exported" && test ! -e "$TEST_TMP/exported" &&
	in_guest sh -c "rm ~/out/link" &&
	expect_code 0 git agbranch export one --from "~/out" --to "$TEST_TMP/exported" --json &&
	echo result >expected && test_cmp expected "$TEST_TMP/exported/sub/file" &&
	test ! -e "$TEST_TMP/exported/.git" &&
	expect_code 1 git agbranch export one --from "~/out" --to "$TEST_TMP/exported"
'

test_expect_success 'stop and start: the work and the shell window are back, the agent is not' '
	in_guest sh -c "echo loose >loose && git add loose" &&
	git agbranch agent start -d one -- cat &&
	window_state "agent 0" &&
	expect_code 0 git agbranch stop one --json && json_is .lifecycle_state stopped &&
	expect_code 0 git agbranch stop one --json && json_is .lifecycle_state stopped &&
	expect_code 0 git agbranch start one --json && json_is .lifecycle_state running &&
	window_state "shell 0" && ! window_state "agent .*" &&
	in_guest git status --porcelain >out && echo "A  loose" >expected && test_cmp expected out &&
	in_guest sh -c "hostname; echo \$AGBRANCH_SESSION; sudo nft list table inet agbranch | grep -c reject" >out &&
	printf "%s\n" one one 4 >expected && test_cmp expected out
'

test_expect_success 'a machine that goes down by itself: stopped, no process left, the next command starts it' '
	in_guest sudo systemctl --no-block poweroff &&
	wait_until 120 sh -c "test \"\$(limactl list --format {{.Status}} agbranch-one)\" = Stopped" &&
	! pgrep -u "$(id -u)" -f "$LIMA_HOME/agbranch-one/" &&
	git agbranch show one --json >out && json_is .runtime.vm.status stopped &&
	in_guest cat loose >out && echo loose >expected && test_cmp expected out &&
	git agbranch show one --json >out && json_is .lifecycle_state running && json_is .runtime.vm.status running
'

test_expect_success 'its end' '
	expect_code 0 git agbranch close --discard --yes one &&
	test ! -e "$LIMA_HOME/agbranch-one" &&
	! pgrep -u "$(id -u)" -f "$LIMA_HOME/agbranch-one/"
'

test_done
