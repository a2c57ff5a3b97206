#!/bin/sh
test_description='make install: what is installed works from there, uninstall leaves nothing'
. ./t/lib/test-lib.sh

# The build under test is the one that is installed.  Its goals are all made already, or this test
# makes the pages; either way nothing outside the build folder is written.
make_quietly () {
	variables=$(cat "$AGB_BUILD/.variables") &&
	eval "make -s -C \"\$TEST_TOP\" BUILD=\"\${AGB_BUILD#\$TEST_TOP/}\" $variables \"\$@\"" >make.log 2>&1 || {
		cat make.log >&2
		fail "make $*"
	}
}

test_expect_success 'install into DESTDIR with a space in its name' '
	make_quietly install DESTDIR="$PWD/dest dir" &&
	test -x "dest dir/usr/local/bin/git-agbranch" &&
	test "$(readlink "dest dir/usr/local/bin/agbranch")" = git-agbranch &&
	test -x "dest dir/usr/local/libexec/git-agbranch/git-agbranch-help" &&
	for file in man/man1/git-agbranch.1 bash-completion/completions/git-agbranch \
		zsh/site-functions/_git-agbranch fish/vendor_completions.d/git-agbranch.fish \
		git-agbranch/lima/safe-sync-linux.yaml git-agbranch/lima/safe-sync-macos.yaml \
		git-agbranch/lima/provision/10-packages.sh git-agbranch/lima/guest/tmux.sh; do
		test -s "dest dir/usr/local/share/$file" || fail "not installed: $file" || return 1
	done
'

test_expect_success 'nothing of it points back into the build tree' '
	find "dest dir" -type l -exec readlink {} + >links &&
	! grep "^/" links
'

test_expect_success 'files are not writable by group or others, and readable by all' '
	find "dest dir" ! -type l -perm /022 >loose &&
	test_must_be_empty loose &&
	find "dest dir" -type f ! -perm -444 >closed &&
	test_must_be_empty closed
'

test_expect_success 'the installed program finds its verbs, also through the link' '
	mv "dest dir" moved &&
	expect_code 0 env PATH="$PWD/moved/usr/local/bin:/usr/bin:/bin" git agbranch help --list-verbs &&
	grep "^help" out &&
	cp out verbs &&
	expect_code 0 moved/usr/local/bin/agbranch help --list-verbs &&
	test_cmp verbs out
'

test_expect_success 'every verb of the table is installed' '
	while IFS="	" read -r verb summary; do
		expect_code 129 moved/usr/local/bin/agbranch "$verb" -h || return 1
	done <verbs
'

# The scripts of lima/ are what it has there, not what the checkout has.
test_expect_success 'a session is made with the scripts that were installed' '
	make_repo repo &&
	(
		PATH=$PWD/moved/usr/local/bin:$PATH && cd repo &&
		git agbranch open one -q && expect_code 0 git agbranch run one -- pwd &&
		expect_code 0 git agbranch close one --discard --yes -q &&
		tmux=$OLDPWD/moved/usr/local/share/git-agbranch/lima/guest/tmux.sh &&
		mv "$tmux" kept && ! git agbranch open one -q 2>err && grep "lima/guest/tmux.sh" err && mv kept "$tmux"
	) &&
	no_process_left
'

if command -v man >/dev/null; then
	test_set_prereq MAN
else
	test -z "$AGB_NO_SKIP" || error "man is not installed, and nothing may be skipped"
	say "# skipped: git help, as man is not installed"
fi

test_expect_success MAN 'git help agbranch finds its page; the tutorial, security and formats are there' '
	(
		MANPATH=$PWD/moved/usr/local/share/man PATH=$PWD/moved/usr/local/bin:$PATH MANPAGER=cat &&
		export MANPATH PATH MANPAGER &&
		expect_code 0 git help agbranch && grep "disposable, isolated workspaces" out &&
		for page in git-agbranch-ps agbranchtutorial agbranch-security agbranch-formats; do
			expect_code 0 man "$page" && grep "$page" out || return 1
		done
	)
'

test_expect_success 'uninstall leaves no file' '
	mv moved "dest dir" &&
	make_quietly uninstall DESTDIR="$PWD/dest dir" &&
	find "dest dir" ! -type d >left &&
	test_must_be_empty left
'

test_done
