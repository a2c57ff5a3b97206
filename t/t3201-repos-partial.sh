#!/bin/sh
test_description='repositories as people have them: shallow, partial, sparse, alternates, replaced history'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

TOP=$(pwd -P)

# A repository whose second last commit has other files than its last.
make_repo origin &&
( cd origin && mkdir -p a/b && echo 1 >a/b/c && echo 2 >a/d && git add . && git commit -qm third &&
	echo 3 >a/b/c && git rm -q a/d && git commit -qam fourth ) &&
git -C origin config uploadpack.allowFilter true &&
git -C origin config uploadpack.allowAnySHA1InWant true

# missing DIR REV: how many objects of REV are not here.
missing () {
	git -C "$1" rev-list --objects --no-walk --missing=print "$2" | grep -c "^?"
}

test_expect_success 'shallow' '
	git clone -q --depth 2 "file://$TOP/origin" shallow &&
	whole_way shallow &&
	git -C shallow -c agbranch.bwrap.objects=copy agbranch open copied -q &&
	test "$(git agbranch run copied -- git rev-list --count HEAD)" = 2 &&
	agent_commit copied file text && git agbranch close copied --sync --yes -q
'

for filter in blob:none tree:0; do
	name=$(echo $filter | tr -d :)
	test_expect_success "partial clone $filter: checked out, not checked out, bare, another base" '
		git clone -q --filter=$filter "file://$TOP/origin" $name &&
		whole_way $name &&
		test "$(missing $name HEAD^)" -gt 0 &&
		whole_way $name --base HEAD^ &&
		git clone -q --filter=$filter --no-checkout "file://$TOP/origin" $name-none &&
		test "$(missing $name-none HEAD)" -gt 0 &&
		whole_way $name-none &&
		git clone -q --bare --filter=$filter "file://$TOP/origin" $name.git &&
		whole_way $name.git &&
		git clone -q --bare --filter=$filter "file://$TOP/origin" $name-copy.git &&
		git -C $name-copy.git config agbranch.bwrap.objects copy &&
		whole_way $name-copy.git
	'
done

test_expect_success 'a partial clone whose remote does not answer is refused' '
	git clone -q --bare --filter=blob:none "file://$TOP/origin" lost.git &&
	git -C lost.git config remote.origin.url "file://$TOP/gone" &&
	refused lost.git "objects of the base are missing: .*gone"
'

test_expect_success 'sparse checkout, with and without worktreeConfig: the guest has all files' '
	git clone -q origin sparse && git -C sparse sparse-checkout set --cone sub &&
	test ! -e sparse/a && whole_way sparse &&
	git -C sparse config core.repositoryFormatVersion 1 && git -C sparse config extensions.worktreeConfig true &&
	git -C sparse sparse-checkout set --no-cone /file && whole_way sparse &&
	git -C sparse agbranch open look -q && git agbranch run look -- test -f a/b/c &&
	git agbranch close look --discard --yes -q &&
	git clone -q --filter=blob:none --sparse "file://$TOP/origin" sparse-partial &&
	echo new >sparse-partial/new && echo changed >>sparse-partial/file && test "$(missing sparse-partial HEAD)" -gt 0 &&
	git -C sparse-partial agbranch open look -q --with-changes && git agbranch run look -- sh -c "cat new a/b/c && git status --porcelain" >found &&
	printf "%s\n" new 3 >expected && test_cmp expected found && git agbranch close look --discard --yes -q &&
	whole_way sparse-partial
'

test_expect_success 'alternates, in a chain and relative' '
	git clone -q --shared origin one && ( cd one && echo one >one && git add . && git commit -qm one ) &&
	git clone -q --shared one two && ( cd two && echo two >two && git add . && git commit -qm two ) &&
	git clone -q --shared two three && echo ../../../two/.git/objects >three/.git/objects/info/alternates &&
	whole_way three &&
	git -C three -c agbranch.private=true agbranch open copied -q &&
	git agbranch run copied -- git fsck && git agbranch close copied --discard --yes -q
'

test_expect_success 'replace refs and grafts: the guest has the true history' '
	git clone -q origin replaced && git -C replaced replace --graft HEAD &&
	test "$(git -C replaced rev-list --count HEAD)" = 1 &&
	git -C replaced agbranch open look -q &&
	test "$(git agbranch run look -- git rev-list --count HEAD)" = 4 &&
	git agbranch close look --discard --yes -q &&
	whole_way replaced &&
	git clone -q origin grafted && git -C grafted rev-parse HEAD >grafted/.git/info/grafts &&
	test "$(git -C grafted rev-list --count HEAD 2>/dev/null)" = 1 &&
	whole_way grafted &&
	git -C grafted -c agbranch.bwrap.objects=copy agbranch open copied -q &&
	test "$(git agbranch run copied -- git rev-list --count HEAD)" = 4 &&
	git agbranch close copied --discard --yes -q
'

test_expect_success 'nothing is left' '
	for dir in shallow blobnone treenone sparse three replaced; do
		test ! -d "$dir" || repo_is_sound "$dir" || return 1
	done &&
	no_process_left
'

test_done
