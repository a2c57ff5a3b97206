# For t2xxx: the gate driven by gate-tool, without a guest.  Sourced after test-lib.sh.

GATE_TOOL=$AGB_BUILD/t/tools/gate-tool

# gate_repos: `host` with a session s at BASE, and its clone `guest`.
gate_repos () {
	make_repo host &&
	BASE=$(git -C host rev-parse HEAD) &&
	git -C host update-ref refs/agbranch/sessions/s/base "$BASE" &&
	git -C host update-ref refs/agbranch/sessions/s/head "$BASE" &&
	git clone -q host guest
}

# guest_head: the tip in the guest.
guest_head () {
	git -C guest rev-parse HEAD
}

# guest_pack NEW NOT…: a thin pack as the guest makes it, to stdout.
guest_pack () {
	new=$1
	shift
	{
		printf "%s\n" "$new"
		printf "^%s\n" "$@"
	} | git -C guest pack-objects --revs --thin --delta-base-offset --stdout -q
}

# gate ARGS…: gate-tool in the host's repository; stdin is the stream.
gate () {
	(cd host && "$GATE_TOOL" "$@")
}

# gate_sync OLD NEW [STOP]: what the guest has between the two goes through the gate.
gate_sync () {
	guest_pack "$2" "$1" >stream && gate sync "$BASE" "$1" "$2" ../staged $3 <stream
}
