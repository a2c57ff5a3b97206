#!/bin/sh
test_description='every verb with --json prints what its schema says (those that look: t5080)'
. ./t/lib/test-lib.sh

schemas=$TEST_TOP/Documentation/schemas

# says CODE VERB ARGUMENT…: the exit code, and what is printed is the schema's.
says () {
	code=$1 verb=$2
	shift 2
	expect_code "$code" git agbranch "$verb" "$@" --json && is_valid "$verb"
}

test_expect_success 'a verb with --json has a schema, and a schema has a verb' '
	for page in "$AGB_BUILD"/libexec/git-agbranch/git-agbranch-*; do
		verb=${page##*/git-agbranch-}
		"$page" --list-options >options || return 1
		if grep -q "^--json	" options; then
			test -f "$schemas/$verb.schema.json" || fail "$verb has no schema" || return 1
		else
			test ! -f "$schemas/$verb.schema.json" || fail "$verb has no --json" || return 1
		fi
	done &&
	for schema in "$schemas"/*.schema.json; do
		verb=${schema##*/} && verb=${verb%.schema.json} &&
		test "$verb" = error || test -x "$AGB_BUILD/libexec/git-agbranch/git-agbranch-$verb" ||
			fail "no verb $verb" || return 1
	done
'

test_expect_success 'every verb that changes something has --json' '
	for verb in agent base close export gc hooks kill launch migrate open repair rescue run start stop sync; do
		test -f "$schemas/$verb.schema.json" || fail "$verb" || return 1
	done
'

test_expect_success 'each schema is held to what the verb really prints, here or where it needs a machine' '
	for schema in "$schemas"/*.schema.json; do
		verb=${schema##*/} && verb=${verb%.schema.json} &&
		grep -qE "(is_valid|says 0) $verb( |\$|\"|;)" "$TEST_TOP/t/t5900-schemas.sh" "$TEST_TOP/t/t5080-schemas.sh" \
			"$TEST_TOP/t/t9010-lima-faults.sh" || fail "no test of $verb" || return 1
	done
'

test_expect_success 'open, launch' '
	make_repo repo && cd repo && mkdir seed && echo x >seed/x &&
	says 0 open one && says 0 launch box --seed seed && says 0 launch bare
'

test_expect_success 'run, also with bytes, a signal, a timeout, and its own failures' '
	expect_code 0 git agbranch run --json one -- true && is_valid run &&
	expect_code 0 git agbranch run --json one -- printf "\\377" && is_valid run && json_is .stdout_encoding base64 &&
	expect_code 143 git agbranch run --json one -- sh -c "kill -TERM \$\$" && is_valid run &&
	expect_code 124 git agbranch run --json --timeout=100ms one -- sleep 60 && is_valid run &&
	expect_code 1 git agbranch run --json nobody -- true && json_is ".exit_code" null && json_is .error.code 1
'

test_expect_success 'agent, attach, shell' '
	expect_code 0 git agbranch agent start --json one -- cat && is_valid agent &&
	says 0 attach one && says 0 shell one &&
	says 0 agent stop one && says 0 agent stop one
'

test_expect_success 'stop, start, kill' '
	says 0 stop one && says 0 start one && says 0 kill one && says 0 start one
'

test_expect_success 'sync: something, nothing, blocked' '
	agent_commit one file text &&
	says 0 sync one && says 0 sync one &&
	git agbranch run one -- sh -c "echo dirt >>file" &&
	says 3 sync one --export-patch patch && json_is .blocked true
'

test_expect_success 'export' '
	says 0 export --from x --to brought box
'

test_expect_success 'repair, one and all; hooks; config' '
	says 0 repair one && says 0 repair --all &&
	says 0 hooks status && git agbranch hooks install && says 0 hooks status &&
	says 0 config && says 0 config agbranch.copy && says 0 config agbranch.private &&
	if git agbranch base show --json >out 2>err; then is_valid base; else is_valid error; fi
'

test_expect_success 'migrate' '
	says 0 migrate &&
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "INSERT INTO sessions (name, vm_name, lifecycle_state, created_at)
		VALUES (\"ancient\", \"agbranch-ancient\", \"closed\", \"2025-01-01T00:00:00Z\")" &&
	says 0 migrate && json_is ".sessions | length" 1
'

test_expect_success 'close, both ways; a blocked one is the object of sync; rescue' '
	says 0 close box --discard --yes &&
	expect_code 3 git agbranch close one --sync --yes --json && is_valid sync &&
	says 0 close one --discard --yes && json_is ".rescue_ref" refs/agbranch/rescue/one/1 &&
	says 0 rescue list && json_is length 1 &&
	says 0 rescue restore one/1 --branch saved &&
	git agbranch open two -q && says 0 close two --sync --yes &&
	says 0 close bare --discard --yes
'

test_expect_success 'an error with --json is one object, for every verb that names a session' '
	for verb in agent\ stop attach close export\ --from=a\ --to=b kill logs repair run\ --\ true shell show ssh start stop sync wait\ --for=exit watch; do
		case $verb in
		*" -- "*) set -- ${verb%% *} --json nobody -- true ;;
		*) set -- $verb --json nobody ;;
		esac &&
		expect_code 1 git agbranch "$@" && json_is ".error.code" 1 && json_is ".error.kind" user &&
		test "$(jq -s length out)" = 1 && cp out positional || return 1
		# The same by --session; `agent` has its word in front.
		case $verb in
		*" -- "*) set -- ${verb%% *} --json --session nobody -- true ;;
		*) set -- $verb --json --session nobody ;;
		esac &&
		expect_code 1 git agbranch "$@" && test_cmp positional out || return 1
	done &&
	expect_code 129 git agbranch show --json --nonsense && json_is .error.code 129 && is_valid error
'

test_done
