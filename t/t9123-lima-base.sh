#!/bin/sh
test_description='Lima: a base made warm again, renewed and rebuilt under running sessions, own scripts, LFS'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
lima_machine
requires git-lfs
# This one changes its base all the time: it has one of its own.
git config --global agbranch.lima.base agbranch-base-own

images () {
	ls "$LIMA_HOME/_agbranch/images" | grep agbranch-base-own
}

base_image () {
	git agbranch base show --json >base.json && jq -r .image base.json
}

# backing NAME: the image that the disk of session NAME stands on.
backing () {
	qemu-img info -U --output=json "$LIMA_HOME/agbranch-$1/disk" | jq -r '."backing-filename"' | sed 's,.*/,,'
}

# The program comes in a script of the user: the guest image of the tests has no git-lfs.
test_expect_success 'prepare runs the own scripts: as root those of the configuration, setup.sh as the user' '
	make_repo repo &&
	mkdir -p "$HOME/.config/agbranch" &&
	printf "%s\n" "#!/bin/bash" "set -e" "id -un >~/setup-ran" >"$HOME/.config/agbranch/setup.sh" &&
	{
		printf "%s\n" "#!/bin/sh" "set -e" \
			"sed \"1,/^base64\$/d\" \"\$0\" | base64 -d >/usr/local/bin/git-lfs" \
			"chmod 755 /usr/local/bin/git-lfs" "exit 0" base64 &&
		base64 "$(command -v git-lfs)"
	} >"$HOME/lfs.sh" &&
	git config --global agbranch.lima.provision "$HOME/lfs.sh" &&
	expect_code 0 git agbranch base prepare --minimal --json &&
	jq -r ".steps[] | \"# \(.name): \(.ms) ms\"" out &&
	jq -e "[.steps[].name] | contains([\"$HOME/lfs.sh\", \"setup.sh\"])" out &&
	git agbranch base show --json >out && json_is .status ready && json_is .warm true
'

test_expect_success 'a session has what they made; LFS files come along and back' '
	(
		cd repo && echo "*.bin filter=lfs diff=lfs merge=lfs -text" >.gitattributes &&
		git config filter.lfs.clean "git-lfs clean -- %f" && git config filter.lfs.smudge "git-lfs smudge -- %f" &&
		head -c 100000 /dev/urandom >a.bin && git add . && git commit -qm lfs
	) &&
	cd repo &&
	expect_code 0 git agbranch open old --json &&
	git agbranch run old -- cat /home/agent/setup-ran >out && echo agent >expected && test_cmp expected out &&
	git agbranch run old -- cat a.bin >out && cmp a.bin out &&
	git agbranch run old -- git status --porcelain >status && test_must_be_empty status &&
	git agbranch run old -- sh -c "head -c 70000 /dev/urandom >b.bin && git add b.bin && git commit -qm b && sha256sum <b.bin" >sum &&
	expect_code 0 git agbranch sync old --json && json_is ".findings | length" 0 &&
	hash=$(cut -c1-64 sum) && test "$(sha256sum <".git/lfs/objects/$(echo "$hash" | cut -c1-2)/$(echo "$hash" | cut -c3-4)/$hash" | cut -c1-64)" = "$hash"
'

test_expect_success 'a changed script makes it stale: said, and open goes on' '
	echo "# changed" >>"$HOME/.config/agbranch/setup.sh" &&
	git agbranch base show --json >out && json_is .status stale && json_is .provision_stale true &&
	expect_code 6 git agbranch base show --require-ready
'

test_expect_success 'rebuilt while a session runs: that goes on, on its image; new ones are on the new one' '
	before=$(base_image) && test "$(backing old)" = "$before" &&
	expect_code 0 git agbranch base prepare --minimal --json && json_is .changed true &&
	after=$(base_image) && test "$after" != "$before" &&
	images | sort >out && printf "%s\n" "$before" "$after" | sort >expected && test_cmp expected out &&
	git agbranch run old -- sh -c "echo still >>file && git commit -qam still && cat /home/agent/setup-ran" >out &&
	expect_code 0 git agbranch open new -q && test "$(backing new)" = "$after" &&
	git agbranch run new -- true
'

test_expect_success 'the session on the old image stops and starts' '
	git agbranch stop old -q && git agbranch start old -q &&
	git agbranch run old -- git log -1 --format=%s >out && echo still >expected && test_cmp expected out
'

test_expect_success 'the old image goes with the last session on it' '
	git agbranch gc -q && images | grep -x "$before" &&
	git agbranch close old --discard --yes -q &&
	images >out && echo "$after" >expected && test_cmp expected out &&
	git agbranch run new -- true
'

test_expect_success 'base update renews the agents only, on the image there is' '
	expect_code 0 git agbranch base update --json && json_is .changed true &&
	jq -r ".steps[].name" out >steps && printf "%s\n" create boot 20-agents.sh probe seal warm >expected &&
	test_cmp expected steps &&
	updated=$(base_image) && test "$updated" != "$after" &&
	images | grep -x "$after" &&
	git agbranch run new -- true &&
	git agbranch close new --discard --yes -q &&
	git agbranch open newer -q && test "$(backing newer)" = "$updated" &&
	git agbranch run newer -- cat /home/agent/setup-ran >out && echo agent >expected && test_cmp expected out &&
	git agbranch show newer --json >out && json_is .runtime.vm.cold_start null
'

test_expect_success 'base warm makes the saved state again; a session that runs does not notice' '
	qemu-img snapshot -d warm "$LIMA_HOME/agbranch-base-own/disk" &&
	git agbranch run newer -- sh -c "sleep 3600 >/dev/null 2>&1 & echo \$!" >pid &&
	expect_code 0 git agbranch open cold && grep "^warning: warm start failed, starting cold: " err &&
	git agbranch base show --json >out && json_is .warm false &&
	expect_code 0 git agbranch base warm --json && json_is .warm true && json_is .warm_reason null &&
	git agbranch run newer -- kill -0 "$(cat pid)" &&
	git agbranch open hot -q && git agbranch show hot --json >out && json_is .runtime.vm.cold_start null
'

test_expect_success 'two at once: one prepares, the other one says who does' '
	{ git-agbranch base prepare --minimal --rebuild -q & first=$!; } &&
	wait_until 120 test -d "$LIMA_HOME/agbranch-base-own-next" &&
	expect_code 1 git agbranch base prepare --minimal --rebuild &&
	grep "^fatal: .base. is busy: process $first runs .base prepare.$" err && grep "^hint: .*kill $first$" err &&
	kill -TERM "$first" && test_expect_code 4 wait "$first" &&
	git agbranch base show --json >out && json_is .status ready &&
	test ! -e "$LIMA_HOME/agbranch-base-own-next" &&
	git agbranch run hot -- true
'

test_expect_success 'the end: only the image of the base is left' '
	for name in newer cold hot; do git agbranch close "$name" --discard --yes -q || return 1; done &&
	images >out && base_image >expected && test_cmp expected out
'

test_done
