# identity.pl: make a started guest that of its session.  Run as root (standby.pl), after every start and
# before the guest is handed over.
#
# $request is lines "NAME VALUE":
#   session   the session
#   now       the host's time, in seconds
#   new       1 at the first start of a clone, whose identity is still that of the base
#   restored  1 when it runs from a saved state, in which even the clock and the random generator are
#             those of the base, and in which Lima still waits for signs of a boot that does not happen
#   network   the mode of the network guard
#   guard     guard.sh in hex, which may be newer than the base
#   seed      random bytes of the host in hex
#   hostkey   a new private key for sshd in hex, hostpub its public one; without them it keeps its own
# Prints "api N", the version of the agreement between guest and program.
#
# One process, because starting another is most of what any of this takes in a machine without KVM.
use strict;
use warnings;

our $request;
my %of = map { /^(\w+) (.*)/ ? ($1 => $2) : () } split /\n/, $request;
my $session = $of{session};
(my $host = $session) =~ tr/._/--/;

sub get {
	open(my $file, '<', $_[0]) or return '';
	local $/;
	return <$file> // '';
}

sub put {
	my ($path, $text, $mode) = @_;
	my $old = umask(0777 & ~($mode // 0644));
	open(my $file, '>', $path) or die "$path: $!\n";
	umask $old;
	print {$file} $text;
	close $file or die "$path: $!\n";
}

# The lines of PATH but those that match, and MORE.  The time of the file stays: the login environment
# that is kept does not hold these lines (ssh.c), and is not read anew because of them.
sub change {
	my ($path, $match, $more) = @_;
	my @times = (stat $path)[8, 9];
	put($path, join('', grep { !/$match/ } map { "$_\n" } split /\n/, get($path)) . $more);
	utime @times, $path if @times;
}

sub run {
	system(@_) == 0 or die "$_[0] failed\n";
}

# The machine's own clock is the host's and goes on while this is on its way; "now" is for those that have
# none.
if ($of{restored}) {
	my $rtc = int(get('/sys/class/rtc/rtc0/since_epoch') || 0);
	my $now = $rtc >= int($of{now}) && $rtc <= $of{now} + 600 ? $rtc : $of{now};
	# settimeofday(2) where its number is known.
	my $call = { x86_64 => 164, aarch64 => 170 }->{(get('/proc/sys/kernel/arch') =~ /(\S+)/)[0] // ''};
	if (!$call || syscall($call, pack('q2', $now, 0), 0) != 0) {
		run("date -u -s '\@$now' >/dev/null");
	}
}
# The generator goes on with the key it has (the same in every clone) until it is told to reseed:
# 0x5207 is RNDRESEEDCRNG.
open(my $random, '>', '/dev/urandom') or die "/dev/urandom: $!\n";
syswrite $random, pack('H*', $of{seed});
ioctl($random, 0x5207, 0) or die "reseed: $!\n";

chomp(my $was = get('/proc/sys/kernel/hostname'));
put('/proc/sys/kernel/hostname', $host);
put('/etc/hostname', "$host\n");
change('/etc/hosts', qr/\s\Q$was\E(\s|$)/, "127.0.1.1 $host\n");

# A connection that is older than this has the environment of before: sshd reads the first of these for
# each command (PermitUserEnvironment), login shells and `run` the second one.
my $names = "AGBRANCH_SESSION=$session\nCOMPOSE_PROJECT_NAME=agbranch-$host\n";
change('/etc/environment', qr/^(AGBRANCH_SESSION|COMPOSE_PROJECT_NAME)=/, $names);
if (-d '/home/agent/.ssh') {
	put('/home/agent/.ssh/environment', $names);
	chown((stat '/home/agent')[4, 5], '/home/agent/.ssh/environment');
}
change('/etc/profile.d/agbranch.sh', qr/./,
	"export AGBRANCH_SESSION='$session' COMPOSE_PROJECT_NAME='agbranch-$host'\n");

my $instance;
if ($of{restored}) {
	my ($device, $folder) = ('/dev/disk/by-label/cidata', '/mnt/lima-cidata');
	run('umount', $folder) if get('/proc/self/mounts') =~ m{ \Q$folder\E }; # standby.sh has done it
	# What the base read of it is still in memory: 0x1261 is BLKFLSBUF.
	open(my $disk, '<', $device) or die "$device: $!\n";
	ioctl($disk, 0x1261, 0) or die "$device: $!\n";
	close $disk;
	run('mount', '-o', 'ro,mode=0700,dmode=0700,overriderockperm,exec,uid=0', $device, $folder);
	($instance) = get("$folder/meta-data") =~ /^instance-id: *(\S+)/m or die "no instance-id in $device\n";
	# Where Lima redirects names (standby.sh has looked): the host's resolver listens on other ports now.
	if (-e '/run/agbranch-dns') {
		my %lima = get("$folder/lima.env") =~ /^LIMA_CIDATA_(\w+)=(.*)$/mg;
		open(my $rules, '|-', 'iptables-restore', '-w', '--noflush') or die "iptables-restore: $!\n";
		print {$rules} "*nat\n:LIMADNS - [0:0]\n";
		print {$rules} "-A LIMADNS -d $lima{SLIRP_DNS}/32 -p $_ -m $_ --dport 53 -j DNAT --to-destination "
			. $lima{SLIRP_GATEWAY} . ':' . $lima{uc($_) . '_DNS_LOCAL_PORT'} . "\n" for 'udp', 'tcp';
		print {$rules} "COMMIT\n";
		close $rules or die "iptables-restore failed\n";
	}
}
if ($of{new}) {
	# systemd-machine-id-setup would take the old one from /run/machine-id again.
	unlink '/run/machine-id';
	(my $id = get('/proc/sys/kernel/random/uuid')) =~ tr/-//d;
	put('/etc/machine-id', $id);
}
if ($of{hostkey}) {
	unlink glob '/etc/ssh/ssh_host_*_key*';
	put('/etc/ssh/ssh_host_ed25519_key', pack('H*', $of{hostkey}), 0600);
	put('/etc/ssh/ssh_host_ed25519_key.pub', "$of{hostpub}\n");
}
put('/usr/local/lib/agbranch/guard.sh', pack('H*', $of{guard}), 0755);
run('/usr/local/lib/agbranch/guard.sh', $of{network});
if ($of{restored}) {
	put($_, "$instance\n") for '/run/lima-ssh-ready', '/run/lima-boot-done';
}
# sshd takes the new key at once; a connection that is open stays.  Without a pid file it is started anew for
# each connection.
my ($sshd) = get('/run/sshd.pid') =~ /^(\d+)/;
kill 'HUP', $sshd if $of{hostkey} && $sshd;
print 'api ', get('/etc/agbranch/api');
