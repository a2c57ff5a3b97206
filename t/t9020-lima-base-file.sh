#!/bin/sh
test_description='Lima: a base out to a file and in from one, and what is refused'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"

# No machine is booted: limactl is a stand-in.  With a real one: t9130.
test "$(id -u)" != 0 || lima_as_user
command -v qemu-img >/dev/null || lima_skip "qemu-img is not installed"
command -v zstd >/dev/null || lima_skip "zstd is not installed"
. "$TEST_TOP/t/lib/fake-lima.sh"
# The guest does what it is told.
printf '%s\n' '#!/bin/sh' 'exit 0' >"$bin/ssh" && chmod +x "$bin/ssh"

made='{"cpus": 1, "memory_bytes": 1073741824, "disk_bytes": 8589934592,
	"started_at": "2026-01-01T00:00:00Z", "prepared_at": "2026-01-01T00:10:00Z",
	"versions_json": "{\"git\": \"2.47.3\"}", "agents_json": "{\"claude\": \"2.1.0\"}"}'

# exporter: a prepared base with an image and a kernel.
exporter () {
	lima_home exporter &&
	record "$made" &&
	image=$LIMA_HOME/_agbranch/images/one.qcow2 &&
	rm -f "$image" &&
	qemu-img create -q -f qcow2 "$image" 64M &&
	qemu-io -c "write -q -P 7 0 1M" "$image" >/dev/null &&
	bytes=$(stat -c %s "$image") &&
	file=$LIMA_HOME/_agbranch/bases/agbranch-base-linux.json &&
	jq --argjson n "$bytes" ".image_bytes = \$n" "$file" >record.new && mv record.new "$file" &&
	echo kernel >"$LIMA_HOME/agbranch-base-linux/kernel" &&
	echo initrd >"$LIMA_HOME/agbranch-base-linux/initrd" &&
	echo "root=x" >"$LIMA_HOME/agbranch-base-linux/kernel.cmdline"
}

nothing_imported () {
	test ! -e "$LIMA_HOME/agbranch-base-linux" &&
	test ! -e "$LIMA_HOME/agbranch-base-linux-next" &&
	test ! -e "$LIMA_HOME/_agbranch/import" &&
	test -z "$(ls "$LIMA_HOME/_agbranch/bases" "$LIMA_HOME/_agbranch/images" | grep -v :)"
}

# repack DIR: the members in DIR as a file, base.json first.
repack () {
	(cd "$1" && tar --format=posix -cf - base.json $(ls | grep -v base.json)) >"$2"
}

test_expect_success 'export: one file, with its digest' '
	exporter &&
	git agbranch base show --json >out && json_is .status ready &&
	expect_code 0 git agbranch base export --json base.tar &&
	json_is .name agbranch-base-linux && json_is .file "$PWD/base.tar" &&
	json_is .digest "sha256:$(sha256sum <base.tar | cut -d" " -f1)" &&
	json_is .bytes "$(stat -c %s base.tar)" &&
	jq -r .digest out >digest
'

test_expect_success 'it is a tar archive that names the digest of each file in it' '
	mkdir members && zstd -q -d -c base.tar >plain.tar && tar -C members -xf plain.tar &&
	test "$(tar -tf plain.tar | tr "\n" " ")" = "base.json image.qcow2 kernel initrd " &&
	for name in image.qcow2 kernel initrd; do
		test "$(jq -r ".files.\"$name\".sha256" members/base.json)" = \
			"$(sha256sum <members/$name | cut -d" " -f1)" || return 1
	done &&
	jq -e ".format == 1 and .api == 1 and .flavour == \"full\" and .cmdline == \"root=x\"" members/base.json
'

test_expect_success 'a file that is there is replaced with --force only' '
	expect_code 1 git agbranch base export base.tar &&
	grep "^fatal: .*base.tar. exists" err &&
	grep "^hint: replace it with --force" err &&
	expect_code 0 git agbranch base export --force base.tar &&
	tail -n 1 out >again && test_cmp digest again &&
	test -z "$(ls -A | grep "base.tar.")"
