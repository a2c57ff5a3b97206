# tmux.sh ACTION SESSION WORKSPACE WINDOW: the tmux server of a session, from inside the guest.
#
#   start             the server with its shell window; a repeat is ok
#   state             prints "live", "dead STATUS" or "missing"
#   run               the agent window anew; stdin: lines "eNAME=VALUE", "aARGUMENT" and "pSCRIPT" (what is
#                     run before, with these variables), as for printf %b; and with $5 = script one
#                     "sTEXT": a script that is sourced in a login shell before, and waited for: prints
#                     "script STATUS" and the last line of its output.  The program is not run unless that
#                     is 0; "missing": there is no such program
#   kill              end the window, its program and what that has started
#   abort             the same while its script runs, and all that this has started
#   capture           the window's text with at most $5 lines of its history
#
# The socket is ~/.agbranch/tmux/SESSION.sock.  tmux does not take a dot in the name of a session.
set -u
action=$1 session=$2 workspace=$3 window=$4
name=$session
while test "$name" != "${name%.*}"; do
	name=${name%%.*}_${name#*.}
done
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
	test -d "$HOME/.agbranch/tmux" || mkdir -p "$HOME/.agbranch/tmux" || exit 1
	if test -S "$socket" && tmux_do has-session -t "=$name" 2>/dev/null; then
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
	case $line in
	s*) continue ;;
	esac
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

# The same for what the script and its jobs say, through a pipe that lives as long as they do.  Whatever
# becomes of the log, nobody dies of writing into that.
script_log_command='trap "" HUP INT QUIT; cd ~/.agbranch/log && ulimit -c 0 && ulimit -f 16384 &&
until cat >>script.log; do test $? = 153 && mv -f script.log script.log.1 || break; done; exec cat >/dev/null'

# In a login shell.  What the script exports, its working folder and its umask are the program's.  Each
# job that it leaves in the background has a process group of its own (set -m) and writes to the log, so
# that neither the end of the window nor keys typed in it reach it.  Nor is the log a job of this shell, or
# the script could wait for it.  The script may do what it likes to
# this shell: end it, set options and traps, take over names.  So the status is written down in a trap,
# its end without one counts too, and the loader is a new shell.  The file of the workspace is sourced where
# it is the same text: then the script finds itself by its own path.  AGBRANCH_WINDOW marks what ends with
# the window, so the script does not have it.
# shellcheck disable=SC2016
starter='
agb_file=$1 agb_status_file=$2 agb_script_status=$3 agb_socket=$4 agb_channel=$5 agb_logger=$6 agb_loader=$7
agb_window=$8
agb_script=$agb_script_status.sh agb_out=$agb_script_status.out agb_program=
while IFS= read -r agb_line; do
	case $agb_line in
	a*) test -z "$agb_program" || break ;;
	p*) continue ;;
	esac
	agb_value=$(printf "%b." "${agb_line#?}")
	agb_value=${agb_value%.}
	case $agb_line in
	e*) export "$agb_value" ;;
	s*) (umask 077 && printf %s "$agb_value" >"$agb_script") ;;
	a*) agb_program=$agb_value ;;
	esac
done <"$agb_file"
unset agb_line agb_value
set --
agb_end () {
	unset -f tmux rm echo test || :
	echo "$1" >"$agb_script_status"
	rm -f -- "$agb_script" "$agb_file" "$agb_out"
	tmux -S "$agb_socket" wait-for -S "$agb_channel"
}
trap '\''agb_end "$?"'\'' EXIT
if test ! -L .agbranch/runtime.sh && cmp -s "$agb_script" .agbranch/runtime.sh; then
	agb_source=./.agbranch/runtime.sh
else
	agb_source=$agb_script
fi
mkfifo -m 600 "$agb_out" || exit 1
(sh -c "$agb_logger" <"$agb_out" >/dev/null 2>&1 & echo "$!" >"$agb_script_status.log")
set -m
. "$agb_source" >"$agb_out" 2>&1 </dev/null
agb_status=$?
unset -f tmux rm echo test || :
test "$agb_status" = 0 || exit "$agb_status"
trap - EXIT
command -v -- "$agb_program" >/dev/null || agb_end missing
test -e "$agb_file" || exit 127
echo 0 >"$agb_script_status"
rm -f -- "$agb_script" "$agb_out"
tmux -S "$agb_socket" wait-for -S "$agb_channel"
set +m
export AGBRANCH_WINDOW="$agb_window"
exec sh -c "$agb_loader" agbranch-run "$agb_file" "$agb_status_file"'

