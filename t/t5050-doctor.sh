#!/bin/sh
test_description='doctor: what is wrong, and the command that puts it right'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/catalog-tool

sql () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$1"
}

# found CHECK LEVEL TEXT: there is such a finding in `out`.
found () {
	jq -e --arg check "$1" --arg level "$2" --arg text "$3" \
		"any (.checks[]; .check == \$check and .level == \$level and (.message | contains (\$text)))" \
		out >/dev/null || fail "no $2 of $1 with $3 in $(cat out)"
}

# Each finding that is none of the good ones says what to do.
each_has_a_fix () {
	jq -r ".checks[] | select (.level != \"ok\" and (.fix == null or .fix == \"\")) | \"\(.check): \(.message)\"" out >without &&
	test_must_be_empty without
}

test_expect_success 'a fresh machine is in order, and nothing is made' '
	expect_code 0 git agbranch doctor --json && each_has_a_fix &&
	json_is .ok true && json_is .platform linux && json_is .state_root "$AGBRANCH_STATE_ROOT" &&
	jq -e "has (\"lima_version\") and (.messages | type == \"array\") and has (\"prepared_base\")
		and (.provider_config_paths | type == \"array\")" out &&
	found git ok "git 2" && found runtime ok bwrap &&
	test ! -e "$AGBRANCH_STATE_ROOT"
'

test_expect_success 'the last line for people names the state root' '
	expect_code 0 git agbranch doctor &&
	test "$(tail -n 1 out)" = "state root: $AGBRANCH_STATE_ROOT"
'

test_expect_success 'a session that is as it should be' '
	make_repo repo &&
	git -C repo agbranch open one -q &&
	expect_code 0 git agbranch doctor --json && each_has_a_fix &&
	json_is ".messages | length" 0
'

test_expect_success 'refs that are gone, with the repair' '
	oid=$(git -C repo rev-parse refs/agbranch/sessions/one/head) &&
	git -C repo update-ref -d refs/agbranch/sessions/one/head &&
	expect_code 1 git agbranch doctor --json && each_has_a_fix &&
	json_is .ok false &&
	found refs problem "refs/agbranch/sessions/one/head" &&
	jq -e "any (.checks[]; .fix == \"git agbranch repair one\")" out &&
	git -C repo update-ref refs/agbranch/sessions/one/head "$oid"
'

test_expect_success 'refs that no session knows' '
	git -C repo update-ref refs/agbranch/sessions/unknown/base HEAD &&
	expect_code 1 git agbranch doctor --json && each_has_a_fix &&
	found refs problem unknown &&
	git -C repo update-ref -d refs/agbranch/sessions/unknown/base &&
	expect_code 0 git agbranch doctor
'

test_expect_success 'a guest without a session' '
	sql ".dump sessions" | grep "^INSERT" >saved.sql &&
	sql "DELETE FROM sessions" &&
	expect_code 1 git -C repo agbranch doctor --json && each_has_a_fix &&
	jq -e "any (.messages[]; startswith (\"orphaned sandboxes: agbranch-one\"))" out &&
	found refs problem "which the catalog does not know" &&
	expect_code 1 git agbranch doctor &&
	grep "^problem  *orphans  *orphaned sandboxes: agbranch-one$" out &&
	grep "fix: git agbranch repair --all" out
'

test_expect_success 'a session without its guest' '
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" <saved.sql &&
	expect_code 0 git agbranch doctor &&
	"$tool" insert lost "$PWD/repo/.git" &&
	sql "UPDATE sessions SET runtime = \"bwrap\" WHERE name = \"lost\"" &&
	expect_code 1 git agbranch doctor --json && each_has_a_fix &&
	found guests problem "(running) has no guest" &&
	sql "DELETE FROM sessions WHERE name = \"lost\""
'

test_expect_success 'a mark of a lock that nobody holds' '
	sql "UPDATE sessions SET lock_owner_pid = 99999, lock_operation = \"sync\" WHERE name = \"one\"" &&
	expect_code 0 git agbranch doctor --json && each_has_a_fix &&
	found locks warning 99999 &&
	sql "UPDATE sessions SET lock_owner_pid = NULL, lock_operation = NULL"
'

test_expect_success 'a command that was cut off' '
	"$tool" journal one sync refs "{}" &&
	expect_code 1 git agbranch doctor --json && each_has_a_fix &&
	found operations problem "sync of session" &&
	"$tool" finish one
'

test_expect_success 'left-overs of killed commands are warnings for gc' '
	mkdir -p repo/.git/agbranch/quarantine-x &&
	echo x >"$AGBRANCH_STATE_ROOT/a.json.A1b2C3" &&
	touch -d "2 hours ago" "$AGBRANCH_STATE_ROOT/a.json.A1b2C3" &&
	expect_code 0 git agbranch doctor --json && each_has_a_fix &&
	found quarantine warning quarantine-x && found temporary warning A1b2C3 &&
	git agbranch gc -q >/dev/null &&
	expect_code 0 git agbranch doctor --json && each_has_a_fix &&
	json_is ".messages | length" 0
'

test_expect_success 'a state root that others can read' '
	chmod 755 "$AGBRANCH_STATE_ROOT" &&
	expect_code 1 git agbranch doctor --json && each_has_a_fix &&
	found state-root problem "open to others" &&
	chmod 700 "$AGBRANCH_STATE_ROOT"
'

test_expect_success 'missing tools are named' '
	mkdir -p bin &&
	for program in sh git; do
		ln -sf "$(command -v $program)" bin/ || return 1
	done &&
	expect_code 1 env PATH="$PWD/bin" "$AGB_BUILD/bin/git-agbranch" doctor --json && each_has_a_fix &&
	found bwrap problem "bwrap cannot be run" && found tmux problem tmux && found slirp4netns warning slirp &&
	found agents note "no agent program is in PATH" &&
	printf "#!/bin/sh\n" >bin/claude && chmod 755 bin/claude && ln -sf claude bin/codex &&
	expect_code 1 env PATH="$PWD/bin" "$AGB_BUILD/bin/git-agbranch" doctor --json && each_has_a_fix &&
	found agents ok "agents in PATH: claude, codex" &&
	rm bin/claude bin/codex
'

test_expect_success 'a git that is too old, a limactl that is too old' '
	cat >bin/limactl <<-\EOF &&
	#!/bin/sh
	echo limactl version 1.0.3
	EOF
	chmod +x bin/limactl &&
	expect_code 0 env PATH="$PWD/bin:$PATH" "$AGB_BUILD/bin/git-agbranch" doctor --json && each_has_a_fix &&
	json_is .lima_version 1.0.3 && found lima warning "too old" &&
	rm bin/limactl bin/git &&
	cat >bin/git <<-EOF &&
	#!/bin/sh
	test "\$1" = --version && echo git version 2.20.1 && exit
	exec $(command -v git) "\$@"
	EOF
	chmod +x bin/git &&
	expect_code 1 env PATH="$PWD/bin:$PATH" "$AGB_BUILD/bin/git-agbranch" doctor --json && each_has_a_fix &&
	found git problem "2.20.1 is too old"
'

test_expect_success 'a catalog that is damaged' '
	git agbranch close one --discard --yes -q &&
	rm -f "$AGBRANCH_STATE_ROOT"/state.db* &&
	printf "%8192s" "no database" >"$AGBRANCH_STATE_ROOT/state.db" &&
	expect_code 1 git agbranch doctor --json && each_has_a_fix &&
	json_is .ok false &&
	jq -e "any (.checks[]; .check == \"catalog\" and .level == \"problem\" and (.fix | contains (\"repair\")))" out
'

test_done
