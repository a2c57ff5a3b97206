#!/bin/sh
test_description='agbranch 0.1: what a base is made of, what it must answer before it counts; ssh starts a machine'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"

# The scripts of lima/ run here among programs that are stand-ins and tell what they were asked for; limactl
# and ssh are such too.  Lima refuses root before any of this, so an ordinary user runs it.
test "$(id -u)" != 0 || lima_as_user
. "$TEST_TOP/t/lib/fake-lima.sh"

# program NAME LINE…: a stand-in in stand-ins/.
program () {
	name=$1
	shift
	mkdir -p stand-ins && printf '%s\n' '#!/bin/sh' "$@" >"stand-ins/$name" && chmod +x "stand-ins/$name"
}

# provision SCRIPT ARGUMENT…: with stand-ins only, but for the tools of every system.
provision () {
	: >"$PWD/asked" &&
	script=$TEST_TOP/lima/$1 && shift &&
	env -i PATH="$PWD/stand-ins:/usr/bin:/bin" ASKED="$PWD/asked" sh "$script" "$@"
}

test_expect_success 'no toolchain of a language in a minimal base, and none but C and Python in a full one' '
	program dpkg-query "exit 1" && program apt-get "echo \"\$*\" >>\"\$ASKED\"" && program ln : &&
	for flavour in minimal full; do
		provision provision/10-packages.sh $flavour &&
		grep " install " asked >$flavour && grep -w tmux $flavour && grep -w git $flavour &&
		! grep -E "rust|cargo|golang|jdk|jre|maven|gradle|ruby|php|ghc" $flavour || return 1
	done &&
	! grep -E "python|build-essential|gcc" minimal
'

test_expect_success 'Node 22, where the distribution has an older one or none' '
	program npm "echo \"npm \$*\" >>\"\$ASKED\"" &&
	for version in v18.20.4 v20.1.0 ""; do
		program node "test -n \"$version\" && echo $version" &&
		provision provision/20-agents.sh minimal @openai/codex &&
		grep "^npm install .* node@22 " asked && grep "^npm install .* @openai/codex$" asked || return 1
	done &&
	program node "echo v22.3.0" && provision provision/20-agents.sh minimal @openai/codex &&
	! grep node@22 asked && grep "^npm install .* @openai/codex$" asked
'

test_expect_success 'the readiness probe: agents, Node, tmux, compose; what is missing is told, status 1' '
	for name in git curl jq tmux node rg fd gh wget gcc make python3 docker chromium chrome-devtools-mcp dpkg-query codex claude gemini; do
		program $name "echo \"$name 1.2.3 \$*\"" || return 1
	done &&
	expect_code 0 provision guest/probe.sh full codex claude gemini &&
	for name in codex claude gemini node tmux docker-compose; do
		grep -x "$name 1\.2\.3" out || return 1
	done &&
	test "$(tail -n 1 out)" = end &&
	program claude "exit 1" && program docker "test \"\$1\" = --version && echo 1.2.3" &&
	expect_code 1 provision guest/probe.sh full codex claude gemini &&
	grep -x "claude -" out && grep -x "docker-compose -" out && grep -x "codex 1\.2\.3" out && test "$(tail -n 1 out)" = end
'

# The guest of a prepare: a probe finds what PROBED says.
cat >"$bin/ssh" <<'END'
#!/bin/sh
echo "$*" >>"$HOME/ssh.calls"
for command; do :; done
eval "set -- $command"
test "$1" != sudo || shift 2
case $4 in
identity.sh) echo "api 1" ;;
probe.sh) cat "$HOME/probed"; ! grep -q -e ' -$' "$HOME/probed" || exit 1 ;;
esac
exit 0
END
chmod +x "$bin/ssh"

test_expect_success 'base prepare: a line a phase; what the probe misses is exit 6, and there is no base' '
	: >"$HOME/image.qcow2" && git config --global agbranch.lima.image "$HOME/image.qcow2" &&
	git config --global agbranch.lima.agents @openai/codex && lima_home probed &&
	printf "%s\n" "git 2.47.3" "tmux 3.5" "node 22.1.0" "codex -" end >"$HOME/probed" &&
	expect_code 6 git agbranch base prepare --minimal &&
	grep "^fatal: .*codex" err &&
	git agbranch base show --json >out && json_is .prepared false &&
	printf "%s\n" "git 2.47.3" "tmux 3.5" "node 22.1.0" "codex 0.9.0" end >"$HOME/probed" &&
	expect_code 0 git agbranch base prepare --minimal &&
	grep -x "making the machine of the base" err && grep -x "booting it" err && grep -x "looking at what it has" err &&
	expect_code 0 git agbranch base show --require-ready --json && json_is .agent_cli_versions.codex 0.9.0 &&
	expect_code 0 git agbranch base prepare --minimal -q && test_must_be_empty err
'

# What 0.1 calls starting by itself: here the machine of a session that the catalog has as stopped.
test_expect_success 'ssh starts a stopped machine, and then becomes ssh' '
	make_repo repo && lima_home stopped && dir=$LIMA_HOME/agbranch-far &&
	mkdir -p "$LIMA_HOME/_agbranch/sessions" "$dir" && : >"$dir/lima.yaml" && : >"$dir/ssh.config" && echo Stopped >"$dir/status" &&
	jq -n "{vm_name: \"agbranch-far\", key: \"far.1\", session: \"far\", cloned: true, fresh: false}" \
		>"$LIMA_HOME/_agbranch/sessions/agbranch-far.json" &&
	"$AGB_BUILD/t/tools/catalog-tool" insert far "$PWD/repo/.git" stopped &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET runtime = \"lima\" WHERE name = \"far\"" &&
	printf "%s\n" "#!/bin/sh" "echo \"\$*\" | head -n 1 >>\"\$HOME/ssh.calls\"" >"$bin/ssh" &&
	: >"$HOME/limactl.calls" && : >"$HOME/ssh.calls" &&
	expect_code 0 git agbranch ssh far -- echo hello &&
	grep "^start .*agbranch-far$" "$HOME/limactl.calls" &&
	tail -n 1 "$HOME/ssh.calls" | grep -F -- "-F $dir/ssh.config -a -- lima-agbranch-far '\''echo'\'' '\''hello'\''" &&
	test "$(sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "SELECT lifecycle_state FROM sessions WHERE name = \"far\"")" = running
'

test_done
