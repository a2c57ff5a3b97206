#!/bin/sh
test_description='settings of agents on the host: asked for, imported by name, listed; variables from files'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/questions.sh"

requires tmux

# The agents' programs, found by every new guest: a script that makes them before the terminal server.
cp -RL "$AGB_BUILD/share/git-agbranch/lima" assets
{
	echo 'mkdir -p ~/.local/bin; for a in claude codex gemini; do
		printf "#!/bin/sh\nfor v in FILE_A FILE_B ENV_C HOST_D; do printenv \$v; done; exec cat\n" >~/.local/bin/$a
		chmod +x ~/.local/bin/$a; done'
	cat "$AGB_BUILD/share/git-agbranch/lima/guest/tmux.sh"
} >assets/guest/tmux.sh
AGBRANCH_LIMA_ASSETS_DIR=$PWD/assets
export AGBRANCH_LIMA_ASSETS_DIR

mkdir -p "$HOME/.claude" "$HOME/.codex" "$HOME/.gemini"
echo '{"theme": "dark"}' >"$HOME/.claude/settings.json"
echo '{"accessToken": "planted-claude"}' >"$HOME/.claude/.credentials.json"
echo 'model = "x"' >"$HOME/.codex/config.toml"
echo '{"OPENAI_API_KEY": "planted-codex"}' >"$HOME/.codex/auth.json"
echo '{"host_setting": 1}' >"$HOME/.gemini/settings.json"
echo '{"access_token": "planted-gemini"}' >"$HOME/.gemini/oauth_creds.json"

in_guest () {
	git agbranch run "$1" -- sh -c "cd; cat .claude/* .claude/.[a-z]* .codex/* .gemini/* 2>/dev/null; true" >found
}
done_with () {
	git agbranch close "$1" --discard --yes -q >/dev/null
}

test_expect_success 'without a terminal nothing is asked and nothing imported' '
	make_repo repo && cd repo &&
	for verb in open launch; do
		expect_code 0 git agbranch $verb one -d -a claude && ! grep "settings" err &&
		in_guest one && ! grep "theme\|planted" found &&
		expect_code 0 git agbranch show one --json && json_is ".imported_provider_files | length" 0 &&
		done_with one &&
		expect_code 0 git agbranch $verb one -d -a claude --json && json_is ".imported_provider_files | length" 0 &&
		done_with one || return 1
	done
'

