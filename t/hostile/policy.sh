# What is sound for git, and refused by the tree policy.

# row 5
hostile 'a link to /etc/passwd' 'symlink-absolute' 'NEW=$(link /etc/passwd)'
hostile 'a link out of the tree' 'symlink-escape' 'NEW=$(link ../../../home)'
hostile 'a link that goes up as far as the tree, and one more' 'symlink-escape' 'NEW=$(link ../../x sub/link)'
hostile 'a link that goes up behind a name' 'symlink-escape' 'NEW=$(link sub/../../x)'
hostile 'a link that goes up behind a link' 'symlink-escape' '
	oid=$(blob ..) && g update-index --add --cacheinfo "120000,$oid,deep/dir/up" && NEW=$(link deep/dir/up/../..)'
hostile 'a link into .git' 'symlink-git' 'NEW=$(link .git/hooks/post-checkout)'
hostile 'a link into .GIT of the folder above' 'symlink-git' 'NEW=$(link ../.GIT/config sub/link)'
hostile 'a link to a drive' 'symlink-absolute' 'NEW=$(link "C:/Windows")'
hostile 'a link to a share' 'symlink-absolute' 'NEW=$(link "\\\\\\\\server\\\\share")'
hostile 'a link up with backslashes' 'symlink-target' 'NEW=$(link "..\\\\..\\\\x")'
hostile 'a link with an escape sequence' 'symlink-target' 'NEW=$(link "a\033]0;x")'
hostile 'a link to nothing' 'symlink-target' 'NEW=$(link "")'
hostile 'a link with a NUL' 'symlink-target' 'NEW=$(link "a\000b")'
hostile 'a link with a target of five kilobytes' 'symlink-target' '
	oid=$(perl -e "print q(a/) x 2600" | g hash-object -w --stdin) && NEW=$(one_entry 120000 link $oid)'
hostile 'a link to a blob of one megabyte' 'symlink-target' '
	oid=$(head -c 1000000 /dev/zero | g hash-object -w --stdin) && NEW=$(one_entry 120000 link $oid)'
hostile 'a link hidden by the commit after it' 'symlink-absolute' '
	one=$(link /etc/shadow) && NEW=$(commit clean "$BASE^{tree}" $one)'
hostile 'a link on a side that a merge drops' 'symlink-absolute' '
	side=$(link /etc/shadow) &&
	NEW=$(g commit-tree -m ours -p $BASE -p $side "$BASE^{tree}")'
hostile 'a link that only the merge itself has' 'symlink-absolute' '
	one=$(commit one "$(g write-tree)") && echo x >guest/x && g add x &&
	two=$(commit two "$(g write-tree)") &&
	oid=$(blob /etc/passwd) && g update-index --add --cacheinfo "120000,$oid,link" &&
	NEW=$(g commit-tree -m evil -p $one -p $two "$(g write-tree)")'
hostile 'a file that becomes a link' 'symlink-escape' 'NEW=$(link ../../x file)'

hostile 'two names but for case' 'name-collision' '
	NEW=$(commit x "$(tree 100644 README "$(blob x)" 100644 readme "$(blob y)")")'
hostile 'a link and a folder but for case' 'name-collision' '
	NEW=$(commit x "$(tree 40000 Docs "$(tree 100644 x "$(blob x)")" 120000 docs "$(blob sub)")")'
hostile 'two names but for Unicode form' 'name-collision' '
	NEW=$(commit x "$(tree 100644 "cafe\xcc\x81" "$(blob x)" 100644 "caf\xc3\xa9" "$(blob y)")")'
hostile 'two names but for case beyond ASCII' 'name-collision' '
	NEW=$(commit x "$(tree 100644 "\xc3\x84" "$(blob x)" 100644 "\xc3\xa4" "$(blob y)")")'
hostile 'a name beside one that the host has' 'name-collision' '
	mkdir guest/Sub && echo x >guest/Sub/file && g add . && g commit -qm x && NEW=$(g rev-parse HEAD)'
hostile 'two names deep below' 'name-collision' '
	mkdir -p guest/a/b/c && echo x >guest/a/b/c/X && echo x >guest/a/b/c/x && g add . && g commit -qm x &&
	NEW=$(g rev-parse HEAD)'
hostile 'two names, one from each side of a merge' 'name-collision' '
	echo x >guest/Name && g add . && g commit -qm one && one=$(g rev-parse HEAD) &&
	g reset -q --hard "$BASE" && echo x >guest/name && g add . && g commit -qm two &&
	g merge -q -m merge $one && NEW=$(g rev-parse HEAD)'
