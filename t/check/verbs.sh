#!/bin/sh
# verbs.sh: the table of verbs, the programs and the pages are of the same verbs.
set -u
exec perl -e '
	my (%program, $bad);
	sub complain { print STDERR "check-verbs: @_\n"; $bad = 1; }
	open my $in, "<", "subcommands/verbs.def" or die $!;
	local $/;
	my $text = <$in>;
	my $lines = () = $text =~ /^AGB_VERB/gm;
	my $seen = 0;
	while ($text =~ /^AGB_VERB \(\s*"([a-z-]+)",\s*"([a-z-]+)",\s*"(session|work|look|care|set-up)",\s*"([^"]+)"\)/gm) {
		my ($name, $file, $group, $summary) = ($1, $2, $3, $4);
		$seen++;
		complain ("$name is in the table twice") if $names{$name}++;
		complain ("summary of $name is longer than 64 characters") if length $summary > 64;
		complain ("summary of $name begins upper-case or ends with a stop") if $summary =~ /^[A-Z][a-z]|\.$/;
		$program{$file} = 1;
	}
	complain ("a line of verbs.def has another form than AGB_VERB (name, program, group, summary)")
		if $seen != $lines;
	for my $file (sort keys %program) {
		complain ("no subcommands/git-agbranch-$file.c") unless -f "subcommands/git-agbranch-$file.c";
		complain ("no Documentation/git-agbranch-$file.adoc")
			unless -f "Documentation/git-agbranch-$file.adoc";
		complain ("$file is only an alias in verbs.def") unless $names{$file};
	}
	for my $source (glob "subcommands/git-agbranch-*.c") {
		my ($verb) = $source =~ m{git-agbranch-(.*)\.c$};
		complain ("$source is not in verbs.def") unless $program{$verb};
	}
	for my $page (glob "Documentation/git-agbranch-*.adoc") {
		my ($verb) = $page =~ m{git-agbranch-(.*)\.adoc$};
		complain ("$page is of no verb") unless $program{$verb};
	}
	exit ($bad // 0);
'
