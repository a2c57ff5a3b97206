#!/bin/sh
test_description='make: nothing is made twice, and what depends on a change is made again'
. ./t/lib/test-lib.sh

# A small copy of the tree, so that nothing of the real one is touched: the build system with one
# room of the library and one verb.
mkdir -p "tree of mine/git-agbranch" "tree of mine/subcommands/completion" "tree of mine/lima" \
	"tree of mine/hooks"
cp -R "$TEST_TOP/Makefile" "$TEST_TOP/Documentation" "tree of mine"
cp -R "$TEST_TOP/git-agbranch/core" "$TEST_TOP/git-agbranch/git-agbranch.c" "tree of mine/git-agbranch"
cp "$TEST_TOP/subcommands/git-agbranch-help.c" "$TEST_TOP/subcommands/verbs.def" "tree of mine/subcommands"
mkdir "tree of mine/t" && cp "$TEST_TOP/t/rules.mk" "tree of mine/t"

build () {
	make -C "tree of mine" --no-print-directory CFLAGS=-O0 -j2 programs "$@" >log 2>&1 || {
		cat log >&2
		fail "make $*"
	}
}

test_expect_success 'a tree in a folder with spaces builds' '
	build &&
	grep "LINK.*git-agbranch-help" log &&
	expect_code 0 "tree of mine/build/bin/git-agbranch" help --list-verbs
'

test_expect_success 'a second make does nothing' '
	build &&
	sed "/^make: Nothing to be done/d" log >left &&
	test_must_be_empty left
'

test_expect_success 'a changed header makes what includes it again, and nothing else' '
	touch -d "+1 minute" "tree of mine/git-agbranch/core/names.h" &&
	build &&
	grep "CC .*core/names.c" log &&
	grep "CC .*git-agbranch-help.c" log &&
	! grep "CC .*core/json.c" log
'

test_expect_success 'a removed source leaves the library' '
	echo "int agb_gone (void); int agb_gone (void) { return 0; }" >"tree of mine/git-agbranch/core/gone.c" &&
	build &&
	ar t "tree of mine/build/libgit-agbranch.a" >members &&
	grep gone.o members &&
	rm "tree of mine/git-agbranch/core/gone.c" &&
	build &&
	ar t "tree of mine/build/libgit-agbranch.a" >members &&
	! grep gone.o members
'

test_expect_success 'another prefix makes only again what knows it' '
	build prefix=/elsewhere &&
	grep "CC .*core/paths.c" log &&
	! grep "CC .*core/json.c" log &&
	grep -c /elsewhere "tree of mine/build/libexec/git-agbranch/git-agbranch-help"
'

test_expect_success 'flavours do not share objects' '
	build prefix=/elsewhere &&
	(
		cd "tree of mine" &&
		make -s -n COVERAGE=1 programs
	) >dry 2>&1 &&
	grep "build-coverage/obj" dry
'

test_done
