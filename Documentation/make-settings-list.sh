#!/bin/sh
# make-settings-list.sh <settings.def: the settings with type, default and meaning, as a part of
# git-agbranch-config(1).
set -eu
exec perl -0777 -ne '
	my $string = qr{"((?:[^"\\]|\\.)*)"|NULL};
	while (/^AGB_SETTING \(\s*$string,\s*(\w+),\s*[^,]+,\s*$string,\s*$string,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)/gm) {
		my ($name, $type, $default, $choices, $meaning) = ($1, lc $2, $3, $4, $5);
		$meaning =~ s/"\s*"//g;
		$meaning =~ s/^"|"\s*$//g;
		my $kind = defined $choices ? join (" or ", map { "`$_`" } split /\|/, $choices) : $type;
		my $set = defined $default ? ", default `$default`" : "";
		print "*$name* ($kind$set)::\n\t" . ucfirst ($meaning) . ".\n";
	}'
