# For t342x: damage and its repair.  Sourced after test-lib.sh.

db () {
	sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "$@"
}

# in_synced_repo: in a repository with session one, whose commit is on the review branch.
in_synced_repo () {
	make_repo repo &&
	cd repo &&
	git agbranch open one -q &&
	agent_commit one file text &&
	git agbranch sync one -q
}

# repaired SESSION ACTION: `repair --all` did that for the session, a second one does nothing, doctor is
# content, and the session works.
repaired () {
	expect_code 0 git agbranch repair --all --json -q &&
	json_is ".[] | select(.session == \"$1\") | .action" "$2" &&
	expect_code 0 git agbranch repair --all --json -q &&
	json_is "map(.action) | unique | join(\",\")" noop &&
	expect_code 0 git agbranch doctor --json -q &&
	json_is ".messages | length" 0 &&
	agent_commit "$1" file "after $2" &&
	git agbranch sync "$1" -q >/dev/null &&
	test "$(git rev-parse "agbranch/$1")" = "$(git agbranch run "$1" -- git rev-parse HEAD)" &&
	repo_is_sound .
}
