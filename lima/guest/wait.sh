# wait.sh FOR SESSION WORKSPACE WINDOW QUIET HEAD: wait inside the guest, print what was reached.
#
#   idle      "idle": no output for QUIET seconds, or the agent says so, or it has ended
#   waiting   "waiting": the agent rang the bell, or says so; "ended STATUS": it is too late for that
#   done      "done": the agent says so, or ended with status 0; "ended STATUS": with another
#   exit      "exit STATUS"
#   commit    "commit OID": HEAD of the workspace is not HEAD any more
#   stopped   nothing: blocks until the guest, or the caller's end of stdin, is gone
#   "missing" in place of any of the first four: there is no such window
#
# An agent says what it is doing by the tmux option @agbranch_state of its window (working, idle,
# waiting, done).  There is no event for "no output" and none for a commit that works in every guest,
# so this looks twice a second.
set -u
for=$1 session=$2 workspace=$3 window=$4 quiet=$5 head=$6
name=$(printf '%s' "$session" | tr . _)
socket=$HOME/.agbranch/tmux/$session.sock

pause () {
	sleep 0.5 2>/dev/null || sleep 1
}

# dead, activity, bell, said: what tmux knows of the window; 1 when there is none.
look () {
	line=$(tmux -S "$socket" list-panes -s -t "=$name" \
		-F '#{window_name}|#{pane_dead}|#{window_activity}|#{window_bell_flag}|#{@agbranch_state}' \
		2>/dev/null | grep -m 1 "^$window|") || return 1
	line=${line#*|}
	dead=${line%%|*} line=${line#*|}
	activity=${line%%|*} line=${line#*|}
	bell=${line%%|*} said=${line#*|}
}

status () {
	cat "$HOME/.agbranch/run/$window.status" 2>/dev/null || echo 137
}

is_quiet () {
	test $(($(date +%s) - activity)) -ge "$quiet"
}

# Print the word and end when the window is where it should be.
check () {
	case $for:$dead in
	exit:1) echo "exit $(status)" && exit ;;
	done:1) test "$(status)" = 0 && echo "done" && exit ;;
	idle:1) echo idle && exit ;;
	esac
	test "$dead" != 1 || { test "$for" = exit || echo "ended $(status)" && exit; }
	case $for:$said in
	idle:idle | idle:waiting | idle:done) echo idle && exit ;;
	waiting:waiting) echo waiting && exit ;;
	done:done) echo "done" && exit ;;
	idle:) is_quiet && echo idle && exit ;;
	waiting:) test "$bell" = 1 && echo waiting && exit ;;
	esac
}

case $for in
stopped)
	exec cat >/dev/null
	;;
commit)
	cd -- "$workspace" || exit 1
	while now=$(git rev-parse -q --verify HEAD) && test "$now" = "$head"; do
		pause
	done
	echo "commit $now"
	;;
*)
	while look; do
		check
		pause
	done
	echo missing
	;;
esac
