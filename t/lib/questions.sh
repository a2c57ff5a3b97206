# For scripts that answer what a command asks, on terminals of 80 by 24.  Sourced after test-lib.sh.

TMUX_SOCKET=$AGBRANCH_STATE_ROOT.tmux

# screen_has NAME TEXT
screen_has () {
	tmux -S "$TMUX_SOCKET" capture-pane -J -p -t "$1" >screen && grep -q -- "$2" screen
}

# on_terminal NAME COMMAND…: its exit status is the last thing on the screen.
on_terminal () {
	terminal=$1
	shift
	tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -s "$terminal" -x 80 -y 24 "$*; echo status \$? end; exec cat"
}

# answer NAME TEXT
answer () {
	tmux -S "$TMUX_SOCKET" send-keys -t "$1" "$2" Enter
}
