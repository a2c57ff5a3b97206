#!/bin/sh
test_description='gc: what goes, what stays, and a kill in between'
. ./t/lib/test-lib.sh

tool=$AGB_BUILD/t/tools/catalog-tool
state=$AGBRANCH_STATE_ROOT

sql () {
	sqlite3 "$state/state.db" "$1"
}

# closed NAME DAYS: a closed session with refs, logs and staging.
closed () {
	"$tool" insert "$1" "$repo/.git" closed &&
	sql "UPDATE sessions SET closed_at = strftime ('%Y-%m-%dT%H:%M:%SZ', 'now', '-$2 days') WHERE name = '$1'" &&
	things_of "$1"
}

things_of () {
	mkdir -p "$state/logs/$1" "$state/staging/$1" &&
	echo log >"$state/logs/$1/provision.log" &&
	echo bundle >"$state/staging/$1/1.bundle" &&
	git -C "$repo" update-ref "refs/agbranch/sync/$1/1" HEAD &&
	git -C "$repo" update-ref "refs/agbranch/rescue/$1/1" HEAD^ &&
	git -C "$repo" update-ref "refs/heads/agbranch/$1" HEAD
}

refs_of () {
	git -C "$repo" for-each-ref --format="%(refname)" "refs/agbranch/*/$1/*" | sed "s,refs/agbranch/,," | tr "\n" " "
}

test_expect_success 'set up' '
	make_repo repo && repo=$PWD/repo &&
	closed young 1 && closed middle 20 && closed old 200 &&
	"$tool" insert open "$repo/.git" && things_of open
'

test_expect_success 'nothing to do is fine' '
	AGBRANCH_STATE_ROOT=$PWD/none expect_code 0 git agbranch gc &&
	grep "^dropped 0 items and 0 rows" out
'

test_expect_success '--dry-run explains everything and changes nothing' '
	all_refs repo >before && find "$state" -type f ! -name "state.db*" | sort >files-before &&
	expect_code 0 git agbranch gc --dry-run &&
	grep "^would drop *refs/agbranch/rescue/middle/1: middle closed 20 days ago, kept for 14" out &&
	grep "^kept *refs/agbranch/sync/middle/1: " out &&
	grep "^would drop *$state/logs/old: " out &&
	grep "^kept *$state/logs/open: open is open" out &&
	expect_code 0 git agbranch gc -n --json &&
	jq -e "has (\"warnings\") and .dry_run" out &&
	jq -e "[.reclaimed_paths[] | select (endswith (\"/staging/old\"))] | length == 1" out &&
	jq -e ".reclaimed_refs | sort == [\"refs/agbranch/rescue/middle/1\", \"refs/agbranch/rescue/old/1\",
		\"refs/agbranch/sync/old/1\"]" out &&
	all_refs repo >after && find "$state" -type f ! -name "state.db*" | sort >files-after &&
	test_cmp before after && test_cmp files-before files-after &&
	test "$(sql "SELECT count (*) FROM sessions")" = 4
'

test_expect_success 'gc drops what is old enough, and nothing of an open session' '
	expect_code 0 git agbranch gc --json &&
	json_is .rows 1 &&
	test -z "$(refs_of old)" &&
	test "$(refs_of middle)" = "sync/middle/1 " &&
	test "$(refs_of young)" = "rescue/young/1 sync/young/1 " &&
	test "$(refs_of open)" = "rescue/open/1 sync/open/1 " &&
	test ! -e "$state/logs/old" && test ! -e "$state/staging/old" &&
	test -f "$state/logs/middle/provision.log" && test -f "$state/staging/open/1.bundle" &&
	test "$(sql "SELECT group_concat (name) FROM (SELECT name FROM sessions ORDER BY name)")" = middle,open,young &&
	git -C repo rev-parse -q --verify refs/heads/agbranch/old
'

test_expect_success 'a second gc drops nothing more' '
	expect_code 0 git agbranch gc --json &&
	json_is ".reclaimed_paths + .reclaimed_refs | length" 0 && json_is .rows 0 &&
	test "$(sql "SELECT count (*) FROM operations")" = 0
'

