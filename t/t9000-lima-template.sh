#!/bin/sh
test_description='Lima: the templates, and what is merged into them'
. ./t/lib/test-lib.sh

# No machine is booted here: limactl only validates, so root may run this too where it lets itself be
# run; it does not, so the checks run as whoever may.
. "$TEST_TOP/t/lib/lima.sh"
lima_tool

render () {
	"$AGB_BUILD/t/tools/template-tool" "$@"
}

test_expect_success 'both templates are valid as they are' '
	limactl validate "$TEST_TOP/lima/safe-sync-linux.yaml" &&
	limactl validate "$TEST_TOP/lima/safe-sync-macos.yaml"
'

test_expect_success 'nothing of the host is in them: no mounts, no agent, no ports, no proxy settings' '
	for name in linux macos; do
		limactl validate --fill "$TEST_TOP/lima/safe-sync-$name.yaml" >filled.$name.yaml 2>err || return 1
		file=$TEST_TOP/lima/safe-sync-$name.yaml &&
		grep -x "mounts: \[\]" "$file" &&
		grep -x "  forwardAgent: false" "$file" &&
		grep -x "  loadDotSSHPubKeys: false" "$file" &&
		grep -x "  ignore: true" "$file" &&
		grep -x "propagateProxyEnv: false" "$file" &&
		! grep -E "hostPath|^- location: \"?~|mountPoint" filled.$name.yaml || return 1
	done
'

test_expect_success 'resources are merged, and the result is valid' '
	render cpus=3 memory=3GiB disk=40GiB >merged.yaml &&
	grep -x "cpus: 3" merged.yaml &&
	grep -x "memory: 3072MiB" merged.yaml &&
	grep -x "disk: 40960MiB" merged.yaml &&
	grep -x "base: template:_images/debian-13" merged.yaml &&
	grep -x "  name: agent" merged.yaml &&
	limactl validate merged.yaml
'

test_expect_success 'an emulated machine gets a processor that needs no KVM' '
	render tcg=1 >merged.yaml &&
	grep -A2 "cpuType:" merged.yaml | grep "max" &&
	limactl validate merged.yaml
'

test_expect_success 'another image with its kernel takes the place of the one of the template' '
	: >"$HOME/image.qcow2" && : >"$HOME/vmlinuz" && : >"$HOME/initrd" &&
	digest=sha256:$(sha256sum <"$HOME/image.qcow2" | cut -d" " -f1) &&
	git config --global agbranch.lima.image "$HOME/image.qcow2" &&
	git config --global agbranch.lima.digest "$digest" &&
	git config --global agbranch.lima.kernel "$HOME/vmlinuz" &&
	git config --global agbranch.lima.initrd "$HOME/initrd" &&
	render >merged.yaml &&
	! grep "^base:" merged.yaml &&
	grep "location: \"$HOME/image.qcow2\"" merged.yaml &&
	grep "digest: \"$digest\"" merged.yaml &&
	grep "location: \"$HOME/vmlinuz\"" merged.yaml &&
	grep "cmdline: \"root=LABEL=rootfs ro console=ttyS0" merged.yaml &&
	limactl validate merged.yaml
'

test_expect_success 'a kernel command line may hold what YAML would take for syntax' '
	git config --global agbranch.lima.cmdline "a: b # \"c\" {d}" &&
	render >merged.yaml &&
	limactl validate merged.yaml &&
	grep -F "cmdline: \"a: b # \\\"c\\\" {d}\"" merged.yaml &&
	git config --global --unset agbranch.lima.cmdline
'

test_expect_success 'an image that is not there is told by the name of the setting' '
	test_when_finished "git config --global agbranch.lima.image \"\$HOME/image.qcow2\"" &&
	git config --global agbranch.lima.image /no/such/image &&
	expect_code 1 render &&
	grep "agbranch.lima.image: ./no/such/image. is no URL and no file" err
'

test_expect_success 'the certificate authorities of the host go in when asked' '
	: >"$HOME/ca.crt" &&
	git config --global agbranch.lima.caCerts true &&
	SSL_CERT_FILE=$HOME/ca.crt render >merged.yaml &&
	grep -A2 "caCerts:" merged.yaml | grep "$HOME/ca.crt" &&
	limactl validate merged.yaml &&
	git config --global agbranch.lima.caCerts false &&
	render >merged.yaml &&
	! grep caCerts merged.yaml
'

test_expect_success 'assets of the user take the place of ours' '
	cp -R "$TEST_TOP/lima" assets &&
	echo "# mine" >>assets/safe-sync-linux.yaml &&
	sed -i "s/^minimumLimaVersion: .*/minimumLimaVersion: \"2.1.1\"/" assets/safe-sync-linux.yaml &&
	AGBRANCH_LIMA_ASSETS_DIR=$PWD/assets render >merged.yaml &&
	grep "minimumLimaVersion: \"2.1.1\"" merged.yaml &&
	echo "{ broken" >assets/safe-sync-linux.yaml &&
	expect_code 8 env AGBRANCH_LIMA_ASSETS_DIR="$PWD/assets" "$AGB_BUILD/t/tools/template-tool" &&
	grep "cannot read .safe-sync-linux.yaml.: line" err
