# standby.pl [FOLDER]: run one program as root, whose text comes when it is needed.
#
# Text and request, with a NUL between them, come on stdin; with FOLDER in the FIFO FOLDER/in, and what
# it prints goes to FOLDER/out.  So a saved state has it ready: to start sudo and perl takes longer in a
# machine without KVM than what they are started for.  Who may write to the FIFO may use sudo anyway.
# The last line is "done", or "failed: " and why.
use strict;
use warnings;

our $request;
my ($folder) = @ARGV;
if (defined $folder) {
	open(STDIN, '<', "$folder/in") or die "$folder/in: $!\n";
}
my $text = do { local $/; <STDIN> };
if (defined $folder) {
	unlink "$folder/in";
	# Whoever asked may have gone.
	alarm 60;
	open(STDOUT, '>', "$folder/out") or die "$folder/out: $!\n";
	alarm 0;
	unlink "$folder/out";
	open(STDERR, '>&', \*STDOUT) or die "stderr: $!\n";
}
$| = 1;
(my $program, $request) = split /\0/, $text, 2;
eval "$program; 1" or do {
	(my $why = $@ || 'no reason') =~ s/\s+/ /g;
	print "failed: $why\n";
	exit 1;
};
print "done\n";
