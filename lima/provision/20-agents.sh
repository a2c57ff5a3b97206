#!/bin/sh
# 20-agents.sh FLAVOUR PACKAGE...: Node 22 and the agent programs, all from npm.  Run as root.
#
# PACKAGE is what npm takes (name, name@version).  The distribution's npm only brings node 22 and a
# newer npm, which install the rest: it is too old for the agents, and is removed again.  A version that
# is named and is there is not fetched.
set -eu
flavour=$1
shift
test $# -gt 0 || exit 0
export DEBIAN_FRONTEND=noninteractive
# Those of the host too (agbranch.lima.caCerts), which Node does not look at by itself.
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt

major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
if test "${major:-0}" -lt 22; then
	apt-get -q update
	apt-get -q -y --no-install-recommends install nodejs npm
	npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error node@22 npm@11
	apt-get -q -y purge nodejs npm
	apt-get -q -y autoremove --purge
	hash -r
fi

# aider asks for a Python before 3.13, and pip would take its first version, which knew no bound, on a
# newer one.  It works there but for two of its packages: a numpy that has no build for it, and a module
# that has left the standard library.
install_aider () {
	rm -rf /opt/aider
	python3 -m venv /opt/aider
	pip="/opt/aider/bin/pip install --quiet"
	if /opt/aider/bin/python -c 'import sys; sys.exit (sys.version_info >= (3, 13))'; then
		$pip "$1"
		return
	fi
	$pip --no-deps --ignore-requires-python "$1"
	/opt/aider/bin/python -c '
import importlib.metadata, re
for line in importlib.metadata.requires ("aider-chat"):
    if "extra ==" not in line:
        print (re.sub ("^numpy==.*", "numpy", line))
' >/opt/aider/requirements.txt
	$pip --only-binary :all: -r /opt/aider/requirements.txt audioop-lts
}

# there NAME@VERSION: npm brought that very version.
there () {
	file=/usr/local/lib/node_modules/${1%@*}/package.json
	test -f "$file" && test "$(jq -r .version "$file")" = "${1##*@}"
}

aider_there () {
	test -x /opt/aider/bin/aider && test -d "$(echo /opt/aider/lib/python3*/site-packages/aider_chat-"${1#aider-chat==}".dist-info)"
}

for package; do
	case $package in
	aider-chat*) ;;
	*) there "$package" || npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error "$package" ;;
	esac
done
test "$flavour" = full || exit 0
for package; do
	case $package in
	aider-chat | aider-chat==*)
		aider_there "$package" || install_aider "$package"
		ln -sf /opt/aider/bin/aider /usr/local/bin/aider
		;;
	esac
done
