#!/bin/sh
test_description='Lima: commands through the server in the guest, and by ssh where there is none'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"

# The server is the real one.  No machine is booted: for limactl and ssh stand-ins speak, and the guest is a
# home folder that bubblewrap puts at its place.  With real ones: t9100, t9120.
test "$(id -u)" != 0 || lima_as_user
requires bwrap
. "$TEST_TOP/t/lib/fake-lima.sh"

guest=$HOME/guest
export guest

# The way to the server is a link to its socket; a command is one in the guest's tree.  Each is written down.
cat >"$bin/ssh" <<'END'
#!/bin/sh
for command; do :; done
case "$* " in
*" -O forward "*)
	echo forward >>"$HOME/ssh.calls"
	for forward; do case $forward in *:/home/agent/*) break ;; esac; done
	exec ln -s "$guest/${forward#*:/home/agent/}" "${forward%%:*}"
	;;
*"grep -lsx -z AGBRANCH_EXEC="*) exec sh -c "$command" ;; # over the border between two user namespaces
*"perl -e "*) echo "command, leaves a server" >>"$HOME/ssh.calls" ;;
*) echo command >>"$HOME/ssh.calls" ;;
esac
exec env -i HOME=/home/agent USER=agent LOGNAME=agent SHELL=/bin/sh PATH=/usr/bin:/bin LC_AGBRANCH_ENV="$LC_AGBRANCH_ENV" \
	bwrap --bind / / --tmpfs /home --bind "$guest" /home/agent --dev-bind /dev /dev --chdir /home/agent sh -c "$command"
END
chmod +x "$bin/ssh"

lima_home exec

server_pid () {
	cat "$guest/.agbranch/exec.1.lock"
}

end_server () {
	for pid in $stand_in $(server_pid 2>/dev/null); do
		kill "$pid" 2>/dev/null
		wait_until 30 has_ended "$pid"
	done
	stand_in=
}
stand_in=
trap 'code=$?; end_server; (exit "$code"); die' EXIT

# in_guest WORD…: a command that must go through the server.
in_guest () {
	: >"$HOME/ssh.calls" &&
	git agbranch run one -- "$@" &&
	test_must_be_empty "$HOME/ssh.calls"
}

# Until the server knows the login environment a command goes by ssh.
is_served () {
	: >"$HOME/ssh.calls"
	git agbranch run one -- true && test ! -s "$HOME/ssh.calls"
}

# stand_in TEXT: a server that says TEXT on the first connection of a command.
stand_in () {
	end_server
	rm -f "$guest/.agbranch/exec.1.sock"
	perl -MSocket -e '
		my ($path, $text) = @ARGV;
		unlink $path;
		socket(my $listener, AF_UNIX, SOCK_STREAM, 0) or die;
		bind($listener, pack_sockaddr_un($path)) && listen($listener, 10) or die;
		my @open;
		while (accept(my $one, $listener)) {
			syswrite $one, eval qq("$text") if @open % 4 == 0;
			push @open, $one;
		}' "$guest/.agbranch/exec.1.sock" "$1" &
	stand_in=$!
	wait_until 30 test -S "$guest/.agbranch/exec.1.sock"
}

test_expect_success 'setup: a session whose machine "runs"' '
	make_repo repo && cd repo &&
	mkdir -p "$guest/.agbranch" "$guest/workspaces/one/repo" "$LIMA_HOME/_agbranch/sessions" "$LIMA_HOME/agbranch-one" &&
	for file in lima.yaml ssh.config; do : >"$LIMA_HOME/agbranch-one/$file"; done &&
	echo Running >"$LIMA_HOME/agbranch-one/status" && echo $$ >"$LIMA_HOME/agbranch-one/ha.pid" &&
	jq -n "{vm_name: \"agbranch-one\", key: \"one.1\", session: \"one\", base: \"agbranch-base-linux\",
		cloned: true, fresh: false}" >"$LIMA_HOME/_agbranch/sessions/agbranch-one.json" &&
	"$AGB_BUILD/t/tools/catalog-tool" insert one "$PWD" &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET runtime = \"lima\", lifecycle_state = \"running\",
		guest_workspace_path = \"/home/agent/workspaces/one/repo\""
'

test_expect_success 'the first command goes by ssh and leaves a server, which takes the next ones' '
	echo "export FROM_PROFILE=yes" >"$guest/.profile" &&
	expect_code 7 git agbranch run one -- sh -c "echo hello; exit 7" && test "$(cat out)" = hello &&
	printf "%s\n" forward "command, leaves a server" >expected && test_cmp expected "$HOME/ssh.calls" &&
	wait_until 60 is_served &&
	in_guest pwd >out && echo /home/agent/workspaces/one/repo >expected && test_cmp expected out
'

test_expect_success 'status, streams and words are as by ssh' '
	expect_code 42 in_guest sh -c "echo to-out; echo to-err >&2; exit 42" &&
	test "$(cat out)" = to-out && test "$(cat err)" = to-err &&
	expect_code 139 in_guest sh -c "kill -SEGV \$\$" &&
	expect_code 127 in_guest no-such-program && test_must_be_empty out &&
	echo "agbranch: cannot run no-such-program: No such file or directory" >expected && test_cmp expected err &&
	expect_code 126 in_guest /etc/passwd &&
	in_guest printf "<%s>" "a  b" "\$HOME" "*" "" "it'\''s" "$(printf "two\nlines")" >out &&
	test "$(cat out)" = "<a  b><\$HOME><*><><it'\''s><two
lines>" &&
	in_guest sh -c "echo written by name >/dev/stdout" >out && test "$(cat out)" = "written by name"
'

test_expect_success 'bytes of any kind, both ways; what nobody reads; no input' '
	head -c 3000000 /dev/urandom >bytes &&
	in_guest cat <bytes >copy && test_cmp bytes copy &&
	in_guest true <bytes &&
	in_guest cat </dev/null >out && test_must_be_empty out &&
	in_guest yes | head -n 1 >out && test "$(cat out)" = y &&
	rm bytes copy
'

test_expect_success 'the login environment, that of the session, variables of one command' '
	in_guest sh -c "echo \$FROM_PROFILE \$HOME \$USER \$PWD" >out &&
	echo yes /home/agent agent /home/agent/workspaces/one/repo >expected && test_cmp expected out &&
	VALUE="a '\''b'\'' \$c" git agbranch run --env VALUE --env UID=7 one -- sh -c "printf \"%s|\" \"\$VALUE\"; env | grep ^UID=" >out &&
	printf "%s|UID=7\n" "a '\''b'\'' \$c" >expected && test_cmp expected out &&
	in_guest sh -c "echo \${VALUE-unset}" >out && test "$(cat out)" = unset &&
	large=$(head -c 70000 /dev/zero | tr "\0" x) &&
	expect_code 1 git agbranch run --env A="$large" --env B="$large" one -- true &&
	grep "^agbranch: variables of 1[0-9]* bytes are too many for a command, 122880 is the most" err
'

test_expect_success 'a changed profile is read anew: nothing is run with the old one' '
	echo "export FROM_PROFILE=changed" >"$guest/.profile" &&
	git agbranch run one -- sh -c "echo \$FROM_PROFILE" >out && test "$(cat out)" = changed &&
	wait_until 60 is_served &&
	in_guest sh -c "echo \$FROM_PROFILE" >out && test "$(cat out)" = changed
'

test_expect_success 'what is left behind neither holds the command nor is ended by it' '
	in_guest sh -c "sleep 345 & echo \$!" >out && kill "$(cat out)" &&
	in_guest sh -c "{ sleep 0.05; echo late; } & echo early" >out && printf "%s\n" early late >expected && test_cmp expected out
'

test_expect_success 'signals and the end of time reach what the command started' '
	expect_code 124 git agbranch run --timeout 1s one -- sh -c "echo \$\$ >/home/agent/pid; exec sleep 345" &&
	wait_until 30 has_ended "$(cat "$guest/pid")" &&
	{ git-agbranch run one -- sh -c "trap \"echo got; exit 5\" TERM; : >/home/agent/trapped; while :; do sleep 0.1; done" >out & run=$!; } &&
	wait_until 60 test -e "$guest/trapped" &&
	kill -TERM $run && { wait $run; test $? = 5; } && test "$(cat out)" = got
'

test_expect_success 'twenty at once' '
	: >"$HOME/ssh.calls" && : >got &&
	for i in $(seq 20); do
		git agbranch run one -- sh -c "echo $i; exit $i" >"got.$i" &
		eval "run_$i=$!"
	done &&
	for i in $(seq 20); do
		eval "wait \$run_$i"; test $? = $i && test "$(cat got.$i)" = $i || return 1
	done &&
	test_must_be_empty "$HOME/ssh.calls"
'

# By hand: a command whose connections are half there when another one begins.
test_expect_success 'a command that goes on holds no other one up' '
	mkfifo "$HOME/go" &&
	{ perl -MSocket -e "
		sub part {
			socket(my \$socket, AF_UNIX, SOCK_STREAM, 0);
			connect(\$socket, pack_sockaddr_un(\$ARGV[0])) or die;
			my \$text = join chr 0, @_;
			syswrite \$socket, sprintf(q(%08x), length \$text) . \$text;
			return \$socket;
		}
		my (\$run, \$in, \$out) = (part(qw(run w /), 0, qw(echo by-hand)), part(qw(in w)), part(qw(out w)));
		open(my \$go, q(<), \$ARGV[1]);
		my \$err = part(qw(err w));
		print <\$run>, <\$out>, <\$err>;
	" "$guest/.agbranch/exec.1.sock" "$HOME/go" >by-hand & client=$!; } &&
	wait_until 30 sh -c "test \$(ls -l /proc/$(server_pid)/fd | grep -c socket:) -ge 4" &&
	{ in_guest sh -c "until test -e /home/agent/release; do sleep 0.1; done" & long=$!; } &&
	wait_until 30 pgrep -u "$(id -u)" -f "until test -e /home/agent/releas[e]; do" &&
	: >"$HOME/go" &&
	wait_until 30 has_ended "$client" &&
	printf "%s\n" started "status 0" by-hand >expected && test_cmp expected by-hand &&
	: >"$guest/release" && wait "$long"
'

test_expect_success 'a server that has died: ssh, a new server; one that dies under a command: exit 6' '
	old=$(server_pid) && kill -KILL "$old" &&
	expect_code 3 git agbranch run one -- sh -c "exit 3" &&
	wait_until 60 is_served && test "$(server_pid)" != "$old" &&
	{ git agbranch run one -- sh -c "echo \$PPID \$\$ >/home/agent/pids; exec sleep 345" >out 2>err & run=$!; } &&
	wait_until 60 test -s "$guest/pids" && read -r worker own <"$guest/pids" &&
	kill -KILL "$worker" && { wait $run; test $? = 6; } && kill "$own" &&
	grep "^agbranch: guest .agbranch-one. does not answer: the connection broke before the command ended" err &&
	grep "^hint: look with: git agbranch doctor" err &&
	is_served
'

test_expect_success 'a second server gives way to the first' '
	old=$(server_pid) && HOME=$guest perl "$TEST_TOP/lima/guest/exec.pl" "$guest/.agbranch" &&
	test "$(server_pid)" = "$old" && is_served
'

test_expect_success 'servers that lie: what they say is bounded, and no status is made up' '
	stand_in "started\\nstatus 256\\n" && expect_code 6 git agbranch run one -- true </dev/null &&
	stand_in "started\\nstatus -1\\n" && expect_code 6 git agbranch run one -- true </dev/null &&
	stand_in "started\\n\" . \"x\" x 100000 . \"" && expect_code 6 git agbranch run one -- true </dev/null &&
	stand_in "x\" x 100000 . \"" && : >"$HOME/ssh.calls" && expect_code 4 git agbranch run one -- sh -c "exit 4" &&
	echo "command, leaves a server" >expected && test_cmp expected "$HOME/ssh.calls" &&
	wait_until 60 is_served
'

test_expect_success 'a stopped or closed session leaves no way behind' '
	test -L "$LIMA_HOME/_agbranch/run/agbranch-one" &&
	ls "$LIMA_HOME/_agbranch/run" >out && echo agbranch-one >expected && test_cmp expected out &&
	limactl delete --force agbranch-one && end_server &&
	expect_code 0 git agbranch close --discard --yes one && test ! -e "$LIMA_HOME/_agbranch/run/agbranch-one" &&
	test ! -L "$LIMA_HOME/_agbranch/run/agbranch-one"
'

test_done
