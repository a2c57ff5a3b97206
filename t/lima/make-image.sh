#!/bin/bash
#
# make-image.sh [--with-agents | --with-sandbox | --full] [--force] [CACHE-DIR]
#
# Makes the guest image that the Lima tests boot, from Debian packages alone:
#
#	image.qcow2	one ext4 file system labelled "rootfs", no partitions
#	vmlinuz, initrd	for a direct boot; the image holds no boot loader
#	packages.txt	every package in it, with its version
#	SHA256SUMS	of the four above
#	fingerprint	written last: what the others were made from
#
# Kernel command line: root=LABEL=rootfs ro console=ttyS0 net.ifnames=0
# biosdevname=0.  With --with-agents the image also holds Node 22 and the
# agent programs claude, codex and gemini; they need npm 10 or newer here.
# With --with-sandbox it is a Debian of this machine's own version, with what
# the programs that were built here and the tests of the sandbox need to run.
# With --full it holds what lima/provision/ installs for the full flavour; a
# prepare that pins the agents to the versions in packages.txt fetches nothing.
#
# Does nothing when the fingerprint in CACHE-DIR is that of this script.
# Killed halfway, it leaves at most a folder ".build.*", which the next run
# removes, and never a fingerprint beside half an image.
#
# A rebuild puts a new file in the place of image.qcow2: whoever makes an
# overlay on it must make a hard link or a copy first and back the overlay
# with that, or the overlay ends up on another image.
#
# Needs root or sudo, mmdebstrap, mke2fs, qemu-img, and a network or an apt
# mirror.  AGBRANCH_TEST_MIRROR names the mirror; without it the one of this
# machine's own apt configuration is taken.

set -euo pipefail

suite=trixie
disk_size=4G	# the guest grows it when the instance asks for a larger disk

# What Lima needs in a guest is here too (iptables, rsync), so that it does
# not install it over the network at the first boot.
packages=(
	systemd-sysv systemd-resolved udev dbus cloud-init openssh-server
	sudo ca-certificates iproute2 iptables nftables
	cloud-guest-utils fdisk e2fsprogs procps kmod
	bash-completion less python3-minimal
	git tmux jq curl rsync libarchive-tools
)
# For the programs and tests that t9150 brings into a guest.  The libraries are
# those that the programs were linked with here.
sandbox_packages=(
	libpam-systemd dbus-user-session polkitd
	python3 bubblewrap slirp4netns sqlite3 sharness strace perl
)
sandbox_libraries=(
	'libglib2.0-0*' 'libgit2-[0-9]*' 'libsqlite3-0*' 'libcjson1*'
	'libyaml-0*' 'libseccomp2*' 'libarchive13*'
)
# What lima/provision/10-packages.sh wants besides.
full_packages=(
	git-lfs gh wget fd-find ripgrep build-essential
	python3 python3-pip python3-venv pipx xvfb xauth unzip
	docker.io docker-cli docker-compose docker-buildx
	chromium chromium-sandbox fonts-liberation
)
node=node@22
agents=(@anthropic-ai/claude-code @openai/codex @google/gemini-cli)
# And npm itself, for the agents that a user adds.
full_agents=(opencode-ai @github/copilot npm@11)

die () {
	printf 'make-image: %s\n' "$*" >&2
	exit 1
}

say () {
	printf 'make-image: %s\n' "$*" >&2
}

usage () {
	echo "usage: make-image.sh [--with-agents | --with-sandbox | --full] [--force] [CACHE-DIR]" >&2
	exit 129
}

as_root () {
	if test "$(id -u)" -eq 0
	then
		"$@"
	else
		sudo -- "$@"
	fi
}

with_agents=
with_sandbox=
full=
force=
dir=
while test $# -gt 0
do
	case "$1" in
	--with-agents) with_agents=t ;;
	--with-sandbox) with_sandbox=t ;;
	--full) full=t ;;
	--force) force=t ;;
	-*) usage ;;
	*)
		test -z "$dir" || usage
		dir=$1
		;;
	esac
	shift
done
case $with_agents$with_sandbox$full in
'' | t) ;;
*) usage ;;
esac
provision=$(cd "$(dirname "$0")/../../lima/provision" && pwd)

# A flavour has a default folder of its own, so that one does not evict the
# other.
: "${dir:=${XDG_CACHE_HOME:-$HOME/.cache}/agbranch-test-image${with_agents:+-agents}${with_sandbox:+-sandbox}${full:+-full}}"

arch=$(dpkg --print-architecture) || die "not a Debian machine"
case "$arch" in
amd64|arm64) ;;
*) die "there is no cloud kernel for $arch" ;;
esac

