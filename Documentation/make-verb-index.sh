#!/bin/sh
# make-verb-index.sh <verbs.def: the verbs by group, as a part of git-agbranch(1).
set -eu
exec perl -0777 -ne '
	my @groups = (["session", "Start and end a session"], ["work", "Work in a session"],
		["look", "Look at sessions"], ["care", "Keep things in order"], ["set-up", "Set up"]);
	while (/^AGB_VERB \(\s*"([^"]+)",\s*"([^"]+)",\s*"([^"]+)",\s*"([^"]+)"\)/gm) {
		my ($name, $program, $group, $summary) = ($1, $2, $3, $4);
		if ($name eq $program) {
			$verbs{$group} .= "*git-agbranch-$name*(1)::\n\t" . ucfirst ($summary) . ".\n";
		} else {
			$aliases .= "*$name*::\n\tThe same as *$program*.\n";
		}
	}
	for (@groups) {
		my ($group, $title) = @$_;
		print "=== $title\n\n$verbs{$group}\n" if $verbs{$group};
	}
	print "=== Other names\n\n$aliases" if $aliases;'
