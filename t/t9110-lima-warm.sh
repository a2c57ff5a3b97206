#!/bin/sh
test_description='Lima: a warm start and a cold one, what makes it cold, stop and start'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_machine

test_expect_success 'set up' '
	make_repo repo &&
	git agbranch base prepare --minimal --json >out &&
	json_is .warm true
'

test_expect_success 'a warm session, and how long its phases take' '
	cd repo &&
	git agbranch open hot --json >out &&
	jq -r ".phases[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	git agbranch run hot -- true &&
	git agbranch show hot --json >out && json_is .runtime.vm.cold_start null
'

test_expect_success 'another size starts cold, and says why' '
	git agbranch open cold --memory 900M --json >out &&
	jq -r ".phases[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	git agbranch run cold -- true &&
	git agbranch show cold --json >out &&
	json_is .runtime.vm.cold_start "the machine is not of the base'\''s size (cpus, memory, disk)"
'

test_expect_success 'a cold one has an identity of its own as well' '
	git agbranch run hot -- cat /etc/machine-id >one &&
	git agbranch run cold -- cat /etc/machine-id >two &&
	! cmp -s one two &&
	git agbranch run cold -- sh -c "hostname; echo \$AGBRANCH_SESSION" >out &&
	printf "cold\ncold\n" >expected && test_cmp expected out
'

test_expect_success 'stop and start keep the work' '
	git agbranch close --discard --yes cold &&
	agent_commit hot file kept &&
	git agbranch run hot -- sh -c "echo loose >loose" &&
	expect_code 0 git agbranch stop hot --json && json_is .lifecycle_state stopped &&
	expect_code 0 git agbranch start hot --json && json_is .lifecycle_state running &&
	git agbranch run hot -- sh -c "cat loose; git log -1 --format=%s; sudo nft list table inet agbranch | grep -c reject" >out &&
	printf "loose\nchange file\n4\n" >expected && test_cmp expected out
'

test_expect_success 'a state that does not restore: cold instead, said, and the base is known for it' '
	git agbranch close --discard --yes hot &&
	qemu-img snapshot -d warm "$LIMA_HOME/agbranch-base-linux/disk" &&
	expect_code 0 git agbranch open again &&
	grep "^warning: warm start failed, starting cold: " err &&
	git agbranch run again -- true &&
	git agbranch base show --json >out && json_is .warm false &&
	jq -e ".warm_reason | test(\"did not restore\")" out &&
	git agbranch close --discard --yes again
'

test_done
