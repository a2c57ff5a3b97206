#!/bin/sh
# guard.sh MODE: the network guard of a guest.  Run as root.
#
#   public   only public addresses: private, link-local and shared ones are rejected, so that neither
#            the host (QEMU shows its loopback as 192.168.5.2 and fec0::2) nor its network is reached
#   none     nothing goes out
#   open     no guard
#   saved    the mode that was set last, at boot
#
# Loopback, answers and the resolver work in every mode but none (no resolver).  The resolver is told
# by the address a packet was sent to: Lima redirects it to a port of the host that changes.
# It holds back programs, not somebody who is root in here.
set -eu
mode=$1
test "$mode" != saved || read -r mode </etc/agbranch/network

# No process but nft: without KVM starting one takes longer than all of this.
addresses=
for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
	test -r "$file" || continue
	while read -r word address _; do
		address=${address%%%*}
		test "$word" = nameserver || continue
		case $address in
		'' | 127.* | ::1 | *[!0-9a-fA-F.:]*) continue ;;
		esac
		case " $addresses " in
		*" $address "*) ;;
		*) addresses="$addresses $address" ;;
		esac
	done <"$file"
done

# The chain of one hook; $1 is the hook.
chain () {
	echo "chain $1 {"
	echo "type filter hook $1 priority 10; policy accept;"
	echo "ct state established,related accept"
	echo 'oifname "lo" accept'
	if test "$1" = output; then
		# Answers of sshd on connections that are older than this table: nobody tracked them.
		echo "tcp sport 22 accept"
		echo "udp sport 68 udp dport 67 accept"
		echo "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept"
	fi
	echo 'oifname "docker*" accept'
	echo 'oifname "br-*" accept'
	if test "$mode" = none; then
		echo "reject with icmpx admin-prohibited"
	else
		for address in $addresses; do
			case $address in
			*:*) echo "ct original ip6 daddr $address ct original proto-dst 53 accept" ;;
			*) echo "ct original ip daddr $address ct original proto-dst 53 accept" ;;
			esac
		done
		echo "ip daddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 100.64.0.0/10 } reject with icmpx admin-prohibited"
		echo "ip6 daddr { fc00::/7, fe80::/10, fec0::/10 } reject with icmpx admin-prohibited"
	fi
	echo "}"
}

{
	echo "table inet agbranch"
	echo "delete table inet agbranch"
	if test "$mode" != open; then
		echo "table inet agbranch {"
		chain output
		chain forward
		echo "}"
	fi
} | nft -f -
printf '%s\n' "$mode" >/etc/agbranch/network
