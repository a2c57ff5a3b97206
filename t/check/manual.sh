#!/bin/sh
# manual.sh BUILD: each verb's page and its -h say the same: SYNOPSIS and usage, options, exit codes
# that the table of git-agbranch(1) has, sections in the fixed order.
set -u
exec perl -e '
	my ($build) = @ARGV;
	my $bad = 0;
	sub complain { print STDERR "check-manual: @_\n"; $bad = 1; }
	sub slurp { open my $in, "<", $_[0] or return; local $/; return <$in>; }

	# The sections of a page, and their order.
	sub sections {
		my (%text, @order, $now);
		for (split /\n/, $_[0]) {
			if (/^== (.*)$/) { $now = uc $1; push @order, $now; $text{$now} = ""; }
			elsif (defined $now) { $text{$now} .= "$_\n"; }
		}
		return (\%text, \@order);
	}
	sub plain { my $s = shift; $s =~ s/\{[a-z-]+\}//g; $s =~ tr/*_`\x27+//d; $s =~ s/\s+/ /g; $s =~ s/^ | $//g; return $s; }

	my $main = slurp ("Documentation/git-agbranch.adoc");
	my ($main_text) = sections ($main // "");
	my %known;
	$known{$1} = 1 while ($main_text->{"EXIT STATUS"} // "") =~ /^\|?\s*[*`]?(\d+)[*`]?\s*(?:\||::)/mg;
	my @wanted = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO");

	for my $page (sort glob "Documentation/git-agbranch-*.adoc") {
		my ($verb) = $page =~ m{git-agbranch-(.*)\.adoc$};
		my $source = slurp ($page);
		my ($text, $order) = sections ($source);
		complain ("$page: title is not = git-agbranch-$verb(1)")
			unless $source =~ /^= git-agbranch-\Q$verb\E\(1\)\n/;
		my $last = -1;
		for my $section (@wanted) {
			my ($at) = grep { $order->[$_] eq $section } 0 .. $#$order;
			if (!defined $at) { complain ("$page: no section $section"); next; }
			complain ("$page: section $section is not in its place") if $at < $last;
			$last = $at;
		}

		my $program = "$build/libexec/git-agbranch/git-agbranch-$verb";
		next unless -x $program;
		open my $help, "-|", $program, "-h" or die "$program: $!\n";
		my @help = <$help>;
		close $help;
		my (@usage, %option);
		for (@help) {
			if (/^(?:usage:|   or:) (.*)$/) { push @usage, plain ($1); }
			elsif (@usage && !%option && /^ {10,}(\S.*)$/) { $usage[-1] .= " " . plain ($1); }
			$option{$1} = 1 if /^    (?:-., |    )(--[a-z0-9-]+)/;
		}
		my ($verse) = ($text->{SYNOPSIS} // "") =~ /\[verse\]\n(?:_{4}\n)?(.*?)(?:\n_{4}|\n\n|\z)/s;
		my @synopsis = map { plain ($_) } grep { /\S/ } split /\n/, $verse // "";
		complain ("$page: SYNOPSIS and -h differ:\n  page: " . join ("\n        ", @synopsis)
			. "\n  -h:   " . join ("\n        ", @usage)) if "@synopsis" ne "@usage";
		# -q and -v are in git-agbranch(1), once for all.
		for (grep { !/^--(?:quiet|verbose)$/ } sort keys %option) {
			complain ("$page: $_ is not in OPTIONS") unless ($text->{OPTIONS} // "") =~ /\Q$_\E(?![a-z0-9-])/;
		}
		while (($text->{OPTIONS} // "") =~ /^(?:[*`]?-.*)::\s*$/mg) {
			my $line = $&;
			while ($line =~ /(?<![a-z0-9-])(--[a-z0-9][a-z0-9-]*)/g) {
				next if $1 eq "--list-options" || $option{$1};
				complain ("$page: $1 is no option of -h");
			}
		}
		my $codes = 0;
		while (($text->{"EXIT STATUS"} // "") =~ /^\|?\s*[*`]?(\d+)[*`]?\s*(?:\||::)/mg) {
			$codes++;
			complain ("$page: exit status $1 is not in git-agbranch(1)") if $main && !$known{$1};
		}
		complain ("$page: EXIT STATUS names no code") unless $codes;
	}
	# Code, and tests that a page names as proof, are there.
	for my $page (glob "Documentation/*.adoc") {
		my $source = slurp ($page);
		while ($source =~ m{`(t/[a-z0-9_./-]+\.(?:sh|c|py|pl))`}g) {
			complain ("$page: there is no $1") unless -f $1;
		}
		while ($source =~ m{`((?:core|store|guest|gate|session)/[a-z0-9_/-]+\.[ch])`}g) {
			complain ("$page: there is no git-agbranch/$1") unless -f "git-agbranch/$1";
		}
	}
	exit $bad;
' -- "$1"
