#!/bin/sh
test_description='Lima: a limactl that is missing, old, hangs, dies, lies or talks nonsense'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"

# The stand-ins here are for what a real limactl does not do when asked to: hang, print half of its
# JSON, print without end, die in the middle.  Everything else is tested with a real one (t9100).
# Lima refuses root before any of this, so an ordinary user runs it.
test "$(id -u)" != 0 || lima_as_user

. "$TEST_TOP/t/lib/fake-lima.sh"

# The object of `base show` in `out`: whatever its status, as the schema says.
base_show () {
	git agbranch base show --json >out && is_valid base
}

test_expect_success 'setup' '
	make_repo repo &&
	: >"$HOME/image.qcow2" &&
	git config --global agbranch.lima.image "$HOME/image.qcow2"
'

test_expect_success 'no limactl: exit 6, what to install, and nothing is left' '
	LIMA_HOME=$TEST_TMP/l/none &&
	(
		cd repo &&
		PATH=$AGB_BUILD/bin:/usr/bin:/bin &&
		if command -v limactl >/dev/null; then exit 0; fi &&
		expect_code 6 git agbranch open one &&
		grep "^fatal: limactl is not installed" err &&
		grep "^hint: install Lima" err &&
		git agbranch ps --json >out && json_is length 0
	)
'

test_expect_success 'a limactl that is too old: exit 6 with both versions' '
	lima_home old && FAKE_VERSION=2.0.9 &&
	expect_code 6 git agbranch base prepare &&
	grep "^fatal: Lima 2.0.9 is too old, 2.1.0 or newer is needed" err &&
	grep "^hint: update Lima" err
'

