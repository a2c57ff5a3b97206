#!/bin/sh
# Resident memory of our own processes (the verb, the reader of the stream, the keeper and execd) while a
# pack of 1 GB streams through the gate, to 40 MB; git's children are bounded by settings that we pass, and
# reported.
. ./t/lib/bench.sh
git init -q "$work/repo"
cd "$work/repo"
git commit -q --allow-empty -m start
git config agbranch.limits.packBytes 4GiB
git config agbranch.limits.inflatedBytes 8GiB
git agbranch open big -q --memory 6GiB >/dev/null
git agbranch run big -- sh -c 'git config core.compression 0
	for n in 0 1 2 3 4 5 6 7 8 9; do head -c 104857600 /dev/urandom >blob$n; done
	git add . && git commit -qm "a gigabyte"'

python3 - "$AGBRANCH_STATE_ROOT" <<'PY'
import os
import subprocess
import sys

OURS = ('git-agbranch-sync', 'agbranch-scan', 'agbranch-keeper', 'execd')
GITS = ('index-pack', 'rev-list')


def processes():
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/status' % pid) as status:
                fields = dict(line.split(':', 1) for line in status)
            with open('/proc/%s/cmdline' % pid, 'rb') as file:
                argv = file.read().split(b'\0')
        except (OSError, ValueError):
            continue
        if 'VmHWM' in fields:
            yield int(pid), os.path.basename(argv[0].decode(errors='replace')), argv, fields


before = {pid for pid, *_ in processes()}
sync = subprocess.Popen(['git-agbranch', 'sync', 'big', '-q'], stdout=subprocess.DEVNULL)
peak = {}
while True:
    for pid, name, argv, fields in processes():
        verb = [word for word in GITS if name == 'git' and pid not in before and word.encode() in argv]
        if name in OURS or verb:
            key = 'git ' + verb[0] if verb else name
            peak[key] = max(peak.get(key, 0), int(fields['VmHWM'].split()[0]) / 1024)
    try:
        sync.wait(0.05)
        break
    except subprocess.TimeoutExpired:
        pass
if sync.returncode != 0:
    sys.exit('the sync failed: %d' % sync.returncode)
ours = sum(size for name, size in peak.items() if name in OURS)
others = ', '.join('%s %.0f MB' % (name, size) for name, size in sorted(peak.items()) if name not in OURS)
print('resident memory of our processes, a 1 GB pack, to 40 MB\t%.2f\t1\t%s; %s' % (
    ours / 40, ', '.join('%s %.1f MB' % (name, peak[name]) for name in OURS if name in peak), others))
PY
