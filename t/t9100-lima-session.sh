#!/bin/sh
test_description='Lima: a session on a real machine, from the base to its end'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_machine

images () {
	ls "$LIMA_HOME/_agbranch/images"
}

# outside SESSION ADDRESS PORT: whether a connection from the guest is let out by its guard.
outside () {
	git agbranch run "$1" -- timeout 10 bash -c "exec 3<>/dev/tcp/$2/$3" 2>guard.err
}

test_expect_success 'base prepare: a minimal base, with what is in it' '
	make_repo repo &&
	expect_code 0 git agbranch base prepare --minimal --json && is_valid base &&
	json_is .prepared_base agbranch-base-linux &&
	json_is .flavour minimal &&
	jq -e ".versions.git and .versions.tmux and .versions.jq and .versions.curl" out &&
	jq -e ".agent_cli_versions == {}" out &&
	jq -e ".duration_ms > 0 and (.started_at < .prepared_at)" out
'

test_expect_success 'it is ready, stopped, protected, and its image is read-only' '
	git agbranch base show --json >out &&
	json_is .status ready && json_is .protected true && json_is .prepared true &&
	json_is .provision_stale false && json_is .warm true && json_is .warm_reason null &&
	limactl list --format "{{.Status}}" agbranch-base-linux >status &&
	echo Stopped >expected && test_cmp expected status &&
	image=$LIMA_HOME/_agbranch/images/$(jq -r .image out) &&
	test "$(stat -c %a "$image")" = 400 &&
	qemu-img check -q "$LIMA_HOME/agbranch-base-linux/disk"
'

test_expect_success 'preparing it again does nothing' '
	expect_code 0 git agbranch base prepare --json &&
	json_is .changed false && json_is ".steps | length" 0
'

test_expect_success 'open: a session on a clone of it' '
	cd repo &&
	expect_code 0 git agbranch open one --json &&
	json_is .session one && json_is .vm_name agbranch-one && json_is .runtime lima &&
	json_is .repo_guest_path /home/agent/workspaces/one/repo &&
	json_is .lifecycle_state running &&
	jq -r ".phases[] | \"# \(.name): \(.ms | floor) ms\"" out
'

test_expect_success 'show: the machine, its ssh, its limits' '
	git agbranch show one --json >out &&
	json_is .runtime.vm.status running && json_is .runtime.vm.vm_type qemu &&
	json_is .runtime.vm.ssh lima-agbranch-one && json_is .runtime.vm.memory 1073741824 &&
	json_is .runtime.vm.cold_start null && json_is .runtime.guest.shell_window.state live
'

test_expect_success 'run: words, status, folder, environment, user' '
	git agbranch run one -- printf "%s|" "a b" "" "c'\''d" "\$HOME" "x;y" "é" >out &&
	printf "%s|" "a b" "" "c'\''d" "\$HOME" "x;y" "é" >expected && test_cmp expected out &&
	expect_code 7 git agbranch run one -- sh -c "exit 7" &&
	expect_code 255 git agbranch run one -- sh -c "exit 255" &&
	expect_code 143 git agbranch run one -- sh -c "kill -TERM \$\$" &&
	expect_code 127 git agbranch run one -- no-such-program &&
	git agbranch run one -- sh -c "pwd; id -un; echo \$AGBRANCH_SESSION; echo \$HOME; hostname" >out &&
	printf "%s\n" /home/agent/workspaces/one/repo agent one /home/agent one >expected &&
	test_cmp expected out
'

test_expect_success 'run: bytes in and out, stderr apart' '
	head -c 3000000 /dev/urandom >bytes &&
	git agbranch run one -- cat <bytes >back && cmp bytes back &&
	git agbranch run one -- sh -c "echo out; echo err >&2" >out 2>err &&
	echo out >expected && test_cmp expected out && echo err >expected && test_cmp expected err
'

test_expect_success 'a timeout ends the command in the guest too' '
	expect_code 124 git agbranch run --timeout 3s one -- sleep 4242 &&
	test_must_fail git agbranch run one -- pgrep -f "^sleep 4242"
'

test_expect_success 'no folder of the host is in it, no agent, no proxy settings' '
	limactl list --json agbranch-one | jq -e ".config.mounts == null or .config.mounts == []" &&
	limactl list --json agbranch-one | jq -e ".config.ssh.forwardAgent == false" &&
	git agbranch run one -- sh -c "env; mount" >guest &&
	! grep -i -E "SSH_AUTH_SOCK|_proxy=|9p|virtiofs|sshfs|$HOME" guest
'

test_expect_success 'the network guard: neither the host nor private networks, over IPv4 and IPv6' '
	for address in 192.168.5.2 10.1.2.3 172.16.1.1 169.254.169.254 100.64.0.1; do
		test_must_fail outside one "$address" 22 &&
		grep -i -E "no route|prohibited|permission|unreachable" guard.err || return 1
	done &&
	for address in fec0::2 fe80::2%eth0 fc00::1; do
		test_must_fail outside one "$address" 22 || return 1
	done &&
	git agbranch run one -- sudo nft list table inet agbranch >rules &&
	grep "ct original ip daddr 192.168.5.3" rules &&
	git agbranch run one -- sh -c "exec 3<>/dev/tcp/127.0.0.1/22" 2>/dev/null ||
	git agbranch run one -- bash -c "exec 3<>/dev/tcp/127.0.0.1/22"
'

