# Terminals for tests: sourced after test-lib.sh.
#
# A terminal is a tmux server of the host, each with a socket of its own (one that ends still holds its
# socket for a moment).
terminal=0
term () {
	tmux -S "$TEST_TMP/term.$terminal" "$@"
}

# on_terminal COMMAND…: a new terminal of 100 by 30 that runs COMMAND; those before stay.
on_terminal () {
	terminal=$((terminal + 1))
	term -f /dev/null new-session -d -x 100 -y 30 "$@" ';' set-option -g prefix C-a ';' \
		set-option -g status off ';' set-option -g remain-on-exit on ';' \
		set-option -g window-size manual ';' set-option -s set-clipboard on
}

end_terminals () {
	while test "$terminal" -gt 0; do
		term kill-server 2>/dev/null
		terminal=$((terminal - 1))
	done
}

screen_has () {
	term capture-pane -p | grep -q -- "$1"
}

# see TEXT: it shows up on the terminal, within $terminal_seconds.
terminal_seconds=30
see () {
	wait_until "$terminal_seconds" screen_has "$1" || { term capture-pane -p >&2; return 1; }
}

type_in () {
	term send-keys "$@"
}

cleanup end_terminals
