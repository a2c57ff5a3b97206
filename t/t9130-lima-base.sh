#!/bin/sh
test_description='Lima: what is in a base and what is not, out to a file and in from one'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
. "$TEST_TOP/t/lib/secrets.sh"
lima_machine
command -v zstd >/dev/null || lima_skip "zstd is not installed"

# The base of other scripts, which may be kept (AGB_LIMA_HOME), is another.
base=agbranch-base-own
AGBRANCH_PREPARED_BASE_NAME=$base
export AGBRANCH_PREPARED_BASE_NAME

test_expect_success 'set up: secrets of the host everywhere, and a base with a browser for its agents' '
	make_repo repo &&
	plant_secrets "$HOME" repo &&
	cat >"$HOME/setup" <<-\END &&
	#!/bin/sh
	echo "{\"mcpServers\": {\"browser\": {}, \"mine\": {}}}" >/home/agent/.claude.json
	chown agent: /home/agent/.claude.json
	END
	git config --global agbranch.lima.provision "$HOME/setup" &&
	mkdir -p "$HOME/.config/agbranch" &&
	printf "%s\n" "#!/bin/sh" "whoami >~/by-setup; echo CONTROL-IN-BASE | tee ~/control; sync" >"$HOME/.config/agbranch/setup.sh" &&
	with_secrets expect_code 0 git agbranch base prepare --minimal --rebuild --json &&
	json_is .prepared_base $base && json_is .warm true &&
	jq -e "[.steps[].name] | index (\"setup.sh\")" out &&
	jq -r ".steps[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	cp out prepared.json
'

test_expect_success 'a session: its agents know of the browser, or with --no-browser do not' '
	with_secrets expect_code 0 git -C repo agbranch open one --json &&
	cp out one.json &&
	git agbranch run one -- sh -c "cat ~/.claude.json ~/by-setup" >out &&
	printf "%s\n" "{\"mcpServers\": {\"browser\": {}, \"mine\": {}}}" agent >expected && test_cmp expected out &&
	with_secrets expect_code 0 git -C repo agbranch open two --no-browser --json &&
	cp out two.json &&
	git agbranch run two -- sh -c "cat ~/.claude.json" >out &&
	json_is ".mcpServers | keys | join (\" \")" mine &&
	expect_code 0 git agbranch close --discard --yes two
'

test_expect_success 'each session has a compose project of its own' '
	git agbranch run one -- sh -c "echo \$COMPOSE_PROJECT_NAME" >out &&
	echo agbranch-one >expected && test_cmp expected out
'

test_expect_success 'work in it, as ever' '
	agent_commit one file "by the agent" &&
	git agbranch run one -- sh -c "echo CONTROL-IN-SESSION >~/control; sync" &&
	with_secrets expect_code 0 git agbranch sync one --json && cp out sync.json &&
	for verb in "show one" ps "logs one" "base show" doctor; do
		with_secrets test_might_fail git agbranch $verb --json >>more.json || return 1
	done
'

test_expect_success 'none of the secrets is in base, saved state, session, catalog, logs or JSON' '
	has_control CONTROL-IN-BASE "$LIMA_HOME/_agbranch/images" &&
	has_control CONTROL-IN-SESSION "$LIMA_HOME/agbranch-one" &&
	no_secret "$LIMA_HOME" "$AGBRANCH_STATE_ROOT" *.json
'

test_expect_success 'nor can the guest read one' '
	git -C repo agbranch run one -- sh -c "env; sudo cat /proc/*/environ | tr \"\\0\" \"\\n\"; sudo grep -r -a . /mnt/lima-cidata; cat .git/config; git remote -v" >guest &&
	test -s guest && no_secret guest
'

test_expect_success 'export: one file, without secrets' '
	expect_code 0 git agbranch base export --json "$TEST_TMP/base.tar" &&
	jq -r "\"# exported: \(.bytes / 1048576 | floor) MiB\"" out &&
	digest=$(jq -r .digest out) &&
	test "$digest" = "sha256:$(sha256sum <"$TEST_TMP/base.tar" | cut -d" " -f1)" &&
	echo "$digest" >digest &&
	zstd -q -d -c "$TEST_TMP/base.tar" >plain && has_control CONTROL-IN-BASE plain && no_secret plain &&
	rm plain
'

