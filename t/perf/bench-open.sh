#!/bin/sh
# open on a repository of 5,000 files, to `git worktree add` of it.
. ./t/lib/bench.sh
git init -q "$work/repo"
cd "$work/repo"
python3 - <<'PY'
import os

for i in range(5000):
    folder = 'd%02d/e%d' % (i % 50, i % 7)
    os.makedirs(folder, exist_ok=True)
    with open('%s/file%d.c' % (folder, i), 'w') as out:
        out.write('\n'.join('line %d of file %d' % (n, i) for n in range(i % 300)))
PY
git add .
git commit -qm 'five thousand files'
git gc -q
git agbranch open warm-up -q >/dev/null
git agbranch close warm-up --discard --yes -q >/dev/null

python3 - <<'PY'
import statistics
import subprocess
import time

ROUNDS = 9


def once(argv):
    start = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


times = {'open': [], 'worktree': []}
for i in range(ROUNDS):
    times['worktree'].append(once(['git', 'worktree', 'add', '-q', '../tree%d' % i, '-b', 'b%d' % i]))
    times['open'].append(once(['git-agbranch', 'open', 's%d' % i, '-q']))
    once(['git-agbranch', 'close', 's%d' % i, '--discard', '--yes', '-q'])
    once(['git', 'worktree', 'remove', '--force', '../tree%d' % i])
mine, theirs = (statistics.median(times[k]) for k in ('open', 'worktree'))
print('`open`, 5,000 files, to `git worktree add`\t%.2f\t1\t%.0f ms to %.0f ms, medians of %d'
      % (mine / theirs, mine, theirs, ROUNDS))
PY
