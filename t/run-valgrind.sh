#!/bin/sh
# run-valgrind.sh BUILD TEST…: memcheck in front of the verbs that the scripts start, and of the unit programs.
# agbranch-scan, -git and -unpack run without: their filter of system calls would be one for valgrind too, which
# is the same process; agbranch-execd too, since it runs in the sandbox, where there is no valgrind.
#
# Valgrind is 3.21 at least: pidfd_open(2).  It makes vfork(2) a fork(2), so that posix_spawn(3) cannot say that
# a program is not there: that one case is left out.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$1
shift
case $build in /*) ;; *) build=$top/$build ;; esac
valgrind=${VALGRIND:-valgrind}
shadow=$build/valgrind
rm -rf "$shadow"
mkdir -p "$shadow/bin" "$shadow/libexec/git-agbranch" "$shadow/t/unit" "$shadow/t/tools" "$shadow/logs"
chmod 1777 "$shadow/logs"
ln -s ../share ../.variables ../Documentation "$shadow"

preload=$shadow/pidfd-signal.so
${CC:-cc} -shared -fPIC -o "$preload" "$top/t/valgrind/pidfd-signal.c"

# What memcheck finds is in the logs, so that exit codes stay those that the tests expect.  Of leaks only what is
# certain: a program that ends itself in the middle (AGB_FAIL_AT) holds pages of SQLite by their middle.
#
# wrap PROGRAM OPTIONS ARGS: below the shadow, as the program is below the build.
wrap () {
	program=$1
	cat >"$shadow/$program" <<-WRAPPER
	#!/bin/sh
	GIT_AGBRANCH_EXEC_PATH=$shadow/libexec/git-agbranch
	LD_PRELOAD=$preload
	export GIT_AGBRANCH_EXEC_PATH LD_PRELOAD
	exec $valgrind $2 -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \\
		--suppressions=/usr/share/glib-2.0/valgrind/glib.supp --log-file=$shadow/logs/${program##*/}.%p \\
		$build/$program "\$@" $3
	WRAPPER
	chmod +x "$shadow/$program"
}

for program in "$build"/libexec/git-agbranch/*; do
	name=${program##*/}
	case $name in
	agbranch-scan | agbranch-git | agbranch-unpack | agbranch-execd) ln -s "$program" "$shadow/libexec/git-agbranch" ;;
	*) wrap "libexec/git-agbranch/$name" "" "" ;;
	esac
done
# The probes try what they may not do, in a sandbox or a filter of their own.
for program in "$build"/t/tools/*; do
	case $program in
	*-probe | *.py) ln -s "$program" "$shadow/t/tools" ;;
	*) wrap "t/tools/${program##*/}" "" "" ;;
	esac
done
for program in "$build"/t/unit/*; do
	# The copies of them that are processes of a test end without freeing.
	wrap "t/unit/${program##*/}" --child-silent-after-fork=yes "-s /child/missing-program"
done
cat >"$shadow/bin/git-agbranch" <<-WRAPPER
	#!/bin/sh
	GIT_AGBRANCH_EXEC_PATH=$shadow/libexec/git-agbranch exec $build/bin/git-agbranch "\$@"
WRAPPER
chmod +x "$shadow/bin/git-agbranch"
ln -s git-agbranch "$shadow/bin/agbranch"

AGB_BUILD=$shadow AGB_TEST_SECONDS=${AGB_TEST_SECONDS:-3600}
export AGB_BUILD AGB_TEST_SECONDS
cd "$top"
code=0
prove --timer -j "${JOBS:-1}" --exec t/run-one.sh "$shadow"/t/unit/* "$@" || code=$?
found=$(grep -l '^==' "$shadow"/logs/* 2>/dev/null) && {
	# shellcheck disable=SC2086 # words
	cat $found
	code=1
}
echo "valgrind: $(ls "$shadow/logs" | wc -l) processes, $(echo "$found" | grep -c . || :) with findings"
exit $code
