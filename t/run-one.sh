#!/bin/sh
# run-one.sh TEST: a sharness script with its chain lint, or a unit program as TAP.
case $1 in
*.sh) exec sh "$@" --chain-lint ;;
*) exec "$1" --tap ;;
esac