'

test_expect_success 'an export that is killed leaves no file' '
	expect_code 137 env AGB_FAIL_AT=1:kill "$AGB_BUILD/libexec/git-agbranch/git-agbranch-base" export other.tar &&
	test -z "$(ls -A | grep "^other.tar")"
'

test_expect_success 'export without a base: exit 6 with the command' '
	lima_home none &&
	expect_code 6 git agbranch base export none.tar &&
	grep "^fatal: base .agbranch-base-linux. is not prepared" err &&
	test ! -e none.tar
'

test_expect_success 'import: the base is there as it was' '
	lima_home importer &&
	expect_code 0 git agbranch base import --digest "$(cat digest)" base.tar --json &&
	json_is .prepared_base agbranch-base-linux && json_is .flavour full && json_is .warm true &&
	json_is .agent_cli_versions.claude 2.1.0 &&
	git agbranch base show --json >out &&
	json_is .status ready && json_is .problem null && json_is .versions.git 2.47.3 &&
	image=$LIMA_HOME/_agbranch/images/$(jq -r .image out) &&
	cmp "$image" members/image.qcow2 && test "$(stat -c %a "$image")" = 400 &&
	qemu-img info --output=json "$LIMA_HOME/agbranch-base-linux/disk" >out &&
	json_is ".\"full-backing-filename\"" "$image" && json_is ".\"virtual-size\"" 8589934592 &&
	grep "location: \"$LIMA_HOME/_agbranch/import/kernel\"" "$LIMA_HOME/_agbranch/template.yaml" &&
	grep "memory: 1024MiB" "$LIMA_HOME/_agbranch/template.yaml" &&
	test ! -e "$LIMA_HOME/_agbranch/import" && test ! -e "$LIMA_HOME/agbranch-base-linux-next"
'

test_expect_success 'a base that is there is replaced with --rebuild only, a foreign one never' '
	cp -R "$LIMA_HOME" before &&
	expect_code 1 git agbranch base import base.tar &&
	grep "^fatal: base .agbranch-base-linux. is there already (ready)" err &&
	grep "^hint: replace it with --rebuild" err &&
	diff -r before "$LIMA_HOME" &&
	expect_code 0 git agbranch base import --name second base.tar &&
	expect_code 0 git agbranch base import --rebuild base.tar &&
	test "$(ls "$LIMA_HOME/_agbranch/images" | wc -l)" = 2 &&
	lima_home foreign &&
	mkdir "$LIMA_HOME/agbranch-base-linux" && : >"$LIMA_HOME/agbranch-base-linux/lima.yaml" &&
	expect_code 6 git agbranch base import --rebuild base.tar &&
	grep "git agbranch did not make this instance" err
'

# kept NAME REPO IMAGE: a warm image of repository REPO as if it was made on the base's IMAGE.
kept () {
	mkdir -p "$LIMA_HOME/$1" && : >"$LIMA_HOME/$1/lima.yaml" && : >"$LIMA_HOME/$1/disk" &&
	rm -f "$LIMA_HOME/_agbranch/images/$1.qcow2" &&
	qemu-img create -q -f qcow2 -b "$LIMA_HOME/_agbranch/images/$3" -F qcow2 "$LIMA_HOME/_agbranch/images/$1.qcow2" &&
	jq -n --arg name "$1" --arg repo "$2" --arg image "$3" --argjson bytes \
		"$(stat -c %s "$LIMA_HOME/_agbranch/images/$1.qcow2")" \
		'{name: $name, state: "prepared", api: 1, image: ($name + ".qcow2"), image_bytes: $bytes, repo: $repo,
		seeded: "1234567890123456789012345678901234567890", parent: "agbranch-base-linux",
		parent_image: $image, prepared_at: "2026-01-01T00:20:00Z"}' >"$LIMA_HOME/_agbranch/bases/$1.json"
}

