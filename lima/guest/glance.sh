# glance.sh SESSION WORKSPACE WINDOW BASE: what `top` shows of a guest, a line whenever it has changed:
#
#   agent=live|dead|missing said=WORD|- changed=FILES ahead=COMMITS memory=BYTES disk=BYTES output=BASE64
#
# A number that cannot be had is "-".  Ends with its stdin.  Every two seconds: there is no event that
# works in every guest for any of these.
set -u
session=$1 workspace=$2 window=$3 base=$4
name=$(printf '%s' "$session" | tr . _)
socket=$HOME/.agbranch/tmux/$session.sock

agent () {
	line=$(tmux -S "$socket" list-panes -s -t "=$name" -F '#{window_name}|#{pane_dead}|#{@agbranch_state}' \
		2>/dev/null | grep -m 1 "^$window|") || { echo 'agent=missing said=-' && return; }
	line=${line#*|}
	said=$(printf '%s' "${line#*|}" | tr -cd a-z)
	case $line in
	1*) printf 'agent=dead' ;;
	*) printf 'agent=live' ;;
	esac
	echo " said=${said:--}"
}

changes () {
	cd -- "$workspace" 2>/dev/null || { echo 'changed=- ahead=-' && return; }
	changed=- ahead=-
	if test -n "$base"; then
		changed=$(git --no-optional-locks status --porcelain 2>/dev/null | wc -l)
		ahead=$(git rev-list --count "$base..HEAD" 2>/dev/null) || ahead=-
	fi
	echo "changed=$changed ahead=$ahead"
}

memory () {
	cat /proc/[0-9]*/statm 2>/dev/null | awk -v page="$(getconf PAGESIZE 2>/dev/null || echo 4096)" \
		'{ pages += $2 - $3 } END { printf "memory=%.0f\n", pages * page }'
}

# Large workspaces take long to count: never more than a twentieth of the time goes there.
disk=- disk_due=0
disk () {
	begin=$(date +%s)
	test "$begin" -ge "$disk_due" || return 0
	disk=$(du -sk -- "$workspace" 2>/dev/null | awk '{ printf "%.0f", $1 * 1024 }')
	end=$(date +%s)
	disk_due=$((end + 10 + (end - begin) * 20))
}

output () {
	printf 'output='
	tmux -S "$socket" capture-pane -p -t "=$name:=$window" 2>/dev/null |
		grep -v '^[[:space:]]*$' | tail -n 3 | cut -b 1-400 | base64 | tr -d '\n'
	echo
}

# A reader in the background ends the loop with stdin (which it would not get by itself).
exec 3<&0
(cat <&3 >/dev/null; kill $$ 2>/dev/null) &
last=
while :; do
	disk
	now="$(agent) $(changes) $(memory) disk=${disk:--} $(output)"
	# Memory alone is no news below a megabyte.
	key=$(echo "$now" | sed 's/memory=\([0-9]*\)[0-9]\{6\} /memory=\1 /')
	test "$key" = "$last" || printf '%s\n' "$now"
	last=$key
	sleep 2
done
