#!/bin/sh
test_description='top: the whole screen, in a terminal of 80x24'
. ./t/lib/test-lib.sh

# A terminal of our own; its socket path must be short.
screen () {
	tmux -S "$TEST_TMP/tmux" -f /dev/null "$@"
}

stop_screen () {
	screen kill-server 2>/dev/null || :
}
cleanup stop_screen

shown () {
	screen capture-pane -p -t top >screen
	grep "$1" screen >/dev/null
}

press () {
	screen send-keys -t top "$@"
}

start_top () {
	screen new-session -d -s top -x 80 -y 24 "trap : INT; git-agbranch top; echo ended with \$?; exec cat"
}

test_expect_success 'without a terminal it is exit 1 with a hint' '
	expect_code 1 git agbranch top &&
	grep "^hint: .*git agbranch ps" err
'

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q --detach -- sh -c "echo this is the agent; exec sleep 1000" &&
	git agbranch open two -q &&
	start_top &&
	wait_until 30 shown "git agbranch top: 2 sessions"
'

test_expect_success 'the rows fit 80 columns; the chosen one is marked without colour' '
	wait_until 30 shown "^>one  *running  *pending  *sh  *0  *0  *-  *[0-9]*%  *[0-9.]*[KMG]  *[0-9.]*[KMG]  *[0-9]*s$" &&
	shown "^ two  *running" &&
	shown "^q quit " &&
	awk "{ if (length (\$0) > 80) exit 1 }" screen
'

test_expect_success 'what happens in a guest shows by itself' '
	git agbranch run two -- sh -c "echo x >new-file" &&
	wait_until 30 shown "^ two  *running  *pending  *-  *0  *1 " &&
	agent_commit one file text &&
	wait_until 30 shown "^>one  *running  *pending  *sh  *1  *0 "
'

test_expect_success 'what a guest computes shows as cpu, what it stores as disk' '
	{ git agbranch run two -- sh -c "head -c 30000000 /dev/zero >../big; mv ../big big; while ! test -e stop; do :; done" & } &&
	wait_until 30 shown "^ two  .* [1-9][0-9]*%  *[0-9.]*[KMG]  *29M " &&
	git agbranch run two -- sh -c "rm big && touch stop" &&
	wait $! &&
	wait_until 30 shown "^ two  .* [0-9]%  *[0-9.]*[KMG] "
'

test_expect_success 'so does what another command does' '
	git agbranch stop two -q &&
	wait_until 30 shown "^ two  *stopped "
'

test_expect_success 'keys: choose, the last lines of the agents' '
	press Down &&
	wait_until 30 shown "^>two " &&
	press k &&
	wait_until 30 shown "^>one " &&
	press l &&
	wait_until 30 shown "^ *| this is the agent" &&
	press l
'

test_expect_success 's syncs, d shows the diff' '
	press s &&
	wait_until 30 shown "press a key" &&
	press x &&
	wait_until 30 shown "^>one  *running  *clean" &&
	git rev-parse -q --verify agbranch/one &&
	press d &&
	wait_until 30 shown "^+text" &&
	press q &&
	wait_until 30 shown "git agbranch top"
'

test_expect_success 'conflicts with the branch it was opened from; no driver that the work tree names runs' '
	wait_until 30 shown "^>one  *running  *clean  *sh  *1  *0  *0 " &&
	git config merge.canary.driver "touch $TEST_TMP/ran; false" &&
	git config merge.renormalize true &&
	echo "* merge=canary" >.gitattributes &&
	find .git/objects -type f | sort >before &&
	echo other >file && git add file && git commit -qm other &&
	find .git/objects -type f | sort >after && ! test_cmp before after >/dev/null &&
	wait_until 30 shown "^>one  *running  *clean  *sh  *1  *0  *1 " &&
	find .git/objects -type f | sort >later && test_cmp after later &&
	! test -e "$TEST_TMP/ran" &&
	git agbranch show one --json >out && json_is .conflicts 1 &&
	! test -e "$TEST_TMP/ran" &&
	{ git merge -q agbranch/one >merged 2>&1 || :; } && git merge --abort &&
	test -e "$TEST_TMP/ran" && rm "$TEST_TMP/ran" .gitattributes &&
	ls "${TMPDIR:-/tmp}" >left && ! grep agbranch-merge left &&
	git reset -q --hard HEAD^ && wait_until 30 shown "^>one  *running  *clean  *sh  *1  *0  *0 "
