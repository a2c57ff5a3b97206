#!/bin/sh
test_description='export and cp: files out of a session and into it'
. ./t/lib/test-lib.sh

in_guest () {
	git agbranch run box -- sh -c "$@"
}

no_temporary_left () {
	find . "$HOME" -name '.agbranch-copy*' >left && test_must_be_empty left
}

test_expect_success 'set up a sandbox session and a repo session' '
	mkdir seed && echo input >seed/input &&
	git agbranch launch --session box --seed seed >/dev/null &&
	make_repo repo && git -C repo agbranch open code >/dev/null &&
	in_guest "
		mkdir -p out/sub out/empty out/.git &&
		echo hello >out/hello && echo deep >out/sub/deep && ln -s ../hello out/sub/link &&
		chmod 755 out/sub/deep && ln out/hello out/hard && echo x >out/.git/config &&
		echo spaces >\"out/a b \\\$c\" && printf \"\\\\377\\\\000\\\\n\" >bytes
	"
'

test_expect_success 'export: a folder, with modes and inner links, without .git' '
	expect_code 0 git agbranch export --json box --from "~/sandbox/box/out" --to result &&
	json_is .session box && json_is .from /home/agent/sandbox/box/out && json_is .to "$PWD/result" &&
	(cd result && find . | LC_ALL=C sort) >found &&
	printf "%s\n" . "./a b \$c" ./empty ./hard ./hello ./sub ./sub/deep ./sub/link >expected &&
	test_cmp expected found &&
	test "$(cat result/sub/link)" = hello &&
	test -x result/sub/deep &&
	test "$(stat -c %i result/hello)" = "$(stat -c %i result/hard)" &&
	no_temporary_left
'

test_expect_success 'export: a file; the path may be relative to the workspace' '
	expect_code 0 git agbranch export box --from out/hello --to hello &&
	test "$(cat hello)" = hello &&
	expect_code 0 git agbranch export --session box --from ./out/../bytes --to bytes &&
	in_guest "cat bytes" >expected && test_cmp expected bytes
'

test_expect_success '~ that the host'\''s shell expanded is the guest'\''s home' '
	expect_code 0 git agbranch export --json box --from "$HOME/sandbox/box/input" --to input &&
	json_is .from /home/agent/sandbox/box/input &&
	test_cmp seed/input input
'

test_expect_success 'export works for a repo session too' '
	expect_code 0 git -C repo agbranch export code --from "~/workspaces/code/repo/file" --to "$PWD/code-file" &&
	test_cmp repo/file code-file
'

test_expect_success 'what exists is not touched without --force' '
	echo mine >hello && echo mine >result/mine &&
	expect_code 1 git agbranch export box --from out/hello --to hello &&
	grep "fatal: .hello. exists" err && grep "hint: replace it with --force" err &&
	expect_code 1 git agbranch export box --from out --to result &&
	test "$(cat hello)" = mine &&
	no_temporary_left
'

test_expect_success '--force replaces a file, and a folder as a whole' '
	echo old >result/hello && chmod 500 result/sub &&
	expect_code 0 git agbranch export --force box --from out/hello --to hello &&
	test "$(cat hello)" = hello &&
	expect_code 0 git agbranch export -f box --from out --to result &&
	test "$(cat result/hello)" = hello && test ! -e result/mine && test -x result/sub/deep &&
	expect_code 1 git agbranch export --force box --from out --to hello &&
	grep "it is not replaced" err &&
	no_temporary_left
'

test_expect_success '--force goes through no link of the host' '
	mkdir precious target && echo keep >precious/deep && ln -s ../precious target/sub && ln -s ../precious/deep target/hello &&
	ln -s precious to-folder && ln -s precious/deep to-file &&
	expect_code 1 git agbranch export --force box --from out --to to-folder &&
	grep "exists and is no folder" err &&
	expect_code 0 git agbranch export --force box --from out/hello --to to-file &&
	test ! -L to-file && test_cmp hello to-file &&
	expect_code 0 git agbranch export --force box --from out --to target &&
	test ! -L target/hello && test ! -L target/sub &&
	test "$(ls precious)" = deep && test "$(cat precious/deep)" = keep
'

