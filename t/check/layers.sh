#!/bin/sh
# layers.sh FILE...: a file includes only its own layer and those to its left
# (Documentation/ARCHITECTURE.adoc).
set -u
exec perl -e '
	my @layers = qw(core store guest gate session subcommands);
	my %rank = map { $layers[$_] => $_ } 0 .. $#layers;
	my $bad = 0;
	for my $file (@ARGV) {
		my ($own) = $file =~ m{^(?:git-agbranch/)?(core|store|guest|gate|session|subcommands)/} or next;
		open my $in, "<", $file or die "$file: $!\n";
		while (<$in>) {
			next unless m{^\s*#\s*include\s+"([^"]+)"};
			my $path = $1;
			my ($layer) = $path =~ m{^(?:git-agbranch/)?([a-z]+)/};
			if (!defined $layer || !exists $rank{$layer}) {
				print STDERR "$file:$.: \"$path\" is not named from its layer\n";
				$bad = 1;
			} elsif ($rank{$layer} > $rank{$own}) {
				print STDERR "$file:$.: $own must not include $layer (\"$path\")\n";
				$bad = 1;
			}
		}
	}
	exit $bad;
' -- "$@"
