#!/bin/sh
# run-bench.sh BUILD PAGE: run every t/perf/bench-*.sh and write their ratios to PAGE.
#
# A bench script prints lines NAME<TAB>RATIO<TAB>BOUND<TAB>DETAIL: the ratio of two times (or of a size
# to its limit) measured in the same run, so that it means the same on any machine; at most BOUND is
# good.  It gets AGB_BUILD and runs in its own empty folder.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
build=$1 page=$2
case $build in /*) ;; *) build=$top/$build ;; esac
AGB_BUILD=$build
export AGB_BUILD
cd "$top" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
bad=0
: >"$work/lines"
for script in t/perf/bench-*.sh; do
	test -f "$script" || continue
	echo "bench: $script" >&2
	if ! timeout 900 sh "$script" >"$work/out" 2>"$work/err"; then
		echo "bench: $script failed" >&2
		tail -n 20 "$work/err" >&2
		bad=1
		continue
	fi
	grep "$(printf '\t')" "$work/out" >>"$work/lines"
	cat "$work/out"
done
awk -F '\t' '$2 + 0 > $3 + 0 { print "bench: " $1 ": " $2 " is above " $3; bad = 1 } END { exit bad }' \
	"$work/lines" >&2 || bad=1

cores=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
memory=$(awk '/^MemTotal/ { printf "%d GiB", $2 / 1048576 + 0.5 }' /proc/meminfo 2>/dev/null)
{
	cat <<-END
	= Performance

	Made by \`make bench\`; do not edit. Each ratio is of two measurements of one run, so that it can be
	compared between machines; the bound is what the project promises.

	[horizontal]
	commit:: $(git describe --always --dirty 2>/dev/null || echo unknown)
	date:: $(date -u +%Y-%m-%d)
	machine:: ${model:-unknown}, $cores cores, ${memory:-unknown memory}, $(uname -s) $(uname -r)
	git:: $(git --version | sed 's/^git version //')

	[cols="3,1,1,5",options="header"]
	|===
	| what | ratio | at most | measured
	END
	awk -F '\t' '{ gsub (/\|/, "\\|"); printf "| %s | %s | %s | %s\n", $1, $2, $3, $4 }' "$work/lines"
	echo '|==='
} >"$work/page"
mv "$work/page" "$page"
echo "bench: wrote $page" >&2
exit $bad