test_expect_success 'the days come from the settings' '
	git -C repo config agbranch.rescueDays 0 &&
	expect_code 0 git -C repo agbranch gc &&
	test "$(refs_of young)" = "sync/young/1 " &&
	git -C repo config agbranch.syncRefDays 100000 &&
	closed ancient 4000 &&
	expect_code 0 git -C repo agbranch gc &&
	test "$(refs_of ancient)" = "sync/ancient/1 " &&
	git -C repo config --unset agbranch.syncRefDays &&
	git -C repo config --unset agbranch.rescueDays
'

# What each kind is kept by, alone: everything else is kept for ever.
kept_for_ever () {
	for key in rescueDays syncRefDays logDays stagingDays closedDays eventDays syncRunDays; do
		git config --global "agbranch.$key" 100000 || return 1
	done
}
is_there () {
	case $1 in
	rescueDays) git -C repo rev-parse -q --verify refs/agbranch/rescue/each/1 >/dev/null ;;
	syncRefDays) git -C repo rev-parse -q --verify refs/agbranch/sync/each/1 >/dev/null ;;
	logDays) test -e "$state/logs/each" ;;
	stagingDays) test -e "$state/staging/each" ;;
	closedDays) test "$(sql "SELECT count (*) FROM sessions WHERE name = 'each'")" = 1 ;;
	eventDays) test "$(sql "SELECT count (*) FROM session_events WHERE session_name = 'each'")" = 1 ;;
	syncRunDays) test "$(sql "SELECT count (*) FROM sync_runs WHERE session_name = 'each'")" = 1 ;;
	esac
}
for key in rescueDays syncRefDays logDays stagingDays eventDays syncRunDays; do
	test_expect_success "agbranch.$key is for one kind, and counts in days" '
		key='$key' &&
		closed each 10 &&
		sql "INSERT INTO session_events (session_name, at, level, kind, message)
			VALUES ('\''each'\'', strftime ('\''%Y-%m-%dT%H:%M:%SZ'\'', '\''now'\'', '\''-10 days'\''), '\''info'\'', '\''opened'\'', '\''x'\'');
			INSERT INTO sync_runs (session_name, direction, result, started_at, finished_at)
			VALUES ('\''each'\'', '\''guest_to_host'\'', '\''synced'\'', strftime ('\''%Y-%m-%dT%H:%M:%SZ'\'', '\''now'\'', '\''-10 days'\''), strftime ('\''%Y-%m-%dT%H:%M:%SZ'\'', '\''now'\'', '\''-10 days'\''))" &&
		kept_for_ever && git config --global agbranch.$key 11 && expect_code 0 git -C repo agbranch gc &&
		for each in rescueDays syncRefDays logDays stagingDays closedDays eventDays syncRunDays; do
			is_there $each || fail "$each is gone before its days" || return 1
		done &&
		git config --global agbranch.$key 9 && expect_code 0 git -C repo agbranch gc &&
		for each in rescueDays syncRefDays logDays stagingDays closedDays eventDays syncRunDays; do
			if test $each = $key; then ! is_there $each; else is_there $each; fi || fail "$each, with agbranch.$key" || return 1
		done &&
		kept_for_ever && for each in rescueDays syncRefDays logDays stagingDays eventDays syncRunDays closedDays; do
			git config --global agbranch.$each 9 || return 1
		done &&
		expect_code 0 git -C repo agbranch gc && ! is_there closedDays && ! is_there rescueDays &&
		for each in rescueDays syncRefDays logDays stagingDays eventDays syncRunDays closedDays; do
			git config --global --unset agbranch.$each || return 1
		done && git -C repo update-ref -d refs/heads/agbranch/each
	'
done

test_expect_success 'refs of a session that the catalog does not know stay, with a warning' '
	git -C repo update-ref refs/agbranch/rescue/unknown/3 HEAD &&
	expect_code 0 git -C repo agbranch gc --json &&
	jq -e ".warnings | any (contains (\"rescue/unknown\"))" out &&
	test "$(refs_of unknown)" = "rescue/unknown/3 "
'