for agent in claude:settings.json:.credentials.json codex:config.toml:auth.json gemini:settings.json:oauth_creds.json; do
	name=${agent%%:*} rest=${agent#*:}
	settings=.$name/${rest%:*} secret=.$name/${rest#*:}
	test_expect_success "$name: --import settings with open, launch and agent start, never a token" '
		for verb in open launch; do
			expect_code 0 git agbranch $verb one -d -a $name --import settings --json &&
			json_is ".imported_provider_files | join(\" \")" "~/$settings" &&
			in_guest one && grep "theme\|model\|host_setting" found && ! grep planted found &&
			expect_code 0 git agbranch show one --json && json_is ".imported_provider_files[0]" "~/$settings" &&
			expect_code 0 git agbranch show one && grep "^imported  *~/$settings$" out &&
			done_with one || return 1
		done &&
		expect_code 0 git agbranch open one &&
		expect_code 0 git agbranch agent start one -d --provider $name --import settings --json &&
		json_is ".imported_provider_files | join(\" \")" "~/$settings" &&
		done_with one
	'
	test_expect_success "$name: a token only by name and confirmed" '
		expect_code 3 git agbranch open one -d -a $name --import credentials &&
		grep "confirm with --yes" err && grep "$secret" err &&
		expect_code 3 git agbranch open one -d -a $name --import "$secret" --json && json_is .error.kind action_required &&
		expect_code 0 git agbranch show one --json && json_is .lifecycle_state closed &&
		expect_code 0 git agbranch open one -d -a $name --import "$secret" --yes --json &&
		json_is ".imported_provider_files | join(\" \")" "~/$secret" &&
		git agbranch run one -- stat -c %a "/home/agent/$secret" >mode && test "$(cat mode)" = 600 &&
		! sqlite3 "$AGBRANCH_STATE_ROOT/state.db" .dump | grep planted && ! grep planted out err &&
		done_with one
	'
done

test_expect_success 'none, unknown names, no profile' '
	expect_code 0 git agbranch open one -d -a claude --import none --json && json_is ".imported_provider_files | length" 0 &&
	done_with one &&
	expect_code 1 git agbranch open two -d -a claude --import tokens && grep "^hint: --import settings, credentials, none" err &&
	expect_code 1 git agbranch open two -d --import settings -- cat && grep "^fatal: --import needs --agent" err &&
	expect_code 1 git agbranch show two
'

test_expect_success 'a failed import undoes the open' '
	mv "$HOME/.codex/config.toml" "$HOME/.codex/kept" && mkdir "$HOME/.codex/config.toml" &&
	expect_code 1 git agbranch open two -d -a codex --import .codex/config.toml && grep "there is no .~/.codex/config.toml" err &&
	rmdir "$HOME/.codex/config.toml" && head -c 1100000 /dev/zero | tr "\0" x >"$HOME/.codex/config.toml" &&
	expect_code 1 git agbranch open two -d -a codex --import settings && grep "too large to import" err &&
	expect_code 0 git agbranch show two --json && json_is .lifecycle_state closed &&
	mv -f "$HOME/.codex/kept" "$HOME/.codex/config.toml"
'

test_expect_success 'variables: --env, --env-file, agbranch.env; the later counts; nothing is unquoted' '
	printf "# a comment\n\nFILE_A=\"a b\" \$HOME\nFILE_B=from-file\r\nHOST_D\n" >vars &&
	export HOST_D=host-d && git config agbranch.env HOST_D &&
	expect_code 0 git agbranch open one -d -a claude --env-file vars --env FILE_B=from-option --env ENV_C= &&
	said () { git agbranch logs one --source=guest >said && grep -q host-d said; } && wait_until 30 said &&
	printf "%s\n" "\"a b\" \$HOME" from-option "" host-d >expected && test_cmp expected said &&
	expect_code 0 git agbranch run one --env-file vars --env FILE_B=2 -- sh -c "echo \$FILE_A,\$FILE_B,\$HOST_D" &&
	test "$(cat out)" = "\"a b\" \$HOME,2,host-d" &&
	expect_code 0 git agbranch run one -- sh -c "echo \"<\$HOST_D>\"" && test "$(cat out)" = "<>" &&
	git agbranch agent stop one && expect_code 0 git agbranch agent start one -d -a claude --env-file vars &&
	done_with one
'

test_expect_success 'variables that are not there, files that cannot be, bad names: exit 1, nothing was made' '
	for verb in "open two -d -a claude" "launch two -d -a claude"; do
		expect_code 1 git agbranch $verb --env NOT_SET && grep "variable .NOT_SET. is not set here" err &&
		expect_code 1 git agbranch $verb --env "a b=c" && grep "no name of an environment variable" err &&
		expect_code 1 git agbranch $verb --env-file missing && grep "cannot read variables" err || return 1
	done &&
	printf "GOOD=1\n1BAD=2\n" >vars &&
	expect_code 1 git agbranch open two -d -a claude --env-file vars && grep "vars, line 2: .1BAD. is no name" err &&
	printf "A=\000\n" >vars && expect_code 1 git agbranch open two -d -a claude --env-file vars && grep "is no text" err &&
	git agbranch open one -q >/dev/null &&
	expect_code 1 git agbranch run one --env NOT_SET -- true && expect_code 1 git agbranch agent start one -d --env NOT_SET -- cat &&
	expect_code 1 git agbranch run one --forward-ssh-agent -- true && grep "has no ssh" err &&
	expect_code 1 git agbranch shell one --forward-ssh-agent && grep "has no ssh" err &&
	done_with one
'

test_expect_success 'a terminal asks about settings, not about tokens; yes imports them' '
	for verb in open launch; do
		on_terminal yes-$verb "git agbranch $verb one -d -a codex" &&
		wait_until 30 screen_has yes-$verb "y/N" &&
		grep "^give the guest your settings of Codex (~/.codex/config.toml)? .y/N." screen && ! grep auth.json screen &&
		answer yes-$verb y && wait_until 30 screen_has yes-$verb "status 0 end" &&
		expect_code 0 git agbranch show one --json && json_is ".imported_provider_files | join(\" \")" "~/.codex/config.toml" &&
		in_guest one && grep -x "model = \"x\"" found && ! grep planted found &&
		done_with one || return 1
	done
'

test_expect_success 'agent start asks about what is not there yet, and no more; no is no' '
	git agbranch open one -q >/dev/null &&
	on_terminal no "git agbranch agent start one -d -a gemini" &&
	wait_until 30 screen_has no "settings of Gemini (~/.gemini/settings.json)" && answer no n &&
	wait_until 30 screen_has no "status 0 end" &&
	git agbranch show one --json >out && json_is ".imported_provider_files | length" 0 && git agbranch agent stop one &&
	on_terminal yes "git agbranch agent start one -d -a gemini" &&
	wait_until 30 screen_has yes "y/N" && answer yes y && wait_until 30 screen_has yes "status 0 end" &&
	git agbranch show one --json >out && json_is ".imported_provider_files | length" 1 && git agbranch agent stop one &&
	on_terminal again "git agbranch agent start one -d -a gemini" &&
	wait_until 30 screen_has again "status 0 end" && ! grep "y/N" screen && git agbranch agent stop one &&
	done_with one
'

test_expect_success 'with --import or --json, and without a profile, a terminal is not asked either' '
	for options in "-a codex --import none" "-a codex --import settings" "-a codex --json" "-- cat"; do
		case $options in --*) options="-d $options" ;; *) options="$options -d" ;; esac &&
		on_terminal quiet "git agbranch open one $options" &&
		wait_until 30 screen_has quiet "status 0 end" && ! grep "y/N" screen &&
		tmux -S "$TMUX_SOCKET" kill-session -t quiet && done_with one || return 1
	done
'

test_expect_success 'the end: nothing is left' '
	tmux -S "$TMUX_SOCKET" kill-server &&
	wait_until 10 no_process_left && repo_is_sound .
'

test_done
