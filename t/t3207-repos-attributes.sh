#!/bin/sh
test_description='repositories as people have them: attributes, and programs of the host that they could run'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

TOP=$(pwd -P)

test_expect_success 'line ends, encodings, ident, export-ignore, large and binary files' '
	make_repo host && ( cd host && printf "%s\n" "* text=auto" "*.bat text eol=crlf" "*.u16 text working-tree-encoding=UTF-16" \
		"*.id ident" "*.bin binary" "ign export-ignore" "*.crypt filter=crypt" "*.lf text eol=lf" >.gitattributes &&
		printf "a\r\nb\r\n" >a.bat && printf "x\r\ny\r\n" >auto.txt && printf "\376\377\0a\0\n" >a.u16 && echo "\$Id\$" >a.id &&
		head -c 200000 /dev/urandom >a.bin && printf "\0\r\n\1" >b.bin && echo ign >ign && echo plain >a.crypt && printf "l\n" >a.lf &&
		git add . 2>/dev/null && git commit -qm attributes ) &&
	git -C host agbranch open one -q &&
	for file in a.bat a.bin b.bin a.lf ign; do git agbranch run one -- cat $file >found && cmp host/$file found || return 1; done &&
	git agbranch run one -- sh -c "printf \"c\r\n\" >>a.bat && printf n >>b.bin && git commit -qam changed && git status --porcelain" >status &&
	test_must_be_empty status && git agbranch sync one -q &&
	test "$(git -C host cat-file blob agbranch/one:a.bat | tail -n 1)" = c && git -C host cat-file blob agbranch/one:b.bin | tail -c 1 | grep n &&
	git agbranch close one --sync --yes -q && whole_way host
'

test_expect_success 'core.autocrlf and core.eol of the host stay on the host' '
	for value in true input; do git -C host config core.autocrlf $value && whole_way host || return 1; done &&
	git -C host config core.autocrlf true && git -C host config core.eol crlf && whole_way host &&
	git -C host config --unset core.autocrlf && git -C host config --unset core.eol
'

# Programs that the host has set up; the guest chooses them by its attributes.
canary () {
	printf "%s\n" "#!/bin/sh" "echo $1 >>$TOP/ran" "cat" >"canary-$1" && chmod +x "canary-$1" && echo "$TOP/canary-$1"
}

# row 1 2 21
test_expect_success 'filters, diff and merge drivers, textconv, pager, fsmonitor: none runs for what the guest made' '
	( cd host && git config filter.x.clean "$(cd .. && canary clean)" && git config filter.x.smudge "$(cd .. && canary smudge)" && git config filter.x.required true &&
		git config diff.x.textconv "$(cd .. && canary textconv)" && git config diff.x.command "$(cd .. && canary diff)" &&
		git config diff.external "$(cd .. && canary external)" && git config merge.x.driver "$(cd .. && canary merge)" && git config core.pager "$(cd .. && canary pager)" &&
		git config core.editor "$(cd .. && canary editor)" && git config uploadpack.packObjectsHook "$(cd .. && canary pack)" && git config core.sshCommand "$(cd .. && canary ssh)" &&
		git config core.gitProxy "$(cd .. && canary proxy)" && git config core.askPass "$(cd .. && canary askpass)" && git config gpg.program "$(cd .. && canary gpg)" &&
		git config core.alternateRefsCommand "$(cd .. && canary alternates)" && git config trailer.x.cmd "$(cd .. && canary trailer)" ) && : >ran &&
	git -C host branch -q -D agbranch/one && git -C host agbranch open one -q && : >ran &&
	git agbranch run one -- sh -c "echo \"* filter=x diff=x merge=x\" >.gitattributes && echo more >>file && echo x >sub/x.txt && git add . && git commit -qm x" &&
	expect_code 0 git agbranch sync one --export-patch patch && grep "attributes: .gitattributes" out && test_must_be_empty ran &&
	git agbranch run one -- sh -c "echo dirty >>file" && git agbranch sync one --include-dirty -q && git agbranch run one -- sh -c "echo dirty >>file" &&
	git agbranch show one >/dev/null && git -C host agbranch rescue list >/dev/null && git agbranch close one --discard --yes -q && test_must_be_empty ran &&
	git -C host rev-parse -q --verify refs/agbranch/rescue/one/1 && test_must_be_empty ran
'

# row 1 2
test_expect_success 'config, hooks and attributes that the guest writes into its own .git stay there' '
	git -C host branch -q -D agbranch/one && git -C host agbranch open one -q &&
	git agbranch run one -- sh -c "
		git config core.fsmonitor /bin/false; git config core.hooksPath hooks; git config alias.x \"!id\"
		mkdir -p .git/info .git/hooks && echo \"* filter=y\" >.git/info/attributes && printf \"#!/bin/sh\nexit 1\n\" >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
		git config core.fsmonitor false; echo y >>file && git commit -q --no-verify -am y" &&
	git agbranch sync one -q && test -z "$(git -C host config alias.x)" && ! test -e host/.git/info/attributes && ! test -e host/.git/hooks/pre-commit &&
	git agbranch close one --discard --yes -q && test_must_be_empty ran && no_process_left
'

# no row
test_expect_success '--include-dirty: one commit, fixed subject, no ignored files; without it nothing is committed' '
	make_repo plain && echo "*.log" >plain/.gitignore && git -C plain add . && git -C plain commit -qm ignore && echo k >plain/k.log &&
	git -C plain agbranch open one -q --copy k.log &&
	git agbranch run one -- sh -c "echo a >>file && echo n >new && rm sub/other && echo l >x.log && chmod +x .gitignore" &&
	expect_code 3 git agbranch sync one && test "$(git agbranch run one -- git rev-list --count HEAD)" = 3 &&
	git agbranch sync one --include-dirty -q && test "$(git -C plain log --format=%s%n%an HEAD..agbranch/one)" = "Include uncommitted changes
Test User" &&
	git -C plain diff --name-status HEAD agbranch/one >names && printf "M\t.gitignore\nM\tfile\nA\tnew\nD\tsub/other\n" >expected && test_cmp expected names &&
	git agbranch sync one --include-dirty -q && test "$(git -C plain rev-list --count HEAD..agbranch/one)" = 1 &&
	git agbranch close one --sync --yes -q && no_process_left
'

test_done
