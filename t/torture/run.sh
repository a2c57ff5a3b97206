#!/bin/sh
# run.sh BUILD: the sweeps of open, sync, close and repair, at the same time, and the sum of their points.
# TORTURE_STRIDE=N takes each Nth point, TORTURE_SECONDS ends after that time.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
case $build in /*) ;; *) build=$top/$build ;; esac
AGB_BUILD=$build TORTURE_STRIDE=${TORTURE_STRIDE:-6} TORTURE_MAX_BAD=${TORTURE_MAX_BAD:-20}
TORTURE_UNTIL=$(($(date +%s) + ${TORTURE_SECONDS:-600}))
TORTURE_COUNTS=$build/torture
export AGB_BUILD TORTURE_STRIDE TORTURE_MAX_BAD TORTURE_UNTIL TORTURE_COUNTS
rm -rf "$TORTURE_COUNTS"
mkdir -p "$TORTURE_COUNTS"
cd "$top" || exit 1
begin=$(date +%s)
AGB_TEST_SECONDS=$((${TORTURE_SECONDS:-600} + 120))
export AGB_TEST_SECONDS
prove -j 4 --exec t/run-one.sh t/torture/close.sh t/torture/sync.sh t/torture/open.sh t/torture/repair.sh
code=$?
for verb in open sync close repair; do
	echo "torture: $verb: $(cat "$TORTURE_COUNTS/$verb" 2>/dev/null || echo 'no result')"
done
cat "$TORTURE_COUNTS"/* | awk -v seconds=$(($(date +%s) - begin)) \
	'{ tried += $1; bad += $3 } END { print "torture: " tried " points, " bad " bad, in " seconds " s" }'
exit $code
