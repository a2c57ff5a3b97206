#!/bin/sh
test_description='completion: bash, zsh and fish offer verbs, options, sessions and refs'
. ./t/lib/test-lib.sh

make_repo repo
git -C repo branch topic-one
git -C repo branch topic-two

# A stand-in for `ps -q`, which is all that the scripts ask about sessions; the rest is real.
mkdir bin
cat >bin/git-agbranch <<END
#!/bin/sh
for word; do
	case \$word in
	-C) ;;
	ps) printf 'fix-login\nfix-logout\nother\n'; exit ;;
	esac
done
exec "$AGB_BUILD/bin/git-agbranch" "\$@"
END
chmod +x bin/git-agbranch
ln -s git-agbranch bin/agbranch
PATH=$PWD/bin:$PATH

test_expect_success 'completion prints each script, and refuses another shell' '
	for shell in bash zsh fish; do
		expect_code 0 git agbranch completion $shell &&
		grep -q "list-options" out || return 1
	done &&
	expect_code 1 git agbranch completion csh &&
	grep "^fatal: there is no completion for .csh." err &&
	grep "^hint: " err &&
	expect_code 129 git agbranch completion
'

# bash_offers WORD...: what bash offers for the last word (maybe empty), in `out`.
bash_offers () {
	(cd repo && bash --norc --noprofile -c '
		git=$1 script=$2
		shift 2
		. /usr/share/bash-completion/bash_completion 2>/dev/null
		test ! -f "$git" || . "$git"
		eval "$script"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		case $1 in
		git) __git_wrap__git_main ;;
		*) _agbranch ;;
		esac 2>/dev/null
		printf "%s\n" "${COMPREPLY[@]% }"
	' bash /usr/share/bash-completion/completions/git "$(git agbranch completion bash)" "$@" </dev/null) >out
}

test_expect_success 'bash: verbs' '
	bash_offers agbranch comp &&
	echo completion >expected &&
	test_cmp expected out &&
	bash_offers git-agbranch -C .. he &&
	echo help >expected &&
	test_cmp expected out
'

test_expect_success 'bash: options of a verb' '
	bash_offers agbranch help --ver &&
	printf "%s\n" --verbose --version >expected &&
	sort out >sorted &&
	test_cmp expected sorted
'

test_expect_success 'bash: words behind a verb' '
	bash_offers agbranch completion "" &&
	printf "%s\n" bash fish zsh >expected &&
	test_cmp expected out
'

if test -f /usr/share/bash-completion/completions/git; then
	test_set_prereq GIT_BASH
fi
if git agbranch help --list-verbs | grep -q '^sync'; then
	test_set_prereq SYNC
fi
if git agbranch help --list-verbs | grep -q '^open'; then
	test_set_prereq OPEN
fi

test_expect_success GIT_BASH 'bash: through git, also behind git -C' '
	bash_offers git agbranch comp &&
	echo completion >expected &&
	test_cmp expected out &&
	bash_offers git -C . agbranch help --vers &&
	echo --version >expected &&
	test_cmp expected out
'

test_expect_success SYNC 'bash: sessions, as operand and behind --session' '
	printf "%s\n" fix-login fix-logout >expected &&
	bash_offers agbranch sync fix &&
	test_cmp expected out &&
	bash_offers agbranch sync --session fix &&
	test_cmp expected out &&
	bash_offers agbranch sync --session=fix &&
	test_cmp expected out
'

test_expect_success 'a session to look into' '
	git -C repo agbranch open fix-login -q &&
	git -C repo agbranch run fix-login -- sh -c "mkdir -p out/deep \"out/s p\" ~/mine &&
		: >out/one && : >out/other && : >\"out/s p/a \\\$b\" && : >~/mine/x && : >\"out/\$(printf \"o\\033c\")\""
'

test_expect_success 'bash: paths of a guest behind SESSION: and --from' '
	bash_offers agbranch cp fix-login:out/o &&
	printf "%s\n" out/one out/other >expected && sed "s/.*://" out | sort >got && test_cmp expected got &&
	bash_offers agbranch cp fix-login:out/d && grep "out/deep/$" out &&
	bash_offers agbranch cp "fix-login:out/s\\ p/" && grep -F "out/s\\ p/a\\ \\\$b" out &&
	bash_offers agbranch cp fix-login:~/mi && grep "~/mine/$" out &&
	bash_offers agbranch cp -r there fix-login:~/mine/ && grep "~/mine/x$" out &&
	bash_offers agbranch export fix-login --from out/d && test "$(cat out)" = out/deep/ &&
	bash_offers agbranch export --session fix-login --from "~/mi" && test "$(cat out)" = "~/mine/" &&
	bash_offers agbranch export --session=fix-login "--from=~/mi" && grep "~/mine/$" out &&
	bash_offers agbranch export --from out/d && ! grep out/ out &&
	bash_offers agbranch cp other:out/d && ! grep out/ out
'

test_expect_success OPEN 'bash: refs behind --base, sessions not for open' '
	printf "%s\n" topic-one topic-two >expected &&
	bash_offers agbranch open --base top &&
	test_cmp expected out &&
	bash_offers agbranch open fix &&
	! grep fix-login out
'

if command -v fish >/dev/null; then
	test_set_prereq FISH
else
	say '# fish is not installed: its completion is not tested'
fi

