# copy.sh out PARENT NAME RECURSIVE     PARENT/NAME as a tar stream, its top NAME
# copy.sh read PARENT NAME              the bytes of a file
# copy.sh in PARENT NAME FORCE TOP INTO a tar stream with TOP at its top to PARENT/NAME (a folder that
#                                       exists there: into it; with INTO = 1 it has to be one)
# copy.sh write PARENT NAME FORCE       stdin to the file PARENT/NAME
#
# Ends with 64 and one line on stderr for what the user has to correct.
set -u
action=$1 parent=$2 name=$3 option=${4-}

complain () {
	printf '%s\n' "$*" >&2
	exit 64
}

# `.git` stays: git on the host would obey what is in it.  Of tar's messages the last is kept, so that
# nobody has to read them while the stream flows.
out () {
	test -e "$name" || test -L "$name" || complain "there is no '$parent/$name'"
	test ! -L "$name" || complain "'$parent/$name' is a link: name what it points at"
	test ! -d "$name" || test "$option" = 1 || complain "'$parent/$name' is a folder"
	exec 3>&1
	errors=$(tar -c --exclude=.git -f - -- "$name" 2>&1 >&3 3>&-)
	status=$?
	printf '%s\n' "$errors" | tail -n 1 >&2
	exit "$status"
}

temporary () {
	test -w . || complain "'$parent' cannot be written"
	umask 022
	folder=$(mktemp -d ./.agbranch-copy.XXXXXX) || exit 1
	trap 'rm -rf -- "$folder"' EXIT
	trap 'exit 1' HUP INT TERM
}

# What comes in takes its place by one rename, or, over what exists, by two.
place () {
	if test -e "$name" || test -L "$name"; then
		test "$option" = 1 || complain "'$parent/$name' exists"
		mv -f -- "$name" "$folder/.old" || exit 1
	fi
	mv -- "$1" "$name"
}

bring_in () {
	test "$2" != 1 || test -d "$name" || complain "'$parent/$name' is no folder"
	if test -d "$name" && test ! -L "$name"; then
		cd -- "$name" || exit 1
		parent=$parent/$name name=$1
	fi
	test "$option" = 1 || { test ! -e "$name" && test ! -L "$name"; } ||
		complain "'$parent/$name' exists"
	temporary
	mkdir "$folder/new" && tar -x --no-same-owner -f - -C "$folder/new" && place "$folder/new/$1"
}

write_file () {
	test ! -d "$name" || complain "'$parent/$name' is a folder: name the file in it"
	test "$option" = 1 || test ! -e "$name" || complain "'$parent/$name' exists"
	temporary
	cat >"$folder/new" && place "$folder/new"
}

cd -- "$parent" 2>/dev/null || complain "there is no folder '$parent'"
case $action in
out) out ;;
read)
	test -f "$name" || complain "'$parent/$name' is not a file"
	exec cat -- "$name"
	;;
in) bring_in "$5" "$6" ;;
write) write_file ;;
esac
