#!/bin/sh
# run-one.sh TEST: a sharness script with its chain lint, or a unit program as TAP.
#
# Signals are at their defaults whatever started us (nohup ignores SIGHUP, and what is ignored at the
# start of a shell stays so).  Without a terminal, where nobody presses Ctrl-C, a test that hangs is
# ended with all that it started.
frame=
if env --default-signal true 2>/dev/null; then
	frame='env --default-signal'
fi
if ! test -t 2 && timeout -k 1 1 true 2>/dev/null; then
	frame="$frame timeout -k 10 ${AGB_TEST_SECONDS:-600}"
fi
# shellcheck disable=SC2086 # words
case $1 in
*.sh) exec $frame sh "$@" --chain-lint ;;
*) exec $frame "$1" --tap ;;
esac
