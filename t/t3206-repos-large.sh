#!/bin/sh
test_description='repositories as people have them: many files (AGB_TEST_FILES, 20000)'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/repos-lib.sh"

: "${AGB_TEST_FILES:=20000}"

test_expect_success "a repository with $AGB_TEST_FILES files" '
	git init -q large && cd large &&
	awk -v files="$AGB_TEST_FILES" "BEGIN {
		print \"commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 5\nfiles\"
		for (i = 0; i < files; i++) {
			text = \"file \" i \"\n\"
			printf \"M 100644 inline d%d/e%d/f%d.txt\ndata %d\n%s\n\", i % 100, int(i / 100) % 50, i, length(text), text
		}
	}" | git fast-import --quiet && git reset -q --hard
'

test_expect_success 'open, run, sync and close it; changes in all folders' '
	git agbranch open big -q && base=$(git rev-parse HEAD) &&
	test "$(git agbranch run big -- git ls-files | wc -l)" = "$AGB_TEST_FILES" &&
	git agbranch run big -- sh -c "for f in d*/e1/*; do echo x >>\$f; done && git commit -qam all && git status --porcelain" >status && test_must_be_empty status &&
	rm status && changed=$(ls d*/e1/* | wc -l) && git agbranch sync big -q &&
	test "$(git diff --name-only "$base" agbranch/big | wc -l)" = "$changed" &&
	git agbranch close big --sync --yes -q && test -z "$(git status --porcelain)"
'

test_expect_success 'its own copy of the objects, from the work tree as it is' '
	for n in 1 2 3; do echo y >>d$n/e2/f$((200 + n)).txt || return 1; done && echo new >new &&
	git -c agbranch.private=true agbranch open copy -q --with-changes && git agbranch run copy -- cat new &&
	agent_commit copy own text && git agbranch close copy --sync --yes -q && git diff --quiet HEAD agbranch/copy -- d4 &&
	git status --porcelain >"$TEST_TMP/status" && test "$(wc -l <"$TEST_TMP/status")" = 4 && repo_is_sound . && no_process_left
'

test_done
