#!/bin/sh
# Lima: a warm start to its bound and to a cold one, the disk of a session, and `run` to `limactl shell`.
# Without a Lima that boots it says why and measures nothing; LIMA_MUST_WORK=1 makes that a failure.
top=$(pwd)
. ./t/lib/bench.sh
TEST_TOP=$top TEST_TMP=$work
. ./t/lib/lima.sh

lima_skip () {
	echo "bench: lima: skipped: $1" >&2
	test -z "${LIMA_MUST_WORK:-}" || exit 1
	exit 0
}

end_lima () {
	bench_end
	for name in $(limactl list --format '{{.Name}}' 2>/dev/null); do
		case ${AGB_LIMA_HOME:-},$name in
		?*,agbranch-base-linux) continue ;;
		esac
		limactl unprotect "$name" >/dev/null 2>&1 || :
		limactl delete --force "$name" >/dev/null 2>&1 || :
	done
}

set +u
lima_settings t/perf/bench-lima.sh
set -u
trap 'cd /; end_lima' EXIT
git init -q "$work/repo"
cd "$work/repo"
git commit -q --allow-empty -m start
git agbranch base prepare --minimal -q >/dev/null

python3 - <<'PY'
import json
import os
import statistics
import subprocess
import time

HOME = os.environ['LIMA_HOME']


def call(*argv):
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


# What a person waits for: with KVM the machine itself costs nothing.
doctor = subprocess.run(('git-agbranch', 'doctor', '--json'), stdout=subprocess.PIPE, text=True).stdout
BOUND = 3 if json.loads(doctor)['kvm']['boots'] else 10


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def opened(name, *options):
    def work():
        out = json.loads(call('git-agbranch', 'open', name, '--json', *options))
        call('git-agbranch', 'run', name, '--', 'true')
        return out['phases']
    seconds, phases = timed(work)
    vm = json.loads(call('git-agbranch', 'show', name, '--json'))['runtime']['vm']
    return seconds, ', '.join('%s %d ms' % (p['name'], p['ms']) for p in phases), vm['cold_start']


def close(name):
    call('git-agbranch', 'close', name, '--discard', '--yes', '-q')


runs = []
for i in range(3):
    runs.append(opened('warm%d' % i))
    if i < 2:
        close('warm%d' % i)
cold_reasons = [r[2] for r in runs if r[2]]
if cold_reasons:
    raise SystemExit('a start was not warm: %s' % cold_reasons[0])
runs.sort()
warm, phases, _ = runs[1]

disk = int(call('du', '-s', '--block-size=1000000', HOME + '/agbranch-warm2').split()[0])
times = {'run': [], 'limactl': []}
for i in range(13):
    for name, argv in (('run', ('git-agbranch', 'run', 'warm2', '--', 'true')),
                       ('limactl', ('limactl', 'shell', '--workdir', '/', 'agbranch-warm2', 'true'))):
        seconds, _ = timed(lambda: call(*argv))
        if i >= 2:
            times[name].append(seconds * 1000)
ours, theirs = (statistics.median(times[k]) for k in ('run', 'limactl'))
close('warm2')

cold, cold_phases, _ = opened('cold', '--memory', '1000M')
close('cold')

print('`open` on Lima to the first command, in units of %d s\t%.2f\t1\t%.1f s, median of 3 (%s)'
      % (BOUND, warm / BOUND, warm, phases))
print('a warm start to a cold one\t%.3f\t0.143\t%.1f s to %.1f s (%s)'
      % (warm / cold, warm, cold, cold_phases))
print('disk of a session on Lima, in units of 500 MB\t%.2f\t1\t%d MB beside the base' % (disk / 500, disk))
print('`run` on Lima to `limactl shell`\t%.2f\t0.333\t`run -- true` %.0f ms, `limactl shell … true` %.0f ms, medians of 11'
      % (ours / theirs, ours, theirs))
PY
