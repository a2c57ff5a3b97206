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
	# What the kernel loads for the rules of identity.pl, it loads once.
	guard=/usr/local/lib/agbranch/guard.sh
	iptables-save -t nat 2>/dev/null | iptables-restore -w 2>/dev/null || :
	test ! -x $guard || { $guard public && $guard open; }
	rm -rf $folder
	mkdir $folder
	mkfifo -m 600 $folder/in $folder/out
	chown agent: $folder/in $folder/out
	setsid perl -e "$standby" $folder </dev/null >/dev/null 2>&1 &
	;;
esac