test_expect_success '--force: a folder that holds more than a copy is not replaced' '
	mkdir -p tree/inner here && git init -q tree && echo mine >tree/mine &&
	expect_code 1 git agbranch export --force box --from out --to tree &&
	grep "has a .\.git. in it: it is not replaced" err &&
	(cd here && expect_code 1 git agbranch export --force box --from "~/sandbox/box/out" --to .) &&
	(cd here && expect_code 1 git agbranch export --force box --from "~/sandbox/box/out" --to ../here) &&
	expect_code 1 git agbranch export --force box --from out --to "$HOME" &&
	test "$(cat tree/mine)" = mine && no_temporary_left && rm -rf tree here
'

test_expect_success '--skip-unsafe: the rest comes, what does not is named' '
	in_guest "
		mkdir -p venv/bin venv/.GIT venv/lib && ln -s /usr/bin/python3 venv/bin/python3 && ln -s python3 venv/bin/python &&
		mkfifo venv/pipe && echo lib >venv/lib/mod.py && echo x >venv/.GIT/config && touch \"venv/\$(printf \"a\\033b\")\" &&
		ln -s / venv/lib64
	" &&
	expect_code 9 git agbranch export box --from venv --to venv && test ! -e venv &&
	expect_code 0 git agbranch export --skip-unsafe --json box --from venv --to venv &&
	test "$(cat venv/lib/mod.py)" = lib && test "$(readlink venv/bin/python)" = python3 &&
	test ! -L venv/bin/python3 && test ! -e venv/pipe && test ! -e venv/.GIT && test ! -L venv/lib64 &&
	test "$(ls venv)" = "$(printf "bin\nlib")" &&
	json_is .skipped_count 6 && json_is ".skipped | length" 6 &&
	jq -e ".skipped | any (.path == \"venv/bin/python3\" and (.rule | contains (\"absolute\")))" out &&
	grep "^note: skipped .venv/pipe.: a device, fifo or socket" err &&
	! grep "$(printf "\033")" err out &&
	expect_code 9 git -c agbranch.limits.exportFiles=3 agbranch export --skip-unsafe box --from venv --to venv2 &&
	expect_code 9 git -c agbranch.limits.export=1 agbranch export --skip-unsafe box --from venv --to venv2 &&
	in_guest "rm -r venv" && rm -r venv && test ! -e venv2 && no_temporary_left
'

test_expect_success 'never into a git folder' '
	git init -q --bare bare.git && git init -q work && ln -s work/.git linked &&
	for place in work/.git/hooks/pre-commit work/.git/x bare.git/hooks/x linked/x work/.git/../.git/x; do
		expect_code 1 git agbranch export --force box --from out/hello --to "$place" &&
		grep "lies in a git folder" err || return 1
	done &&
	expect_code 1 git agbranch export --force box --from out --to work/.git &&
	expect_code 1 git agbranch cp -f box:out/hello work/.git/hooks/post-checkout &&
	test ! -e work/.git/x && test ! -e bare.git/hooks/x &&
	expect_code 0 git agbranch export box --from out/hello --to work/hello
'

test_expect_success 'what is not there is exit 1' '
	expect_code 1 git agbranch export box --from out/missing --to x &&
	grep "there is no " err &&
	expect_code 1 git agbranch export box --from nowhere/x --to x &&
	expect_code 1 git agbranch export box --from out/hello --to no/such/folder/x &&
	expect_code 1 git agbranch export box --from / --to x &&
	expect_code 129 git agbranch export box --from out/hello &&
	expect_code 1 git agbranch export missing --from out --to x &&
	test ! -e x && no_temporary_left
'

test_expect_success 'a guest that lies: links out, a link as the top, a fifo, control characters, .GIT' '
	in_guest "
		mkdir -p 1 2 3 4 5 6 && ln -s /etc/passwd 1/l && ln -s ../../../../etc 2/l && mkfifo 3/p &&
		touch \"4/\$(printf \"a\\\\033]0;x\\\\007\")\" && mkdir 5/.GIT && touch 5/.GIT/config && ln -s /etc top &&
		echo s >6/s && chmod 6755 6/s
	" &&
	for case in 1 2 3 4 5; do
		expect_code 9 git agbranch export box --from $case --to refused &&
		grep "fatal: the guest sent" err || return 1
	done &&
	expect_code 1 git agbranch export box --from top --to refused &&
	grep "is a link" err &&
	test ! -e refused &&
	expect_code 0 git agbranch export box --from 6 --to six &&
	test -z "$(find six -perm /7000)" &&
	no_temporary_left
