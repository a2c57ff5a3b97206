#!/bin/sh
test_description='gate: what is good passes, and what it leaves behind'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/gate.sh"

test_expect_success 'set up' '
	gate_repos &&
	echo work >>guest/file && git -C guest commit -qam work &&
	ONE=$(guest_head)
'

test_expect_success 'a small sync comes as a pack, and moves the refs' '
	gate_sync "$BASE" "$ONE" &&
	test "$(git -C host rev-parse agbranch/s)" = "$ONE" &&
	test "$(ls host/.git/objects/pack/*.pack | wc -l)" = 1 && test -z "$(ls host/.git/objects/pack/*.keep 2>/dev/null)" &&
	repo_is_sound host
'

test_expect_success 'the staged bundle is verified by git and holds the same commit' '
	git -C host bundle verify ../staged &&
	git -C host bundle list-heads ../staged >heads &&
	echo "$ONE refs/heads/agbranch/s" >wanted &&
	test_cmp wanted heads
'

test_expect_success 'the quarantine is gone, and no temporary file is left' '
	test -z "$(ls -d host/.git/agbranch/quarantine-* staged.* 2>/dev/null)"
'

test_expect_success 'a second sync leans on the first' '
	mkdir guest/deep && echo new >guest/deep/name && git -C guest add . &&
	git -C guest commit -qm second &&
	TWO=$(guest_head) &&
	gate_sync "$ONE" "$TWO" &&
	git -C host bundle verify ../staged &&
	test "$(git -C host show agbranch/s:deep/name)" = new &&
	repo_is_sound host
'

test_expect_success 'the pack has a .keep until the refs have moved' '
	printf "#!/bin/sh\nls objects/pack/*.keep >>keep.seen && git repack -adq && git prune --expire=now\n" \
		>host/.git/hooks/reference-transaction &&
	chmod +x host/.git/hooks/reference-transaction &&
	echo third >>guest/file && git -C guest commit -qam third &&
	THREE=$(guest_head) &&
	gate_sync "$TWO" "$THREE" >out &&
	rm host/.git/hooks/reference-transaction &&
	keep=$(sed -n "s/^keep //p" out) &&
	grep "$(basename "$keep")" host/.git/keep.seen &&
	test -f "${keep%.keep}.pack" && test ! -e "$keep" &&
	repo_is_sound host
'

test_expect_success 'when the refs cannot move, no .keep stays' '
	echo fourth >>guest/file && git -C guest commit -qam fourth &&
	FOUR=$(guest_head) &&
	printf "#!/bin/sh\ntest \$1 != prepared\n" >host/.git/hooks/reference-transaction &&
	chmod +x host/.git/hooks/reference-transaction &&
	test_must_fail gate_sync "$THREE" "$FOUR" &&
	rm host/.git/hooks/reference-transaction &&
	test -z "$(ls host/.git/objects/pack/*.keep 2>/dev/null)" &&
	gate_sync "$THREE" "$FOUR" &&
	test -z "$(ls host/.git/objects/pack/*.keep 2>/dev/null)" &&
	repo_is_sound host
'

test_expect_success 'a bundle is taken as well' '
	echo fifth >>guest/file && git -C guest commit -qam fifth &&
	FIVE=$(guest_head) &&
	git -C guest bundle create -q ../bundle "$FOUR..main" &&
	gate sync "$BASE" "$FOUR" "$FIVE" ../staged <bundle &&
	test "$(git -C host rev-parse agbranch/s)" = "$FIVE"
'

test_expect_success 'a merge of a branch that the host has is not looked at again' '
	git -C host branch other "$BASE" &&
	git -C host worktree add -q ../other other &&
	ln -s /etc/hostname other/absolute && git -C other add . && git -C other commit -qm "the user may" &&
	git -C guest fetch -q ../host other && git -C guest merge -q -m merge FETCH_HEAD &&
	SIX=$(guest_head) &&
	gate_sync "$FIVE" "$SIX" &&
	repo_is_sound host
'

test_expect_success 'findings are told, once each' '
	mkdir -p guest/.github/workflows guest/sub/.claude &&
	echo on: push >guest/.github/workflows/ci.yml &&
	echo "*.bin filter=lfs" >guest/.gitattributes &&
	echo {} >guest/sub/.claude/settings.json && git -C guest add . && git -C guest commit -qm run &&
	echo more >>guest/.gitattributes && git -C guest commit -qam again &&
	SEVEN=$(guest_head) &&
	gate_sync "$SIX" "$SEVEN" >out &&
	grep "^finding" out | sort >findings &&
	cat >wanted <<-\EOF &&
	finding agent: sub/.claude/settings.json
	finding attributes: .gitattributes
	finding ci: .github/workflows/ci.yml
	EOF
	test_cmp wanted findings
'

test_expect_success 'nothing to sync: a bundle that git verifies all the same' '
	gate stage "$BASE" "$BASE" ../nothing &&
	git -C host bundle verify ../nothing &&
	gate stage "$BASE" "$SEVEN" ../existing &&
	git -C host bundle verify ../existing &&
	git clone -q --bare --no-local host copy && git -C copy update-ref -d refs/heads/agbranch/s &&
	git -C copy fetch -q ../existing refs/heads/agbranch/s:refs/heads/x
