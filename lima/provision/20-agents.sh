#!/bin/sh
# 20-agents.sh FLAVOUR PACKAGE...: Node 22 and the agent programs, all from npm.  Run as root.
#
# PACKAGE is what npm takes (name, name@version).  The distribution's npm only brings node 22 and a
# newer npm, which install the rest: it is too old for the agents, and is removed again.
set -eu
flavour=$1
shift
test $# -gt 0 || exit 0
export DEBIAN_FRONTEND=noninteractive

major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
if test "${major:-0}" -lt 22; then
	apt-get -q update
	apt-get -q -y --no-install-recommends install nodejs npm
	npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error node@22 npm@11
	apt-get -q -y purge nodejs npm
	apt-get -q -y autoremove --purge
	hash -r
fi

for package; do
	case $package in
	aider-chat*) ;;
	*) npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error "$package" ;;
	esac
done
test "$flavour" = full || exit 0
for package; do
	case $package in
	aider-chat | aider-chat==*)
		python3 -m venv /opt/aider
		/opt/aider/bin/pip install --quiet "$package"
		ln -sf /opt/aider/bin/aider /usr/local/bin/aider
		;;
	esac
done