test_expect_success 'warm images of repositories: shown with their base, gone with its image or their repository' '
	lima_home importer &&
	image=$(git agbranch base show --json | jq -r .image) &&
	mkdir there gone lost &&
	kept agbranch-base-linux-1 "$PWD/there" "$image" &&
	kept agbranch-base-linux-2 "$PWD/gone" "$image" &&
	kept agbranch-base-linux-3 "$PWD/lost" "$image" &&
	git agbranch base show --json >out &&
	json_is ".repositories | map (.repo) | join (\" \")" "$PWD/there $PWD/gone $PWD/lost" &&
	rmdir lost &&
	git agbranch gc --dry-run >out &&
	grep "$LIMA_HOME/agbranch-base-linux-3.*its base has another image now, or its repository is gone" out &&
	test -e "$LIMA_HOME/agbranch-base-linux-3" &&
	git agbranch gc --json >out &&
	test ! -e "$LIMA_HOME/agbranch-base-linux-3" &&
	test ! -e "$LIMA_HOME/_agbranch/images/agbranch-base-linux-3.qcow2" &&
	test -e "$LIMA_HOME/agbranch-base-linux-2" &&
	rmdir gone &&
	expect_code 0 git agbranch base import --name third base.tar &&
	test -e "$LIMA_HOME/agbranch-base-linux-1" && test ! -e "$LIMA_HOME/agbranch-base-linux-2" &&
	test -e "$LIMA_HOME/_agbranch/images/agbranch-base-linux-1.qcow2" &&
	test ! -e "$LIMA_HOME/_agbranch/images/agbranch-base-linux-2.qcow2" &&
	mkdir -p "$LIMA_HOME/_agbranch/sessions" &&
	jq -n "{vm_name: \"agbranch-s\", key: \"s.1\", session: \"s\", image: \"agbranch-base-linux-1.qcow2\"}" \
		>"$LIMA_HOME/_agbranch/sessions/agbranch-s.json" &&
	expect_code 0 git agbranch base import --rebuild base.tar &&
	test ! -e "$LIMA_HOME/agbranch-base-linux-1" &&
	git agbranch base show --json >out && json_is ".repositories | length" 0 &&
	: "the session on it keeps its image, and the one below" &&
	test -e "$LIMA_HOME/_agbranch/images/agbranch-base-linux-1.qcow2" &&
	test -e "$LIMA_HOME/_agbranch/images/$image" &&
	rm "$LIMA_HOME/_agbranch/sessions/agbranch-s.json" &&
	git agbranch gc --json >out &&
	test ! -e "$LIMA_HOME/_agbranch/images/agbranch-base-linux-1.qcow2" &&
	test ! -e "$LIMA_HOME/_agbranch/images/$image" &&
	git agbranch base show --json >out && json_is .status ready
'

test_expect_success 'base warm --repo: a shallow or partial clone is refused, and what is no repository' '
	make_repo whole && echo x >>whole/file && git -C whole add file && git -C whole commit -q -m two &&
	git clone -q --depth 1 "file://$PWD/whole" shallow &&
	expect_code 1 git agbranch base warm --repo shallow &&
	grep "is a shallow clone: its objects are not kept" err &&
	grep "^hint: fetch the rest" err &&
	expect_code 1 git agbranch base warm --repo /no/such/repo &&
	lima_home none &&
	expect_code 6 git agbranch base warm --repo whole &&
	grep "is not prepared" err
'

test_expect_success 'a wrong digest of the file: exit 1, nothing is used' '
	lima_home wrong && : >"$HOME/limactl.calls" &&
	expect_code 1 git agbranch base import --digest sha256:0000 base.tar &&
	grep "has the digest $(cat digest), not sha256:0000" err &&
	nothing_imported && ! grep -E "^(create|start)" "$HOME/limactl.calls"
'

