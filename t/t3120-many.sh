#!/bin/sh
test_description='many at once: 64 commands on one catalog, many sessions of one repository'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# `make race` takes 24; each is opened, works, is synced and closed beside the others.
sessions=${AGB_RACE_SESSIONS:-8}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q && git agbranch open two -q &&
	agent_commit one file text && agent_commit two file text
'

test_expect_success '64 commands at once on one catalog and repository' '
	for n in $(seq 16); do
		for command in "ps --json" "show one --json" "sync one -q" "run two -- git rev-parse HEAD"; do
			(code=0; git agbranch $command >"../out.$n" 2>"../err.$n.${command%% *}" || code=$?
				echo $code >"../code.$n.${command%% *}") &
		done
	done &&
	wait &&
	test "$(cat ../code.* | wc -l)" = 64 &&
	for file in ../code.*; do
		test "$(cat "$file")" = 0 || { cat "../err.${file#../code.}" >&2; fail "$file: $(cat "$file")"; return 1; }
	done &&
	test "$(git rev-parse agbranch/one)" = "$(git agbranch run one -- git rev-parse HEAD)" &&
	test "$(db "PRAGMA integrity_check; SELECT count(*) FROM operations" | tr "\n" " ")" = "ok 0 " &&
	repo_is_sound .
'

whole_life () {
	git agbranch open "$1" -q &&
	agent_commit "$1" "file-$1" "by $1" &&
	git agbranch sync "$1" -q &&
	agent_commit "$1" "file-$1" "again" &&
	git agbranch close "$1" --sync --yes -q
}
test_expect_success "$sessions sessions opened, synced and closed in parallel" '
	for n in $(seq $sessions); do
		(code=0; whole_life "p$n" >"../life.$n" 2>&1 || code=$?; echo $code >"../done.$n") &
	done &&
	wait &&
	for n in $(seq $sessions); do
		test "$(cat "../done.$n")" = 0 || { cat "../life.$n" >&2; return 1; }
		test "$(git show "agbranch/p$n:file-p$n" | tr "\n" "|")" = "by p$n|again|" &&
		test "$(git rev-list --count "main..agbranch/p$n")" = 2 || return 1
	done &&
	test "$(db "SELECT count(*) FROM sessions WHERE name LIKE '\''p%'\'' AND lifecycle_state = '\''closed'\''")" = $sessions &&
	test "$(db "SELECT count(*) FROM operations")" = 0 &&
	repo_is_sound .
'

test_expect_success 'commits and branches of the host beside syncs' '
	for n in $(seq 5); do
		agent_commit two file "host $n" &&
		{
			(code=0; git agbranch sync two -q >/dev/null 2>../err.sync || code=$?; echo $code >../code.sync) &
			(echo "$n" >>file && git commit -qam "host $n" && git branch "host-$n" && git pack-refs --all) &
			wait
		} &&
		test "$(cat ../code.sync)" = 0 || { cat ../err.sync >&2; return 1; }
		test "$(git log -1 --format=%s)" = "host $n" && git rev-parse -q --verify "host-$n" || return 1
	done &&
	test "$(git rev-parse agbranch/two)" = "$(git agbranch run two -- git rev-parse HEAD)" &&
	repo_is_sound .
'

test_expect_success 'nothing is left' '
	git agbranch close one --sync --yes -q &&
	git agbranch close two --sync --yes -q &&
	no_process_left
'

test_done
