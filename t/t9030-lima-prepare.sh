#!/bin/sh
test_description='Lima: what a prepare runs and records; its death at any point; launching what does not fit'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"

# No machine is booted: limactl and ssh are stand-ins.  With real ones: t9100, t9130.
test "$(id -u)" != 0 || lima_as_user
command -v qemu-img >/dev/null || lima_skip "qemu-img is not installed"
. "$TEST_TOP/t/lib/fake-lima.sh"

# The guest: writes down which script runs in it, with its arguments, and what it was told by stdin.
cat >"$bin/ssh" <<'END'
#!/bin/sh
for command; do :; done
case "$* " in
*" -O forward "*) exit 255 ;;
*"trap : HUP "*) exit 0 ;; # rehearse.sh, as a command of the user
esac
eval "set -- $command"
test "$1" != sudo || shift 2
case $4 in
"") printf 'own: %s\n' "$(cat)" >>"$HOME/guest.calls" ;;
50-session.sh) echo "$4 $6" >>"$HOME/guest.calls" ;;
40-browser.sh) echo "$4 $5" >>"$HOME/guest.calls" ;;
standby.sh) test "$5" = hold || printf 'api %s\ndone\n' "${GUEST_API:-1}" ;;
probe.sh)
	shift 4
	echo "probe $*" >>"$HOME/guest.calls"
	printf '%s\n' "git 2.47.3" "node 22.1.0"
	for agent; do test "$agent" = minimal || test "$agent" = full || echo "$agent ${AGENT_VERSION:-1.0.0}"; done
	echo end
	;;
*) shift 3; echo "$*" >>"$HOME/guest.calls" ;;
esac
exit 0
END
chmod +x "$bin/ssh"
export GUEST_API AGENT_VERSION

base=$AGB_BUILD/libexec/git-agbranch/git-agbranch-base

# begin NAME: a folder for Lima, and nothing called in a guest yet.
begin () {
	lima_home "$1" && GUEST_API= AGENT_VERSION= && : >"$HOME/guest.calls" && : >"$HOME/limactl.calls"
}

test_expect_success 'set up' '
	make_repo repo &&
	qemu-img create -q -f qcow2 "$HOME/image.qcow2" 64M &&
	git config --global agbranch.lima.image "$HOME/image.qcow2"
'

test_expect_success 'minimal: its scripts, its probes, pinned agents, your own scripts; all of it recorded' '
	begin minimal &&
	git config --global agbranch.lima.agents @anthropic-ai/claude-code@2.1.0 &&
	git config --global --add agbranch.lima.agents aider-chat==0.86 &&
	echo "echo as root" >"$HOME/extra.sh" && git config --global agbranch.lima.provision "$HOME/extra.sh" &&
	mkdir -p "$HOME/.config/agbranch" && echo "echo my own" >"$HOME/.config/agbranch/setup.sh" &&
	expect_code 0 git agbranch base prepare --minimal --json &&
	json_is .flavour minimal && json_is .warm true && json_is .agent_cli_versions.claude 1.0.0 &&
	json_is .versions.node 22.1.0 &&
	json_is "[.steps[].name] | join (\" \")" "create boot 10-packages.sh 20-agents.sh 30-docker.sh 40-browser.sh 50-session.sh $HOME/extra.sh setup.sh probe seal warm" &&
	cat >expected <<-\END &&
	10-packages.sh minimal
	20-agents.sh minimal @anthropic-ai/claude-code@2.1.0 aider-chat==0.86
	30-docker.sh minimal
	40-browser.sh minimal
	50-session.sh 1
	own: echo as root
	own: echo my own
	probe minimal claude
	90-seal.sh
	END
	test_cmp expected "$HOME/guest.calls" &&
	git agbranch base show --json >out && json_is .status ready
'

test_expect_success 'full: aider too is looked for' '
	begin full &&
	expect_code 0 git agbranch base prepare --full --json &&
	json_is .flavour full && json_is "[.agent_cli_versions | keys[]] | join (\" \")" "aider claude" &&
	grep -x "probe full claude aider" "$HOME/guest.calls" &&
	grep -x "30-docker.sh full" "$HOME/guest.calls"
'

test_expect_success 'update: the agents and nothing else, on the disk there is, which sessions keep' '
	image=$(git agbranch base show --json | jq -r .image) &&
	mkdir -p "$LIMA_HOME/_agbranch/sessions" &&
	jq -n --arg image "$image" "{vm_name: \"agbranch-s\", key: \"s.1\", session: \"s\", image: \$image}" \
		>"$LIMA_HOME/_agbranch/sessions/agbranch-s.json" &&
	: >"$HOME/guest.calls" && AGENT_VERSION=2.0.0 &&
	expect_code 0 git agbranch base update --json &&
	json_is .changed true && json_is .agent_cli_versions.claude 2.0.0 && json_is .flavour full &&
	printf "%s\n" "20-agents.sh full @anthropic-ai/claude-code@2.1.0 aider-chat==0.86" \
		"probe full claude aider" 90-seal.sh >expected && test_cmp expected "$HOME/guest.calls" &&
	new=$(git agbranch base show --json | jq -r .image) && test "$new" != "$image" &&
	test -e "$LIMA_HOME/_agbranch/images/$image" && test -e "$LIMA_HOME/_agbranch/images/$new" &&
	qemu-img info --output=json "$LIMA_HOME/_agbranch/images/$new" >out && json_is ".\"backing-filename\"" null
