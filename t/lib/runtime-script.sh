# For the scripts about .agbranch/runtime.sh.  Sourced after test-lib.sh.

# script_commit DIR TEXT: that as the executable script, committed; $digest is what allows it.
script_commit () {
	mkdir -p "$1/.agbranch" &&
	printf '%s\n' "$2" >"$1/.agbranch/runtime.sh" &&
	chmod +x "$1/.agbranch/runtime.sh" &&
	git -C "$1" add .agbranch && git -C "$1" commit -qm 'runtime script' &&
	digest=sha256:$(git -C "$1" show HEAD:.agbranch/runtime.sh | sha256sum | cut -d' ' -f1)
}
allow () {
	git -C "$1" config --add agbranch.allowedScript "$digest"
}
# agent_said SESSION TEXT
agent_said () {
	git agbranch logs "$1" --source=guest >said 2>/dev/null && grep -q -- "$2" said
}
events () {
	git agbranch logs "$1" --json | jq -r '.[].kind' >kinds
}
close_all () {
	for name; do
		git agbranch close "$name" --discard --yes -q >/dev/null || return 1
	done
}
show_all='echo "marker=$MARKER extra=$EXTRA at=$PWD"; exec cat'