# The installed ones of these names, but not those that hold debug symbols.
installed_libraries () {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
	sed -n 's/^installed //p' |
	grep -v -e -dbg -e -dev
}

if test -n "$with_sandbox"
then
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	test -n "$suite" || die "this Debian has no code name"
	mapfile -t libraries < <(installed_libraries "${sandbox_libraries[@]}")
	test "${#libraries[@]}" -ge "${#sandbox_libraries[@]}" ||
	die "not all of ${sandbox_libraries[*]} are installed here: run t/install-deps.sh"
	packages+=("${sandbox_packages[@]}" "${libraries[@]}")
fi

if test -n "$full"
then
	packages+=("${full_packages[@]}")
	disk_size=8G
	browser=chrome-devtools-mcp@$(
		sed -n 's/^mcp_version=//p' "$provision/40-browser.sh"
	)
	agents+=("${full_agents[@]}" "$browser")
fi

fingerprint=$(
	{
		cat "$0"
		echo "$arch $with_agents"
		test -z "$with_sandbox" || echo "$suite ${packages[*]}"
		test -z "$full" || cat "$provision/20-agents.sh"
		test -z "$full" || echo "full ${agents[*]}"
	} | sha256sum
)
fingerprint=${fingerprint%% *}

up_to_date () {
	test -z "$force" &&
	test "$(cat "$dir/fingerprint" 2>/dev/null)" = "$fingerprint" &&
	test -f "$dir/image.qcow2" &&
	test -f "$dir/vmlinuz" &&
	test -f "$dir/initrd" &&
	test -f "$dir/SHA256SUMS"
}

if up_to_date
then
	say "$dir is up to date"
	exit 0
fi

PATH=$PATH:/usr/sbin:/sbin
for tool in mmdebstrap mke2fs qemu-img flock
do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done
if test -n "$with_agents$full"
then
	# Older ones leave out the packages that hold the programs themselves.
	npm_version=$(npm --version) || die "npm is not installed"
	test "${npm_version%%.*}" -ge 10 ||
	die "npm $npm_version is too old, 10 or newer is needed"
fi

# The archive that this machine itself installs from: the only one that is
# known to be reachable.  Its security archive has another label.
mirror=${AGBRANCH_TEST_MIRROR:-}
if test -z "$mirror"
then
	# shellcheck disable=SC2016 # apt's own variables, not the shell's
	mirror=$(
		apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
			'Created-By: Packages' |
		sed -n 's/^Debian|Debian|//p' |
		sed 1q
	)
fi
test -n "$mirror" ||
die "apt names no Debian archive: run 'apt-get update' or set AGBRANCH_TEST_MIRROR"

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

# Two test runs may want the image at once: the second waits and then finds
# it there.
exec 9>"$dir/.lock"
flock 9
if up_to_date
then
	say "$dir is up to date"
	exit 0
fi

# Only this file system: a killed mmdebstrap may have left mounts in there.
as_root rm -rf --one-file-system "${dir:?}"/.build.*
work=$(mktemp -d "$dir/.build.XXXXXX")
trap 'as_root rm -rf --one-file-system "${work:?}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$work"
root=$work/root

say "installing Debian $suite"
# The initrd holds what a QEMU guest needs to find its disk and no more: an
# emulated processor takes seconds to unpack a full one.
# shellcheck disable=SC2016 # $1 is the hook's own argument
as_root mmdebstrap --quiet --variant=minbase --format=directory \
	--include="$(IFS=,; echo "${packages[*]}"),linux-image-cloud-$arch" \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--essential-hook='
		mkdir -p "$1/etc/initramfs-tools/conf.d" &&
		echo MODULES=list >"$1/etc/initramfs-tools/conf.d/agbranch" &&
		printf "%s\n" virtio_pci virtio_blk virtio_scsi sd_mod ext4 \
			>"$1/etc/initramfs-tools/modules"' \
	"$suite" "$root" "$mirror"

if test -n "$with_agents$full"
then
	say "installing the agent programs"
	# Node first, and the rest under it: npm takes the newest version that
	# the running Node is good for, and the host's may be older.
	install=(npm install --global --prefix "$work/npm" --no-audit
		--no-fund --no-update-notifier --loglevel=error)
	"${install[@]}" "$node"
	PATH=$work/npm/bin:$PATH "${install[@]}" "${agents[@]}"
	tar -C "$work/npm" --owner=0 --group=0 -cf - . |
	as_root tar -C "$root/usr/local" -xf -
