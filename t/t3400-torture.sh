#!/bin/sh
test_description='system calls that fail or end the program: a sample of what make torture takes all of'
. ./t/lib/test-lib.sh
requires strace
strace -o /dev/null true 2>/dev/null || {
	skip_all='strace may not trace here'
	test_done
}
. "$TEST_TOP/t/lib/torture.sh"

test_expect_success 'set up' '
	make_repo repo &&
	cd repo
'

test_expect_success 'sync: a ref that git cannot read, objects half unpacked, a transaction that is killed' '
	torture_use sync &&
	torture_plan &&
	torture_sweep 3 "git.*fsync .*signal=KILL" &&
	torture_sweep 97 "git.*openat .*error=EIO" &&
	torture_sweep 5 "git.*(rename|link|unlink)[a-z0-9]* .*signal=KILL"
'

test_expect_success 'sync: the program itself' '
	torture_sweep 97 "^main .*signal=KILL" &&
	torture_sweep 131 "^main .*error="
'

test_expect_success 'repair' '
	torture_use repair &&
	torture_plan &&
	torture_sweep 7 "^main unlinkat .*signal=KILL" &&
	torture_sweep 201
'

test_expect_success 'open and close' '
	torture_use close &&
	torture_plan &&
	torture_sweep 701 &&
	torture_anew &&
	torture_use open &&
	torture_plan &&
	torture_sweep 301
'

test_done
