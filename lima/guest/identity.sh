#!/bin/sh
# identity.sh SESSION NOW NEW RESTORED MODE GUARD: make a started guest that of SESSION.  Run as root,
# after every start and before the guest is handed over.
#
# stdin: random bytes of the host as base64.  NOW: the host's time.  NEW: 1 at the first start of a
# clone, whose identity is still that of the base.  RESTORED: 1 when it runs from a saved state, in
# which even the clock and the random generator are those of the base, and in which Lima still waits
# for signs of a boot that does not happen.  MODE: the network guard's; GUARD: its text, which may be newer
# than the base.
# Prints the version of the agreement, "api N".
set -eu
session=$1 now=$2 new=$3 restored=$4 mode=$5 guard=$6
host=$(printf %s "$session" | tr ._ --)

# The machine's own clock is the host's and goes on while this is on its way; NOW is for those that have
# none.
if test "$restored" = 1; then
	rtc=$(cat /sys/class/rtc/rtc0/since_epoch 2>/dev/null || echo 0)
	if test "$rtc" -ge "${now%.*}" && test "$rtc" -le $((${now%.*} + 600)); then
		now=$rtc
	fi
	date -u -s "@$now" >/dev/null
fi
# The generator goes on with the key it has (the same in every clone) until it is told to reseed:
# 0x5207 is RNDRESEEDCRNG.
base64 -d >/dev/urandom
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

# A connection that is older than this has the environment of before: sshd reads the first of these for
# each command (PermitUserEnvironment), login shells and `run` the second one.
if test -d /home/agent/.ssh; then
	printf '%s\n' "AGBRANCH_SESSION=$session" "COMPOSE_PROJECT_NAME=agbranch-$host" \
		>/home/agent/.ssh/environment
	chown agent: /home/agent/.ssh/environment
fi
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
