#!/bin/sh
# probe.sh FLAVOUR PROGRAM...: what a prepared image has, a line each: "name version", "name -" when
# it is missing.  PROGRAMs are the agents.  Ends with "end"; status 1 when something is missing.
set -u
flavour=$1
shift
missing=0

tell () {
	name=$1
	shift
	version=
	if command -v "$1" >/dev/null 2>&1; then
		version=$(timeout 120 "$@" </dev/null 2>/dev/null |
			grep -Eo '[0-9]+(\.[0-9]+)+([0-9A-Za-z.+~-]*[0-9A-Za-z])?' | head -n 1)
	fi
	test -n "$version" || missing=1
	echo "$name ${version:--}"
}

tell git git --version
tell curl curl --version
tell jq jq --version
tell tmux tmux -V
test $# -eq 0 || tell node node --version
if test "$flavour" = full; then
	tell git-lfs git lfs version
	tell rg rg --version
	tell fd fd --version
	tell gh gh --version
	tell wget wget --version
	tell gcc gcc --version
	tell make make --version
	tell python3 python3 --version
	tell pip python3 -m pip --version
	tell venv python3 -c 'import ensurepip, sys, venv; print ("%d.%d" % sys.version_info[:2])'
	tell xvfb dpkg-query -W -f '${Version}' xvfb
	tell docker docker --version
	tell docker-compose docker compose version
	tell chromium chromium --version
	tell chrome-devtools-mcp chrome-devtools-mcp --version
fi
for program; do
	tell "$program" "$program" --version
done
echo end
exit "$missing"
