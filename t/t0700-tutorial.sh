#!/bin/sh
test_description='the tutorial: its commands work, and say what it shows'
. ./t/lib/test-lib.sh

git config --global --unset user.name
git config --global --unset user.email

# One file a block of the page: commands ("$ ") with the output that is shown ("..." is any text, also
# within a line), and the exit status of the last command.
mkdir blocks
awk '
	/^\[role=exit-[0-9]+\]$/ { status = substr ($0, 12) + 0 }
	/^----$/ {
		if (inside) { inside = 0; close (file); status = 0 }
		else { inside = 1; file = sprintf ("blocks/%02d", ++number); print status + 0 >(file ".status"); close (file ".status") }
		next
	}
	/^== / { section = substr ($0, 4) }
	inside { print >file; if (!told[number]++) print section >(file ".title") }
' "$TEST_TOP/Documentation/agbranchtutorial.adoc"

# matches SHOWN GOT: lines of SHOWN are there in this order; "..." in a line stands for anything, and a
# line of it for any lines; nothing else may be there.
matches () {
	perl -e '
		my ($shown, $got) = map { local $/; open my $in, "<", $_ or die "$_: $!\n"; scalar <$in> } @ARGV;
		my $pattern = join "", map { $_ eq "...\n" ? "(?:.*\\n)*?" : do { chomp; join (".*?", map { quotemeta } split /\.\.\./, $_, -1) . "[ ]*\\n" } }
			$shown =~ /(.*\n)/g;
		exit ($got =~ /\A$pattern\z/ ? 0 : 1);
	' "$1" "$2" || {
		echo "expected:" >&2
		sed "s/^/  /" "$1" >&2
		echo "got:" >&2
		sed "s/^/  /" "$2" >&2
		return 1
	}
}

# run_block FILE: run its commands in this shell, so that cd and variables stay.
tutorial_log=$PWD/log
run_block () {
	wanted=$(cat "$1.status") status=0 command=
	: >"$tutorial_log.shown"
	while IFS= read -r line <&3; do
		case $line in
		'$ '*)
			finish_command 0 || return 1
			command=${line#??}
			echo "\$ $command"
			status=0
			eval "$command" >"$tutorial_log" 2>&1 </dev/null || status=$?
			: >"$tutorial_log.shown"
			;;
		*) printf '%s\n' "$line" >>"$tutorial_log.shown" ;;
		esac
	done 3<"$1"
	finish_command "$wanted"
}
finish_command () {
	test -n "$command" || return 0
	test "$status" = "$1" || {
		cat "$tutorial_log" >&2
		fail "exit status $status, not $1, of: $command"
		return 1
	}
	matches "$tutorial_log.shown" "$tutorial_log"
}

test_expect_success 'there are blocks' '
	test -f blocks/10 && ! test -f blocks/40
'

here=$PWD
for block in blocks/[0-9][0-9]; do
	block=$here/$block
	test_expect_success "$(basename "$block"): $(cat "$block.title")" '
		run_block "$block"
	'
done

test_done
