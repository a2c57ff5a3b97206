#!/usr/bin/perl
# raw-tree.pl MODE NAME OID …: the bytes of a git tree, whatever they say.  NAME takes \xHH.
use strict;
use warnings;

binmode STDOUT;
while (@ARGV) {
	my ($mode, $name, $oid) = splice @ARGV, 0, 3;
	$name =~ s/\\x([0-9a-f]{2})/chr hex $1/gie;
	print "$mode $name\0", pack 'H*', $oid;
}
