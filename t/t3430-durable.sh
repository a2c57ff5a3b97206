#!/bin/sh
test_description='what counts is on the disk before success is said: the order of fsyncs'
. ./t/lib/test-lib.sh
requires strace
strace -o /dev/null true 2>/dev/null || {
	skip_all='strace may not trace here'
	test_done
}

no_leak_check

# traced VERB ARGS…: every rename, link, write and fsync of the verb and its children, into ../trace.
traced () {
	verb=$1
	shift
	rm -f ../trace &&
	timeout -s KILL 60 strace -f -y -s 300 -o ../trace \
		-e trace=execve,rename,renameat,renameat2,link,linkat,write,pwrite64,fsync,fdatasync,mkdir,mkdirat \
		"$AGB_BUILD/libexec/git-agbranch/git-agbranch-$verb" "$@" >../out 2>../err
}

# The same of a verb that leaves a sandbox running: strace is told to let go of it when the verb has ended.
traced_open () {
	traced "$@" &
	tracer=$!
	wait_until 50 is_over &&
	pkill -INT -P "$(pgrep -P $tracer -x timeout || echo $tracer)" -x strace
	wait $tracer
	is_over
}
is_over () {
	first=$(head -n 1 ../trace 2>/dev/null | cut -d" " -f1) && test -n "$first" && grep -q "^$first  *+++ exited with 0 +++" ../trace
}

# is_durable PATTERN: each file that was renamed to a path of PATTERN (an extended regular expression) was
# synced under its old name (as one of it, or within the folder that moved), its folder was synced after
# that, and both before the line that says success (../out) was written.
is_durable () {
	awk -v pattern="$1" '
		{ sub (/^[0-9]+ +/, "") }
		/^f(data)?sync\(/ { path = $0; sub (/^[^<]*</, "", path); sub (/>.*/, "", path); synced[path] = NR }
		/^(rename|link)/ && (/ = 0$/ || / <unfinished /) {
			split ($0, quoted, "\""); from = quoted[2]; to = quoted[4]
			if (from in synced) synced[to] = synced[from]
			if (to !~ pattern) next
			seen++
			good = from in synced
			for (path in synced) if (index (path, from "/") == 1) good = 1
			if (!good) { print "not synced before it moved: " to; bad = 1 }
			folder = to; sub (/\/[^\/]*$/, "", folder)
			moved[to] = NR; folder_of[to] = folder
		}
		/^write\(1<[^>]*\/out>/ && !said { said = NR
			for (to in moved) if (moved[to] < said) {
				found = 0
				for (path in synced) if (index (path, folder_of[to]) == length (path) - length (folder_of[to]) + 1 &&
					synced[path] > moved[to]) found = 1
				if (!found) { print "its folder was not synced: " to; bad = 1 }
			}
		}
		END {
			if (!seen) { print "nothing of it was moved: " pattern; bad = 1 }
			if (!said) { print "nothing was said"; bad = 1 }
			exit bad
		}' ../trace
}

# The last write of the catalog is followed by a sync of its log, before anything is said.
catalog_is_durable () {
	awk '
		{ sub (/^[0-9]+ +/, "") }
		/^pwrite64\([0-9]+<[^>]*state\.db-wal>/ { written = NR }
		/^f(data)?sync\([0-9]+<[^>]*state\.db-wal>/ { synced = NR }
		/^write\(1<[^>]*\/out>/ && !said { said = NR; if (!written || synced < written) { print "the catalog was not synced"; bad = 1 } }
		END { if (!said) { print "nothing was said"; bad = 1 } exit bad }' ../trace
}

test_expect_success 'set up' '
	make_repo repo &&
	cd repo &&
	git agbranch open one -q &&
	git agbranch open two -q
'

test_expect_success 'open: the session refs, what the sandbox is made from, catalog' '
	traced_open open traced &&
	grep "session traced is running" ../out &&
	is_durable "refs/agbranch/sessions/traced/(base|head)$" &&
	is_durable "/state/bwrap/agbranch-traced/spec.json$" &&
	catalog_is_durable &&
	git agbranch close traced --discard --yes -q
'

test_expect_success 'sync: pack, bundle, refs, catalog' '
	agent_commit one file text &&
	traced sync one &&
	is_durable "/\\.git/objects/pack/pack-[0-9a-f]*\\.(pack|idx)$" &&
	is_durable "/staging/one/[0-9]*.bundle$" &&
	is_durable "refs/(heads/agbranch/one|agbranch/sync/one/[0-9]+|agbranch/sessions/one/head)$" &&
	catalog_is_durable
'

test_expect_success 'close: work that is rescued, catalog' '
	agent_commit two file text &&
	traced close two --discard --yes &&
	is_durable "refs/agbranch/rescue/two/1$" &&
	catalog_is_durable &&
	git agbranch close one --sync --yes -q &&
	no_process_left
'

test_done