fi
if test -n "$full"
then
	# By the Python in there, and as the base does it.
	say "installing aider"
	as_root cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
	as_root cp /etc/ssl/certs/ca-certificates.crt "$root/tmp/ca.crt"
	as_root unshare --mount --pid --fork --root="$root" --mount-proc \
		env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 PIP_CERT=/tmp/ca.crt PIP_NO_CACHE_DIR=1 \
		sh -s -- full aider-chat <"$provision/20-agents.sh"
	as_root rm "$root/tmp/ca.crt"
fi

say "configuring"
as_root bash -euo pipefail -s -- "$root" <<'END_OF_SETUP'
root=${1:?}
test -d "$root/etc/cloud"

# What must differ from guest to guest is made at its first boot.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_*_key*
echo localhost >"$root/etc/hostname"
echo 'LABEL=rootfs / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# Without networkd as renderer eth0 gets no address.  The modules are those
# that Lima's user-data uses: each of the others costs boot time.  One kind
# of host key, for the same reason.
cat >"$root/etc/cloud/cloud.cfg.d/90-agbranch.cfg" <<'END_OF_CONFIG'
datasource_list: [NoCloud, None]
system_info:
  network:
    renderers: [networkd]
ssh_genkeytypes: [ed25519]
cloud_init_modules:
  [bootcmd, write_files, growpart, resizefs, mounts, set_hostname,
   update_hostname, update_etc_hosts, ca_certs, users_groups, ssh]
cloud_config_modules: [timezone, package_update_upgrade_install]
cloud_final_modules: [scripts_per_boot, scripts_per_instance, scripts_user]
END_OF_CONFIG

chroot "$root" systemctl --quiet enable systemd-networkd.service \
	systemd-resolved.service ssh.service
# They would compete with the test for the processor, or make it wait.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	man-db.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
	systemd-binfmt.service systemd-networkd-wait-online.service
do
	ln -sfn /dev/null "$root/etc/systemd/system/$unit"
done
rm -f "${root:?}"/var/cache/apt/*.bin "${root:?}"/var/log/*.log
# Or the first boot makes ldconfig's cache, the hardware database and the
# journal's catalog again.
touch "$root/etc/.updated" "$root/var/.updated"
END_OF_SETUP

as_root chroot "$root" dpkg-query -W >"$work/packages.txt"
if test -n "$with_agents$full"
then
	for name in "${node%@*}" "${agents[@]}"
	do
		case "$name" in
		?*@*) name=${name%@*} ;;
		esac
		printf 'npm:%s\t%s\n' "$name" "$(
			sed -n 's/^  "version": "\(.*\)".*/\1/p' \
				"$work/npm/lib/node_modules/$name/package.json"
		)"
	done >>"$work/packages.txt"
fi
if test -n "$full"
then
	ls "$root"/opt/aider/lib/python3*/site-packages |
	sed -n 's/^aider_chat-\(.*\)\.dist-info$/pypi:aider-chat\t\1/p' \
		>>"$work/packages.txt"
fi

as_root bash -euo pipefail -s -- "$root" "$work" "$(id -u):$(id -g)" <<'END_OF_MOVE'
root=${1:?} work=${2:?} owner=${3:?}
test -d "$root/boot"

# The host reads them; in the image they would be dead weight.
mv "$root"/boot/vmlinuz-* "$work/vmlinuz"
mv "$root"/boot/initrd.img-* "$work/initrd"
rm -f "${root:?}"/vmlinuz* "${root:?}"/initrd.img*
chown "$owner" "$work/vmlinuz" "$work/initrd"
chmod 644 "$work/vmlinuz" "$work/initrd"
END_OF_MOVE

say "writing the file system"
truncate -s "$disk_size" "$work/image.raw"
# All tables are written now, as zeros that the next step drops: otherwise
# the guest's kernel writes them in the background, into every clone.
as_root mke2fs -q -F -t ext4 -L rootfs -m 1 -d "$root" \
	-E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 \
	"$work/image.raw"
qemu-img convert -f raw -O qcow2 "$work/image.raw" "$work/image.qcow2"

(
	cd "$work"
	sha256sum image.qcow2 vmlinuz initrd packages.txt >SHA256SUMS
)
rm -f "$dir/fingerprint"
chmod 644 "$work/image.qcow2"
mv -f "$work"/{image.qcow2,vmlinuz,initrd,packages.txt,SHA256SUMS} "$dir"
echo "$fingerprint" >"$work/fingerprint"
mv -f "$work/fingerprint" "$dir"
say "made $dir/image.qcow2"