'

test_expect_success 'the hook pre-sync sees the new commits, can move no ref, and can refuse' '
	echo eighth >>guest/file && git -C guest commit -qam eighth &&
	EIGHT=$(guest_head) &&
	cat >host/.git/hooks/pre-sync <<-\EOF &&
	#!/bin/sh
	read old new ref
	echo "$old $new $ref $AGBRANCH_SESSION" >hook.seen
	git log -1 --format=%s "$new" >>hook.seen
	git update-ref refs/heads/sneaky "$new" 2>/dev/null && echo moved >>hook.seen
	test -f refuse && echo "I do not like it" >&2 && exit 3
	exit 0
	EOF
	chmod +x host/.git/hooks/pre-sync &&
	touch host/.git/refuse &&
	guest_pack "$EIGHT" "$SEVEN" >stream &&
	expect_code 9 gate sync "$BASE" "$SEVEN" "$EIGHT" ../staged <stream &&
	grep "refused: hook pre-sync: I do not like it (status 3)" err &&
	cat >wanted <<-EOF &&
	$SEVEN $EIGHT refs/heads/agbranch/s s
	eighth
	EOF
	test_cmp wanted host/.git/hook.seen &&
	test "$(git -C host rev-parse agbranch/s)" = "$SEVEN" &&
	test_must_fail git -C host cat-file -e "$EIGHT" &&
	rm host/.git/refuse &&
	gate sync "$BASE" "$SEVEN" "$EIGHT" ../staged <stream
'

test_expect_success 'core.hooksPath is where the hook is looked for' '
	mkdir hooks && printf "#!/bin/sh\necho no >&2\nexit 1\n" >hooks/pre-sync && chmod +x hooks/pre-sync &&
	git -C host config core.hooksPath ../hooks &&
	echo ninth >>guest/file && git -C guest commit -qam ninth &&
	NINE=$(guest_head) &&
	guest_pack "$NINE" "$EIGHT" >stream &&
	expect_code 9 gate sync "$BASE" "$EIGHT" "$NINE" ../staged <stream &&
	git -C host config --unset core.hooksPath &&
	gate sync "$BASE" "$EIGHT" "$NINE" ../staged <stream
'

test_expect_success 'the patch applies on HEAD: at the base, moved on, and in conflict on the base' '
	gate patch "$BASE" "$NINE" ../patch &&
	git -C host apply --check ../patch &&
	echo elsewhere >host/elsewhere && git -C host add elsewhere && git -C host commit -qm elsewhere &&
	gate patch "$BASE" "$NINE" ../patch && git -C host apply --check ../patch &&
	git -C host commit -q --allow-empty -m x && echo conflict >host/file && git -C host commit -qam conflict &&
	gate patch "$BASE" "$NINE" ../patch 2>err && grep "conflicts with HEAD" err &&
	git -C host worktree add -q --detach ../at-base "$BASE" &&
	git -C at-base apply --check ../patch
'

test_expect_success 'a repository with borrowed objects, shallow or in a work tree of its own' '
	git clone -q --shared host borrowed && git clone -q --depth 1 "file://$PWD/host" shallow &&
	git -C host worktree add -q ../tree &&
	for repo in borrowed shallow tree; do
		base=$(git -C "$repo" rev-parse HEAD) &&
		rm -rf guest && git clone -q "$repo" guest 2>/dev/null &&
		git -C guest checkout -q "$base" && echo x >>guest/file && git -C guest commit -qam x &&
		git -C host update-ref -d refs/heads/agbranch/s && git -C host update-ref -d refs/agbranch/sessions/s/head &&
		new=$(guest_head) && guest_pack "$new" "$base" >stream &&
		(cd "$repo" && "$GATE_TOOL" sync "$base" "$base" "$new" ../staged <../stream) &&
		git -C "$repo" fsck --strict --no-dangling || return 1
	done
'

test_expect_success 'a repository with sha256 names' '
	rm -rf guest && git init -q --object-format=sha256 long && echo x >long/file && git -C long add . &&
	git -C long commit -qm one && base=$(git -C long rev-parse HEAD) &&
	git -C long update-ref refs/agbranch/sessions/s/base "$base" &&
	git clone -q long guest && mkdir guest/sub && ln -s ../file guest/sub/link && git -C guest add . &&
	git -C guest commit -qm two && new=$(guest_head) && guest_pack "$new" "$base" >stream &&
	(cd long && "$GATE_TOOL" sync "$base" "$base" "$new" ../staged <../stream) &&
	test "$(git -C long rev-parse agbranch/s)" = "$new" &&
	git -C long bundle verify -q ../staged &&
	repo_is_sound long
'

test_expect_success 'many syncs do not leave many packs' '
	rm -rf host guest && gate_repos &&
	git -C host config gc.autoPackLimit 2 && git -C host config gc.autoDetach false &&
	old=$BASE &&
	for i in 1 2 3 4 5 6 7 8; do
		echo $i >>guest/file && git -C guest commit -qam $i && new=$(guest_head) &&
		gate_sync "$old" "$new" && old=$new || return 1
	done &&
	test "$(ls host/.git/objects/pack/*.pack | wc -l)" -le 4 &&
	repo_is_sound host
'

test_done