test_expect_success 'import: a base that sessions start warm from, with what is in it' '
	expect_code 0 git agbranch base import --name copy --digest "$(cat digest)" "$TEST_TMP/base.tar" --json &&
	json_is .prepared_base agbranch-base-copy && json_is .warm true && json_is .flavour minimal &&
	jq -r ".steps[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	git agbranch base show --name copy --require-ready --json >out && json_is .status ready &&
	expect_code 0 git -C repo agbranch open --image copy three --json &&
	jq -r ".phases[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	git agbranch show three --json >out && json_is .runtime.vm.cold_start null &&
	git agbranch run three -- sh -c "cat ~/control; git log -1 --format=%s" >out &&
	git -C repo log -1 --format=%s >subject &&
	{ echo CONTROL-IN-BASE && cat subject; } >expected && test_cmp expected out &&
	expect_code 0 git agbranch close --discard --yes three
'

seed_ms () {
	jq -r ".phases[] | select(.name == \"seeding the workspace\") | .ms | floor" "$1"
}

test_expect_success 'base warm --repo: the objects of a repository in a warm image of its own' '
	head -c 12000000 /dev/urandom >repo/big && git -C repo add big && git -C repo commit -q -m big &&
	expect_code 0 git -C repo agbranch open full --json && cp out full.json &&
	expect_code 0 git agbranch close --discard --yes full &&
	with_secrets expect_code 0 git agbranch base warm --repo repo --json &&
	json_is .repo "$(cd repo && pwd -P)/.git" && json_is .commit "$(git -C repo rev-parse HEAD)" &&
	json_is .warm true &&
	jq -r ".steps[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	git agbranch base show --json >out && json_is ".repositories | length" 1 && json_is .status ready &&
	name=$(jq -r ".repositories[0].name" out) &&
	echo "# image of the repository: $(($(jq -r ".repositories[0].image_bytes" out) / 1048576)) MiB" &&
	qemu-img check -q "$LIMA_HOME/$name/disk"
'

test_expect_success 'open sends only what is new' '
	echo new >>repo/file && git -C repo add file && git -C repo commit -q -m new &&
	expect_code 0 git -C repo agbranch open some --json && cp out some.json &&
	: "one pack is linked from the image, one came and is small" &&
	git agbranch run some -- sh -c "stat -c \"%h %s\" .git/objects/pack/*.pack | sort" >packs &&
	test "$(cut -d" " -f1 packs | tr "\n" " ")" = "1 2 " &&
	test "$(sed -n "1s/.* //p" packs)" -lt 5000 &&
	git agbranch show some --json >out && json_is .runtime.vm.cold_start null &&
	echo "# seeding whole: $(seed_ms full.json) ms, with kept objects: $(seed_ms some.json) ms" &&
	test "$(seed_ms some.json)" -lt "$(seed_ms full.json)" &&
	git agbranch run some -- sh -c "git rev-parse HEAD; git fsck --full 2>&1; git status --porcelain; git log --oneline | wc -l" >out &&
	{ git -C repo rev-parse HEAD && git -C repo log --oneline | wc -l; } >expected && test_cmp expected out &&
	agent_commit some file2 "on kept objects" &&
	expect_code 0 git agbranch sync some && repo_is_sound repo &&
	no_secret "$LIMA_HOME" &&
	expect_code 0 git agbranch close --discard --yes some
'

test_expect_success 'with agbranch.private the kept objects are not given, another repository has none' '
	expect_code 0 git -C repo -c agbranch.private=true agbranch open private --json &&
	test_must_fail git agbranch run private -- test -e /home/agent/.agbranch/objects.git &&
	git agbranch run private -- git rev-parse HEAD >out &&
	git -C repo rev-parse HEAD >expected && test_cmp expected out &&
	expect_code 0 git agbranch close --discard --yes private
'

test_expect_success 'a damaged file is refused before Lima sees anything of it' '
	size=$(stat -c %s "$TEST_TMP/base.tar") &&
	printf XXXX | dd of="$TEST_TMP/base.tar" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null &&
	expect_code 1 git agbranch base import --name bad "$TEST_TMP/base.tar" &&
	grep -E "^fatal: .*(is damaged|is no exported base)" err &&
	git agbranch base show --name bad --json >out && json_is .status missing &&
	test ! -e "$LIMA_HOME/agbranch-base-bad-next" && test ! -e "$LIMA_HOME/_agbranch/import"
'

test_expect_success 'all of it goes' '
	expect_code 0 git agbranch close --discard --yes one
'

test_done