'

test_expect_success 'several bases live beside each other' '
	expect_code 0 git agbranch base prepare --name other --minimal --json &&
	json_is .prepared_base agbranch-base-other &&
	git agbranch base show --json >out && json_is .flavour full && json_is .status ready &&
	git agbranch base show --name other --json >out && json_is .flavour minimal && json_is .status ready
'

test_expect_success 'AGBRANCH_TRACE shows the merged template that Lima is given' '
	begin trace &&
	: >"$HOME/ca.crt" &&
	SSL_CERT_FILE=$HOME/ca.crt AGBRANCH_TRACE="$PWD/trace" expect_code 0 \
		git -c agbranch.lima.caCerts=true -c agbranch.memory=768M agbranch base prepare --minimal &&
	grep -x "memory: 768MiB" trace && grep "location: \"$HOME/image.qcow2\"" trace &&
	grep -A2 "caCerts:" trace | grep "$HOME/ca.crt" &&
	grep -x "mounts: \[\]" trace &&
	sed -n "/^minimumLimaVersion/,/^audio/p" trace >shown &&
	sed -n "/^minimumLimaVersion/,/^audio/p" "$LIMA_HOME/_agbranch/template.yaml" >given &&
	test -s given && test_cmp given shown
'

test_expect_success 'assets of the user: their scripts run' '
	begin assets &&
	cp -R "$TEST_TOP/lima" assets && echo ":" >assets/provision/60-mine.sh &&
	AGBRANCH_LIMA_ASSETS_DIR=$PWD/assets expect_code 0 git agbranch base prepare --minimal &&
	grep -x "60-mine.sh minimal" "$HOME/guest.calls"
'

test_expect_success 'a prepare that is killed anywhere leaves the older base, or can be run again' '
	begin older && expect_code 0 git agbranch base prepare --minimal && cp -R "$LIMA_HOME" older &&
	n=1 &&
	while :; do
		for kind in none older; do
			begin k && rm -rf "$LIMA_HOME" && mkdir "$LIMA_HOME" &&
			if test $kind = older; then cp -R older/. "$LIMA_HOME"; fi &&
			if env AGB_FAIL_AT=$n:kill "$base" prepare --minimal --rebuild >first 2>&1; then break 2; fi &&
			git agbranch base show --json >out &&
			jq -e ".status == \"half_built\" or .status == \"missing\" or .status == \"ready\" or .status == \"damaged\"" out &&
			if test $kind = older && ! grep "putting it in place" first; then json_is .status ready; fi &&
			expect_code 0 git agbranch base prepare --minimal --rebuild &&
			git agbranch base show --json >out && json_is .status ready &&
			test "$(ls "$LIMA_HOME/_agbranch/images" | wc -l)" = 1 &&
			test ! -e "$LIMA_HOME/agbranch-base-linux-next" || return 1
		done
		n=$((n + 1))
	done &&
	echo "# $n points" && test "$n" -gt 5
'

test_expect_success 'a stale base is said, and used' '
	begin stale && expect_code 0 git agbranch base prepare --minimal &&
	echo "echo changed" >"$HOME/.config/agbranch/setup.sh" &&
	FAKE=fail:clone &&
	expect_code 6 git -C repo agbranch open one &&
	grep "^warning: base .agbranch-base-linux. is stale (what it is made from has changed); renew it with: git agbranch base prepare" err &&
	grep "^clone agbranch-base-linux agbranch-one" "$HOME/limactl.calls"
'

test_expect_success 'a guest that speaks another version than its record says: exit 6 at launch, with the command' '
	begin api && expect_code 0 git agbranch base prepare --minimal && GUEST_API=7 &&
	expect_code 6 git -C repo -c agbranch.lima.warm=false agbranch open one &&
	grep "^fatal: guest .agbranch-one. speaks version 7 of the guest scripts, this program version 1" err &&
	grep "^hint: git agbranch base prepare --rebuild" err &&
	test ! -e "$LIMA_HOME/agbranch-one" &&
	git agbranch ps --json >out && json_is length 0
'

test_expect_success 'open without a base asks on a terminal: no is no' '
	begin ask &&
	(
		cd repo &&
		expect_code 6 script -qec "git agbranch open five" /dev/null <<-\END
		n
		END
	) &&
	grep "the base is not prepared; prepare it now" repo/out &&
	test ! -s "$HOME/guest.calls" && ! grep "^create" "$HOME/limactl.calls"
'

test_done
