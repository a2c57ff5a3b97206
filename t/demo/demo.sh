#!/bin/sh
# demo.sh BUILD: from a failing test to a reviewed branch, on a project made for the occasion.
#
# Everything is in a temporary folder, also the state root; it is gone afterwards, whatever ends the
# demo.  Needs no terminal and no settings of the user.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-build}
case $build in /*) ;; *) build=$top/$build ;; esac

work=$(mktemp -d "${TMPDIR:-/tmp}/agbdemo.XXXXXX")
chmod 755 "$work"
session=fix-median

clean_up () {
	trap '' INT TERM HUP
	trap - EXIT
	cd /
	for name in $(git agbranch ps -q 2>/dev/null); do
		git agbranch kill --force "$name" >/dev/null 2>&1 || :
		git agbranch -C "$work/tally" close "$name" --discard --yes >/dev/null 2>&1 || :
	done
	rm -rf "$work"
}
finish () {
	status=$?
	clean_up
	test "$status" = 0 || printf '\ndemo: failed (%s); nothing is left of it\n' "$status" >&2
	exit "$status"
}
stopped () {
	clean_up
	printf '\ndemo: stopped; nothing is left of it\n' >&2
	trap - "$1"
	kill -s "$1" $$
}
trap finish EXIT
trap 'stopped INT' INT
trap 'stopped TERM' TERM
trap 'stopped HUP' HUP

# Nothing of the caller's git settings may decide how the demo goes.
for name in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\|AGBRANCH_[A-Z0-9_]*\)=.*/\1/p'); do
	unset "$name"
done
export AGBRANCH_STATE_ROOT="$work/state" GIT_CONFIG_GLOBAL="$work/gitconfig" GIT_CONFIG_NOSYSTEM=1 \
	GIT_PAGER=cat PATH="$build/bin:$PATH"
git config --global user.name 'Dana Developer'
git config --global user.email dana@example.com
git config --global agbranch.runtime "${AGB_DEMO_RUNTIME:-bwrap}"
git config --global advice.detachedHead false

bold='' green='' dim='' plain='' colour=never
if test -t 1 && test -z "${NO_COLOR:-}" && test "${TERM:-dumb}" != dumb; then
	bold=$(printf '\033[1m') green=$(printf '\033[32m') dim=$(printf '\033[2m')
	plain=$(printf '\033[0m') colour=always
fi
git config --global color.ui "$colour"

number=0
phase () {
	number=$((number + 1))
	printf '\n%s%s. %s%s\n' "$bold$green" "$number" "$*" "$plain"
	# Time to read along, for those who watch.
	if test -t 1 && test -z "${AGB_DEMO_FAST:-}"; then
		sleep 1
	fi
}
note () {
	printf '%s   %s%s\n' "$dim" "$*" "$plain"
}
# say_command WORD...: as it would be typed.
say_command () {
	line=
	for word; do
		case $word in
		*[!A-Za-z0-9_./:=,@%+-]*) line="$line '$word'" ;;
		*) line="$line $word" ;;
		esac
	done
	printf '%s   $%s%s\n' "$bold" "$line" "$plain"
}
# show COMMAND...: the command, then what it says, indented.  Its progress goes to the terminal as it is,
# and is left out elsewhere.
show () {
	say_command "$@"
	if test -t 2; then
		"$@" >"$work/shown" && good=0 || good=$?
	else
		"$@" >"$work/shown" 2>"$work/progress" && good=0 || good=$?
		grep -E '^(note|warning|fatal|error|hint):' "$work/progress" | sed 's/^/     /' || :
	fi
	sed 's/^/     /' "$work/shown"
	return "$good"
}
# What must not change: HEAD, refs outside agbranch, index, and every file of the work tree.
fingerprint () {
	git rev-parse HEAD
	git for-each-ref --format='%(refname) %(objectname)' | grep -v agbranch/
	git ls-files -s
	git status --porcelain
	find . -path ./.git -prune -o -type f -exec cksum {} + | sort
}

printf '%sgit agbranch: from a failing test to a branch to review%s\n' "$bold" "$plain"

phase 'A C project with a failing test'
"$top/t/demo/make-project.sh" "$work/tally"
cd "$work/tally"
show git log --oneline
make -s test >"$work/before" 2>&1 && { cat "$work/before"; exit 1; }
make -s clean
grep -A 1 '^not ok' "$work/before" | sed 's/^/     /'
echo 'buy milk' >notes.txt
note 'notes.txt, not committed, is work of ours that nobody may touch.'
fingerprint >"$work/fingerprint"

phase 'A session: a sandbox with a clone of the project'
show git agbranch open "$session"
show git agbranch ps

phase 'The agent works in there'
note 'it sees the clone, not this machine:'
printf '%s   $ %s%s\n' "$bold" "git agbranch run $session -- sh -s <t/demo/agent.sh" "$plain"
{ git agbranch run "$session" -- sh -s <"$top/t/demo/agent.sh" 2>&1 || echo failed >"$work/failed"; } |
	sed 's/^/     /'
test ! -e "$work/failed"

phase 'Its commits come out through the gate'
show git agbranch sync "$session"

phase 'What there is to review'
show git log --format='%h %an: %s' "main..agbranch/$session"
show git diff --stat "main...agbranch/$session"
show git diff "main...agbranch/$session" -- stats.c

phase 'The tests of the branch, in a fresh sandbox'
note 'code of an agent is never run on the host, not even its tests:'
show git agbranch open check-it --base "agbranch/$session"
show git agbranch run check-it -- make -s test
show git agbranch close check-it --discard --yes

phase 'The session is closed, the branch stays'
show git agbranch close "$session" --sync --yes
show git agbranch ps
test -z "$(git agbranch ps -q)"
show git branch --list

phase 'Our own work tree was never touched'
fingerprint >"$work/fingerprint.after"
cmp "$work/fingerprint" "$work/fingerprint.after"
show git status --short --branch
note 'HEAD, index and every file are as they were before.'
printf '\n%sTo go on: git merge agbranch/%s, or git agbranch help tutorial.%s\n' "$bold" "$session" "$plain"
