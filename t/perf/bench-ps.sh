#!/bin/sh
# `git-agbranch ps` over 500 sessions to `git --version`, in one run.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
AGBRANCH_STATE_ROOT=$work/state
export AGBRANCH_STATE_ROOT
mkdir -m 700 "$AGBRANCH_STATE_ROOT"
ps=$AGB_BUILD/bin/git-agbranch

"$AGB_BUILD/t/tools/catalog-tool" open
sqlite3 "$AGBRANCH_STATE_ROOT/state.db" "
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
	INSERT INTO sessions (name, vm_name, session_mode, repo_sync_mode, host_context_path,
		guest_workspace_path, host_head_oid_at_open, host_head_ref_at_open, host_dirty_at_open,
		review_branch, guest_tmux_socket_path, shell_window_name, agent_window_name,
		agent_launch_preset, lifecycle_state, sync_state, created_at, last_started_at, runtime,
		attempt, git_common_dir, cpus, memory_bytes, disk_bytes, network)
	SELECT printf ('session-%d', i), printf ('agbranch-session-%d', i), 'repo', 'git_native',
		'/home/user/projects/something', printf ('/home/agent/workspaces/session-%d/repo', i),
		'0123456789012345678901234567890123456789', 'refs/heads/main', 0,
		printf ('agbranch/session-%d', i), '/home/agent/.agbranch/tmux/s.sock', 'shell', 'agent',
		'claude-code', 'running', 'clean', '2026-01-01T00:00:00.000000Z',
		'2026-01-01T00:00:00.000000Z', 'bwrap', 1, '/home/user/projects/something/.git', 2,
		2147483648, 32212254720, 'public'
	FROM n"
test "$("$ps" ps -q | wc -l)" = 500

# block COMMAND...: microseconds of a run, over ten.
blocks=${BENCH_BLOCKS:-30}
block () {
	start=$(date +%s%N)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$@" >/dev/null
	done
	end=$(date +%s%N)
	echo $(((end - start) / 10000))
}

# In turns, so that the load of the machine meets all alike.
i=0
while [ "$i" -lt "$blocks" ]; do
	block git --version >>"$work/git"
	block "$ps" ps >>"$work/table"
	block "$ps" ps --json >>"$work/json"
	i=$((i + 1))
done

median () {
	sort -n "$1" | sed -n "$(((blocks + 1) / 2))p"
}

git=$(median "$work/git")
for kind in table json; do
	mine=$(median "$work/$kind")
	bound=3 name='`git-agbranch ps`, 500 sessions, to `git --version`'
	test "$kind" = table || bound=6 name='`git-agbranch ps --json`, 500 sessions, to `git --version`'
	awk -v name="$name" -v mine="$mine" -v git="$git" -v bound="$bound" 'BEGIN {
		printf "%s\t%.2f\t%s\t%.2f ms to %.2f ms, medians\n", name, mine / git, bound, mine / 1000, git / 1000 }'
done
