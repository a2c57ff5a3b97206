# tmux.sh ACTION SESSION WORKSPACE WINDOW: the tmux server of a session, from inside the guest.
#
#   start             the server with its shell window; a repeat is ok
#   state             prints "live", "dead STATUS" or "missing"
#   run               the agent window anew; stdin: lines "eNAME=VALUE", "aARGUMENT" and "pSCRIPT" (what is
#                     run before, with these variables), as for printf %b
#   kill              end the window, its program and what that has started
#   capture           the window's text with at most $5 lines of its history
#
# The socket is ~/.agbranch/tmux/SESSION.sock.  tmux does not take a dot in the name of a session.
set -u
action=$1 session=$2 workspace=$3 window=$4
name=$(printf '%s' "$session" | tr . _)
socket=$HOME/.agbranch/tmux/$session.sock
target="=$name:=$window"
run_folder=$HOME/.agbranch/run

tmux_do () {
	tmux -S "$socket" "$@"
}

# Passing escape sequences through and writing the clipboard would reach the user's terminal; names
# of windows are looked up later, so programs may not change them.  Keys that came over a slow line
# arrive in one piece: they are no paste, or the keys that detach would be lost.
start () {
	umask 077
	mkdir -p "$HOME/.agbranch/tmux" || exit 1
	if tmux_do has-session -t "=$name" 2>/dev/null; then
		tmux_do list-windows -t "=$name" -F '#{window_name}' | grep -qx shell ||
			tmux_do new-window -d -t "=$name:" -n shell -c "$workspace"
		return
	fi
	umask 022
	export AGBRANCH_SESSION="$session" COMPOSE_PROJECT_NAME="agbranch-$name"
	tmux_do new-session -d -s "$name" -n shell -c "$workspace" -x 120 -y 40 ';' \
		set-option -s set-clipboard off ';' \
		set-option -gq allow-passthrough off ';' \
		set-option -g automatic-rename off ';' \
		set-option -g allow-rename off ';' \
		set-option -g assume-paste-time 0 ';' \
		set-option -g history-limit 20000
}

state () {
	tmux_do list-panes -s -t "=$name" -F '#{window_name} #{pane_dead}' 2>/dev/null | {
		while read -r shown dead; do
			test "$shown" = "$window" || continue
			test "$dead" = 1 || { echo live && exit; }
			status=$(cat "$run_folder/$window.status" 2>/dev/null)
			echo "dead ${status:-137}" && exit
		done
		echo missing
	}
}

# The log stops at 8 MiB and begins anew, the one before it stays: the guest's disk is the user's.
# (ulimit -f counts 512 bytes; 153 is SIGXFSZ.)
log_command='cd && mkdir -p .agbranch/log && cd .agbranch/log && ulimit -c 0 && ulimit -f 16384 &&
until cat >>agent.log; do test $? = 153 || exit; mv -f agent.log agent.log.1; done'

# Arguments and variables come from a file that is gone before the program runs: neither does a
# secret show in a list of processes, nor does the length of a prompt hit the limit of tmux messages.
# The exit status is written down here: tmux 3.3 loses it when a program ends at once.
# shellcheck disable=SC2016
loader='
file=$1 status_file=$2
prepare=
set --
while IFS= read -r line; do
	value=$(printf "%b." "${line#?}")
	value=${value%.}
	case $line in
	e*) export "$value" ;;
	a*) set -- "$@" "$value" ;;
	p*) prepare=$value ;;
	esac
done <"$file"
rm -f -- "$file"
trap : INT QUIT
test -z "$prepare" || sh -c "$prepare" agent </dev/null
"$@"
status=$?
echo "$status" >"$status_file"
exit "$status"'

run () {
	start || exit 1
	(umask 077 && mkdir -p "$run_folder") || exit 1
	rm -f -- "$run_folder/$window".*
	file=$run_folder/$window.$$
	(umask 077 && cat >"$file") || exit 1
	tmux_do kill-window -t "$target" 2>/dev/null
	tmux_do new-window -d -t "=$name:" -n "$window" -c "$workspace" \
		-e "AGBRANCH_SESSION=$session" -e "COMPOSE_PROJECT_NAME=agbranch-$name" -e "AGBRANCH_WINDOW=$window" \
		sh -c "$loader" agbranch-run "$file" "$run_folder/$window.status" ';' \
		set-option -w -t "$target" remain-on-exit on ';' \
		pipe-pane -t "$target" "$log_command"
}

# Some agents work on in a background process of theirs when their terminal is gone.
started_by_window () {
	grep -lzx "AGBRANCH_WINDOW=$window" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/\([0-9]*\)/.*|\1|'
}

end_started () {
	for signal in TERM KILL; do
		for try in 1 2 3 4 5 6 7 8 9 10; do
			pids=$(started_by_window)
			test -n "$pids" || return 0
			# shellcheck disable=SC2086 # a list of numbers
			test "$try" != 1 || kill -s "$signal" $pids 2>/dev/null
			sleep 0.1
		done
	done
}

case $action in
start) start ;;
state) state ;;
run) run ;;
kill)
	tmux_do kill-window -t "$target" 2>/dev/null || test "$(state)" = missing || exit 1
	end_started
	;;
capture) tmux_do capture-pane -p -t "$target" -S "-$5" ;;
*) echo "tmux.sh: unknown action '$action'" >&2 && exit 2 ;;
esac
