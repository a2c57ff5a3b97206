#!/bin/sh
test_description='repositories as people have them: --with-changes and --copy at their edges'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

TOP=$(pwd -P)

# opened_with ARGS…: open session `ch` of ./repo, host untouched.
opened_with () {
	host_snapshot repo >"$TEST_TMP/before" &&
	git -C repo agbranch open ch -q "$@" &&
	host_snapshot repo >"$TEST_TMP/after" &&
	test_cmp "$TEST_TMP/before" "$TEST_TMP/after" &&
	base=$(git -C repo rev-parse refs/agbranch/sessions/ch/base)
}
closed () {
	git agbranch close ch --discard --yes -q
}
in_guest () {
	git agbranch run ch -- "$@"
}

make_repo repo

test_expect_success 'a change in the second in which the index was written is not lost' '
	( cd repo && echo aaaa >racy && git add racy && git commit -qm racy &&
		touch -d @1500000000 racy && git update-index --refresh >/dev/null;
		echo bbbb >racy && touch -d @1500000000 racy .git/index ) &&
	opened_with --with-changes &&
	test "$(in_guest cat racy)" = bbbb && closed &&
	git -C repo commit -qam racy
'

test_expect_success 'signatures required, hooks and their folder on the host: neither counts' '
	mkdir hooks &&
	for hook in pre-commit prepare-commit-msg commit-msg post-commit post-checkout post-merge post-rewrite \
		post-index-change pre-receive update post-receive post-update pre-push pre-auto-gc push-to-checkout; do
		printf "%s\n" "#!/bin/sh" "echo $hook >>$TOP/ran" "exit 1" >hooks/$hook && chmod +x hooks/$hook &&
		cp hooks/$hook repo/.git/hooks/ || return 1
	done &&
	for key in commit.gpgSign tag.gpgSign push.gpgSign; do git -C repo config $key true || return 1; done &&
	git -C repo config gpg.program "$TOP/no-such-program" &&
	echo more >>repo/file && : >ran &&
	for place in .git/hooks "$TOP/hooks"; do
		git -C repo config core.hooksPath "$place" &&
		opened_with --with-changes &&
		test "$(in_guest git config commit.gpgsign)" = false &&
		agent_commit ch file text && git agbranch sync ch -q && in_guest sh -c "echo x >untracked" &&
		git agbranch close ch --sync --yes -q; git agbranch sync ch --include-dirty -q &&
		git agbranch close ch --sync --yes -q && git -C repo branch -q -D agbranch/ch || return 1
	done &&
	test_must_be_empty ran &&
	test "$(git -C repo cat-file commit "$base" | grep -c gpgsig)" = 0 &&
	git -C repo config --unset core.hooksPath && rm -f repo/.git/hooks/* &&
	for key in commit.gpgSign tag.gpgSign push.gpgSign; do git -C repo config --unset $key || return 1; done &&
	git -C repo commit -qam more
'

test_expect_success 'staged and changed again, modes, links, renamed, new below new folders, odd names' '
	( cd repo && echo staged >file && git add file && echo later >>file && chmod +x sub/other && ln -s file link &&
		git mv racy "re named" && mkdir -p new/deep && echo deep >"new/deep/a
b" && echo ign >.gitignore && echo x >ign ) &&
	opened_with --with-changes &&
	in_guest sh -c "cat file && test -x sub/other && readlink link && cat \"re named\" && test ! -e racy && test ! -e ign &&
		cat new/deep/a*b && git status --porcelain" >found &&
	printf "%s\n" staged later file bbbb deep >expected && test_cmp expected found &&
	agent_commit ch own text && git agbranch sync ch -q &&
	test "$(git -C repo diff --name-only "$base" agbranch/ch)" = own &&
	test "$(git -C repo log -1 --format=%s "$base")" = "Uncommitted changes of the host" &&
	test "$(git -C repo rev-parse "$base^")" = "$(git -C repo rev-parse HEAD)" &&
	git agbranch sync ch --export-patch patch -q && closed && git -C repo branch -q -D agbranch/ch
'

test_expect_success '--json says that the host was dirty; without the option one line says what stays behind' '
	expect_code 0 git -C repo agbranch open ch --with-changes --json && json_is .host_dirty true &&
	! grep "stay behind" err && closed &&
	expect_code 0 git -C repo agbranch open ch && test "$(grep -c "stay behind" err)" = 1 && closed &&
	git -C repo add -A && git -C repo commit -qm all &&
	expect_code 0 git -C repo agbranch open ch && ! grep "stay behind" err && closed
'

test_expect_success 'a repository inside stays behind; from a subfolder; intent to add; deleted' '
	make_repo repo/inner && echo y >repo/beside && echo z >repo/intent && git -C repo add -N intent && rm repo/file &&
	host_snapshot repo >before && git -C repo/sub agbranch open ch --with-changes -q &&
	host_snapshot repo >after && test_cmp before after &&
	in_guest sh -c "cat beside intent && test ! -e inner && test ! -e file && git ls-files -s" >found &&
	head -n 2 found >two && printf "%s\n" y z >expected && test_cmp expected two && ! grep ^160000 found && closed &&
	rm -rf repo/inner && git -C repo reset -q --hard && git -C repo clean -qfd
'

test_expect_success 'conflicts of a merge are refused' '
	( cd repo && git checkout -q -b side && echo side >file && git commit -qam side && git checkout -q main &&
		echo main >file && git commit -qam main && test_must_fail git merge -q side ) &&
	refused repo "has conflicts of a merge" --with-changes &&
	git -C repo merge --abort && git -C repo branch -q -D side
'

test_expect_success 'filters, eol and encodings of the host are used as by git add' '
	( cd repo && printf "%s\n" "*.up filter=up" "*.crlf text eol=crlf" "*.u16 text working-tree-encoding=UTF-16LE-BOM" >.gitattributes &&
		git config filter.up.clean "tr a-z A-Z" && git config filter.up.smudge "tr A-Z a-z" && git add . && git commit -qm attributes &&
		echo shout >a.up && printf "a\r\nb\r\n" >a.crlf && printf "\377\376a\0\n\0" >a.u16 ) &&
	opened_with --with-changes &&
	test "$(git -C repo cat-file blob "$base:a.up")" = SHOUT &&
	in_guest git status --porcelain >status && test_must_be_empty status &&
	in_guest cat a.crlf >found && cmp repo/a.crlf found && in_guest cat a.u16 >found && cmp repo/a.u16 found &&
	git -C repo add . && git -C repo commit -qm filtered && closed &&
	whole_way repo
'

test_expect_success '--copy: modes stay, git never sees it, odd names, folders, --repo from elsewhere' '
	( cd repo && printf "%s\n" .env "*.key" cache >.gitignore && git add . && git commit -qm ignore &&
		echo S=1 >.env && chmod 600 .env && echo k >"a [b]*.odd" && mkdir -p cache/x && echo c >cache/x/y && ln -s y cache/x/l ) &&
	git agbranch open ch -q --repo repo --copy .env --copy "a [b]*.odd" --copy repo/cache &&
	in_guest sh -c "stat -c %a .env && cat .env \"a [b]*.odd\" cache/x/y && readlink cache/x/l" >found &&
	printf "%s\n" 600 S=1 k c y >expected && test_cmp expected found &&
	in_guest git status --porcelain >status && test_must_be_empty status &&
	in_guest sh -c "echo n >\"a bx.odd\" && git add -A && git status --porcelain" >status && grep "a bx.odd" status &&
	in_guest git reset -q && agent_commit ch file text && in_guest rm "a bx.odd" && git agbranch sync ch -q &&
	test -z "$(git -C repo log --all --format=%h -- .env cache)" && closed && git -C repo branch -q -D agbranch/ch &&
	test -z "$(git -C repo for-each-ref refs/agbranch/rescue)"
'

test_expect_success '--copy: nothing from outside, nothing tracked, nothing of git, no link that leads out' '
	echo secret >outside && mkdir apart && echo secret >apart/file &&
	( cd repo && ln -s ../outside out.key && ln -s "$TOP/apart" cache/apart && ln -s x cache/in && ln -s .env in.key && ln -s "$TOP/repo/.env" abs.key ) &&
	refused repo "is not in the work tree" --copy ../outside &&
	refused repo "is not in the work tree" --copy "$TOP/outside" &&
	refused repo "is not in the work tree" --copy cache/apart/file &&
	refused repo "is a link that leads out" --copy out.key &&
	refused repo "is a link that leads out" --copy abs.key &&
	refused repo "lies in a git folder" --copy .git/config &&
	refused repo "is tracked by git" --copy file &&
	refused repo "is tracked by git" --copy sub &&
	refused repo "is not there" --copy none.key &&
	git -C repo agbranch open ch -q --copy in.key --copy cache/in/y &&
	in_guest sh -c "readlink in.key && cat cache/x/y && test ! -e cache/in" >found && printf "%s\n" .env c >expected && test_cmp expected found &&
	closed
'

test_expect_success 'agbranch.copy: what is there goes along, relative to the top' '
	git -C repo config --add agbranch.copy .env && git -C repo config --add agbranch.copy none &&
	git -C repo/sub agbranch open ch -q && test "$(in_guest cat .env)" = S=1 && closed
'

test_expect_success 'nothing is left' '
	repo_is_sound repo && ! ls -d repo/.git/agbranch/quarantine-* 2>/dev/null && no_process_left
'

test_done
