# exec.pl FOLDER: run commands that come through FOLDER/exec.1.sock, one instance a guest.
#
# The host reaches the socket by a forward of the ssh connection that is open anyway.  So a command takes
# neither a session of sshd nor a login shell, which are most of its time in a machine without KVM.  Who can
# reach the socket can log in as the same user anyway.
#
# A command is four connections.  Each begins with eight hex digits, the length of what follows, and that
# are fields with a NUL between them: "run", "in", "out" or "err", and the word that the four have in common.
# "run" has more: the folder ('' is the home), the number of variables, the variables NAME=VALUE, the words
# of the command; on it go back "started" or "declined", at once, and "status N" at the end.  "in" is the
# command's input.  On "out" and "err" goes back what it says; they end when it has ended, and what it left
# behind has had a short grace to say more.
#
# "declined": the login environment is not known or not current.  It is being read then.
use strict;
use warnings;
use Fcntl qw(LOCK_EX LOCK_NB);
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM SOMAXCONN pack_sockaddr_un);

use constant {
	GRACE => 0.2,
	HEADER_MAX => 4 << 20,
	PATIENCE => 30,    # seconds that a connection has to say what it is
	PROFILES => 'for f in /etc/profile ~/.profile; do test ! -r $f || . $f; done',
};

my ($folder) = @ARGV;
my $home = $ENV{HOME};
chdir $home or die "$home: $!\n";
open(my $lock, '>>', "$folder/exec.1.lock") or die "$folder/exec.1.lock: $!\n";
flock($lock, LOCK_EX | LOCK_NB) or exit 0;
truncate $lock, 0;
syswrite $lock, "$$\n";
POSIX::setsid();
$0 = 'agbranch-exec';    # not what "pkill perl" means
$SIG{CHLD} = $SIG{PIPE} = 'IGNORE';