hostile 'two names hidden by the commit after them' 'name-collision' '
	one=$(commit x "$(tree 100644 README "$(blob x)" 100644 readme "$(blob y)")") &&
	NEW=$(commit clean "$BASE^{tree}" $one)'

hostile 'an escape sequence in a name' 'path-control' 'NEW=$(one_entry 100644 "a\x1b]0;x\x07" "$(blob x)")'
hostile 'a newline in a name' 'path-control' 'NEW=$(one_entry 100644 "a\x0ab" "$(blob x)")'
hostile 'DEL in a name' 'path-control' 'NEW=$(one_entry 100644 "a\x7f" "$(blob x)")'
hostile 'a C1 control in a name' 'path-control' 'NEW=$(one_entry 100644 "a\xc2\x9b31m" "$(blob x)")'
hostile 'a name that runs backwards' 'path-control' 'NEW=$(one_entry 100644 "a\xe2\x80\xaegpj.exe" "$(blob x)")'
hostile 'an invisible letter in a name' 'path-control' 'NEW=$(one_entry 100644 "a\xe2\x80\x8bb" "$(blob x)")'
hostile 'a tag character in a name' 'path-control' 'NEW=$(one_entry 100644 "a\xf3\xa0\x81\xa1" "$(blob x)")'
hostile 'a backslash in a name' 'path-backslash' 'NEW=$(one_entry 100644 "..\\x5c..\\x5cx" "$(blob x)")'
hostile 'bytes that are no text in a name' 'path-encoding' 'NEW=$(one_entry 100644 "a\xff\xfe" "$(blob x)")'
hostile 'the short name of .git with a number' 'dot-git' 'NEW=$(one_entry 100644 "GIT~2" "$(blob x)")'

hostile 'a submodule that nothing names' 'gitlink-unknown' '
	g update-index --add --cacheinfo "160000,$BASE,module" && NEW=$(commit x "$(g write-tree)")'
hostile 'a submodule that .gitmodules does not name' 'gitlink-unknown' '
	NEW=$(gitmodules "[submodule \"x\"]\n\tpath = elsewhere\n\turl = https://example.com/x\n")'
hostile 'a submodule by ext::' 'refused:.*\(submodule-url\|gitmodulesUrl\)' '
	NEW=$(gitmodules "[submodule \"x\"]\n\tpath = sub-module\n\turl = ext::sh -c touch%% canary.sang\n")'
hostile 'a submodule by file:' 'submodule-url' '
	NEW=$(gitmodules "[submodule \"x\"]\n\tpath = sub-module\n\turl = file:///etc\n")'
hostile 'a submodule by path' 'submodule-url' '
	NEW=$(gitmodules "[submodule \"x\"]\n\tpath = sub-module\n\turl = /srv/git/secret\n")'
hostile 'a submodule by another transport' 'submodule-url' '
	NEW=$(gitmodules "[submodule \"x\"]\n\tpath = sub-module\n\turl = fd::17\n")'
hostile 'a submodule URL hidden by the commit after it' 'submodule-url' '
	one=$(gitmodules "[submodule \"x\"]\n\tpath = sub-module\n\turl = file:///etc\n") &&
	NEW=$(commit clean "$BASE^{tree}" $one)'

hostile 'a change of a protected path' 'protected' '
	GATE_OPTIONS="agbranch.protectedPaths=.github agbranch.protectedPaths=*.lock" &&
	mkdir -p guest/.github/workflows && echo x >guest/.github/workflows/ci.yml && g add . && g commit -qm x &&
	NEW=$(g rev-parse HEAD)'
hostile 'a protected path by pattern, deep' 'protected' '
	GATE_OPTIONS="agbranch.protectedPaths=*.lock" &&
	mkdir -p guest/a/b && echo x >guest/a/b/c.lock && g add . && g commit -qm x && NEW=$(g rev-parse HEAD)'
hostile 'a protected path removed' 'protected' '
	GATE_OPTIONS="agbranch.protectedPaths=sub" && g rm -q sub/other && g commit -qm x && NEW=$(g rev-parse HEAD)'
hostile 'a protected path changed and changed back' 'protected' '
	GATE_OPTIONS="agbranch.protectedPaths=file" && echo x >>guest/file && g commit -qam x &&
	g revert --no-edit HEAD >/dev/null && NEW=$(g rev-parse HEAD)'