test_expect_success 'a changed member, and one of another size: exit 1, nothing is used' '
	for change in "printf X | dd of=image.qcow2 bs=1 seek=300000 conv=notrunc" "echo more >>kernel" "rm initrd"; do
		rm -rf changed && cp -R members changed && chmod -R u+w changed &&
		(cd changed && eval "$change" 2>/dev/null) &&
		repack changed changed.tar &&
		expect_code 1 git agbranch base import changed.tar &&
		grep -E "^fatal: .changed.tar. is (damaged|no exported base)" err &&
		nothing_imported || return 1
	done
'

test_expect_success 'what is cut off, empty, or something else: exit 1' '
	head -c $(($(stat -c %s base.tar) / 2)) base.tar >cut.tar && : >empty.tar && head -c 100000 /dev/urandom >random.tar &&
	tar -cf mine.tar members &&
	for file in cut empty random mine; do
		expect_code 1 git agbranch base import $file.tar &&
		grep "^fatal: .$file.tar. is no exported base" err &&
		nothing_imported || return 1
	done &&
	expect_code 1 git agbranch base import /no/such/file
'

test_expect_success 'files that do not belong there, links and paths among them: exit 1' '
	rm -rf more && cp -R members more && echo x >more/evil && repack more more.tar &&
	expect_code 1 git agbranch base import more.tar &&
	grep "a file that does not belong there" err && nothing_imported &&
	rm -rf more && cp -R members more && chmod -R u+w more && rm more/kernel && ln -s /etc/passwd more/kernel &&
	repack more more.tar &&
	expect_code 1 git agbranch base import more.tar && nothing_imported &&
	rm -rf more && cp -R members more && (cd more && tar --format=posix -P --transform "s,^kernel$,../../escaped," -cf ../more.tar base.json image.qcow2 kernel initrd) &&
	expect_code 1 git agbranch base import more.tar && nothing_imported &&
	test -z "$(find "$TEST_TMP" -name escaped)"
'

test_expect_success 'an image that stands on another file of this host: exit 1' '
	echo secret >secret &&
	rm -rf linked && cp -R members linked && chmod -R u+w linked &&
	rm linked/image.qcow2 && qemu-img create -q -f qcow2 -b "$PWD/secret" -F raw linked/image.qcow2 &&
	jq --arg s "$(sha256sum <linked/image.qcow2 | cut -d" " -f1)" --argjson n "$(stat -c %s linked/image.qcow2)" \
		".files.\"image.qcow2\" = {sha256: \$s, bytes: \$n}" linked/base.json >new && mv new linked/base.json &&
	repack linked linked.tar &&
	expect_code 1 git agbranch base import linked.tar &&
	grep "its image stands on another file" err && nothing_imported
'

test_expect_success 'another version of the guest scripts, form or machine: exit 6' '
	for change in ".api = 0" ".format = 2" ".arch = \"riscv64\""; do
		rm -rf other && cp -R members other && chmod -R u+w other &&
		jq "$change" members/base.json >other/base.json &&
		repack other other.tar &&
		expect_code 6 git agbranch base import other.tar &&
		grep -E "speaks version 0 of the guest scripts, this program version 1|has form 2|is for riscv64" err &&
		nothing_imported || return 1
	done
'

test_expect_success 'an import that is killed anywhere can be run again' '
	n=1 &&
	while :; do
		lima_home kill.$n &&
		if env AGB_FAIL_AT=$n:kill "$AGB_BUILD/libexec/git-agbranch/git-agbranch-base" import base.tar >first 2>&1; then
			break
		fi &&
		git agbranch base show --json >out &&
		if test "$(jq -r .status out)" != ready; then
			jq -e ".status == \"half_built\" or .status == \"missing\"" out &&
			expect_code 0 git agbranch base import base.tar
		fi &&
		git agbranch base show --json >out && json_is .status ready &&
		test "$(ls "$LIMA_HOME/_agbranch/images" | wc -l)" = 1 &&
		test ! -e "$LIMA_HOME/_agbranch/import" &&
		test ! -e "$LIMA_HOME/agbranch-base-linux-next" || return 1
		n=$((n + 1))
	done &&
	echo "# $n points" && test "$n" -gt 5
'

test_done