test_expect_success 'bundles of earlier syncs of an open session go, the last and unsolved ones stay' '
	mkdir -p "$state/staging/open" &&
	for n in a b c; do
		touch -d "100 days ago" "$state/staging/open/$n.bundle" || return 1
	done &&
	for pair in a:synced b:blocked c:synced; do
		"$tool" sync open "${pair#*:}" &&
		sql "UPDATE sync_runs SET staging_path = \"$state/staging/open/${pair%:*}.bundle\"
			WHERE id = (SELECT max (id) FROM sync_runs)" || return 1
	done &&
	expect_code 0 git agbranch gc &&
	test ! -e "$state/staging/open/a.bundle" &&
	test -e "$state/staging/open/b.bundle" && test -e "$state/staging/open/c.bundle"
'

test_expect_success 'left-overs of killed commands go once nobody can be using them' '
	mkdir -p repo/.git/agbranch/quarantine-abc123/pack &&
	echo x >"$state/state.json.A1b2C3" &&
	touch -d "2 hours ago" "$state/state.json.A1b2C3" &&
	echo x >"$state/fresh.json.A1b2C3" &&
	expect_code 0 git agbranch gc --json &&
	test ! -e repo/.git/agbranch/quarantine-abc123 &&
	test ! -e "$state/state.json.A1b2C3" && test -e "$state/fresh.json.A1b2C3" &&
	jq -e ".reclaimed_paths | length == 2" out
'

test_expect_success 'nothing is touched of a session whose last command was cut off' '
	closed cut 300 &&
	"$tool" journal open close begin "{}" &&
	touch -d "100 days ago" "$state/staging/open/c.bundle" "$state/staging/open/d.bundle" &&
	expect_code 0 git agbranch gc --dry-run &&
	grep "^kept *$state/staging/open: its last operation was cut off" out &&
	! grep "^would drop .*/staging/open" out &&
	"$tool" finish open
'

test_expect_success 'killed at any point, the next gc finishes' '
	closed k0 300 &&
	AGB_FAIL_LIST=$PWD/points git agbranch gc >/dev/null &&
	count=$(grep -c . points) && test "$count" -ge 4 &&
	n=1 &&
	while test "$n" -le "$count"; do
		closed "k$n" 300 &&
		{ AGB_FAIL_AT=$n:kill git agbranch gc >/dev/null 2>&1; true; } &&
		expect_code 0 git agbranch gc &&
		test -z "$(refs_of "k$n")" &&
		test ! -e "$state/logs/k$n" && test ! -e "$state/staging/k$n" &&
		test "$(sql "SELECT count (*) FROM operations")" = 0 &&
		repo_is_sound repo || return 1
		n=$((n + 1))
	done
'

test_expect_success 'a failure at any point is a warning or an error, never damage' '
	n=1 &&
	while test "$n" -le "$count"; do
		closed "f$n" 300 &&
		{ AGB_FAIL_AT=$n:error git agbranch gc >/dev/null 2>&1; true; } &&
		expect_code 0 git agbranch gc &&
		test -z "$(refs_of "f$n")" && test ! -e "$state/logs/f$n" &&
		test "$(sql "SELECT count (*) FROM operations")" = 0 || return 1
		n=$((n + 1))
	done
'

test_expect_success 'a repository that is gone is a warning' '
	closed gone 300 &&
	sql "UPDATE sessions SET git_common_dir = \"$PWD/nowhere/.git\" WHERE name = \"gone\"" &&
	expect_code 0 git agbranch gc --json &&
	jq -e ".warnings | any (contains (\"nowhere\"))" out
'

test_expect_success 'lock files of closed and unknown sessions go, those of open ones and our own stay' '
	mkdir -p "$state/locks" &&
	"$tool" insert shut "$repo/.git" closed &&
	touch "$state/locks/shut.lock" "$state/locks/open.lock" "$state/locks/nobody.lock" "$state/locks/base.lock" &&
	expect_code 0 git agbranch gc --dry-run && test -e "$state/locks/shut.lock" &&
	expect_code 0 git agbranch gc &&
	! test -e "$state/locks/shut.lock" && ! test -e "$state/locks/nobody.lock" &&
	test -e "$state/locks/open.lock" && test -e "$state/locks/base.lock"
'

