# What agbranch 0.1 leaves behind, for the tests of migrate: sourced after test-lib.sh.
DB=$AGBRANCH_STATE_ROOT/state.db
OLD_HOME=/home/u.linux # of its guests' user

# old_catalog: its tables, empty.
old_catalog () {
	mkdir -m 700 "$AGBRANCH_STATE_ROOT" &&
	sqlite3 "$DB" "
		CREATE TABLE sessions (name TEXT PRIMARY KEY, vm_name TEXT NOT NULL UNIQUE, session_mode TEXT, repo_sync_mode TEXT,
			host_context_path TEXT, guest_workspace_path TEXT, seed_host_path TEXT, host_git_root TEXT,
			host_head_oid_at_open TEXT, host_head_ref_at_open TEXT, host_dirty_at_open INTEGER, base_ref TEXT,
			review_branch TEXT, session_ref_base TEXT, session_ref_head TEXT, provider_kind TEXT,
			imported_provider_files_json TEXT, guest_tmux_socket_path TEXT, shell_window_name TEXT,
			agent_window_name TEXT, agent_launch_preset TEXT, lifecycle_state TEXT, sync_state TEXT,
			lock_owner_pid INTEGER, lock_operation TEXT, created_at TEXT, last_started_at TEXT,
			last_stopped_at TEXT, last_used_at TEXT, closed_at TEXT);
		CREATE TABLE sync_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, session_name TEXT, direction TEXT, result TEXT,
			started_at TEXT, finished_at TEXT, staging_path TEXT, patch_path TEXT, error_text TEXT);
		CREATE TABLE session_events (id INTEGER PRIMARY KEY AUTOINCREMENT, session_name TEXT, at TEXT, level TEXT,
			kind TEXT, message TEXT);
		PRAGMA user_version = 1"
}

# old_row NAME REPO STATE [PID]: a session of a repository, session refs and all.
old_row () {
	git -C "$2" update-ref "refs/agbranch/sessions/$1/base" HEAD &&
	git -C "$2" update-ref "refs/agbranch/sessions/$1/head" HEAD &&
	sqlite3 "$DB" "INSERT INTO sessions (name, vm_name, session_mode, repo_sync_mode, host_context_path, guest_workspace_path,
		host_git_root, review_branch, session_ref_base, session_ref_head, guest_tmux_socket_path, shell_window_name,
		agent_window_name, lifecycle_state, sync_state, created_at, lock_owner_pid)
		VALUES ('$1', 'agbranch-$1', 'repo', 'git_native', '$PWD/$2', '$OLD_HOME/workspaces/$1/repo',
		'$PWD/$2', 'agbranch/$1', 'refs/agbranch/sessions/$1/base', 'refs/agbranch/sessions/$1/head',
		'$OLD_HOME/.agbranch/tmux/$1.sock', 'shell', 'agent', '$3', 'pending', '2025-01-01T00:00:00Z', ${4:-NULL})"
}

# old_sandbox_row NAME SEED STATE: a session without a repository.
old_sandbox_row () {
	sqlite3 "$DB" "INSERT INTO sessions (name, vm_name, session_mode, host_context_path, guest_workspace_path, seed_host_path,
		guest_tmux_socket_path, shell_window_name, agent_window_name, lifecycle_state, sync_state, created_at)
		VALUES ('$1', 'agbranch-$1', 'sandbox', '$PWD/$2', '$OLD_HOME/sandbox/$1', '$PWD/$2',
		'$OLD_HOME/.agbranch/tmux/$1.sock', 'shell', 'agent', '$3', 'pending', '2025-01-01T00:00:00Z')"
}

row () {
	sqlite3 "$DB" "SELECT $1 FROM sessions WHERE name = '$2'"
}

# acted NAME ACTION: what `migrate --json`, in the file out, did with it.
acted () {
	json_is ".sessions[] | select (.session == \"$1\") | .action" "$2"
}
