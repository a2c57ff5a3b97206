#!/bin/sh
test_description='repositories as people have them: found and read as git does'
. ./t/lib/test-lib.sh

TOOL=$AGB_BUILD/t/tools/repo-tool
repo () {
	"$TOOL" "$@"
}

# where_is GIT_DIR COMMON_DIR WORK_TREE [FORMAT]: what `repo where` printed.
where_is () {
	printf "git_dir %s\ncommon_dir %s\nwork_tree %s\nformat %s\n" "$1" "$2" "$3" "${4:-sha1}" >expected.where &&
	head -n 4 "$TEST_TMP/out" >actual.where &&
	test_cmp expected.where actual.where
}

# Keep our files out of the repositories.
code_of () {
	( expected=$1; shift; code=0; "$TOOL" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" || code=$?
	test "$code" = "$expected" || { cat "$TEST_TMP/out" "$TEST_TMP/err" >&2; fail "exit code $code, not $expected: $*"; } )
}
said () {
	grep -- "$1" "$TEST_TMP/err"
}
printed () {
	printf "%s\n" "$@" >"$TEST_TMP/expected" && test_cmp "$TEST_TMP/expected" "$TEST_TMP/out"
}

cd "$TEST_TMP" && TOP=$(pwd -P)

test_expect_success 'a work tree, from its top, below it, and from its git folder' '
	make_repo "$TOP/tree" &&
	( cd tree && code_of 0 --write where ) && where_is "$TOP/tree/.git" "$TOP/tree/.git" "$TOP/tree" &&
	( cd tree/sub && code_of 0 where ) && where_is "$TOP/tree/.git" "$TOP/tree/.git" "$TOP/tree" &&
	( cd tree/.git/refs && code_of 0 where ) && where_is "$TOP/tree/.git" "$TOP/tree/.git" "$TOP/tree" &&
	code_of 0 --at tree/sub where && where_is "$TOP/tree/.git" "$TOP/tree/.git" "$TOP/tree" &&
	code_of 0 --at tree/.git where && where_is "$TOP/tree/.git" "$TOP/tree/.git" "$TOP/tree"
'

test_expect_success 'outside any repository: exit 1 with a hint' '
	mkdir outside && ( cd outside && code_of 1 where ) &&
	said "is not in a git repository" && said "^hint: go into one" &&
	code_of 1 --at nowhere where && said "is not a folder" &&
	( cd tree && GIT_DIR=$TOP/nowhere code_of 1 where ) && said "is not in a git repository"
'

test_expect_success 'bare, and a linked work tree' '
	git clone -q --bare tree bare.git &&
	code_of 0 --at bare.git where && where_is "$TOP/bare.git" "$TOP/bare.git" - &&
	code_of 0 --at bare.git dirty && printed "clean 0" &&
	git -C tree worktree add -q -b spaced "$TOP/linked tree" &&
	( cd "linked tree" && code_of 0 --write where ) &&
	where_is "$TOP/tree/.git/worktrees/linked-tree" "$TOP/tree/.git" "$TOP/linked tree"
'

test_expect_success 'a linked work tree has its own HEAD, and shares the refs' '
	git -C tree worktree add -q -b side "$TOP/linked" &&
	code_of 0 --at linked head && printed "head refs/heads/side" &&
	code_of 0 --at tree head && printed "head refs/heads/main" &&
	code_of 0 --at linked ref refs/heads/main && printed "ref $(git -C tree rev-parse main)" &&
	code_of 0 --at tree at refs/heads/side && printed "at $TOP/linked" &&
	code_of 0 --at linked at refs/heads/main && printed "at $TOP/tree" &&
	code_of 0 --at tree at refs/heads/none && printed "at -"
'

test_expect_success 'GIT_DIR and GIT_WORK_TREE' '
	( cd outside && GIT_DIR=$TOP/bare.git GIT_WORK_TREE=$TOP/outside code_of 0 where ) &&
	where_is "$TOP/bare.git" "$TOP/bare.git" "$TOP/outside" &&
	( cd tree/sub && GIT_DIR=../.git GIT_WORK_TREE=.. code_of 0 where ) &&
	where_is "$TOP/tree/.git" "$TOP/tree/.git" "$TOP/tree" &&
	( cd tree && GIT_DIR=$TOP/bare.git code_of 0 --at "$TOP/linked" where ) &&
	where_is "$TOP/tree/.git/worktrees/linked" "$TOP/tree/.git" "$TOP/linked"
'

test_expect_success 'core.worktree elsewhere' '
	git init -q apart.git && git -C apart.git config core.worktree "$TOP/outside" &&
	code_of 0 --at apart.git/.git where && where_is "$TOP/apart.git/.git" "$TOP/apart.git/.git" "$TOP/outside"
