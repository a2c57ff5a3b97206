#!/bin/sh
# run-tests.sh BUILD JOBS TEST...: all tests through prove, sharness scripts and unit programs alike.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$1 jobs=$2
shift 2
case $build in /*) ;; *) build=$top/$build ;; esac
AGB_BUILD=$build
export AGB_BUILD
cd "$top"
exec prove --timer -j "$jobs" --exec t/run-one.sh "$@"
