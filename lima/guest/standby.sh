#!/bin/sh
# standby.sh ACTION STANDBY: what standby.pl, whose text is STANDBY, is to run comes on stdin.
#
#   ask    by the process that a saved state may hold, or else by sudo; prints what it prints
#   hold   as root: leave a process that waits for it
set -eu
action=$1 standby=$2
folder=/run/agbranch-standby

case $action in
ask)
	if test -p $folder/in; then
		cat >$folder/in
		exec cat $folder/out
	fi
	exec sudo -n perl -e "$standby"
	;;
hold)
	# What identity.pl would have to do or find out otherwise, a second each: the modules of its rules, whether
	# Lima redirects names, the seed disk of the base.
	guard=/usr/local/lib/agbranch/guard.sh
	if rules=$(iptables -w -t nat -S LIMADNS 2>/dev/null); then
		printf '*nat\n:LIMADNS - [0:0]\n%s\nCOMMIT\n' "$(printf '%s\n' "$rules" | grep '^-A')" |
			iptables-restore -w --noflush
		: >/run/agbranch-dns
	fi
	test ! -x $guard || { $guard public && $guard open; }
	umount /mnt/lima-cidata || :
	rm -rf $folder
	mkdir $folder
	mkfifo -m 600 $folder/in $folder/out
	chown agent: $folder/in $folder/out
	setsid perl -e "$standby" $folder </dev/null >/dev/null 2>&1 &
	;;
esac