test_expect_success 'a version that is none is shown, escaped' '
	lima_home words && FAKE_VERSION="$(printf "new\033[31m")" &&
	expect_code 6 git agbranch base show &&
	grep -F "does not tell its version: limactl version new\\x1b[31m" err
'

test_expect_success 'the version is asked once, and again when limactl is another' '
	lima_home once &&
	: >"$HOME/limactl.calls" &&
	git agbranch base show >out && git agbranch base show >out &&
	test "$(grep -c -x -e --version "$HOME/limactl.calls")" = 1 &&
	touch -d "2001-01-01" "$bin/limactl" &&
	git agbranch base show >out &&
	test "$(grep -c -x -e --version "$HOME/limactl.calls")" = 2
'

test_expect_success 'half of its JSON: exit 6 that says so' '
	lima_home half && record && FAKE=half:list &&
	expect_code 6 git agbranch base show &&
	grep "^fatal: limactl list: not JSON" err
'

test_expect_success 'JSON that is no instance: exit 6 with the key that is missing' '
	lima_home nonsense && record && FAKE=list:list &&
	expect_code 6 git agbranch base show &&
	grep "^fatal: limactl list: key .name. is missing" err
'

test_expect_success 'JSON without end: cut off, exit 6' '
	lima_home huge && record && FAKE=huge:list &&
	expect_code 6 git agbranch base show &&
	grep "printed more than 16777216 bytes" err
'

test_expect_success 'dying in the middle: exit 6 with the status' '
	lima_home dying && record && FAKE=die:list &&
	expect_code 6 git agbranch base show &&
	grep "^fatal: limactl list failed with status 137" err
'

test_expect_success 'hanging: exit 6 after ten seconds, and no process of it is left' '
	lima_home hanging && record && FAKE=hang:list &&
	expect_code 6 git agbranch base show &&
	grep "^fatal: limactl list did not answer within 10 seconds" err &&
	! pgrep -f "^sleep 600" -u "$(id -u)" >/dev/null
'

test_expect_success 'doctor names a limactl that does not answer, and goes on' '
	lima_home doctor && record && FAKE=die:list &&
	expect_code 1 git agbranch doctor --json &&
	json_is .ok false &&
	jq -e ".messages[] | tostring | select(test(\"limactl list failed with status 137\"))" out
'

test_expect_success 'its own message is passed on, escaped and without the log frame' '
	lima_home failing && FAKE=fail:create &&
	expect_code 6 git agbranch base prepare &&
	grep "^fatal: limactl create: no \"space\" left" err &&
	! grep "level=" err &&
	! grep "$(printf "\033")" err
'

test_expect_success 'a prepare that fails leaves neither instance nor record' '
	test ! -e "$LIMA_HOME/agbranch-base-linux" &&
	test ! -e "$LIMA_HOME/agbranch-base-linux-next" &&
	test -z "$(ls "$LIMA_HOME/_agbranch/bases")" &&
	base_show &&
	json_is .status missing
'

test_expect_success 'a prepare that fails leaves an older base as it was' '
	lima_home older && record && cp -R "$LIMA_HOME/_agbranch/bases" before && FAKE=fail:create &&
	expect_code 6 git agbranch base prepare --rebuild &&
	diff -r before "$LIMA_HOME/_agbranch/bases" &&
	test -f "$LIMA_HOME/_agbranch/images/one.qcow2" &&
	base_show &&
	json_is .status ready
'

test_expect_success 'a prepare that is killed is half-built, and can be run again' '
	lima_home killed &&
	expect_code 137 env AGB_FAIL_AT=3:kill "$AGB_BUILD/libexec/git-agbranch/git-agbranch-base" prepare &&
	base_show &&
	json_is .status half_built &&
	expect_code 6 git agbranch base show --require-ready &&
	grep "^hint: git agbranch base prepare" err &&
	FAKE=fail:start &&
	expect_code 6 git agbranch base prepare &&
	grep "cannot start instance .agbranch-base-linux-next.: no \"space\" left" err &&
	FAKE= &&
	base_show &&
	json_is .status missing
'

test_expect_success 'stale: usable, said, and --require-ready fails with the command' '
	lima_home stale && record "{\"fingerprint\": \"old\"}" &&
	base_show &&
	json_is .status stale && json_is .prepared true && json_is .provision_stale true &&
	json_is .prepared_provision_fingerprint old &&
	expect_code 6 git agbranch base show --require-ready &&
	grep "^fatal: base .agbranch-base-linux. is stale" err &&
	grep "^hint: git agbranch base prepare" err
'

test_expect_success 'the own script of the user counts in the fingerprint' '
	lima_home own && record &&
	base_show && json_is .status ready &&
	mkdir -p "$HOME/.config/agbranch" && echo "echo hi" >"$HOME/.config/agbranch/setup.sh" &&
	base_show && json_is .status stale &&
	rm "$HOME/.config/agbranch/setup.sh" &&
	base_show && json_is .status ready
'

test_expect_success 'damaged: image cut, image gone, disk gone, instance gone, broken' '
	lima_home damaged && record &&
	printf 123 >"$LIMA_HOME/_agbranch/images/one.qcow2" &&
	base_show && json_is .status damaged &&
	json_is .problem "its image '\''one.qcow2'\'' has 3 bytes, not 5" &&
	rm "$LIMA_HOME/_agbranch/images/one.qcow2" &&
	base_show && json_is .problem "its image '\''one.qcow2'\'' is gone" &&
	rm "$LIMA_HOME/agbranch-base-linux/disk" &&
	base_show && json_is .problem "its disk is gone" &&
	echo Broken >"$LIMA_HOME/agbranch-base-linux/status" &&
	base_show && json_is .problem "Lima calls its instance broken" &&
	rm -r "$LIMA_HOME/agbranch-base-linux" &&
	base_show && json_is .problem "its instance is gone" &&
	expect_code 6 git agbranch base show --require-ready &&
	grep "^hint: git agbranch base prepare --rebuild" err
'

test_expect_success 'outdated: scripts in the image that this program does not speak with' '
	lima_home outdated && record "{\"api\": 0}" &&
	base_show && json_is .status outdated &&
	(
		cd repo &&
		expect_code 6 git agbranch open two &&
		grep "is outdated: it speaks version 0 of the guest scripts, not 1" err &&
		grep "^hint: git agbranch base prepare" err
	)
'

test_expect_success 'foreign: an instance of that name that is not ours is left alone' '
	lima_home foreign &&
	mkdir -p "$LIMA_HOME/agbranch-base-linux" && : >"$LIMA_HOME/agbranch-base-linux/lima.yaml" &&
	base_show && json_is .status foreign &&
	expect_code 6 git agbranch base prepare --rebuild &&
	grep "^fatal: instance .agbranch-base-linux. is there already" err &&
	grep "^hint: limactl rename" err &&
	test -f "$LIMA_HOME/agbranch-base-linux/lima.yaml"
'

test_expect_success 'open without a base: exit 6 with the command, nothing is made' '
	lima_home nobase &&
	(
		cd repo &&
		expect_code 6 git agbranch open three &&
		grep "^fatal: base .agbranch-base-linux. is not prepared" err &&
		grep "^hint: git agbranch base prepare" err &&
		git agbranch ps -a --json >out && json_is length 0 &&
		expect_code 6 git agbranch open --image extra three &&
		grep "^hint: git agbranch base prepare --name" err
	)
'

test_expect_success 'too little memory is told before anything is made, with the size that fits' '
	lima_home memory && record && : >"$HOME/limactl.calls" &&
	(
		cd repo &&
		expect_code 6 git agbranch open --memory 900TiB four &&
		grep -E "^fatal: a machine of .* of memory does not fit: [0-9]+ MiB are free" err &&
		grep -E "^hint: what fits: --memory [0-9]+M" err &&
		git agbranch ps --json >out && json_is length 0
	) &&
	! grep -E "^(clone|start)" "$HOME/limactl.calls" &&
	expect_code 6 git agbranch base prepare --rebuild --memory 900TiB &&
	grep "^fatal: a machine of .* of memory does not fit" err &&
	base_show && json_is .status ready
'

test_expect_success 'doctor says whether KVM boots, and why not' '
	lima_home kvm &&
	test_might_fail git agbranch doctor --json >out &&
	jq -e ".kvm | if .boots then .reason == null else (.reason | length) > 0 end" out &&
	jq -e ".kvm as \$kvm | .checks[] | select(.check == \"kvm\")
		| (.level == \"ok\") == \$kvm.boots" out
'

test_expect_success 'names: default, of the environment, of the configuration, of an option' '
	base_show &&
	json_is .name agbranch-base-linux && json_is .name_source default &&
	AGBRANCH_PREPARED_BASE_NAME=mine git agbranch base show --json >out &&
	is_valid base && json_is .name mine && json_is .name_source env_override &&
	git -c agbranch.lima.base=theirs agbranch base show --json >out &&
	is_valid base && json_is .name theirs && json_is .name_source config &&
	git agbranch base show --name extra --json >out &&
	is_valid base && json_is .name agbranch-base-extra && json_is .name_source argument &&
	expect_code 1 git agbranch base show --name ../x
'

test_expect_success 'a folder of Lima that is too long for socket paths is told before anything is made' '
	long=$(printf "%060d" 0) &&
	lima_home "$long" &&
	expect_code 1 git agbranch base prepare &&
	grep "socket paths of instance .agbranch-base-linux-next." err &&
	grep "^hint: use a shorter folder for Lima: LIMA_HOME=" err &&
	! grep "^create" "$LIMA_HOME/calls" 2>/dev/null &&
	test ! -e "$LIMA_HOME/agbranch-base-linux-next"
'

# A session of Lima without a machine: its row, its record and a folder.
session () {
	mkdir -p "$LIMA_HOME/_agbranch/sessions" "$LIMA_HOME/agbranch-$1" &&
	: >"$LIMA_HOME/agbranch-$1/lima.yaml" && echo Running >"$LIMA_HOME/agbranch-$1/status" &&
	jq -n --arg s "$1" "{vm_name: (\"agbranch-\" + \$s), key: (\$s + \".1\"), session: \$s, cloned: true, fresh: false}" \
		>"$LIMA_HOME/_agbranch/sessions/agbranch-$1.json" &&
	"$AGB_BUILD/t/tools/catalog-tool" insert "$1" "$PWD" &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "UPDATE sessions SET runtime = \"lima\", guest_workspace_path = \"/home/agent/workspaces/$1/repo\" WHERE name = \"$1\""
}

# has FILTER: some line of `lines` fulfils it.
has () {
	jq -e -s "any (.[]; $1)" lines >/dev/null
}

follow () {
	: >lines && : >"$HOME/limactl.calls" &&
	{ git agbranch watch "$1" --json >lines & } &&
	watcher=$! &&
	wait_until 30 test -s lines
}

test_expect_success 'the JSON of a session in a machine: ssh, shell, show, ps' '
	lima_home json && session talks && : >"$LIMA_HOME/agbranch-talks/ssh.config" &&
	for verb in ssh shell show; do
		expect_code 0 git agbranch $verb talks --json && is_valid $verb || return 1
	done &&
	json_is .runtime.vm.ssh lima-agbranch-talks &&
	expect_code 0 git agbranch ssh talks --json && is_valid ssh &&
	json_is .host_alias lima-agbranch-talks && json_is .ssh_config_file "$LIMA_HOME/agbranch-talks/ssh.config" &&
	expect_code 0 git agbranch ps --live --json && is_valid ps &&
	jq -e ".[] | select (.name == \"talks\") | .live == \"running\"" out &&
	"$AGB_BUILD/t/tools/catalog-tool" update talks lifecycle_state closed
'

test_expect_success 'ssh: the configuration of Lima, agent forwarding only when asked, its status ours' '
	lima_home ssh && session far && : >"$LIMA_HOME/agbranch-far/ssh.config" &&
	printf "%s\n" "#!/bin/sh" "printf \"<%s>\" \"\$@\"" "exit 9" >"$bin/ssh" && chmod +x "$bin/ssh" &&
	expect_code 9 git agbranch ssh far -- echo "a b" &&
	test "$(cat out)" = "<-F><$LIMA_HOME/agbranch-far/ssh.config><-a><--><lima-agbranch-far><'\''echo'\''><'\''a b'\''>" &&
	expect_code 9 git agbranch ssh --forward-ssh-agent far &&
	test "$(cat out)" = "<-F><$LIMA_HOME/agbranch-far/ssh.config><-A><-oControlPath=none><--><lima-agbranch-far>" &&
	rm "$bin/ssh" &&
	"$AGB_BUILD/t/tools/catalog-tool" update far lifecycle_state closed
'

test_expect_success 'while a base is prepared, locks/base.lock is held, and another command says by whom' '
	lima_home locked && FAKE=hang:create &&
	: >"$HOME/limactl.calls" &&
	{ git-agbranch base prepare 2>err & } && pid=$! &&
	wait_until 30 grep "^create" "$HOME/limactl.calls" &&
	grep -x "base prepare" "$AGBRANCH_STATE_ROOT/locks/base.lock" && grep "^$pid " "$AGBRANCH_STATE_ROOT/locks/base.lock" &&
	expect_code 1 git agbranch base prepare && grep "^fatal: .base. is busy: process $pid runs .base prepare.$" err &&
	kill -TERM $pid && test_expect_code 4 wait $pid
'

test_expect_success 'watch: a machine that stops without us is told as limactl watch says so' '
	lima_home watch && session seen && FAKE=events:watch &&
	mkfifo "$HOME/events" &&
	follow seen &&
	wait_until 30 grep -x "watch --json agbranch-seen" "$HOME/limactl.calls" &&
	exec 7>"$HOME/events" &&
	echo Stopped >"$LIMA_HOME/agbranch-seen/status" &&
	echo "{\"instance\":\"agbranch-seen\",\"event\":{\"time\":\"2026-01-01T00:00:00Z\",\"status\":{\"exiting\":true}}}" >&7 &&
	wait_until 30 has ".event_type == \"guest\" and .message == \"the guest is stopped\"" &&
	echo Running >"$LIMA_HOME/agbranch-seen/status" &&
	echo "{}" >&7 &&
	wait_until 30 has ".event_type == \"guest\" and .message == \"the guest is running\" and .level == \"info\"" &&
	exec 7>&- &&
	kill -TERM $watcher && { wait $watcher || :; } &&
	! pgrep -u "$(id -u)" -f "limactl --tty=false watch" >/dev/null
'

test_expect_success 'watch: a limactl that dies, lies or is missing leaves it to the catalog' '
	for fault in die:watch fail:watch list:watch half:watch hang:watch none; do
		FAKE=$fault &&
		case $fault in
		none) rm "$bin/limactl" ;;
		esac &&
		name=f-${fault%%:*} && session $name && follow $name &&
		"$AGB_BUILD/t/tools/catalog-tool" event $name "something new" &&
		wait_until 30 has ".message == \"something new\"" &&
		"$AGB_BUILD/t/tools/catalog-tool" update $name lifecycle_state closed &&
		wait $watcher &&
		test "$(grep -c "^watch" "$HOME/limactl.calls")" -le 1 &&
		! has ".event_type == \"guest\"" || return 1
	done
'

test_expect_success 'base check asks npm, and changes nothing' '
	lima_home newer && record "{\"agents_json\": \"{\\\"claude\\\": \\\"1.0.0\\\"}\"}" &&
	git config --global agbranch.lima.agents @anthropic-ai/claude-code@1 &&
	printf "%s\n" "#!/bin/sh" "test \"\$3\" = @anthropic-ai/claude-code && echo 2.0.0" >"$bin/npm" &&
	chmod +x "$bin/npm" &&
	git agbranch base check --json >out && is_valid base &&
	json_is ".[0].name" claude && json_is ".[0].version" 1.0.0 && json_is ".[0].newest" 2.0.0 &&
	json_is ".[0].newer" true &&
	printf "%s\n" "#!/bin/sh" "exit 3" >"$bin/npm" &&
	expect_code 7 git agbranch base check &&
	git config --global --unset agbranch.lima.agents
'

test_done
