#!/bin/sh
# rows.sh: how many hostile cases there are for each row of the table in Documentation/agbranch-security.adoc.
#
# In a test "# row 5 9" says which rows the cases after it are of, until the next such line or "# no row".
# A case is a call of hostile or test_expect_success, a @case of make-tar.py, or a line of the table that a
# loop reads.  Each row has two at least, and the page names the script in that row.
set -u
page=Documentation/agbranch-security.adoc
bad=0
counts=$(awk '
	FNR == 1 { rows = ""; table = 0 }
	/^[ \t]*# row [0-9 ]+$/ { rows = $0; sub (/^[ \t]*# row /, "", rows); next }
	/^[ \t]*# no row$/ { rows = ""; next }
	rows == "" { next }
	/^while / { loop = 1 }
	/^done/ { loop = 0 }
	/^done <<-/ { table = 1; next }
	table && /^EOF$/ { table = 0 }
	(table && NF) || (!loop && /^[ \t]*(hostile |test_expect_success |@case)/) {
		file = FILENAME
		if (file == "t/hostile/make-tar.py") file = "t/t4100-export-hostile.sh"
		count = split (rows, each, " ")
		for (i = 1; i <= count; i++) cases[each[i] " " file]++
	}
	END { for (key in cases) print key, cases[key] }' t/t*.sh t/hostile/*.sh t/hostile/*.py | sort -n)
for row in $(sed -n 's/^| \([0-9][0-9]*\) | .*/\1/p' "$page"); do
	echo "$counts" | awk -v row="$row" '
		$1 == row { all += $3; files = files ", " $2 " " $3 }
		END { printf "row %s: %d (%s)\n", row, all, substr (files, 3); exit all < 2 }' || {
		echo "check-rows: fewer than two cases of row $row" >&2
		bad=1
	}
done
while read -r row file _; do
	grep "^| $row | " "$page" | grep -qF "\`$file\`" || {
		echo "check-rows: $file has cases of row $row, and $page does not say so" >&2
		bad=1
	}
done <<-EOF
$counts
EOF
exit $bad