'

test_expect_success 'limits name their setting' '
	expect_code 9 git -c agbranch.limits.export=5 agbranch export box --from out --to limited &&
	grep "agbranch.limits.export " err &&
	expect_code 9 git -c agbranch.limits.exportFiles=2 agbranch export box --from out --to limited &&
	grep "agbranch.limits.exportFiles" err &&
	in_guest "truncate -s 8G hole" &&
	expect_code 9 git agbranch export box --from hole --to limited &&
	in_guest "rm hole" &&
	test ! -e limited && no_temporary_left
'

test_expect_success 'cp: out, a folder needs -r, a folder as the target' '
	mkdir into &&
	expect_code 0 git agbranch cp box:out/hello into &&
	test_cmp hello into/hello &&
	expect_code 1 git agbranch cp box:out/hello into && grep exists err &&
	expect_code 1 git agbranch cp box:out into && grep "hint: copy a folder with -r" err &&
	expect_code 0 git agbranch cp -r box:out into &&
	test "$(cat into/out/sub/deep)" = deep &&
	expect_code 0 git agbranch cp "box:~/sandbox/box/out/a b \$c" . && test -f "a b \$c"
'

test_expect_success 'cp: in, with the same rules' '
	mkdir -p tree/sub && echo in >tree/sub/file && echo "#!/bin/sh" >tree/run && chmod 755 tree/run &&
	expect_code 0 git agbranch cp tree/sub/file box:new &&
	expect_code 1 git agbranch cp tree/sub/file box:new && grep "exists" err &&
	expect_code 0 git agbranch cp --force tree/run box:new &&
	in_guest "test -x new" &&
	expect_code 1 git agbranch cp tree box: && grep "hint: copy a folder with -r" err &&
	expect_code 0 git agbranch cp -r tree box: &&
	in_guest "cat tree/sub/file" >copy && test_cmp tree/sub/file copy &&
	expect_code 0 git agbranch cp -r tree box:other && in_guest "test -f other/sub/file" &&
	expect_code 1 git agbranch cp tree/run box:no/such/place &&
	expect_code 1 git agbranch cp missing box: &&
	in_guest "find . -name .agbranch-copy\\*" >left && test_must_be_empty left
'

test_expect_success 'cp: several sources, and a slash, need a folder' '
	mkdir -p many && echo 1 >many/m1 && echo 2 >many/m2 && mkdir many/m3 && echo 3 >many/m3/m3 &&
	in_guest "mkdir taken" &&
	expect_code 0 git agbranch cp many/m1 many/m2 box:taken && expect_code 0 git agbranch cp -r many/m3 many/m1 box: &&
	in_guest "cat taken/m1 taken/m2 m3/m3 m1" >copy && printf "%s\n" 1 2 3 1 >expected && test_cmp expected copy &&
	expect_code 1 git agbranch cp many/m1 many/m2 box:nowhere && grep "in the guest ./home/agent/sandbox/box/nowhere. is no folder" err &&
	expect_code 1 git agbranch cp many/m1 box:nowhere/ && grep "is no folder" err &&
	in_guest "test ! -e nowhere" &&
	expect_code 1 git agbranch cp box:taken/m1 box:taken/m2 nowhere && grep "^fatal: .nowhere. is no folder" err &&
	grep "^hint: make it: mkdir -p nowhere" err &&
	expect_code 1 git agbranch cp box:taken/m1 nowhere/ && test ! -e nowhere &&
	mkdir here && expect_code 0 git agbranch cp box:taken/m1 box:taken/m2 here && test "$(cat here/m1 here/m2)" = "$(printf "1\n2")" &&
	expect_code 1 git agbranch cp many/m2 many/m1 box:taken && grep "taken/m2. exists" err && grep "^hint: replace it with --force" err &&
	expect_code 1 git agbranch cp - many/m1 box: </dev/null && grep "bytes of one file" err &&
	expect_code 1 git agbranch cp box:taken/m1 many/m1 here && grep "exactly one" err
'

