#!/bin/sh
# run-fuzz.sh BUILD RUNS: each fuzz target for RUNS runs on a copy of its corpus t/fuzz/corpus/NAME.
# What makes a target fail is left in BUILD/t/fuzz/NAME.found/.
set -u
build=$1 runs=$2
# A target may work in a folder of its own: no name is relative.
case $build in /*) ;; *) build=$PWD/$build ;; esac
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
failed=0
for source in t/fuzz/fuzz-*.c; do
	test -f "$source" || { echo "fuzz-smoke: there is no target"; exit 0; }
	name=$(basename "$source" .c)
	program=$build/t/fuzz/$name
	corpus=$PWD/t/fuzz/corpus/${name#fuzz-}
	mkdir -p "$program.corpus" "$program.found"
	set -- "$program.corpus"
	test ! -d "$corpus" || set -- "$@" "$corpus"
	if timeout 120 "$program" -runs="$runs" -seed=1 -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
		-artifact_prefix="$program.found/" "$@" >"$program.log" 2>&1; then
		echo "fuzz-smoke: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$program.log") runs"
	else
		echo "fuzz-smoke: $name failed; its input is in $program.found" >&2
		tail -n 40 "$program.log" >&2
		failed=1
	fi
done
exit $failed
