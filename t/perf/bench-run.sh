#!/bin/sh
# run: a command in a running sandbox against the bare command; the difference counts in units of 5 ms.
#
# The two take turns, so that a load on the machine falls on both, and the lower quartiles are compared: a
# median of a busy machine measures who else waits.
. ./t/lib/bench.sh
git init -q "$work/repo"
cd "$work/repo"
git commit -q --allow-empty -m start
git agbranch open bench >/dev/null 2>&1

python3 - <<'PY'
import statistics
import subprocess
import time

RUN = ['git-agbranch', 'run', 'bench', '--']


def once(argv):
    start = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def compare(bare, rounds):
    times = {'bare': [], 'run': []}
    for i in range(rounds + 3):
        for name, argv in (('bare', bare), ('run', RUN + bare)):
            took = once(argv)
            if i >= 3:
                times[name].append(took)
    return {name: statistics.quantiles(values, n=4)[0] for name, values in times.items()}


true = compare(['true'], 100)
print('`run` over the bare command, in units of 5 ms\t%.2f\t1\t`run -- true` %.1f ms, bare `true` %.1f ms: the difference in units of 5 ms'
      % ((true['run'] - true['bare']) / 5, true['run'], true['bare']))

# Streams: 64 MiB through the relay against a pipe.
stream = compare(['sh', '-c', 'head -c 67108864 /dev/zero | cat >/dev/null'], 3)
start = time.perf_counter()
subprocess.run('head -c 67108864 /dev/zero | git-agbranch run bench -- cat >/dev/null', shell=True, check=True)
relayed = (time.perf_counter() - start) * 1000
print('64 MiB through `run`, to a pipe\t%.2f\t8\t64 MiB through `run -- cat` %.0f ms, through a pipe %.0f ms'
      % (relayed / stream['bare'], relayed, stream['bare']))
PY
