# A stand-in for limactl, for what a real one does not do when asked to: hang, print half of its JSON, die
# in the middle; and for what needs no machine.  Sourced after test-lib.sh by an ordinary user.
#
# Its good side: instances are folders.  FAKE is the word of a fault and its command ("hang:list").

bin=$TEST_TMP/bin
mkdir -p "$bin"
git config --global agbranch.runtime lima
git config --global agbranch.memory 1GiB
PATH=$bin:$PATH
# The process of each machine that "runs" is this script.
FAKE_PID=$$
export FAKE FAKE_VERSION FAKE_PID LIMA_HOME

cat >"$TEST_TMP/limactl" <<'END'
#!/bin/sh
test "$1" != --tty=false || shift
echo "$*" >>"$HOME/limactl.calls"
if test "${FAKE#*:}" = "$1"; then
	case ${FAKE%%:*} in
	hang) exec sleep 600 ;;
	die) kill -KILL $$ ;;
	half) printf '{"name":"agbranch-base-linux","sta'; exit 0 ;;
	list) echo '["not", "an", "instance"]'; exit 0 ;;
	events) exec cat "$HOME/events" ;;
	huge) exec yes '{"name":"x","status":"Stopped"}' ;;
	fail) echo 'time="2026-01-01T00:00:00Z" level=fatal msg="no \"space\" left\x1b[31m"' >&2; exit 1 ;;
	esac
fi
case $1 in
--version) echo "limactl version ${FAKE_VERSION:-2.2.0}" ;;
list)
	for file in "$LIMA_HOME"/[a-z]*/lima.yaml; do
		test -f "$file" || continue
		dir=${file%/lima.yaml}
		printf '{"name":"%s","status":"%s","dir":"%s","vmType":"qemu","arch":"x86_64","cpus":2,"memory":1073741824,"disk":32212254720,"protected":true,"config":{}}\n' \
			"${dir##*/}" "$(cat "$dir/status" 2>/dev/null || echo Stopped)" "$dir"
	done
	;;
create)
	name=${2#--name=}
	mkdir -p "$LIMA_HOME/$name"
	: >"$LIMA_HOME/$name/lima.yaml"
	qemu-img create -q -f qcow2 "$LIMA_HOME/$name/disk" 64M 2>/dev/null || : >"$LIMA_HOME/$name/disk"
	;;
start) for name; do :; done; : >"$LIMA_HOME/$name/ssh.config"; echo "$FAKE_PID" >"$LIMA_HOME/$name/ha.pid" ;;
stop) for name; do :; done; rm -f "$LIMA_HOME/$name/ha.pid" ;;
delete) rm -rf "$LIMA_HOME/$3" ;;
clone) cp -R "$LIMA_HOME/$2" "$LIMA_HOME/$3" ;;
rename) mv "$LIMA_HOME/$2" "$LIMA_HOME/$3" ;;
snapshot) test "$2" != list || echo warm ;;
esac
exit 0
END
chmod +x "$TEST_TMP/limactl"

# lima_home NAME: a folder of its own for Lima, with a stand-in that is asked for its version anew.
lima_home () {
	LIMA_HOME=$TEST_TMP/l/$1
	mkdir -p "$LIMA_HOME"
	cp "$TEST_TMP/limactl" "$bin/limactl"
	FAKE= FAKE_VERSION=
}

# record KEY VALUE…: the record of the default base, as if it was prepared.
record () {
	mkdir -p "$LIMA_HOME/_agbranch/bases" "$LIMA_HOME/_agbranch/images" "$LIMA_HOME/agbranch-base-linux"
	: >"$LIMA_HOME/agbranch-base-linux/lima.yaml"
	: >"$LIMA_HOME/agbranch-base-linux/disk"
	printf 12345 >"$LIMA_HOME/_agbranch/images/one.qcow2"
	fingerprint=$(git agbranch base show --json | jq -r .provision_fingerprint) &&
	jq -n --arg f "$fingerprint" '{name: "agbranch-base-linux", state: "prepared", flavour: "full",
		fingerprint: $f, image: "one.qcow2", image_bytes: 5, api: 1} + ($ARGS.named.more // {})' \
		--argjson more "${1:-{\}}" >"$LIMA_HOME/_agbranch/bases/agbranch-base-linux.json"
}