'

test_expect_success 'names with spaces, quotes, newlines and Unicode' '
	for name in "a b" "it'\''s \"quoted\"" "zeile
/neu" "größe 空間 🙂" "-dash" "trailing\\\\"; do
		make_repo "$TOP/names/$name" &&
		shown=$(printf "%s" "$name" | sed ":a;N;\$!ba;s/\n/\\\\n/g") &&
		( cd "$TOP/names/$name/sub" && code_of 0 --write where ) &&
		where_is "$TOP/names/$shown/.git" "$TOP/names/$shown/.git" "$TOP/names/$shown" &&
		code_of 0 --at "$TOP/names/$name" dirty && printed "clean 0" &&
		git -C "$TOP/names/$name" worktree add -q "$TOP/linked/of $name" -b other &&
		code_of 0 --at "$TOP/names/$name" at refs/heads/other && printed "at $TOP/linked/of $shown" || return 1
	done
'

test_expect_success 'detached HEAD, unborn HEAD' '
	git -C tree checkout -q --detach &&
	code_of 0 --at tree head && printed "head -" &&
	code_of 0 --at tree resolve && printed "commit $(git -C tree rev-parse HEAD)" &&
	git -C tree checkout -q main &&
	git init -q unborn &&
	code_of 0 --at unborn --write head && printed "head refs/heads/main" &&
	code_of 1 --at unborn resolve && said "has no commit yet on its branch .main." && said "^hint: make one: git commit" &&
	code_of 1 --at unborn resolve main && said ".main. does not name a commit"
'

