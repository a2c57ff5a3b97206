#!/bin/sh
# 30-docker.sh FLAVOUR: Docker, for the agent.  Run as root; its packages are there.
set -eu
test "$1" = full || exit 0
usermod -aG docker agent
systemctl enable --now docker.service
