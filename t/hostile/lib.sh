# The hostile corpus: each case is a guest that sends something; the gate refuses with exit 9 and the
# reason, and the host is as before.  Sourced by t2100-hostile.sh after lib/gate.sh.
#
#   hostile NAME REASON SCRIPT
#
# SCRIPT runs in the folder above host and guest (a fresh clone).  It sets NEW to what the guest claims
# as its tip, and may write the stream itself; otherwise all objects that are new in the guest are sent.
# REASON is a pattern that the message must match.  GATE_OPTIONS="key=value …" are settings for one
# case.  A case of which git itself already complains in fsck, should it pass, is found by the checks.

HOSTILE=$TEST_TOP/t/hostile

# Programs that no guest may start: hooks, filters, drivers, monitors of the host.
plant_canaries () {
	mkdir canary.bin canary.hooks host/.git/agbranch &&
	cat >canary.bin/canary <<-EOF &&
	#!/bin/sh
	echo "\$0 \$*" >>"$PWD/canary.sang"
	EOF
	chmod +x canary.bin/canary &&
	for hook in pre-receive update post-receive post-update post-checkout post-merge pre-auto-gc \
		reference-transaction fsmonitor-watchman; do
		cp canary.bin/canary canary.hooks/$hook || return 1
	done &&
	canary=$PWD/canary.bin/canary &&
	git -C host config core.hooksPath "$PWD/canary.hooks" &&
	git -C host config core.fsmonitor "$canary" &&
	git -C host config filter.evil.clean "$canary" &&
	git -C host config filter.evil.smudge "$canary" &&
	git -C host config filter.evil.process "$canary" &&
	git -C host config diff.evil.textconv "$canary" &&
	git -C host config diff.evil.command "$canary" &&
	git -C host config merge.evil.driver "$canary" &&
	git -C host config diff.external "$canary" &&
	git -C host config core.sshCommand "$canary" &&
	git -C host config core.editor "$canary" &&
	git -C host config core.pager "$canary" &&
	git -C host config remote.origin.url "ext::$canary" &&
	git -C host config protocol.ext.allow always
}

# Everything that must stay as it is: all files of the host's repository and work tree but for our own
# folder in it, and of the home.
snapshot () {
	find host "$HOME" -path host/.git/agbranch -prune -o -printf '%p %y %m %s %T@ %i %l\n' | LC_ALL=C sort
}

# fresh_guest: a clone that borrows the host's objects, so that what is new is loose in it.
fresh_guest () {
	rm -rf guest &&
	git init -q guest &&
	echo "$PWD/host/.git/objects" >guest/.git/objects/info/alternates &&
	git -C guest update-ref refs/heads/main "$BASE" &&
	git -C guest reset -q --hard
}

g () {
	git -C guest "$@"
}

# Makers of objects; each prints the object's name.
blob () {
	printf "$1" | g hash-object -w --stdin
}
tree () {
	perl "$HOSTILE/raw-tree.pl" "$@" | g hash-object -w -t tree --literally --stdin
}
commit () {
	g commit-tree -m "$1" -p "${3:-$BASE}" "$2"
}
raw_commit () {
	printf "$1" | g hash-object -w -t commit --literally --stdin
}
raw_pack () {
	perl "$HOSTILE/raw-pack.pl" "$@"
}

# one_entry MODE NAME OID: a commit whose tree is that of BASE with this entry first.
one_entry () {
	commit one "$(tree "$@" 100644 zz "$(blob zz)")"
}

# link TARGET [PATH]: a commit with a symbolic link, from the index as an agent would make it.
link () {
	oid=$(blob "$1") &&
	g update-index --add --cacheinfo "120000,$oid,${2:-link}" &&
	commit link "$(g write-tree)"
}

# gitmodules TEXT: a commit with this .gitmodules and the submodule at "sub-module".
gitmodules () {
	oid=$(blob "$1") &&
	g update-index --add --cacheinfo "100644,$oid,.gitmodules" \
		--cacheinfo "160000,$BASE,${2:-sub-module}" &&
	commit modules "$(g write-tree)"
}

# All loose objects of the guest as one pack.
pack_loose () {
	(
		cd guest/.git/objects &&
		find ?? -type f | sed "s,/,," |
			git pack-objects --stdout -q
	)
}

hostile_run () {
	reason=$1 script=$2
	fresh_guest && rm -f stream staged && NEW= GATE_OPTIONS= &&
	eval "$script" &&
	{ test -f stream || test -p stream || pack_loose >stream; } &&
	snapshot >before &&
	status=0 &&
	(
		cd host &&
		count=0 &&
		for option in $GATE_OPTIONS; do
			export "GIT_CONFIG_KEY_$count=${option%%=*}" "GIT_CONFIG_VALUE_$count=${option#*=}" &&
			count=$((count + 1)) || exit 1
		done &&
		export GIT_CONFIG_COUNT=$count &&
		exec timeout 20 "$GATE_TOOL" sync "$BASE" "$BASE" "${NEW:-$BASE}" ../staged <../stream
	) >out 2>err || status=$?
	sed "s/^/  /" err
	test "$status" -eq 9 || fail "exit $status, not 9" || return 1
	grep "^fatal: refused: " err | grep -q -- "$reason" || fail "not the reason '$reason'" || return 1
	snapshot >after &&
	test_cmp before after || return 1
	test ! -e canary.sang || fail "a program ran: $(cat canary.sang)" || return 1
	test -z "$(ls -d host/.git/agbranch/quarantine-* staged.* 2>/dev/null)" || fail "left behind" || return 1
	git -C host fsck --strict --no-dangling >fsck.out 2>&1 || { cat fsck.out; fail fsck; return 1; }
	test ! -e staged || git -C host bundle verify -q ../staged
}

hostile () {
	hostile_reason=$2 hostile_script=$3
	test_expect_success "$1" 'hostile_run "$hostile_reason" "$hostile_script"'
}
