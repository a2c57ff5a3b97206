# For the scripts that need a real Lima (t9…): sourced after test-lib.sh.
#
# They run when there is a limactl in PATH, or where AGB_LIMA_BIN says.  Lima refuses root: root runs the
# script again as the user AGB_LIMA_USER, or the first ordinary one that has a home.  LIMA_MUST_WORK=1
# makes a script that would be skipped fail.

: "${AGB_LIMA_IMAGE:=/var/cache/agbranch-test-image}"

lima_skip () {
	test -z "$LIMA_MUST_WORK$AGB_NO_SKIP" || error "$1, and it must work"
	skip_all=$1
	test_done
}

# lima_tool [SCRIPT]: a limactl that runs here at all; root uses it as another user, who runs SCRIPT (this
# test) anew.
lima_tool () {
	test -z "$AGB_LIMA_BIN" || PATH=$PATH:$AGB_LIMA_BIN
	command -v limactl >/dev/null || lima_skip "limactl is not installed"
	test "$(id -u)" != 0 || lima_as_user "$@"
	# A folder of Lima that is kept, with a base in it that is used again: AGB_LIMA_HOME.
	export LIMA_HOME="${AGB_LIMA_HOME:-$HOME/.lima}"
}

lima_user () {
	test -z "$AGB_LIMA_USER" || {
		echo "$AGB_LIMA_USER"
		return
	}
	getent passwd | awk -F: '$3 >= 1000 && $3 < 60000 && $6 ~ "^/home/" && $7 !~ /(nologin|false)$/ { print $1; exit }'
}

# lima_as_user [SCRIPT]: this script anew as an ordinary user, in place of this process.
lima_as_user () {
	test $# -gt 0 || set -- "t/$(basename "$0")" --chain-lint
	user=$(lima_user)
	test -n "$user" || lima_skip "Lima does not run as root, and there is no ordinary user"
	rm -rf "$TEST_TMP"
	cd "$TEST_TOP" || exit 1
	exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups \
		env HARNESS_ACTIVE=1 HOME="$(getent passwd "$user" | cut -d: -f6)" USER="$user" LOGNAME="$user" \
		AGB_BUILD="$AGB_BUILD" sh "$@"
}

# lima_settings [SCRIPT]: a machine that boots here: the cached image, small, emulated when need be.
lima_settings () {
	lima_tool "$@"
	command -v qemu-system-x86_64 >/dev/null || lima_skip "QEMU is not installed"
	test -f "$AGB_LIMA_IMAGE/image.qcow2" ||
		lima_skip "no guest image: make one with t/lima/make-image.sh, or name it in AGB_LIMA_IMAGE"
	git config --global agbranch.runtime lima
	git config --global agbranch.lima.image "$AGB_LIMA_IMAGE/image.qcow2"
	git config --global agbranch.lima.kernel "$AGB_LIMA_IMAGE/vmlinuz"
	git config --global agbranch.lima.initrd "$AGB_LIMA_IMAGE/initrd"
	git config --global agbranch.lima.agents none
	# One processor: an emulated machine gains little from a second, and loses on a busy host.
	git config --global agbranch.cpus 1
	git config --global agbranch.memory 1GiB
	git config --global agbranch.disk 8GiB
}

# lima_machine: the same for a test, and nothing of it is left at its end.
lima_machine () {
	lima_settings
	# Also after a failure, and before the trash goes, in which Lima's folder may be.
	trap 'code=$?; lima_remove_everything; (exit "$code"); die' EXIT
}

# lima_start NAME CPUS MEMORY: an instance of the image as Lima makes it by itself, with nothing of ours.  In a
# folder of Lima that is kept, AGB_LIMA_KEEP=NAME lets it run on at the end, and takes the one that runs.
lima_start () {
	test -z "$AGB_LIMA_KEEP" || test "$(limactl list --format "{{.Status}}" "$1" 2>/dev/null)" != Running || return 0
	cat >machine.yaml <<-END &&
	vmType: qemu
	arch: x86_64
	images:
	- location: $AGB_LIMA_IMAGE/image.qcow2
	  arch: x86_64
	  kernel:
	    location: $AGB_LIMA_IMAGE/vmlinuz
	    cmdline: root=LABEL=rootfs ro console=ttyS0 net.ifnames=0 biosdevname=0
	  initrd:
	    location: $AGB_LIMA_IMAGE/initrd
	cpus: $2
	memory: $3
	disk: 8GiB
	plain: true
	mounts: []
	containerd: {system: false, user: false}
	firmware: {legacyBIOS: true}
	video: {display: none}
	vmOpts: {qemu: {cpuType: {x86_64: max}}}
	END
	QEMU_SYSTEM_X86_64="qemu-system-x86_64 -machine q35 -accel tcg,thread=multi,tb-size=512" \
		limactl --tty=false start --name "$1" --timeout 15m ./machine.yaml
}

# What a failed test left running goes with it; in a folder of Lima that is kept only the base stays.
lima_remove_everything () {
	for dir in "$LIMA_HOME"/agbranch-*; do
		name=${dir##*/}
		case $AGB_LIMA_HOME,$name in
		*,agbranch-\*) break ;;
		?*,agbranch-base-linux | ?*,"${AGB_LIMA_KEEP:-agbranch-base-linux}") continue ;;
		esac
		limactl unprotect "$name" >/dev/null 2>&1
		limactl delete --force "$name" >/dev/null 2>&1 || rm -rf "$dir"
	done
	rm -f "$LIMA_HOME"/_agbranch/sessions/*.json
	test_remove_everything
}