unlink "$folder/exec.1.sock";
umask 0077;
socket(my $listener, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
bind($listener, pack_sockaddr_un("$folder/exec.1.sock")) or die "$folder/exec.1.sock: $!\n";
umask 0022;
listen($listener, SOMAXCONN) or die "listen: $!\n";

# Connections that have not said all of what they are, and the parts of commands that are not complete.
my (%waiting, %parts);

# The login environment, and when its reading began.
my (%login, $read_at);
my ($reader, $reading_since, $text);

sub read_login {
	return if $reader;
	($reading_since, $text) = (time, '');
	my $pid = open($reader, '-|') // return;
	return if $pid;
	$SIG{$_} = 'DEFAULT' for 'CHLD', 'PIPE';
	open(STDIN, '<', '/dev/null');
	%ENV = map { exists $ENV{$_} ? ($_ => $ENV{$_}) : () } 'HOME', 'USER', 'LOGNAME', 'SHELL', 'PATH';
	{ exec 'sh', '-c', '{ ' . PROFILES . '; } </dev/null >/dev/null 2>&1; unset PWD OLDPWD; exec env -0' }
	POSIX::_exit(127);
}

sub login_is_read {
	close $reader;
	undef $reader;
	%login = map { /^([^=]+)=(.*)\z/s ? ($1 => $2) : () } split /\0/, $text;
	$read_at = $reading_since if %login;
}

sub login_is_current {
	return 0 if !defined $read_at;
	for my $path ('/etc/environment', '/etc/profile', '/etc/profile.d', glob('/etc/profile.d/*'),
		map { "$home/$_" } '.profile', '.bashrc', 'bin', '.local/bin') {
		my $changed = (stat $path)[9];
		return 0 if defined $changed && $changed >= $read_at;
	}
	return 1;
}

# What tells which session this is, is never kept: a saved state has that of the base.
sub session_variables {
	open(my $file, '<', '/etc/profile.d/agbranch.sh') or return ();
	my $line = do { local $/; <$file> };
	return ($line // '') =~ /(\w+)='([^']*)'/g;
}

sub send_all {
	my ($to, $bytes) = @_;
	while (length $bytes) {
		my $sent = syswrite $to, $bytes;
		next if !defined $sent && $!{EINTR};
		return 0 if !defined $sent;
		substr($bytes, 0, $sent, '');
	}
	return 1;
}

sub fail {
	my ($status, $why) = @_;
	syswrite STDERR, "agbranch: $why\n";
	POSIX::_exit($status);
}

# One command from here on; does not return.
sub run {
	my ($control, $in, $out, $err, $token, $cwd, $count, @words) = @_;
	my @variables = splice @words, 0, $count;
	my ($from_out, $to_out, $from_err, $to_err, $from_end, $to_end);

	# What is another command's must not be held open by this one.
	close $_ for $listener, $lock, $reader // ();
	%waiting = %parts = ();
	send_all($control, "started\n") or POSIX::_exit(1);    # nobody waits for it any more
	pipe($from_out, $to_out) && pipe($from_err, $to_err) && pipe($from_end, $to_end) or POSIX::_exit(1);
	$SIG{CHLD} = sub { syswrite $to_end, '.' };
	my $pid = fork // POSIX::_exit(1);
	if (!$pid) {
		POSIX::setsid();
		POSIX::dup2(fileno $in, 0);
		POSIX::dup2(fileno $to_out, 1);
		POSIX::dup2(fileno $to_err, 2);
		$SIG{$_} = 'DEFAULT' for grep { defined $SIG{$_} } keys %SIG;
		$SIG{$_} = 'DEFAULT' for 'HUP', 'INT', 'QUIT', 'TERM', 'PIPE', 'CHLD';
		$cwd = $home if !length $cwd;
		%ENV = (%ENV, %login, session_variables(), PWD => $cwd, AGBRANCH_EXEC => $token,
			map { split /=/, $_, 2 } @variables);
		delete $ENV{OLDPWD};
		fail(255, "cannot enter $cwd: $!") if !chdir $cwd;
		{ no warnings 'exec'; exec { $words[0] } @words }
		fail($!{ENOENT} ? 127 : 126, "cannot run $words[0]: $!");
	}
	close $_ for $in, $to_out, $to_err;

	my %to = (fileno $from_out => [$from_out, $out], fileno $from_err => [$from_err, $err]);
	my ($status, $deadline);
	until (defined $status && !%to) {
		my $wanted = '';
		vec($wanted, $_, 1) = 1 for keys %to, defined $status ? () : fileno $from_end;
		my $left = defined $deadline ? $deadline - now() : undef;
		last if defined $left && $left <= 0;
		my $ready = select(my $got = $wanted, undef, undef, $left);
		next if $ready < 0;
		last if !$ready;
		for my $fd (keys %to) {
			next if !vec($got, $fd, 1);
			my ($from, $to) = @{ $to{$fd} };
			my $length = sysread $from, my $bytes, 65536;
			next if !defined $length && $!{EINTR};
			next if $length && send_all($to, $bytes);
			close $_ for $from, $to;
			delete $to{$fd};
		}
		if (!defined $status && vec($got, fileno $from_end, 1) && waitpid($pid, POSIX::WNOHANG()) == $pid) {
			$status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
			$deadline = now() + GRACE;
		}
	}
	close $_ for map { @$_ } values %to;
	send_all($control, "status $status\n");
	POSIX::_exit(0);
}

sub now {
	my ($seconds) = POSIX::times();
	return $seconds / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub take {
	my ($fd) = @_;
	my $part = $waiting{$fd};
	my $wanted = ($part->{length} // 8) - length $part->{text};
	my $length = sysread $part->{socket}, $part->{text}, $wanted, length $part->{text};
	return if !defined $length && $!{EINTR};
	if (!$length) {
		delete $waiting{$fd};
		return;
	}
	return if $length < $wanted;
	if (!defined $part->{length}) {
		$part->{length} = $part->{text} =~ /\A[0-9a-f]{8}\z/ ? hex $part->{text} : 0;
		$part->{text} = '';
		delete $waiting{$fd} if !$part->{length} || $part->{length} > HEADER_MAX;
		return;
	}
	delete $waiting{$fd};
	my ($role, $token, @rest) = split /\0/, $part->{text}, -1;
	my $command = $parts{$token // ''} //= { since => time };
	$command->{$role} = $part->{socket};
	$command->{rest} = \@rest if $role eq 'run';
	return if grep { !$command->{$_} } 'run', 'in', 'out', 'err';
	delete $parts{$token};
	if (!login_is_current()) {
		send_all($command->{run}, "declined\n");
		read_login();
		return;
	}
	my $pid = fork;
	run(@$command{'run', 'in', 'out', 'err'}, $token, @{ $command->{rest} }) if defined $pid && !$pid;
}

read_login();
while (1) {
	my $wanted = '';
	vec($wanted, $_, 1) = 1 for fileno $listener, keys %waiting, $reader ? fileno $reader : ();
	my $late = %waiting || %parts ? PATIENCE : undef;
	my $ready = select(my $got = $wanted, undef, undef, $late);
	next if $ready < 0;
	for my $of (\%waiting, \%parts) {
		delete @$of{ grep { $of->{$_}{since} + PATIENCE < time } keys %$of };
	}
	if ($reader && vec($got, fileno $reader, 1)) {
		my $length = sysread $reader, $text, 65536, length $text;
		login_is_read() if !$length && !(!defined $length && $!{EINTR});
	}
	for my $fd (grep { vec($got, $_, 1) } keys %waiting) {
		take($fd);
	}
	if (vec($got, fileno $listener, 1) && accept(my $socket, $listener)) {
		$waiting{fileno $socket} = { socket => $socket, text => '', since => time };
	}
}