test_expect_success 'revisions as git understands them, and none that is an option' '
	git -C tree tag -a -m tag annotated &&
	head=$(git -C tree rev-parse HEAD) && first=$(git -C tree rev-parse HEAD~1) &&
	for rev in HEAD @ main refs/heads/main annotated "$head" "$(echo $head | cut -c1-10)" "HEAD^{/second}" ":/second" "@{0}"; do
		code_of 0 --at tree resolve "$rev" && printed "commit $head" || return 1
	done &&
	for rev in HEAD~1 ":/first" "main^"; do
		code_of 0 --at tree resolve "$rev" && printed "commit $first" || return 1
	done &&
	for rev in nope -x --all "HEAD:file" "HEAD^{tree}" "" "a b" "main..HEAD" ":file" "$(printf "x\033[31m")"; do
		code_of 1 --at tree resolve "$rev" && said "does not name a commit" || return 1
	done &&
	! grep "$(printf "\033")" "$TEST_TMP/err"
'

test_expect_success 'refs, loose and packed, by prefix and in order' '
	git -C tree update-ref refs/agbranch/sync/x/1 HEAD && git -C tree update-ref refs/agbranch/sync/x/2 HEAD~1 &&
	git -C tree update-ref refs/agbranch/sync/xy/1 HEAD && git -C tree pack-refs --all &&
	git -C tree update-ref refs/agbranch/sync/x/10 HEAD &&
	code_of 0 --at tree refs refs/agbranch/sync/x/ &&
	printed "refs/agbranch/sync/x/1 $head" "refs/agbranch/sync/x/10 $head" "refs/agbranch/sync/x/2 $first" &&
	code_of 0 --at tree refs refs/agbranch/sync/x && test "$(wc -l <"$TEST_TMP/out")" = 4 &&
	code_of 0 --at tree refs refs/none/ && test_must_be_empty "$TEST_TMP/out" &&
	code_of 0 --at tree ref refs/agbranch/sync/x/2 && printed "ref $first" &&
	code_of 0 --at tree ref refs/agbranch/sync/x/3 && printed "ref -" &&
	code_of 0 --at tree ref main && printed "ref -"
'

test_expect_success 'history: ancestors and counts' '
	code_of 0 --at tree ancestor $first $head && printed yes &&
	code_of 0 --at tree ancestor $head $first && printed no &&
	code_of 0 --at tree ancestor $head $head && printed yes &&
	code_of 7 --at tree ancestor $head 1234567812345678123456781234567812345678 &&
	code_of 0 --at tree count $first $head && printed 1 &&
	code_of 0 --at tree count $head $first && printed 0
'

test_expect_success 'replace refs and grafts change nothing' '
	git clone -q tree faked && root=$(git -C faked rev-list --max-parents=0 HEAD) &&
	git -C faked replace --graft $head &&
	test "$(git -C faked rev-list --count HEAD)" = 1 &&
	code_of 0 --at faked ancestor $root $head && printed yes &&
	code_of 0 --at faked count $root $head && printed 1 &&
	git clone -q tree grafted && echo $head >grafted/.git/info/grafts &&
	test "$(git -C grafted rev-list --count HEAD 2>/dev/null)" = 1 &&
	code_of 0 --at grafted ancestor $root $head && printed yes &&
	test_must_be_empty "$TEST_TMP/err"
'

test_expect_success 'shallow' '
	git clone -q --depth 1 "file://$TOP/tree" shallow &&
	code_of 0 --at shallow --write where && grep "^shallow 1" "$TEST_TMP/out" &&
	code_of 0 --at tree where && grep "^shallow 0" "$TEST_TMP/out" &&
	code_of 0 --at shallow resolve && printed "commit $head" &&
	code_of 0 --at shallow ancestor $head $head && printed yes
'

test_expect_success 'partial clone' '
	git -C tree config uploadpack.allowFilter true &&
	git clone -q --filter=blob:none --no-checkout "file://$TOP/tree" partial &&
	code_of 0 --at partial --write where && grep "^partial 1" "$TEST_TMP/out" &&
	code_of 0 --at tree where && grep "^partial 0" "$TEST_TMP/out" &&
	code_of 0 --at partial count $first $head && printed 1
'

test_expect_success 'sparse checkout, with and without worktreeConfig' '
	git clone -q tree sparse && git -C sparse sparse-checkout set --cone sub &&
	code_of 0 --at sparse --write dirty && printed "clean 0" &&
	git -C sparse config core.repositoryFormatVersion 1 && git -C sparse config extensions.worktreeConfig true &&
	git -C sparse sparse-checkout set --cone sub &&
	code_of 0 --at sparse --write where && where_is "$TOP/sparse/.git" "$TOP/sparse/.git" "$TOP/sparse" &&
	code_of 0 --at sparse dirty && printed "clean 0"
'

test_expect_success 'a submodule is a repository of its own' '
	git -c protocol.file.allow=always -C faked submodule --quiet add "$TOP/bare.git" module 2>/dev/null &&
	code_of 0 --at faked/module --write where &&
	where_is "$TOP/faked/.git/modules/module" "$TOP/faked/.git/modules/module" "$TOP/faked/module" &&
	code_of 0 --at faked/.git/modules/module where &&
	where_is "$TOP/faked/.git/modules/module" "$TOP/faked/.git/modules/module" "$TOP/faked/module" &&
	code_of 0 --at faked dirty && grep "^dirty" "$TEST_TMP/out"
'

test_expect_success 'object folders: alternates, nested, relative, quoted, and one that is gone' '
	git clone -q --shared tree one && git clone -q --shared one two &&
	code_of 0 --at two objects &&
	printed "objects $TOP/two/.git/objects" "objects $TOP/one/.git/objects" "objects $TOP/tree/.git/objects" &&
	git init -q three &&
	printf "%s\n" "# a comment" ../../../two/.git/objects "\"$TOP/one/.git/obj\\145cts\"" "$TOP/gone" >three/.git/objects/info/alternates &&
	code_of 0 --at three objects &&
	printed "objects $TOP/three/.git/objects" "objects $TOP/two/.git/objects" "objects $TOP/one/.git/objects" \
		"objects $TOP/tree/.git/objects"
'

test_expect_success 'dirty: changed, staged, untracked; ignored does not count; the index stays' '
	make_repo dirty && code_of 0 --at dirty dirty && printed "clean 0" &&
	echo x >dirty/new && mkdir dirty/folder && echo y >dirty/folder/a && echo z >dirty/folder/b &&
	code_of 0 --at dirty dirty && printed "dirty 2" &&
	rm -r dirty/new dirty/folder && echo "*.log" >dirty/.git/info/exclude && echo x >dirty/a.log &&
	code_of 0 --at dirty dirty && printed "clean 0" &&
	echo more >>dirty/file && code_of 0 --at dirty dirty && printed "dirty 0" &&
	git -C dirty add file && code_of 0 --at dirty dirty && printed "dirty 0" &&
	git -C dirty reset -q --hard && touch -d "2001-01-01" dirty/file &&
	before=$(stat -c "%Y %i %s" dirty/.git/index) &&
	code_of 0 --at dirty/sub dirty && printed "clean 0" &&
	test "$before" = "$(stat -c "%Y %i %s" dirty/.git/index)" &&
	GIT_WORK_TREE=$TOP/outside GIT_INDEX_FILE=$TOP/none GIT_DIR=$TOP/bare.git code_of 0 --at dirty dirty && printed "clean 0"
'

test_expect_success 'a branch called agbranch is refused, by those that write' '
	git clone -q tree blocked && git -C blocked branch agbranch &&
	code_of 0 --at blocked where &&
	code_of 1 --at blocked --write where && said "leaves no room for review branches" &&
	said "^hint: rename it: git branch -m agbranch" &&
	git -C blocked pack-refs --all && code_of 1 --at blocked --write where &&
	git -C blocked branch -q -m agbranch else && code_of 0 --at blocked --write where
'

test_expect_success 'sha256 is read like any other' '
	git init -q --object-format=sha256 big && ( cd big && echo a >a && git add a && git commit -qm a ) &&
	code_of 0 --at big --write where && where_is "$TOP/big/.git" "$TOP/big/.git" "$TOP/big" sha256 &&
	oid=$(git -C big rev-parse HEAD) && test ${#oid} = 64 &&
	code_of 0 --at big resolve && printed "commit $oid" &&
	code_of 0 --at big refs refs/heads/ && printed "refs/heads/main $oid" &&
	code_of 0 --at big ancestor $oid $oid && printed yes
'

test_expect_success 'a format of the future is exit 1 with git'\''s reason' '
	git init -q future && git -C future config core.repositoryFormatVersion 9 &&
	code_of 1 --at future where && said "cannot use the repository of .future.: Expected git repo version" &&
	git config -f future/.git/config core.repositoryFormatVersion 1 && git config -f future/.git/config extensions.tomorrow true &&
	code_of 1 --at future where && said "unknown repository extension"
'

test_expect_success ROOT 'the repository of another user: refused, unless it is in safe.directory' '
	git clone -q tree foreign && chown -R 65534 foreign &&
	code_of 1 --at foreign where && said "dubious ownership" && said "^hint: .*safe.directory" &&
	git config --global --add safe.directory "$TOP/foreign" &&
	code_of 0 --at foreign --write where
'

test_expect_success ROOT 'through sudo, the repository of the user behind it is refused' '
	SUDO_UID=65534 code_of 1 --at foreign where && said "this is root through sudo" && said "^hint: run git agbranch without sudo" &&
	SUDO_UID=65534 code_of 0 --at tree where
'

test_expect_success 'called from hooks: their variables find the repository, and go no further' '
	git clone -q tree hooked && cd hooked &&
	cat >.git/hooks/pre-commit <<-EOF &&
	#!/bin/sh
	env | grep "^GIT_INDEX_FILE=" >$TOP/hook.env && cd / && "$TOOL" --write env >$TOP/hook.out && "$TOOL" where >$TOP/hook.where
	EOF
	chmod +x .git/hooks/pre-commit && echo x >>file &&
	GIT_DIR=$TOP/hooked/.git GIT_WORK_TREE=$TOP/hooked git commit -qam hooked && cd .. &&
	test -s hook.env && grep "^git_dir $TOP/hooked/.git$" hook.where &&
	! grep -E "^(ours|git) GIT_(INDEX_FILE|PREFIX|WORK_TREE)=" hook.out && ! grep "^ours GIT_DIR=" hook.out &&
	grep "^git GIT_DIR=$TOP/hooked/.git" hook.out
'

test_expect_success 'inside the quarantine of a push, what writes is refused' '
	git clone -q --bare tree pushed.git &&
	cat >pushed.git/hooks/pre-receive <<-EOF &&
	#!/bin/sh
	"$TOOL" where >$TOP/push.where; echo \$? >$TOP/push.codes
	"$TOOL" --write where 2>$TOP/push.err; echo \$? >>$TOP/push.codes
	"$TOOL" --at $TOP/tree --write where; echo \$? >>$TOP/push.codes
	EOF
	chmod +x pushed.git/hooks/pre-receive &&
	git -C hooked push -q "$TOP/pushed.git" HEAD:refs/heads/pushed &&
	printf "%s\n" 0 1 0 >expected && test_cmp expected push.codes &&
	grep "quarantine" push.err && grep "^hint: .*post-receive" push.err
'

test_expect_success 'an alias runs at the top with GIT_PREFIX; settings of the command line do not reach plumbing' '
	( cd tree/sub && git -c alias.agx="!$TOOL --write env" -c core.abbrev=12 agx >"$TOP/alias.out" ) &&
	! grep "GIT_PREFIX" alias.out &&
	grep "^ours GIT_CONFIG_PARAMETERS=" alias.out &&
	! grep "^git GIT_CONFIG_PARAMETERS=" alias.out &&
	for variable in GIT_CONFIG_GLOBAL=/dev/null GIT_NO_REPLACE_OBJECTS=1 GIT_ALLOW_PROTOCOL= GIT_TERMINAL_PROMPT=0; do
		grep "^git $variable$" alias.out || return 1
	done
'

test_expect_success 'GIT_CEILING_DIRECTORIES and a file system border are git'\''s' '
	mkdir -p tree/below/deep &&
	( cd tree/below/deep && GIT_CEILING_DIRECTORIES=$TOP/tree/below code_of 1 where ) && said "is not in a git repository"
'

test_done