test_expect_success 'sync: the commits of the guest arrive on the review branch' '
	agent_commit one file "by the agent" &&
	git agbranch run one -- git rev-parse HEAD >guest &&
	expect_code 0 git agbranch sync one --json &&
	json_is .blocked false && json_is .commits 1 &&
	git rev-parse agbranch/one >host && test_cmp guest host &&
	git log -1 --format=%an agbranch/one >author && echo "Test User" >expected &&
	test_cmp expected author &&
	repo_is_sound .
'

test_expect_success 'sync is blocked by changes that are not committed, and goes on when told' '
	git agbranch run one -- sh -c "echo dirty >>file" &&
	all_refs . >before &&
	expect_code 3 git agbranch sync one --json &&
	json_is .blocked true && json_is .reason guest_dirty &&
	git bundle verify -q "$(jq -r .staged_path out)" &&
	all_refs . >after && test_cmp before after &&
	expect_code 0 git agbranch sync --include-dirty one
'

test_expect_success 'export brings a folder out' '
	git agbranch run one -- sh -c "mkdir -p ~/out/sub && echo result >~/out/sub/file" &&
	expect_code 0 git agbranch export one --from "~/out" --to "$TEST_TMP/out" --json &&
	echo result >expected && test_cmp expected "$TEST_TMP/out/sub/file"
'

test_expect_success 'a second session at the same time, from the same state, is another machine' '
	expect_code 0 git agbranch open two --json &&
	identity="cat /etc/machine-id; sha256sum /etc/ssh/ssh_host_ed25519_key.pub; head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid" &&
	git agbranch run one -- sh -c "$identity" >identity.one &&
	git agbranch run two -- sh -c "$identity" >identity.two &&
	sort identity.one identity.two | uniq -d >same && test_must_be_empty same &&
	test "$(wc -l <identity.one)" = 4 &&
	before=$(date +%s) &&
	guest=$(git agbranch run two -- date +%s) &&
	after=$(date +%s) && echo "# clock: $before $guest $after" &&
	test "$guest" -ge $((before - 5)) && test "$guest" -le $((after + 5)) &&
	git agbranch run two -- sh -c "hostname; echo \$AGBRANCH_SESSION" >out &&
	printf "two\ntwo\n" >expected && test_cmp expected out &&
	git agbranch ssh two -- printenv AGBRANCH_SESSION COMPOSE_PROJECT_NAME >out &&
	printf "two\nagbranch-two\n" >expected && test_cmp expected out
'

test_expect_success 'names are resolved in a session that was restored' '
	git agbranch run two -- timeout 60 getent hosts localhost &&
	git agbranch run two -- sh -c "sudo iptables -t nat -S LIMADNS 2>/dev/null || :" >dns &&
	udp=$(git agbranch run two -- sudo sed -n "s/^LIMA_CIDATA_UDP_DNS_LOCAL_PORT=//p" /mnt/lima-cidata/lima.env) &&
	{ ! test -s dns || grep ":$udp\$" dns; }
'

test_expect_success 'kill: the machine is off at once, the session stays' '
	expect_code 0 git agbranch kill --force two --json &&
	git agbranch show two --json >out && json_is .lifecycle_state stopped &&
	! pgrep -u "$(id -u)" -f "$LIMA_HOME/agbranch-two/"
'

test_expect_success 'an instance folder that somebody removed: doctor names it, repair converges' '
	rm -rf "$LIMA_HOME/agbranch-two" &&
	expect_code 1 git agbranch doctor --json &&
	for round in 1 2; do
		expect_code 3 git agbranch repair two --json && json_is .action blocked &&
		json_is .detail "its guest is lost; end it: git agbranch close two --discard" || return 1
	done &&
	expect_code 0 git agbranch close --discard --yes two &&
	git agbranch ps --json >out && json_is "[.[].name] | join(\",\")" one &&
	test ! -e "$LIMA_HOME/_agbranch/sessions/agbranch-two.json"
'

test_expect_success 'an instance of that name that is not ours is not touched' '
	mkdir -p "$LIMA_HOME/agbranch-three" && echo mine >"$LIMA_HOME/agbranch-three/note" &&
	test_when_finished "rm -rf \"\$LIMA_HOME/agbranch-three\"" &&
	expect_code 1 git agbranch open three &&
	grep "a guest .agbranch-three. is there already" err &&
	git agbranch ps -a --json >out && json_is "[.[] | select(.name == \"three\")] | length" 0 &&
	test "$(cat "$LIMA_HOME/agbranch-three/note")" = mine
'

test_expect_success 'QEMU that dies by itself: the session is stopped, and said to be' '
	kill -KILL "$(cat "$LIMA_HOME/agbranch-one/qemu.pid")" &&
	wait_until 30 sh -c "test \"\$(limactl list --format {{.Status}} agbranch-one)\" != Running" &&
	git agbranch show one --json >out &&
	jq -e ".runtime.vm.status == \"stopped\" or .runtime.vm.status == \"failed\"" out
'

test_expect_success 'close: the machine is gone, no process, no file, no image but the one of the base' '
	expect_code 0 git agbranch close --discard --yes one --json &&
	json_is .destroy_result destroyed &&
	test ! -e "$LIMA_HOME/agbranch-one" &&
	! pgrep -u "$(id -u)" -f "$LIMA_HOME/agbranch-one/" &&
	test "$(images | wc -l)" = 1 &&
	git rev-parse -q --verify refs/heads/agbranch/one &&
	{ git agbranch doctor --json >out || :; } && json_is "[.messages[] | tostring | select(test(\"orphaned\"))] | length" 0
'

test_done