fish_offers () {
	(cd repo && fish --no-config -c '
		git agbranch completion fish | source
		complete -C $argv[1]' "$1" </dev/null) >out 2>err &&
	cut -f 1 out | sort >words
}

test_expect_success FISH 'fish: verbs, options, words' '
	fish_offers "agbranch comp" &&
	echo completion >expected &&
	test_cmp expected words &&
	grep "print the completion script" out &&
	fish_offers "git-agbranch help --ver" &&
	printf "%s\n" --verbose --version >expected &&
	test_cmp expected words &&
	fish_offers "agbranch completion " &&
	printf "%s\n" bash fish zsh >expected &&
	test_cmp expected words
'

test_expect_success FISH,SYNC 'fish: sessions' '
	printf "%s\n" fix-login fix-logout >expected &&
	fish_offers "agbranch sync fix" &&
	test_cmp expected words
'

test_expect_success FISH 'fish: through git' '
	behind_git () {
		(cd repo && fish -c "git agbranch completion fish | source; complete -C \$argv[1]" "$1" </dev/null) | cut -f 1 >words
	} &&
	behind_git "git agbran" && grep -x agbranch words &&
	behind_git "git agbranch sync fix-logi" && test "$(cat words)" = fix-login &&
	behind_git "git -C . agbranch help --vers" && test "$(cat words)" = --version &&
	behind_git "git commi" && grep -x commit words
'

test_expect_success FISH 'fish: paths of a guest behind SESSION: and --from' '
	fish_offers "agbranch cp fix-login:out/o" &&
	printf "%s\n" fix-login:out/one fix-login:out/other >expected && test_cmp expected words &&
	fish_offers "agbranch cp fix-login:out/d" && test "$(cat words)" = fix-login:out/deep/ &&
	fish_offers "agbranch cp fix-login:out/s\\ p/" && test "$(cat words)" = "fix-login:out/s p/a \$b" &&
	fish_offers "agbranch cp fix-login:~/mi" && test "$(cat words)" = "fix-login:~/mine/" &&
	fish_offers "agbranch cp -r there fix-login:~/mine/" && test "$(cat words)" = "fix-login:~/mine/x" &&
	fish_offers "agbranch export fix-login --from out/d" && test "$(cat words)" = out/deep/ &&
	fish_offers "agbranch export --session fix-login --from ~/mi" && test "$(cat words)" = "~/mine/" &&
	fish_offers "agbranch export --session=fix-login --from=~/mi" && test "$(cat words)" = "--from=~/mine/" &&
	fish_offers "agbranch export --from out/d" && ! grep out/ words &&
	fish_offers "agbranch cp other:out/d" && ! grep out/ words
'

test_expect_success FISH,OPEN 'fish: refs' '
	printf "%s\n" topic-one topic-two >expected &&
	fish_offers "agbranch open --base top" &&
	test_cmp expected words
'

if command -v zsh >/dev/null; then
	test_set_prereq ZSH
else
	say '# zsh is not installed: its completion is not tested'
fi

# zsh completes only in its line editor, so it gets a terminal.
TMUX_SOCKET=$TEST_TMP/tmux
zsh_screen () {
	tmux -S "$TMUX_SOCKET" capture-pane -p -t zsh
}
zsh_shows () {
	zsh_screen >out && grep -q -- "$1" out
}
# zsh_offers LINE WORD: after LINE and two tabs the screen has WORD.
zsh_offers () {
	tmux -S "$TMUX_SOCKET" send-keys -t zsh C-u &&
	tmux -S "$TMUX_SOCKET" send-keys -t zsh -l "clear; print rea\"dy\"" &&
	tmux -S "$TMUX_SOCKET" send-keys -t zsh Enter &&
	wait_until 20 zsh_shows "^ready" &&
	tmux -S "$TMUX_SOCKET" send-keys -t zsh -l "$1" &&
	tmux -S "$TMUX_SOCKET" send-keys -t zsh Tab Tab &&
	wait_until 20 zsh_shows "$2" || { zsh_screen >&2; return 1; }
}

test_expect_success ZSH 'zsh: verbs, options, words' '
	mkdir "$TEST_TMP/zdot" &&
	cat >"$TEST_TMP/zdot/.zshrc" <<-\END &&
	PS1="%% " LISTMAX=0
	autoload -Uz compinit && compinit -u -D
	source <(git agbranch completion zsh)
	END
	(cd repo && tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -s zsh -x 100 -y 40 \
		env "PATH=$PATH" ZDOTDIR="$TEST_TMP/zdot" zsh -d -i) &&
	zsh_offers "agbranch comp" "agbranch completion" &&
	zsh_offers "git agbranch help --ver" "^--version .*versions of this program" &&
	zsh_offers "agbranch completion " "^bash *fish *zsh"
'

test_expect_success ZSH,SYNC 'zsh: sessions' '
	zsh_offers "agbranch sync fix" "^fix-login *fix-logout"
'

test_expect_success ZSH 'zsh: paths of a guest behind SESSION: and --from' '
	zsh_offers "agbranch cp fix-login:out/o" "^fix-login:out/one *fix-login:out/other" &&
	zsh_offers "agbranch cp fix-login:out/d" "agbranch cp fix-login:out/deep/$" &&
	zsh_offers "agbranch cp fix-login:out/s" "agbranch cp fix-login:out/s\\\\ p/a\\\\ .\\\$b" &&
	zsh_offers "git agbranch cp fix-login:~/mi" "agbranch cp fix-login:~/mine/x *$" &&
	zsh_offers "agbranch export fix-login --from out/d" "--from out/deep/$" &&
	zsh_offers "agbranch export --session fix-login --from ~/mi" "--from ~/mine/x *$" &&
	zsh_offers "agbranch export --session=fix-login --from=~/mi" "--from=~/mine/x *$"
'

test_expect_success ZSH,OPEN 'zsh: refs' '
	zsh_offers "git agbranch open --base top" "^topic-one *topic-two"
'

test_expect_success 'the end' '
	git agbranch close fix-login --discard --yes -q && no_process_left
'

tmux -S "$TMUX_SOCKET" kill-server 2>/dev/null
test_done