# new_window COMMAND...: COMMAND in the window.
new_window () {
	tmux_do new-window -d -t "=$name:" -n "$window" -c "$workspace" \
		-e "AGBRANCH_SESSION=$session" -e "COMPOSE_PROJECT_NAME=agbranch-$name" "$@" ';' \
		set-option -w -t "$target" remain-on-exit on ';' \
		pipe-pane -t "$target" "$log_command"
}

# wait_for CHANNEL: until the script says so, or its shell has ended without a word.  (When a program ends
# at once, tmux 3.3 does not always reap it, nor run the hook pane-died.)
wait_for () {
	while test "$(state)" = live; do
		sleep 0.5 2>/dev/null || sleep 1
	done </dev/null >/dev/null 2>&1 && tmux_do wait-for -S "$1" &
	watcher=$!
	tmux_do wait-for "$1"
	kill "$watcher" 2>/dev/null
	wait "$watcher"
}

# until_logged TENTHS: until all of what the script said is in its log, or jobs of it can still say more.
until_logged () {
	logger=$(cat "$script_status.log" 2>/dev/null) && test -n "$logger" || return
	tenths=$1
	while kill -0 "$logger" 2>/dev/null && test "$tenths" -gt 0; do
		sleep 0.1 2>/dev/null || sleep 1
		tenths=$((tenths - 1))
	done
}

run_script () {
	log=$HOME/.agbranch/log/script.log
	script_status=$run_folder/$window.script
	shell=$(command -v bash || command -v sh)
	(umask 077 && mkdir -p "$HOME/.agbranch/log" && : >"$log" && rm -f -- "$log.1") || exit 1
	channel=agbranch-$window-$$
	new_window "$shell" -l -c "$starter" agbranch-run "$file" "$status_file" \
		"$script_status" "$socket" "$channel" "$script_log_command" "$loader" "$window" || exit 1
	wait_for "$channel"
	status=$(cat "$script_status" 2>/dev/null ||
		tmux_do list-panes -t "$target" -F '#{pane_dead_status}' 2>/dev/null)
	if test "$status" = 0; then
		until_logged 2
	else
		until_logged 20
		rm -f -- "$file"
	fi
	rm -f -- "$script_status" "$script_status.sh" "$script_status.log" "$script_status.out"
	echo "script ${status:-255}"
	tail -n 1 "$log" | head -c 1000
}

run () {
	start || exit 1
	(umask 077 && mkdir -p "$run_folder") || exit 1
	rm -f -- "$run_folder/$window".*
	file=$run_folder/$window.$$ status_file=$run_folder/$window.status
	(umask 077 && cat >"$file") || exit 1
	tmux_do kill-window -t "$target" 2>/dev/null
	if test "$1" = script; then
		run_script
	else
		new_window -e "AGBRANCH_WINDOW=$window" sh -c "$loader" agbranch-run "$file" "$status_file"
	fi
}

# The jobs of the script are not in the terminal's foreground: its end would not reach them.
abort () {
	session_id=$(tmux_do list-panes -t "$target" -F '#{pane_pid}' 2>/dev/null)
	tmux_do kill-window -t "$target" 2>/dev/null
	rm -f -- "$run_folder/$window".*
	test -n "$session_id" || return 0
	pkill -TERM -s "$session_id"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		pgrep -s "$session_id" >/dev/null || return 0
		sleep 0.1 2>/dev/null || sleep 1
	done
	pkill -KILL -s "$session_id"
	return 0
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
run) run "${5:-}" ;;
kill)
	tmux_do kill-window -t "$target" 2>/dev/null || test "$(state)" = missing || exit 1
	end_started
	;;
abort) abort ;;
capture) tmux_do capture-pane -p -t "$target" -S "-$5" ;;
*) echo "tmux.sh: unknown action '$action'" >&2 && exit 2 ;;
esac
