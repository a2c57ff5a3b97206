#!/bin/sh
test_description='submodules: gc that is killed or fails while it drops what was saved, close while it saves'
. ./t/lib/test-lib.sh
requires strace
strace -o /dev/null true 2>/dev/null || {
	skip_all='strace may not trace here'
	test_done
}
. "$TEST_TOP/t/lib/faults.sh"

git config --global protocol.file.allow always
TOP=$(pwd -P)
modules=$TOP/outer/.git/modules

# each_folder COMMAND…: with one repository after the other as its last argument.
each_folder () {
	for folder in "$TOP/outer" "$modules/lib" "$modules/lib/modules/deep" "$modules/other"; do
		"$@" "$folder" || return 1
	done
}

# agent_work SESSION: a commit in each submodule, and one that is not synced in the session itself.
agent_work () {
	git agbranch run "$1" -- sh -c "
		for dir in lib/deep lib other .; do
			echo $1 >>\$dir/file && git -C \$dir add . && git -C \$dir commit -qm $1 || exit 1
		done"
}

saved_in () {
	git -C "$2" for-each-ref --format="%(refname) %(objectname)" "refs/agbranch/rescue/$1/"
}
saved () {
	each_folder saved_in "$1"
}

test_expect_success 'set up: two closed sessions, the first of long ago; both have saved work in each submodule' '
	make_repo deepest && make_repo inner && git -C inner submodule --quiet add "$TOP/deepest" deep && git -C inner commit -qm deep &&
	make_repo outmost && make_repo outer && git -C outer submodule --quiet add "$TOP/inner" lib && git -C outer submodule --quiet add "$TOP/outmost" other &&
	git -C outer commit -qm modules && git -C outer submodule --quiet update --init --recursive && cd outer &&
	git config agbranch.closedDays 100000 && git config --global agbranch.rescueDays 30 &&
	for name in old young; do
		git agbranch open $name -q && agent_work $name && git agbranch close $name --discard --yes -q || return 1
	done &&
	db "UPDATE sessions SET closed_at = '\''2020-01-01T00:00:00.000000Z'\'' WHERE name = '\''old'\''" &&
	saved old >../old && test "$(wc -l <../old)" = 4 && saved young >../young && test "$(wc -l <../young)" = 4
'

# Three refs each, one of them packed, so that a transaction can be cut in two.
old_refs_in () {
	for last in 1 2 3; do
		git -C "$1" update-ref "refs/agbranch/rescue/old/$last" "$(git -C "$1" rev-parse HEAD)" || return 1
		test "$last" != 1 || git -C "$1" pack-refs --all || return 1
	done
}
faults_prepare () {
	each_folder old_refs_in
}
faults_command () {
	git agbranch gc -q
}
# What had to stay is there, nothing is left in the way of git, and the next gc drops all that has to go.
free_in () {
	repo_is_sound "$1" && git -C "$1" update-ref refs/heads/mine HEAD && git -C "$1" pack-refs --all &&
	git -C "$1" update-ref -d refs/heads/mine
}
faults_check () {
	saved young >../now && test_cmp ../young ../now &&
	git agbranch gc -q && saved old >../now && test_must_be_empty ../now &&
	saved young >../now && test_cmp ../young ../now && each_folder free_in
}

test_expect_success 'killed or failing at each of its fault points' '
	faults_count && grep "refs: move" ../points && test "$(grep -c "refs: move" ../points)" = 4 &&
	faults_each 8 "kill error" 0
'

# A git of its own that a system call ends, and with it the program that has started it: a power cut.
test_expect_success 'set up: a git that dies with its parent' '
	real=$(command -v git) && mkdir ../bin &&
	cat >../bin/git <<-EOF &&
	#!/bin/sh
	case " \$* " in
	*" update-ref "*) ;;
	*) exec "$real" "\$@" ;;
	esac
	echo x >>"$TOP/count"
	test "\$(wc -l <"$TOP/count")" = "\$DIE_IN" || exec "$real" "\$@"
	strace -o /dev/null -e trace="\${DIE_AT%%:*}" -e inject="\$DIE_AT" "$real" "\$@"
	kill -KILL \$PPID
	EOF
	chmod +x ../bin/git
'

# dies CODE TRANSACTION CALL:N COMMAND…: in the Nth CALL of its TRANSACTIONth git update-ref.
dies () {
	rm -f ../count
	( PATH=$TOP/bin:$PATH DIE_IN=$2 DIE_AT=${3%:*}:signal=KILL:when=${3#*:} && export PATH DIE_IN DIE_AT && shift 3 && "$@" ) >../out 2>../err
	test "$?" = "$1" || { cat ../err >&2; return 1; }
}

test_expect_success 'gc: killed with its git in the middle of a transaction' '
	for at in 1:rename:1 2:unlink:1 4:rename:2; do
		faults_prepare && dies 137 "${at%%:*}" "${at#*:}" git-agbranch gc -q &&
		git agbranch repair --all -q >/dev/null && faults_check || { echo "at $at" >&2; return 1; }
	done
'

test_expect_success 'close: killed with its git while it saves; repair leaves nothing in the submodule' '
	for at in 1:rename:1 2:unlink:1; do
		git agbranch open old -q && agent_work old && dies 137 "${at%%:*}" "${at#*:}" git-agbranch close old --discard --yes -q &&
		git agbranch repair --all -q >/dev/null && each_folder repo_is_sound &&
		git agbranch close old --discard --yes -q && each_folder free_in &&
		for dir in . lib lib/deep other; do
			git -C "$dir" log --all --format=%s >../subjects && grep -x old ../subjects || return 1
		done && faults_prepare && db "UPDATE sessions SET closed_at = '\''2020-01-01T00:00:00.000000Z'\'' WHERE name = '\''old'\''" && faults_check || { echo "at $at" >&2; return 1; }
	done && no_process_left
'

test_done
