#!/bin/sh
test_description='repositories as people have them: places, names and formats'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

TOP=$(pwd -P)

test_expect_success 'unborn HEAD is refused; another branch as base works' '
	git init -q unborn &&
	refused unborn "has no commit yet on its branch .main." &&
	make_repo tree &&
	git -C tree symbolic-ref HEAD refs/heads/none && rm -f tree/.git/index &&
	refused tree "has no commit yet on its branch .none." &&
	whole_way tree --base main &&
	git -C tree symbolic-ref HEAD refs/heads/main && git -C tree reset -q
'

test_expect_success 'detached HEAD, a linked work tree, bare' '
	git clone -q --bare tree bare.git &&
	whole_way bare.git &&
	git -C tree worktree add -q --detach "$TOP/linked" HEAD^ &&
	whole_way linked &&
	test "$base" = "$(git -C tree rev-parse HEAD^)" &&
	git -C tree worktree remove linked
'

test_expect_success 'safe.bareRepository=explicit: a bare repository has to be named' '
	git config --global safe.bareRepository explicit &&
	expect_code 1 git -C bare.git agbranch open explicit && grep "^hint: " err &&
	git agbranch open --repo bare.git explicit -q && agent_commit explicit file text &&
	git agbranch close explicit --sync --yes -q && git --git-dir=bare.git branch -q -D agbranch/explicit &&
	whole_way tree && git config --global --unset safe.bareRepository
'

test_expect_success 'core.worktree elsewhere' '
	git init -q --separate-git-dir "$TOP/apart.git" apart &&
	( cd apart && echo a >a && git add a && git commit -qm a ) &&
	whole_way apart &&
	mkdir moved && mv apart/a moved && rm -r apart &&
	git -C apart.git config core.worktree "$TOP/moved" &&
	whole_way apart.git
'

test_expect_success 'names with spaces, quotes, newlines and Unicode: of folders and of files' '
	for name in "it'\''s a \"quoted\" größe 空間" "zeile
neu"; do
		make_repo "names/$name" &&
		echo x >"names/$name/$name" && mkdir "names/$name/sub/$name" && echo y >"names/$name/sub/$name/-dash" &&
		git -C "names/$name" add . && git -C "names/$name" commit -qm names &&
		whole_way "names/$name" || return 1
	done
'

test_expect_success 'long paths, file modes, symbolic links' '
	make_repo modes &&
	long=$(printf "%0200d" 0) && deep=$long/$long/$long/$long/$long/$long/$long/$long/$long/$long/$long/$long &&
	( cd modes && mkdir -p "$deep" && echo deep >"$deep/file" && echo "#!/bin/sh" >run && chmod 755 run &&
		ln -s file link && ln -s nowhere dangling && ln -s sub folder-link && git add . && git commit -qm modes ) &&
	git -C modes agbranch open look -q &&
	git agbranch run look -- sh -c "test -x run && test ! -x file && readlink link dangling folder-link && cat $deep/file" >found &&
	printf "%s\n" file nowhere sub deep >expected && test_cmp expected found &&
	git agbranch close look --discard --yes -q &&
	whole_way modes
'

test_expect_success 'file modes of the agent arrive; core.fileMode=false on the host changes nothing' '
	git -C modes config core.fileMode false &&
	git -C modes agbranch open mode -q &&
	git agbranch run mode -- sh -c "chmod +x file && ln -sf sub/other link && git commit -qam modes" &&
	git agbranch sync mode -q &&
	git -C modes diff-tree -r HEAD agbranch/mode >diff &&
	grep "^:100644 100755 .*file" diff && grep "^:120000 120000 .*link" diff &&
	git agbranch close mode --sync --yes -q
'

test_expect_success '300 branches, packed and loose' '
	git clone -q tree many &&
	for n in $(seq 300); do echo "create refs/heads/topic/$n HEAD"; done | git -C many update-ref --stdin &&
	git -C many pack-refs --all && git -C many branch loose &&
	whole_way many &&
	whole_way many --base topic/7
'

test_expect_success 'sha256' '
	git init -q --object-format=sha256 big &&
	( cd big && echo a >a && git add a && git commit -qm a && ln -s a link && git add . && git commit -qm b ) &&
	whole_way big && test ${#tip} = 64 &&
	git -C big -c agbranch.bwrap.objects=copy agbranch open copied -q &&
	agent_commit copied a text && git agbranch close copied --sync --yes -q &&
	git -C big show agbranch/copied:a | grep text
'

git init -q --ref-format=reftable probe 2>/dev/null && test_set_prereq REFTABLE
test_expect_success REFTABLE 'reftable (git 2.45 has it)' '
	git init -q --ref-format=reftable table &&
	( cd table && echo a >a && git add a && git commit -qm a ) &&
	whole_way table
'

test_expect_success ROOT 'the repository of another user: refused, and used once it is in safe.directory' '
	make_repo foreign && chown -R 65534:65534 foreign &&
	expect_code 1 git -C foreign agbranch open foreign && grep "dubious ownership" err && grep "^hint: .*safe.directory" err &&
	git config --global --add safe.directory "$TOP/foreign" &&
	whole_way foreign
'

test_expect_success 'nothing is left' '
	for dir in tree bare.git apart.git modes many big; do
		repo_is_sound "$dir" || return 1
	done &&
	no_process_left
'

test_done
