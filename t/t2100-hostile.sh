#!/bin/sh
test_description='the hostile corpus: refused with exit 9 and the reason, and nothing else happens'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"
. "$TEST_TOP/t/hostile/lib.sh"

test_expect_success 'set up: a host with programs that no guest may start' '
	gate_repos && git -C host repack -adq && plant_canaries
'

. "$HOSTILE/streams.sh"
. "$HOSTILE/bundles.sh"
. "$HOSTILE/bombs.sh"
. "$HOSTILE/objects.sh"
. "$HOSTILE/policy.sh"

# row 2 21
test_expect_success 'accepted attributes that name drivers of the host start none of them' '
	fresh_guest && rm -f stream canary.sang host/canary.sang &&
	echo "* filter=evil diff=evil merge=evil" >guest/.gitattributes &&
	echo work >>guest/file && g add . && g commit -qm work && NEW=$(g rev-parse HEAD) &&
	git -C host config --unset core.hooksPath && git -C host config --unset core.fsmonitor &&
	echo elsewhere >host/sub/other && git -C host commit -qam elsewhere &&
	pack_loose >stream &&
	gate sync "$BASE" "$BASE" "$NEW" ../staged <stream &&
	gate patch "$BASE" "$NEW" ../patch &&
	grep "^+work" patch &&
	test ! -e canary.sang
'

# row 4
test_expect_success 'a bundle with branches and tags: the commit comes, and of its refs none' '
	fresh_guest && rm -f stream && git -C host for-each-ref >refs.before &&
	NEW=$(one_entry 100644 taken "$(blob text)") && g tag -a -m evil v99 "$NEW" && g branch -f agbranch/other "$NEW" &&
	g update-ref refs/remotes/origin/main "$NEW" && g update-ref refs/agbranch/sessions/other/head "$NEW" && g update-ref refs/heads/main "$NEW" &&
	g update-ref refs/replace/$BASE "$NEW" && g bundle create -q ../stream --branches --tags --remotes \
		refs/agbranch/sessions/other/head refs/replace/$BASE "^$BASE" &&
	test "$(git bundle list-heads stream | wc -l)" -ge 6 &&
	gate sync "$BASE" "$BASE" "$NEW" ../staged check <stream &&
	git -C host for-each-ref >refs.after && test_cmp refs.before refs.after
'

test_done
