#!/bin/sh
test_description='--with-changes, Git LFS and submodules: killed or failing half-way'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

requires git-lfs
git config --global protocol.file.allow always
TOP=$(pwd -P)

# point_of NAME COMMAND…: the number of the last fault point of that NAME in COMMAND, which runs.
point_of () {
	wanted=$1
	shift
	rm -f "$TEST_TMP/points"
	AGB_FAIL_LIST=$TEST_TMP/points "$@" >/dev/null 2>&1 || return 1
	grep -n -F "$wanted" "$TEST_TMP/points" | tail -n 1 | cut -d: -f1
}

test_expect_success '--with-changes: nothing is made; what a kill leaves goes with gc' '
	make_repo repo && echo more >>repo/file && echo new >repo/new && host_snapshot repo >before &&
	git -C repo agbranch open one --with-changes -q && git agbranch close one --discard --yes -q &&
	number=$(point_of "open: commit the changes" git -C repo agbranch open one --with-changes -q) && test "$number" -gt 0 && git agbranch close one --discard --yes -q &&
	expect_code 8 env AGB_FAIL_AT="$number:error" git -C repo agbranch open two --with-changes && nothing_made two repo && ! ls -d repo/.git/agbranch/quarantine-* 2>/dev/null &&
	expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch -C repo open two --with-changes && nothing_made two repo && ls -d repo/.git/agbranch/quarantine-* &&
	git -C repo agbranch gc && ! ls -d repo/.git/agbranch/quarantine-* 2>/dev/null &&
	git -C repo agbranch open two --with-changes -q && git agbranch run two -- cat new && git agbranch close two --discard --yes -q &&
	host_snapshot repo >after && test_cmp before after && repo_is_sound repo
'

test_expect_success 'LFS: an object is in its place or not at all; the next sync brings it' '
	git config --global filter.lfs.clean "git-lfs clean -- %f" && git config --global filter.lfs.smudge "git-lfs smudge -- %f" && git config --global filter.lfs.required true &&
	make_repo large && echo "*.bin filter=lfs diff=lfs merge=lfs -text" >large/.gitattributes && git -C large add . && git -C large commit -qm lfs &&
	git -C large agbranch open one -q && new="head -c 4000 /dev/urandom >new.bin && git add . && git commit -qm new && sha256sum new.bin" &&
	git agbranch run one -- sh -c "$new" && number=$(point_of "lfs: place an object" git agbranch sync one -q) && test "$number" -gt 0 && tip=$(git -C large rev-parse agbranch/one) &&
	for kind in error:8 kill:137; do
		git agbranch run one -- sh -c "$new" >line && hash=$(cut -d" " -f1 line) && git -C large rev-parse agbranch/one >old &&
		expect_code ${kind#*:} env AGB_FAIL_AT="$number:${kind%:*}" git-agbranch sync one &&
		git -C large rev-parse agbranch/one >now && test_cmp old now && test -z "$(find large/.git/lfs/objects -name "$hash")" &&
		git agbranch sync one -q && file=$(find large/.git/lfs/objects -name "$hash") && test "$(sha256sum <"$file")" = "$hash  -" || return 1
	done &&
	git agbranch close one --sync --yes -q && repo_is_sound large
'

test_expect_success 'submodules: a close that is killed while it saves them is done again' '
	make_repo inner && make_repo outer && git -C outer submodule --quiet add "$TOP/inner" lib && git -C outer commit -qm lib &&
	git -C outer agbranch open one -q && git agbranch run one -- sh -c "echo agent >>lib/file && git -C lib commit -qam agent" && rm -f "$TEST_TMP/points" &&
	AGB_FAIL_LIST=$TEST_TMP/points git agbranch close one --discard --yes -q && git -C outer/lib rev-parse -q --verify refs/agbranch/rescue/one/1 &&
	last=$(grep -n "close: destroy the guest" "$TEST_TMP/points" | cut -d: -f1) && head -n "$last" "$TEST_TMP/points" | grep -n "gate: \|refs: " | tail -n 4 | cut -d: -f1 >numbers && test "$(wc -l <numbers)" = 4 &&
	for number in $(cat numbers); do
		git -C outer agbranch open one -q && git agbranch run one -- sh -c "echo agent$number >>lib/file && git -C lib commit -qam agent$number" &&
		expect_code 137 env AGB_FAIL_AT="$number:kill" git-agbranch close one --discard --yes &&
		git agbranch repair --all -q >/dev/null && git agbranch close one --discard --yes -q && test "$(git agbranch ps | grep -c one)" = 0 &&
		git -C outer/lib log --all --format=%s >subjects && grep -x "agent$number" subjects && repo_is_sound outer/lib && repo_is_sound outer &&
		! ls outer/.git/modules/lib/objects/pack/*.keep 2>/dev/null || return 1
	done && no_process_left
'

test_done
