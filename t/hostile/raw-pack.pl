#!/usr/bin/perl
# raw-pack.pl WHAT…: the bytes of a git pack, whatever they say (gitformat-pack(5)).
#
#   magic=TEXT version=N count=N     in the header; count is right unless given
#   object=TYPE,TEXT                 TYPE by number: 1 commit, 2 tree, 3 blob, 4 tag
#   file=TYPE,PATH                   the contents of PATH
#   zeros=TYPE,N                     N bytes of nothing, well compressed
#   claim=TYPE,SIZE,TEXT             says SIZE, holds TEXT
#   type=N                           an entry of that type without more
#   bytes=HEX                        as they are, not counted as an object
#   ofs=DISTANCE,HEX ref=OID,HEX     a delta of these instructions
#   chain=N                          a blob and N deltas, each against the one before
#   refchain=N mixchain=N            the same by the names of the bases; every second one by its name
#   trailer=none|wrong junk=TEXT cut=N
use strict;
use warnings;
use Compress::Zlib qw(compress deflateInit Z_BEST_COMPRESSION Z_FULL_FLUSH MAX_WBITS);
use Digest::SHA qw(sha1);

my ($magic, $version, $count, $objects, $body, $trailer, $junk, $cut) = ('PACK', 2, undef, 0, '', 'good', '', 0);

sub entry {
	my ($type, $size) = @_;
	my $byte = ($type << 4) | ($size & 15);
	my $head = '';
	for ($size >>= 4; $size; $size >>= 7) {
		$head .= chr($byte | 128);
		$byte = $size & 127;
	}
	$objects++;
	return $head . chr $byte;
}

sub distance {
	my ($n) = @_;
	my $text = chr($n & 127);
	while ($n >>= 7) {
		$n--;
		$text = chr(128 | ($n & 127)) . $text;
	}
	return $text;
}

# One compressed mebibyte again and again: each ends with a full flush, so that it stands alone.
sub zeros {
	my ($size) = @_;
	my $mebi = 1048576;
	my ($stream) = deflateInit(-Level => Z_BEST_COMPRESSION, -WindowBits => -MAX_WBITS);
	my $piece = ($stream->deflate("\0" x $mebi))[0] . ($stream->flush(Z_FULL_FLUSH))[0];
	my ($last) = deflateInit(-WindowBits => -MAX_WBITS);
	my $end = ($last->deflate("\0" x ($size % $mebi)))[0] . ($last->flush)[0];
	# the checksum of zeros: RFC 1950
	return "\x78\xda" . $piece x int($size / $mebi) . $end . pack 'nn', $size % 65521, 1;
}

# NAMED of each two deltas say the name of their base.
sub chain {
	my ($length, $named) = @_;
	my $offset = 12 + length $body;
	my $text = 'seed';
	$body .= entry(3, 4) . compress($text);
	for (my $i = 0; $i < $length; $i++) {
		my $at = 12 + length $body;
		my $base = sha1("blob 4\0$text");
		$text = sprintf '%04x', $i;
		# base size 4, result size 4, insert 4 bytes
		my $delta = "\x04\x04\x04$text";
		my $by_name = $i % 2 < $named;
		$body .= entry($by_name ? 7 : 6, length $delta)
			. ($by_name ? $base : distance($at - $offset)) . compress($delta);
		$offset = $at;
	}
}

for (@ARGV) {
	my ($what, $value) = split /=/, $_, 2;
	my @part = split /,/, $value, 3;
	if ($what eq 'magic') { $magic = $value }
	elsif ($what eq 'version') { $version = $value }
	elsif ($what eq 'count') { $count = $value }
	elsif ($what eq 'object') { $body .= entry($part[0], length $part[1]) . compress($part[1]) }
	elsif ($what eq 'file') {
		local $/;
		open my $file, '<:raw', $part[1] or die "$part[1]: $!";
		my $text = <$file>;
		$body .= entry($part[0], length $text) . compress($text);
	}
	elsif ($what eq 'zeros') { $body .= entry($part[0], $part[1]) . zeros($part[1]) }
	elsif ($what eq 'claim') { $body .= entry($part[0], $part[1]) . compress($part[2]) }
	elsif ($what eq 'type') { $body .= entry($value, 0) . compress('') }
	elsif ($what eq 'bytes') { $body .= pack 'H*', $value }
	elsif ($what eq 'ofs') {
		my $delta = pack 'H*', $part[1];
		$body .= entry(6, length $delta) . distance($part[0]) . compress($delta);
	}
	elsif ($what eq 'ref') {
		my $delta = pack 'H*', $part[1];
		$body .= entry(7, length $delta) . pack('H*', $part[0]) . compress($delta);
	}
	elsif ($what eq 'chain') { chain($value, 0) }
	elsif ($what eq 'mixchain') { chain($value, 1) }
	elsif ($what eq 'refchain') { chain($value, 2) }
	elsif ($what eq 'trailer') { $trailer = $value }
	elsif ($what eq 'junk') { $junk = $value }
	elsif ($what eq 'cut') { $cut = $value }
	else { die "raw-pack.pl: what is '$what'?\n" }
}

my $pack = $magic . pack('NN', $version, defined $count ? $count : $objects) . $body;
$pack .= $trailer eq 'wrong' ? 'x' x 20 : sha1($pack) if $trailer ne 'none';
$pack .= $junk;
binmode STDOUT;
print substr $pack, 0, length($pack) - $cut;