test_expect_success 'a clone goes when no session is of it, it is old, and no work lies in it' '
	for name in used fresh work old; do
		git init -q --bare "$state/clones/$name-1.git" || return 1
	done &&
	mkdir "$state/clones/cut-1.git.4711" &&
	"$tool" insert of-clone "$state/clones/used-1.git" closed &&
	git --git-dir "$state/clones/work-1.git" fetch -q "$repo" HEAD:refs/heads/agbranch/x &&
	find "$state/clones" -exec touch -d "100 days ago" {} + && touch "$state/clones/fresh-1.git/FETCH_HEAD" &&
	expect_code 0 git agbranch gc &&
	test "$(ls "$state/clones")" = "$(printf "fresh-1.git\nused-1.git\nwork-1.git")"
'

test_expect_success 'temporary folders of dead exports go, those of living ones stay' '
	mkdir -p "$state/copies" away/.agbranch-copy.aaaaaa/x away/.agbranch-copy.bbbbbb away/precious &&
	echo "1 1 -" >"$state/copies/aaaaaa" && echo "$PWD/away/.agbranch-copy.aaaaaa" >>"$state/copies/aaaaaa" &&
	printf "%s %s %s\n%s" $$ "$(cut -d" " -f22 /proc/$$/stat)" "$(cat /proc/sys/kernel/random/boot_id)" \
		"$PWD/away/.agbranch-copy.bbbbbb" >"$state/copies/bbbbbb" &&
	printf "1 1 -\n%s" "$PWD/away/precious" >"$state/copies/cccccc" &&
	sed -i "s/-\$/$(cat /proc/sys/kernel/random/boot_id)/" "$state/copies/aaaaaa" "$state/copies/cccccc" &&
	truncate -s -1 "$state/copies/aaaaaa" &&
	expect_code 0 git agbranch gc &&
	! test -e away/.agbranch-copy.aaaaaa && ! test -e "$state/copies/aaaaaa" &&
	test -d away/.agbranch-copy.bbbbbb && test -e "$state/copies/bbbbbb" && test -d away/precious
'

test_expect_success 'numbers of sync and rescue refs go on after gc and after close and reopen' '
	repo_two=$PWD/two && make_repo two && cd two &&
	change () {
		git agbranch run n -- sh -c "echo $1 >>file && git commit -qam $1"
	} &&
	git agbranch open n -q && change a && git agbranch sync n -q && change b && git agbranch sync n -q &&
	change c && git agbranch close n --discard --yes -q &&
	test "$(git for-each-ref --format="%(refname)" refs/agbranch/sync/n refs/agbranch/rescue/n | tr "\n" " ")" = \
		"refs/agbranch/rescue/n/1 refs/agbranch/sync/n/1 refs/agbranch/sync/n/2 " &&
	sql "UPDATE sessions SET closed_at = strftime ('\''%Y-%m-%dT%H:%M:%SZ'\'', '\''now'\'', '\''-300 days'\'') WHERE name = '\''n'\''" &&
	expect_code 0 git agbranch gc &&
	test -z "$(git for-each-ref refs/agbranch)" &&
	sql "DELETE FROM sessions WHERE name = '\''n'\''" &&
	git merge -q agbranch/n && git branch -q -d agbranch/n &&
	git agbranch open n -q && change d && git agbranch sync n -q && change e &&
	git agbranch close n --discard --yes -q &&
	test "$(git for-each-ref --format="%(refname)" refs/agbranch/sync/n refs/agbranch/rescue/n | tr "\n" " ")" = \
		"refs/agbranch/rescue/n/2 refs/agbranch/sync/n/3 " &&
	cd ..
'

test_expect_success 'a runtime that does not work here is no business of gc' '
	mkdir broken && printf "#!/bin/sh\necho no namespaces >&2\nexit 1\n" >broken/bwrap && chmod +x broken/bwrap &&
	expect_code 0 env PATH="$(pwd)/broken:$PATH" git agbranch gc && ! grep "no namespaces" err
'

test_expect_success 'an orphaned guest is a warning, and is left alone' '
	"$AGB_BUILD/t/tools/guest-tool" create stray &&
	expect_code 0 git agbranch gc --json &&
	jq -e ".warnings | any (contains (\"agbranch-stray\") and contains (\"repair --all\"))" out &&
	"$AGB_BUILD/t/tools/guest-tool" status stray && "$AGB_BUILD/t/tools/guest-tool" destroy stray stray.1
'

test_done