'

test_expect_success 'enter attaches, and comes back' '
	press Enter &&
	wait_until 30 shown "this is the agent" &&
	press C-b d &&
	wait_until 30 shown "^>one "
'

test_expect_success 'c asks first' '
	press c &&
	wait_until 30 shown "^close one: s sync first, d discard" &&
	press x &&
	wait_until 30 shown "one stays open" &&
	press c d &&
	wait_until 30 shown "press a key" &&
	press x &&
	wait_until 30 shown "git agbranch top: 1 session$" &&
	wait_until 30 shown "^>two "
'

test_expect_success 'Ctrl-C while it syncs ends the sync, not top' '
	git agbranch run two -q -- rm -f new-file stop && agent_commit two later text && all_refs . >refs &&
	printf "#!/bin/sh\nexec sleep 3579\n" >.git/hooks/pre-sync && chmod +x .git/hooks/pre-sync &&
	wait_until 30 shown "^>two  *running .* 1  *0 " && press s &&
	wait_until 30 pgrep -f "sleep 357[9]" >/dev/null && press C-c &&
	wait_until 30 shown "press a key" && shown "^fatal: interrupted by SIGINT" && ! pgrep -f "sleep 357[9]" &&
	press x && wait_until 30 shown "^sync of two ended with status 4" &&
	rm .git/hooks/pre-sync && all_refs . >now && test_cmp refs now
'

test_expect_success 'a change of size' '
	screen resize-window -t top -x 60 -y 10 &&
	wait_until 30 sh -c "tmux -S \"$TEST_TMP/tmux\" capture-pane -p -t top | sed -n 10p | grep \"^q quit\""
'

test_expect_success 'q quits, and the terminal is as before' '
	press q &&
	wait_until 30 shown "^ended with 0" &&
	! shown "git agbranch top:"
'

test_expect_success 'Ctrl-C quits with 0; no session, no colour' '
	git agbranch close two --discard --yes -q &&
	screen respawn-window -k -t top "trap : INT; NO_COLOR=1 git-agbranch top; echo ended with \$?; exec cat" &&
	wait_until 30 shown "no session; open one" &&
	press C-c &&
	wait_until 30 shown "^ended with 0" &&
	screen kill-server
'

# reverse WORD ENVIRONMENT CONFIGURATION: whether (yes, no) the chosen line of top is in reverse video.
reverse () {
	screen respawn-window -k -t top "clear; $2 git $3 agbranch top; exec cat" &&
	wait_until 30 shown "^>three" && screen capture-pane -e -p -t top >screen && grep ">three" screen >line &&
	if grep "$(printf "\033\[7m")" line >/dev/null; then got=yes; else got=no; fi &&
	test "$got" = "$1" || fail "$2 $3: $got"
}

test_expect_success 'colour: color.agbranch, color.ui, NO_COLOR, TERM=dumb' '
	git agbranch launch three -q &&
	screen new-session -d -s top -x 80 -y 24 cat &&
	reverse yes "" "" && reverse yes "" "-c color.agbranch=auto" &&
	reverse yes "" "-c color.ui=never -c color.agbranch=auto" &&
	reverse yes "env NO_COLOR=1" "-c color.agbranch=always" && reverse yes "env TERM=dumb" "-c color.ui=always" &&
	reverse no "" "-c color.agbranch=never" && reverse no "" "-c color.agbranch=false" &&
	reverse no "" "-c color.ui=never" &&
	reverse no "env NO_COLOR=1" "" && reverse no "env TERM=dumb" "" && reverse yes "env NO_COLOR=" "" &&
	screen kill-server && git agbranch close three --discard --yes -q
'

test_expect_success 'no process is left' '
	no_process_left
'

test_done
