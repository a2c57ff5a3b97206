#!/bin/sh
# seed.sh WORKSPACE FORMAT BASE BRANCH BORROWED CONFIG: make the session's clone.
#
# BORROWED is the number of host object folders that lie in /run/o/0, /run/o/1, …; 0: a pack with all
# of BASE's history follows on stdin; "kept": a thin one, to what objects.sh has kept in the image.  stdin begins with the shallow border of the host, one object id
# a line, ended by an empty line.  CONFIG is text for the clone's git config (identity, signing).
# An empty BRANCH detaches HEAD at BASE, as in a submodule.
# Repeating it on a half-made workspace begins anew.
set -eu
workspace=$1 format=$2 base=$3 branch=$4 borrowed=$5 config=$6

# As few processes as can be: without KVM each takes a tenth of a second or more.
test ! -e "$workspace/.git" || rm -rf "$workspace/.git"
mkdir -p "$workspace/.git/info"
cd "$workspace"
git -c "init.defaultBranch=${branch:-main}" init -q --template= --object-format="$format"
printf '%s' "$config" >>.git/config

while read -r border && test -n "$border"; do
	printf '%s\n' "$border" >>.git/shallow
done

if test "$borrowed" = kept; then
	for file in "$HOME"/.agbranch/objects.git/objects/pack/*; do
		ln "$file" .git/objects/pack/ || cp "$file" .git/objects/pack/
	done
	git index-pack --stdin --fix-thin >/dev/null
elif test "$borrowed" -gt 0; then
	number=0
	while test "$number" -lt "$borrowed"; do
		printf '/run/o/%s\n' "$number"
		number=$((number + 1))
	done >.git/objects/info/alternates
else
	git index-pack --stdin --fix-thin >/dev/null
fi

# What the base's tree needs is there, or the clone fails here and not later in the agent's hands.
test -n "$branch" || git update-ref --no-deref HEAD "$base"
git -c checkout.workers=0 -c checkout.thresholdForParallelism=1000 reset -q --hard "$base"

# From here on what is committed is on the disk before git says so: a machine may be switched off at any moment.
printf '[core]\n\tfsync = committed,reference\n' >>.git/config
