#!/bin/sh
test_description='races: commands on one session, one name, one branch at the same time'
. ./t/lib/test-lib.sh

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# at_once 'COMMAND' 'COMMAND'…: run all at the same time; the exit code of the nth is in ../code.N, what
# it said in ../said.N.
at_once () {
	nth=0
	for command; do
		nth=$((nth + 1))
		(code=0; eval "$command" >../said.$nth 2>&1 || code=$?; echo $code >../code.$nth) &
	done
	wait
}

# code_is N CODE…: the nth command ended with one of these codes.
code_is () {
	got=$(cat "../code.$1")
	said=../said.$1
	shift
	for one; do
		test "$got" != "$one" || return 0
	done
	cat "$said" >&2
	fail "exit code $got"
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo
'

test_expect_success 'two opens of one name: one wins, the other is exit 1' '
	for round in 1 2 3; do
		at_once "git agbranch open same -q" "git agbranch open same -q" &&
		test "$(sort ../code.1 ../code.2 | tr "\n" " ")" = "0 1 " &&
		grep "is open already" ../said.1 ../said.2 &&
		git agbranch run same -- git rev-parse HEAD >../head &&
		git agbranch close same --discard --yes -q &&
		test "$(db "SELECT count(*) FROM operations")" = 0 || return 1
	done
'

test_expect_success 'eight opens of eight names at once' '
	at_once "git agbranch open many1 -q" "git agbranch open many2 -q" "git agbranch open many3 -q" \
		"git agbranch open many4 -q" "git agbranch open many5 -q" "git agbranch open many6 -q" \
		"git agbranch open many7 -q" "git agbranch open many8 -q" &&
	for n in 1 2 3 4 5 6 7 8; do
		code_is $n 0 || return 1
	done &&
	test "$(db "SELECT count(*) FROM sessions WHERE lifecycle_state = '\''running'\''")" = 8
'

test_expect_success 'eight syncs of eight sessions of one repository at once' '
	for n in 1 2 3 4 5 6 7 8; do
		agent_commit "many$n" "file$n" "by $n" || return 1
	done &&
	at_once "git agbranch sync many1 -q" "git agbranch sync many2 -q" "git agbranch sync many3 -q" \
		"git agbranch sync many4 -q" "git agbranch sync many5 -q" "git agbranch sync many6 -q" \
		"git agbranch sync many7 -q" "git agbranch sync many8 -q" &&
	for n in 1 2 3 4 5 6 7 8; do
		code_is $n 0 &&
		test "$(git show "agbranch/many$n:file$n")" = "by $n" || return 1
	done &&
	repo_is_sound .
'

test_expect_success 'two syncs and a close of one session' '
	agent_commit many1 file more &&
	git agbranch run many1 -- git rev-parse HEAD >../tip &&
	at_once "git agbranch sync many1 -q" "git agbranch sync many1 -q" "git agbranch close many1 --sync --yes -q" &&
	code_is 1 0 1 &&
	code_is 2 0 1 &&
	code_is 3 0 &&
	for n in 1 2; do
		test "$(cat ../code.$n)" = 0 || grep "is closed" ../said.$n || return 1
	done &&
	test "$(git rev-parse agbranch/many1)" = "$(cat ../tip)" &&
	test "$(db "SELECT lifecycle_state FROM sessions WHERE name = '\''many1'\''")" = closed &&
	repo_is_sound .
'

test_expect_success 'moves by the host race with syncs: never lost, never forced' '
	for round in 1 2 3 4 5; do
		agent_commit many2 file "round $round" &&
		new=$(git commit-tree -p agbranch/many2 -m "host $round" "agbranch/many2^{tree}") &&
		old=$(git rev-parse agbranch/many2) &&
		at_once "git agbranch sync many2 -q" "git update-ref refs/heads/agbranch/many2 $new $old" &&
		head=$(git rev-parse refs/agbranch/sessions/many2/head) &&
		case $(cat ../code.1):$(cat ../code.2) in
		0:*) test "$head" != "$old" ;;
		3:0) grep "^hint:" ../said.1 && test "$head" = "$old" && test "$(git rev-parse agbranch/many2)" = "$new" ;;
		*) code_is 1 0 3 ;;
		esac &&
		git update-ref refs/heads/agbranch/many2 "$head" || return 1
	done &&
	git agbranch sync many2 -q &&
	test "$(git rev-parse agbranch/many2)" = "$(git agbranch run many2 -- git rev-parse HEAD)" &&
	repo_is_sound .
'

test_expect_success 'git gc --prune=now beside a sync loses nothing' '
	for round in 1 2 3; do
		agent_commit many3 file "gc $round" "gc $round" &&
		at_once "git agbranch sync many3 -q" "git gc -q --prune=now" &&
		code_is 1 0 || return 1
	done &&
	repo_is_sound . &&
	test "$(git log -1 --format=%s agbranch/many3)" = "gc 3"
'

test_expect_success 'a repair beside a sync waits for it' '
	agent_commit many4 file text &&
	at_once "git agbranch sync many4 -q" "git agbranch repair --all" &&
	code_is 1 0 &&
	code_is 2 0 &&
	test "$(git rev-parse agbranch/many4)" = "$(git agbranch run many4 -- git rev-parse HEAD)"
'

test_expect_success 'nothing is left' '
	for n in 2 3 4 5 6 7 8; do
		git agbranch close "many$n" --sync --yes -q || return 1
	done &&
	no_process_left
'

test_done
