#!/bin/sh
# sync of one commit on a repository of 60,000 commits, to a bundle of the whole history and a fetch of
# it (at least 20 times faster); and to the same sync on a repository of 60 commits: the cost must not
# grow with history.
. ./t/lib/bench.sh

# history DIR COMMITS: each commit changes one of 200 files.
history () {
	git init -q "$1"
	python3 - "$2" <<-'PY' | git -C "$1" fast-import --quiet
	import sys

	for n in range(int(sys.argv[1])):
	    text = 'change %d\n' % n * (n % 40 + 1)
	    print('commit refs/heads/main\ncommitter B <b@example.com> %d +0000\ndata 9\nchange it\nM 100644 '
	          'inline dir%d/file%d\ndata %d\n%s' % (1700000000 + n, n % 10, n % 200, len(text), text))
	PY
	git -C "$1" reset -q --hard
	git -C "$1" repack -adq
}
history "$work/long" 60000
history "$work/short" 60

python3 - "$work" <<'PY'
import os
import statistics
import subprocess
import sys
import time

work = sys.argv[1]
QUIET = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}


def once(argv, folder):
    start = time.perf_counter()
    subprocess.run(argv, check=True, cwd=folder, **QUIET)
    return (time.perf_counter() - start) * 1000


def commit(session, folder, n):
    once(['git-agbranch', 'run', session, '--', 'sh', '-c',
          'echo %d >>new && git add new && git commit -qm "change %d"' % (n, n)], folder)


times = {'long': [], 'short': [], 'bundle': []}
for kind in ('long', 'short'):
    once(['git-agbranch', 'open', kind, '-q'], os.path.join(work, kind))
for n in range(9):
    for kind in ('long', 'short'):
        folder = os.path.join(work, kind)
        commit(kind, folder, n)
        times[kind].append(once(['git-agbranch', 'sync', kind, '-q'], folder))
long_repo = os.path.join(work, 'long')
for n in range(3):
    bundle, target = os.path.join(work, 'all.bundle'), os.path.join(work, 'fetched%d' % n)
    once(['git', 'init', '-q', '--bare', target], work)
    times['bundle'].append(once(['git', 'bundle', 'create', '-q', bundle, 'main'], long_repo)
                           + once(['git', 'fetch', '-q', bundle, 'main'], target))
mid = {kind: statistics.median(values) for kind, values in times.items()}
print('`sync` of one commit on 60,000 commits, to a bundle of all and its fetch\t%.3f\t0.05\t%.0f ms to %.0f ms'
      % (mid['long'] / mid['bundle'], mid['long'], mid['bundle']))
print('`sync` of one commit on 60,000 commits, to the same on 60\t%.2f\t1.5\t%.0f ms to %.0f ms'
      % (mid['long'] / mid['short'], mid['long'], mid['short']))
PY
