#!/bin/sh
# objects.sh FORMAT COMMIT: keep the objects of a repository for later clones (seed.sh, "kept").  A pack
# with all that COMMIT reaches is on stdin.  Run as the guest's user; a repeat begins anew.
set -eu
format=$1 commit=$2
folder=$HOME/.agbranch/objects.git
rm -rf "$folder"
git init -q --bare --template= --object-format="$format" "$folder"
cd "$folder"
git index-pack --stdin >/dev/null
git update-ref refs/heads/kept "$commit"
sync
