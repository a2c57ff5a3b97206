#!/bin/sh
# 10-packages.sh FLAVOUR: what the flavour (minimal, full) has from the distribution.  Run as root.
# Nothing is fetched when all of it is there.
set -eu
flavour=$1
export DEBIAN_FRONTEND=noninteractive

packages="git curl jq tmux ca-certificates nftables openssh-server rsync"
test "$flavour" = minimal || packages="$packages git-lfs gh wget fd-find ripgrep build-essential
	python3 python3-pip python3-venv pipx xvfb xauth unzip less
	docker.io docker-cli docker-compose docker-buildx iptables chromium chromium-sandbox fonts-liberation"

missing=
for package in $packages; do
	dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
		missing="$missing $package"
done
if test -n "$missing"; then
	apt-get -q update
	# The list holds names of packages only.
	# shellcheck disable=SC2086
	apt-get -q -y --no-install-recommends install $missing
fi
test "$flavour" = minimal || ln -sf "$(command -v fdfind)" /usr/local/bin/fd