'

test_expect_success 'the browser goes into the configuration of the agents and out of it, and nothing else does' '
	mkdir -p guest/.codex guest/.gemini &&
	echo "{\"theme\": \"dark\", \"mcpServers\": {\"mine\": {\"command\": \"x\"}}}" >guest/.claude.json &&
	echo "model = \"m\"" >guest/.codex/config.toml &&
	cp guest/.codex/config.toml codex.before &&
	jq -S . guest/.claude.json >claude.before &&
	HOME=$PWD/guest sh "$TEST_TOP/lima/guest/browser.sh" on &&
	HOME=$PWD/guest sh "$TEST_TOP/lima/guest/browser.sh" on &&
	jq -e ".mcpServers.browser.command == \"/usr/local/bin/agbranch-browser\" and .theme == \"dark\"" \
		guest/.claude.json &&
	jq -e .mcpServers.browser guest/.gemini/settings.json &&
	jq -e .mcp.browser.enabled guest/.config/opencode/opencode.json &&
	test "$(grep -c "mcp_servers.browser" guest/.codex/config.toml)" = 1 &&
	HOME=$PWD/guest sh "$TEST_TOP/lima/guest/browser.sh" off &&
	jq -S . guest/.claude.json >claude.after && test_cmp claude.before claude.after &&
	test_cmp codex.before guest/.codex/config.toml &&
	mkdir empty &&
	HOME=$PWD/empty sh "$TEST_TOP/lima/guest/browser.sh" off &&
	test -z "$(ls -A empty)"
'

test_expect_success 'the browser runs as a user of its own, in its own sandbox, its server pinned' '
	file=$TEST_TOP/lima/provision/40-browser.sh &&
	grep -E "^mcp_version=[0-9]+[.][0-9]+[.][0-9]+$" "$file" &&
	grep "chrome-devtools-mcp@\$mcp_version" "$file" &&
	grep "sudo -n -u browser" "$file" &&
	grep -w chromium-sandbox "$TEST_TOP/lima/provision/10-packages.sh" &&
	! grep -e --no-sandbox -e --disable-setuid-sandbox "$file"
'

# pack OID [HAVE]: what OID reaches, without what HAVE reaches.
pack () {
	printf "%s\n" "$1" ${2:+"^$2"} |
		git -C host pack-objects --stdout -q --delta-base-offset --revs ${2:+--thin}
}

# seed NAME OID HAVE: a clone in the kept objects, as a session is given it.
seed () {
	{ echo && pack "$2" "$3"; } >stream &&
	HOME=$PWD/kept sh "$TEST_TOP/lima/guest/seed.sh" "$PWD/kept/$1" "$(git -C host rev-parse --show-object-format)" \
		"$2" "agbranch/$1" kept "" <stream &&
	test "$(git -C "kept/$1" rev-parse HEAD)" = "$2" &&
	test -z "$(git -C "kept/$1" status --porcelain)" &&
	git -C "kept/$1" fsck --full --strict
}

test_expect_success 'kept objects: a clone is sent what is new only, and needs nothing but itself' '
	make_repo host && mkdir kept &&
	head -c 300000 /dev/urandom >host/big && git -C host add big && git -C host commit -q -m big &&
	old=$(git -C host rev-parse HEAD) &&
	pack "$old" | HOME=$PWD/kept sh "$TEST_TOP/lima/guest/objects.sh" \
		"$(git -C host rev-parse --show-object-format)" "$old" &&
	echo more >>host/file && git -C host add file && git -C host commit -q -m new &&
	new=$(git -C host rev-parse HEAD) &&
	seed later "$new" "$old" && test "$(stat -c %s stream)" -lt 5000 &&
	seed same "$old" "$old" && test "$(stat -c %s stream)" -lt 200 &&
	seed earlier "$(git -C host rev-parse "$old~1")" "$old" &&
	rm -rf kept/.agbranch && git -C kept/later fsck --full --strict
'

test_expect_success 'keeping them again begins anew' '
	pack "$new" | HOME=$PWD/kept sh "$TEST_TOP/lima/guest/objects.sh" \
		"$(git -C host rev-parse --show-object-format)" "$new" &&
	pack "$new" | HOME=$PWD/kept sh "$TEST_TOP/lima/guest/objects.sh" \
		"$(git -C host rev-parse --show-object-format)" "$new" &&
	test "$(ls kept/.agbranch/objects.git/objects/pack/*.pack | wc -l)" = 1 &&
	git -C kept/.agbranch/objects.git fsck --strict
'

test_expect_success 'the scripts for the guest are POSIX sh' '
	for script in "$TEST_TOP"/lima/provision/*.sh "$TEST_TOP"/lima/guest/*.sh; do
		sh -n "$script" || return 1
	done
'

test_done
