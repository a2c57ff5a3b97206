#!/bin/sh
# What the agent of the demo does, in its sandbox: look, fix in small commits, test.  Runs with the
# clone as its working directory; a real agent would be started by `git agbranch open --agent`.
set -eu

say () {
	printf 'agent> %s\n' "$*"
}

say "I am $(id -un) in $(pwd)"
say 'the tests fail:'
make -s test 2>&1 | grep -A 1 '^not ok' | sed 's/^/       /'

say 'an even number of values has two middle ones: take their mean'
sed -i 's|^  middle = sorted\[n / 2\];|  middle = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;|' stats.c
git commit -q -a -m 'stats: median of an even number of values

The mean of the two values in the middle, as everybody defines it.'

say 'no values: the header promises 0'
sed -i 's|^  return sum / (double) n;|  return n > 0 ? sum / (double) n : 0;|
s|^  double middle;|  double middle = 0;|
s|^  middle = n % 2|  if (n > 0)\n    middle = n % 2|' stats.c
git commit -q -a -m 'stats: no values have mean and median 0'

say 'and a test, so that it stays so'
sed -i 's|^  return failures != 0;|  is (stats_median (odd, 0), 0, "median of nothing");\n&|' test-stats.c
git commit -q -a -m 'test-stats: the median of nothing'

make -s test | sed 's/^/       /'
say 'done, in three commits'