test_expect_success 'cp: what is neither file nor folder, and where nothing can be put' '
	ln -s many/m1 link && mkfifo pipe &&
	expect_code 1 git agbranch cp link box:linked && grep "^hint: name what it points at: many/m1" err &&
	for special in pipe /dev/zero; do
		expect_code 1 timeout 30 git agbranch cp $special box:linked && grep "is neither a file nor a folder" err &&
		grep "^hint: .*git agbranch cp - <session>:<path> <$special" err || return 1
	done &&
	in_guest "test ! -e linked && test ! -L linked" &&
	expect_code 1 git agbranch cp many/m1 box:/etc/x && grep "in the guest ./etc. cannot be written$" err &&
	expect_code 1 git agbranch cp - box:/etc/x <many/m1 && grep "in the guest ./etc. cannot be written$" err &&
	expect_code 1 git agbranch cp - box:taken <many/m1 && grep "taken. is a folder: name the file in it$" err && ! grep "^hint" err &&
	expect_code 1 git agbranch export box --from bytes --to - && grep "^hint: git agbranch cp <session>:<path> -; " err &&
	expect_code 0 git agbranch export box --from bytes --to ./- && rm ./-
'

test_expect_success 'cp: - is stdin and stdout' '
	git agbranch cp box:bytes - >copy && test_cmp bytes copy &&
	git agbranch cp - box:from-stdin <bytes &&
	in_guest "cat from-stdin" >copy && test_cmp bytes copy &&
	expect_code 1 git agbranch cp - box:from-stdin <bytes &&
	expect_code 1 git agbranch cp box:out - &&
	head -c 3000000 /dev/urandom >big && git agbranch cp - box:big <big && git agbranch cp box:big - | cmp - big &&
	{ git agbranch cp box:big - 2>err; echo $? >code; } | head -c 10 >part && test "$(wc -c <part)" = 10 &&
	test_must_be_empty err && test "$(cat code)" = 0 &&
	test_expect_code 8 git agbranch cp box:big - >/dev/full 2>err && grep "cannot write to .standard output.: No space left" err
'

test_expect_success 'cp: operands' '
	expect_code 129 git agbranch cp box:x &&
	expect_code 1 git agbranch cp a b && grep "exactly one" err &&
	expect_code 1 git agbranch cp box:a box:b &&
	expect_code 1 git agbranch cp "No Name:x" y && grep "colon in its name" err &&
	echo colon >a:b && expect_code 0 git agbranch cp ./a:b box:a-b
'

test_expect_success 'killed half-way nothing is at the target, and it can be repeated' '
	rm -f points && AGB_FAIL_LIST=$PWD/points git agbranch export box --from out --to counted &&
	count=$(wc -l <points) && test "$count" -ge 2 &&
	for n in $(seq "$count"); do
		{ AGB_FAIL_AT=$n:kill git agbranch export box --from out --to again >/dev/null 2>&1 || :; } &&
		test ! -e again || return 1
		{ AGB_FAIL_AT=$n:error git agbranch export box --from out --to again >/dev/null 2>&1 || :; } &&
		test ! -e again || return 1
	done &&
	test -n "$(ls -d .agbranch-copy.*)" &&
	{ git agbranch doctor --json >out || :; } && jq -e "[.messages[] | tostring | select (contains (\".agbranch-copy.\"))] | length >= 1" out &&
	expect_code 0 git agbranch gc && no_temporary_left && test -z "$(ls "$AGBRANCH_STATE_ROOT/copies")" &&
	expect_code 0 git agbranch export box --from out --to again
'

test_expect_success 'killed while it replaces, the target is as it was or all new, never in between' '
	(cd again && find . | LC_ALL=C sort) >new &&
	rm -f points && mkdir old && echo o >old/only &&
	AGB_FAIL_LIST=$PWD/points git agbranch export -f box --from out --to old && grep exchange points &&
	count=$(wc -l <points) &&
	for mode in kill error; do
		for n in $(seq "$count"); do
			rm -rf old && mkdir old && echo o >old/only &&
			{ AGB_FAIL_AT=$n:$mode git agbranch export -f box --from out --to old >/dev/null 2>&1 || :; } &&
			(cd old && find . | LC_ALL=C sort) >found &&
			{ test "$(cat old/only 2>/dev/null)" = o || test_cmp new found; } || return 1
		done
	done &&
	expect_code 0 git agbranch gc && no_temporary_left
'

test_done
