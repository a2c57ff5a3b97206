#!/bin/sh
# identity.sh SESSION NOW SEED NEW RESTORED MODE GUARD: make a started guest that of SESSION.  Run as root,
# after every start and before the guest is handed over.
#
# NOW: the host's time; SEED: random bytes of the host as base64.  NEW: 1 at the first start of a
# clone, whose identity is still that of the base.  RESTORED: 1 when it runs from a saved state, in
# which even the clock and the random generator are those of the base, and in which Lima still waits
# for signs of a boot that does not happen.  MODE: the network guard's; GUARD: its text, which may be newer
# than the base.
# Prints the version of the agreement, "api N".
set -eu
session=$1 now=$2 seed=$3 new=$4 restored=$5 mode=$6 guard=$7
host=$(printf %s "$session" | tr ._ --)

test "$restored" = 0 || date -u -s "@$now" >/dev/null
# The generator goes on with the key it has (the same in every clone) until it is told to reseed:
# 0x5207 is RNDRESEEDCRNG.
printf %s "$seed" | base64 -d >/dev/urandom
perl -e 'open (my $f, ">", "/dev/urandom") or die; ioctl ($f, 0x5207, 0) or die "reseed: $!\n"'

old=$(hostname)
hostname "$host"
echo "$host" >/etc/hostname
sed -i "/[[:space:]]$old\([[:space:]]\|\$\)/d" /etc/hosts
printf '127.0.1.1 %s\n' "$host" >>/etc/hosts

sed -i -e '/^AGBRANCH_SESSION=/d' -e '/^COMPOSE_PROJECT_NAME=/d' /etc/environment
{
	echo "AGBRANCH_SESSION=$session"
	echo "COMPOSE_PROJECT_NAME=agbranch-$host"
} >>/etc/environment

# A connection that is older than this has the environment of before; login shells and `run` read this.
cat >/etc/profile.d/agbranch.sh <<END
export AGBRANCH_SESSION='$session' COMPOSE_PROJECT_NAME='agbranch-$host'
END

if test "$restored" = 1; then
	device=/dev/disk/by-label/cidata
	umount /mnt/lima-cidata
	blockdev --flushbufs "$device"
	mount -o ro,mode=0700,dmode=0700,overriderockperm,exec,uid=0 "$device" /mnt/lima-cidata
	instance=$(sed -n 's/^instance-id: *//p' /mnt/lima-cidata/meta-data)
	# The host's resolver listens on other ports than the base's did.
	if iptables -w -t nat -F LIMADNS 2>/dev/null; then
		setting () {
			sed -n "s/^LIMA_CIDATA_$1=//p" /mnt/lima-cidata/lima.env
		}
		for protocol in udp tcp; do
			port=$(setting "$(printf %s "$protocol" | tr a-z A-Z)_DNS_LOCAL_PORT")
			iptables -w -t nat -A LIMADNS -d "$(setting SLIRP_DNS)" -p "$protocol" --dport 53 \
				-j DNAT --to-destination "$(setting SLIRP_GATEWAY):$port"
		done
	fi
fi
if test "$new" = 1; then
	# systemd-machine-id-setup would take the old one from /run/machine-id again.
	rm -f /run/machine-id
	tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
	rm -f /etc/ssh/ssh_host_*_key*
	ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
fi
printf '%s' "$guard" >/usr/local/lib/agbranch/guard.sh
/usr/local/lib/agbranch/guard.sh "$mode"
echo "api $(cat /etc/agbranch/api)"
if test "$restored" = 1; then
	echo "$instance" >/run/lima-ssh-ready
	echo "$instance" >/run/lima-boot-done
fi
# sshd takes the new key at once; a connection that is open stays.
test "$new" = 0 || kill -HUP "$(cat /run/sshd.pid)"
