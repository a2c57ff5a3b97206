#!/bin/sh
# pack.sh WORKSPACE NEW HAVE...: a thin pack of what NEW reaches and no HAVE does, on stdout.
#
# A HAVE that this clone does not know (any more) is left out: the pack is larger then, not wrong.
# Deltas between large blobs take minutes and the guest's whole memory, and seldom save anything.
set -eu
cd "$1"
new=$2
shift 2
{
	echo "$new"
	for have in "$@"; do
		! git cat-file -e "$have^{commit}" 2>/dev/null || echo "^$have"
	done
} | git -c core.bigFileThreshold=16m pack-objects --revs --thin --stdout --delta-base-offset -q
