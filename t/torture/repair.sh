#!/bin/sh
test_description='repair: killed or failing in each system call'
. ./t/lib/test-lib.sh
requires strace
. "$TEST_TOP/t/lib/torture.sh"

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	torture_use repair &&
	torture_plan
'

test_expect_success 'each point' '
	torture_sweep "${TORTURE_STRIDE:-1}" "$TORTURE_ONLY"
'

test_done
