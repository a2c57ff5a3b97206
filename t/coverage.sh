#!/bin/sh
# coverage.sh BUILD: lines of the library and the verbs that ran in a build with COVERAGE=1, a row a
# folder and the files with the fewest, from gcov's JSON.
set -eu
build=$1
top=$(pwd)
case $build in /*) ;; *) build=$top/$build ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
find "$build/obj" -name '*.gcda' | while IFS= read -r data; do
	gcov --json-format --stdout "$data" 2>/dev/null || :
done >all.json
jq -r '.files[] | select(.file | startswith("git-agbranch/") or startswith("subcommands/"))
	| select(.file | endswith(".c")) | .file as $f | .lines[] | [$f, .line_number, .count] | @tsv' all.json |
awk -F '\t' '
	{ key = $1 FS $2; if (!(key in hit)) { lines[$1]++; hit[key] = 0 } if ($3 > 0 && !hit[key]) { hit[key] = 1; ran[$1]++ } }
	END {
		for (file in lines) {
			folder = file; sub ("/[^/]*$", "", folder)
			all[folder] += lines[file]; done[folder] += ran[file]; total += lines[file]; good += ran[file]
			printf "file\t%.0f\t%s\n", 100 * ran[file] / lines[file], file
		}
		for (folder in all) printf "folder\t%.1f\t%s\t%d\n", 100 * done[folder] / all[folder], folder, all[folder]
		if (total) printf "total\t%.1f\tall\t%d\n", 100 * good / total, total
	}' >table
echo 'lines that ran, by folder:'
grep '^folder' table | sort -k3 | awk -F '\t' '{ printf "  %5.1f%% of %5d  %s\n", $2, $4, $3 }'
echo 'files with the fewest:'
grep '^file' table | sort -t "$(printf '\t')" -k2n | head -n 15 | awk -F '\t' '{ printf "  %5d%%  %s\n", $2, $3 }'
grep '^total' table | awk -F '\t' '{ printf "all: %.1f%% of %d lines\n", $2, $4 }'
