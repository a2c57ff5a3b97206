#!/bin/sh
test_description='Lima: submodules, changes and files that come along, sessions side by side, close and gc'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
. "$TEST_TOP/t/lib/runtime-script.sh"
lima_machine
git config --global protocol.file.allow always

in_guest () {
	git agbranch run one -- "$@"
}

test_expect_success 'set up: a repository with a submodule in a submodule, changes, ignored files' '
	make_repo innermost && make_repo inner &&
	git -C inner submodule --quiet add "$PWD/innermost" deep/est && git -C inner commit -qm deep &&
	make_repo outer && git -C outer submodule --quiet add "$PWD/inner" libs/inner && git -C outer commit -qm modules &&
	git clone -q --recurse-submodules outer repo &&
	(
		cd repo && printf "%s\n" .env build/ out err expected status found >.gitignore && git add .gitignore && git commit -qm ignore &&
		echo changed >>file && echo untracked >new && echo staged >staged && git add staged &&
		echo SECRET=1 >.env && mkdir build && echo no >build/out
	) &&
	git agbranch base prepare --minimal
'

test_expect_success 'open --with-changes --copy: all of it is there, clean; the host is as it was' '
	cd repo &&
	git status --porcelain >../before &&
	expect_code 0 git agbranch open one --with-changes --copy .env --json &&
	git status --porcelain >../after && test_cmp ../before ../after &&
	in_guest sh -c "cat file new staged .env libs/inner/file libs/inner/deep/est/file; test ! -e build" >out &&
	printf "%s\n" one more changed untracked staged SECRET=1 one more one more >expected && test_cmp expected out &&
	in_guest git status --porcelain >status && test_must_be_empty status &&
	in_guest git submodule status --recursive >found && test "$(grep -c "^ " found)" = 2 &&
	test "$(in_guest git -C libs/inner rev-parse HEAD)" = "$(git rev-parse HEAD:libs/inner)"
'

test_expect_success 'what the agent commits in a submodule comes with the sync' '
	in_guest sh -c "cd libs/inner && echo agent >>file && git commit -qam inner-work && cd ../.. && git commit -qam link" &&
	expect_code 0 git agbranch sync one --json && json_is .blocked false &&
	jq -r ".findings[]" out | grep "^submodule: libs/inner" &&
	test "$(git rev-parse agbranch/one:libs/inner)" = "$(in_guest git -C libs/inner rev-parse HEAD)"
'

test_expect_success 'sessions side by side: opened, at work and synced at the same time' '
	{ git agbranch open two -q & first=$!; } &&
	{ git agbranch open three -q & second=$!; } &&
	wait "$first" && wait "$second" &&
	for name in one two three; do
		{ agent_commit "$name" "file-of-$name" "by $name" && git agbranch sync -q "$name"; echo $? >"../done.$name"; } &
	done &&
	wait &&
	for name in one two three; do
		test "$(cat "../done.$name")" = 0 &&
		test "$(git show "agbranch/$name:file-of-$name")" = "by $name" || return 1
	done &&
	test "$(git ls-tree --name-only agbranch/two | grep -c file-of-)" = 1 &&
	git agbranch ps --json >out && json_is "[.[] | select(.lifecycle_state == \"running\")] | length" 3 &&
	repo_is_sound .
'

test_expect_success 'close with work that is not synced refuses: exit 3, and everything stays' '
	git agbranch run two -- sh -c "echo loose >loose" &&
	expect_code 1 git agbranch close two --yes &&
	expect_code 3 git agbranch close two --discard </dev/null &&
	expect_code 3 git agbranch close two --sync --yes --json && json_is .blocked true && json_is .reason guest_dirty &&
	git agbranch run two -- cat loose >out && echo loose >expected && test_cmp expected out
'

test_expect_success 'close --discard saves it in a rescue ref; the review branch does not move' '
	git rev-parse agbranch/two >../before &&
	git agbranch run two -- sh -c "git switch -qc side HEAD~1 && echo s >side && git add side && git commit -qm side" &&
	expect_code 0 git agbranch close two --discard --yes --json &&
	json_is .rescue_ref refs/agbranch/rescue/two/1 && json_is .destroy_result destroyed &&
	git rev-parse agbranch/two >../after && test_cmp ../before ../after &&
	git show refs/agbranch/rescue/two/1:loose >out && test_cmp expected out &&
	git log --format=%s refs/agbranch/rescue/two/1 | grep -x side &&
	test ! -e "$LIMA_HOME/agbranch-two"
'

test_expect_success 'close --sync brings the last commits; work in a submodule is saved in its repository' '
	agent_commit three file last &&
	expect_code 0 git agbranch close three --sync --yes --json && json_is .outcome sync &&
	test "$(git log -1 --format=%s agbranch/three)" = "change file" &&
	in_guest sh -c "cd libs/inner/deep/est && echo deepest >>file" &&
	expect_code 0 git agbranch close one --discard --yes &&
	git -C libs/inner/deep/est show refs/agbranch/rescue/one/1:file | grep deepest &&
	test -z "$(ls -d "$LIMA_HOME"/agbranch-* | grep -v agbranch-base)" &&
	test -z "$(ls "$LIMA_HOME/_agbranch/sessions")"
'

test_expect_success 'launch: a folder goes in; its files come out by export' '
	mkdir ../seed && echo seeded >../seed/file &&
	expect_code 0 git agbranch launch sand --seed ../seed --json && json_is .guest_workspace_path /home/agent/sandbox/sand &&
	git agbranch run sand -- sh -c "pwd; cat file; echo made >made" >out &&
	printf "%s\n" /home/agent/sandbox/sand seeded >expected && test_cmp expected out &&
	git agbranch export sand --from "~/sandbox/sand" --to ../exported && test "$(cat ../exported/made)" = made &&
	expect_code 1 git agbranch close sand --sync --yes &&
	expect_code 0 git agbranch close sand --discard --yes
'

test_expect_success 'the runtime script of the repository: once it is allowed, in the login shell of the agent' '
	script_commit . "echo script ran; export MARKER=one EXTRA=script" &&
	git agbranch open four -q &&
	expect_code 0 git agbranch agent start four -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.state not_allowed && wait_until 60 agent_said four "marker= extra= at=" &&
	git agbranch agent stop four && allow . &&
	expect_code 0 git agbranch agent start four -d --json -- sh -c "$show_all" &&
	json_is .runtime_script.state ran &&
	wait_until 60 agent_said four "marker=one extra=script at=/home/agent/workspaces/four/repo" &&
	expect_code 0 git agbranch logs four --source=script && test "$(cat out)" = "script ran" &&
	close_all four
'

test_expect_success 'gc: what is kept is said, and nothing of the base goes' '
	image=$(git agbranch base show --json | jq -r .image) &&
	expect_code 0 git agbranch gc --json && json_is ".warnings | length" 0 &&
	test -e "$LIMA_HOME/_agbranch/images/$image" &&
	git agbranch base show --require-ready >/dev/null &&
	git rev-parse -q --verify refs/agbranch/rescue/two/1
'

test_done
