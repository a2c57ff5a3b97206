#!/bin/sh
# 30-docker.sh FLAVOUR: Docker with compose, from the distribution.  Run as root.
set -eu
test "$1" = full || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y --no-install-recommends install docker.io docker-cli docker-compose iptables
usermod -aG docker agent
systemctl enable --now docker.service
