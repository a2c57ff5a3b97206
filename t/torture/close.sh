#!/bin/sh
test_description='close: killed or failing in each system call'
. ./t/lib/test-lib.sh
requires strace
. "$TEST_TOP/t/lib/torture.sh"

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	torture_use close &&
	torture_plan
'

test_expect_success 'each point' '
	# It begins with a sync, whose points have their own sweep.
	torture_sweep "$((${TORTURE_STRIDE:-1} * 2))" "$TORTURE_ONLY"
'

test_done
