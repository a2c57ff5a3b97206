#!/bin/sh
test_description='gate: every refusal names its rule and the setting that allows it'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"
. "$TEST_TOP/t/hostile/lib.sh"

test_expect_success 'set up' '
	gate_repos
'

# refused RULE SUBJECT SCRIPT: the commit that SCRIPT prints is refused by RULE for SUBJECT; it passes the
# check with the setting of the hint, with the rule alone, and not with another subject.
refused () {
	rule=$1 subject=$2 &&
	fresh_guest && new=$(eval "$3") && pack_loose >stream &&
	expect_code 9 gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	grep "^fatal: refused: $rule: .*commit $new" err &&
	printf "hint: if this is wanted: git config --add agbranch.allow '%s:%s'\n" "$rule" "$subject" >hint &&
	grep "^hint:" err >actual &&
	test_cmp hint actual &&
	git -C host config --add agbranch.allow "$rule:$subject.not" &&
	expect_code 9 gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	git -C host config --replace-all agbranch.allow "$rule:$subject" &&
	gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	git -C host config --replace-all agbranch.allow "$rule" &&
	gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	git -C host config --unset-all agbranch.allow
}

index_commit () {
	commit x "$(g write-tree)"
}

test_expect_success 'an absolute link' '
	refused symlink-absolute link "link /usr/share/zoneinfo/UTC"
'
test_expect_success 'a link out of the tree' '
	refused symlink-escape sub/link "link ../../x sub/link"
'
test_expect_success 'a link into .git' '
	refused symlink-git link "link .git/config"
'
test_expect_success 'a link to nothing that can be a name' '
	refused symlink-target link "link \"a\\\\tb\""
'
test_expect_success 'a name with a backslash' '
	refused path-backslash "a\\b" "one_entry 100644 \"a\\\\x5cb\" \$(blob x)"
'
test_expect_success 'a name that is no UTF-8: the hint shows it escaped' '
	fresh_guest && new=$(one_entry 100644 "latin\xe9" "$(blob x)") && pack_loose >stream &&
	expect_code 9 gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	grep -F "path-encoding:latin\\xe9" err &&
	git -C host config agbranch.allow path-encoding &&
	gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	git -C host config --unset agbranch.allow
'
test_expect_success 'names but for case' '
	refused name-collision sub "echo x >guest/x && tree=\$(g rev-parse HEAD^{tree}) &&
		commit x \$({ printf \"100644 blob %s\tSub\n\" \$(blob x) && g ls-tree \$tree; } | g mktree)"
'
test_expect_success 'a submodule without .gitmodules' '
	refused gitlink-unknown module "g update-index --add --cacheinfo 160000,$BASE,module && index_commit"
'
test_expect_success 'a submodule by path' '
	refused submodule-url /srv/x "gitmodules \"[submodule \\\"x\\\"]\n\tpath = sub-module\n\turl = /srv/x\n\""
'

test_expect_success 'a protected path' '
	git -C host config agbranch.protectedPaths "sub/*" &&
	refused protected sub/new "g update-index --add --cacheinfo 100644,\$(blob x),sub/new && index_commit" &&
	git -C host config --unset agbranch.protectedPaths
'

test_expect_success 'what fsck says follows fetch.fsck, and a list of known objects' '
	fresh_guest && new=$(one_entry 0100644 a "$(blob x)") && pack_loose >stream &&
	expect_code 9 gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	grep "refused: fsck.zeroPaddedFilemode: object" err &&
	grep "hint: if this is wanted: git config fetch.fsck.zeroPaddedFilemode warn" err &&
	git -C host config fetch.fsck.zeroPaddedFilemode warn &&
	gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	git -C host config --unset fetch.fsck.zeroPaddedFilemode &&
	mkdir "a folder" && git -C guest rev-parse "$new^{tree}" >"a folder/known, ones" &&
	git -C host config fetch.fsck.skipList "$PWD/a folder/known, ones" &&
	gate sync "$BASE" "$BASE" "$new" ../staged check <stream &&
	git -C host config --unset fetch.fsck.skipList
'

test_expect_success 'settings on the command line count too' '
	fresh_guest && new=$(link /etc/hostname) && pack_loose >stream &&
	(
		GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=agbranch.allow GIT_CONFIG_VALUE_0=symlink-absolute &&
		export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 &&
		gate sync "$BASE" "$BASE" "$new" ../staged check <stream
	)
'

test_expect_success 'what the host has already is not refused: its own links, its own pairs of names' '
	ln -s /etc/hostname host/absolute && git -C host add . && git -C host commit -qm "the user may" &&
	tree=$({ printf "100644 blob %s\tFILE\n" "$(git -C host rev-parse HEAD:file)" && git -C host ls-tree HEAD; } |
		git -C host mktree) &&
	BASE=$(git -C host commit-tree -m pair -p HEAD "$tree") &&
	git -C host update-ref refs/agbranch/sessions/s/base "$BASE" &&
	fresh_guest &&
	g update-index --add --cacheinfo "100644,$(blob x),new" && new=$(index_commit) && pack_loose >stream &&
	gate sync "$BASE" "$BASE" "$new" ../staged check <stream
'

test_expect_success 'a partial clone as host' '
	git -C host config uploadpack.allowFilter true &&
	git clone -q --filter=blob:none "file://$PWD/host" partial &&
	base=$(git -C partial rev-parse HEAD) &&
	rm -rf guest && git clone -q host guest && mkdir guest/folder && echo x >guest/folder/x &&
	echo y >>guest/file && git -C guest add . && git -C guest commit -qm x &&
	new=$(guest_head) && guest_pack "$new" "$base" >stream &&
	(cd partial && "$GATE_TOOL" sync "$base" "$base" "$new" ../staged <../stream) &&
	test "$(git -C partial show agbranch/s:folder/x)" = x
'

test_done
