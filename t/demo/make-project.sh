#!/bin/sh
# make-project.sh FOLDER: a small C project with a history of three commits and a failing test: the
# median of an even number of values is wrong, and no values at all divide by zero.
set -eu
mkdir -p "$1"
cd "$1"
git init -q -b main .

commit () {
	git add -A
	GIT_AUTHOR_DATE="$2" GIT_COMMITTER_DATE="$2" git commit -q -m "$1"
}

cat >stats.h <<'END'
#ifndef STATS_H
#define STATS_H

#include <stddef.h>

/* Of N values; 0 when there are none. */
double stats_mean (const double *values, size_t n);

#endif
END
cat >stats.c <<'END'
#include "stats.h"

double
stats_mean (const double *values, size_t n)
{
  double sum = 0;

  for (size_t i = 0; i < n; i++)
    sum += values[i];
  return sum / (double) n;
}
END
cat >tally.c <<'END'
/* tally: read numbers from stdin, print what they have in common. */
#include "stats.h"

#include <stdio.h>

int
main (void)
{
  double values[1024];
  size_t n = 0;

  while (n < 1024 && scanf ("%lf", &values[n]) == 1)
    n++;
  printf ("count %zu\nmean %g\n", n, stats_mean (values, n));
  return 0;
}
END
cat >Makefile <<'END'
CFLAGS = -O1 -g -Wall -Wextra
tally: tally.o stats.o
test: test-stats
	./test-stats
test-stats: test-stats.o stats.o
tally.o stats.o test-stats.o: stats.h
clean:
	rm -f tally test-stats *.o
.PHONY: test clean
END
printf '%s\n' '*.o' tally test-stats >.gitignore
commit 'tally: count numbers and print their mean' '2026-01-05T09:00:00Z'

cat >test-stats.c <<'END'
#include "stats.h"

#include <stdio.h>

static int failures;

static void
is (double got, double expected, const char *what)
{
  int good = got == expected;

  printf ("%s - %s\n", good ? "ok" : "not ok", what);
  if (!good)
    printf ("#   got %g, expected %g\n", got, expected);
  failures += !good;
}

int
main (void)
{
  const double odd[] = { 3, 1, 2 };

  is (stats_mean (odd, 3), 2, "mean");
  return failures != 0;
}
END
commit 'test-stats: check the mean' '2026-01-06T09:00:00Z'

sed -i.old 's|^#endif|double stats_median (const double *values, size_t n);\n\n#endif|' stats.h
sed -i.old 's|#include "stats.h"|#include "stats.h"\n\n#include <stdlib.h>\n#include <string.h>|' stats.c
sed -i.old 's|mean %g\\n", n, stats_mean (values, n)|mean %g\\nmedian %g\\n", n, stats_mean (values, n),\n          stats_median (values, n)|' tally.c
rm -f ./*.old
cat >>stats.c <<'END'

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

double
stats_median (const double *values, size_t n)
{
  double *sorted = malloc ((n + 1) * sizeof *sorted);
  double middle;

  memcpy (sorted, values, n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, compare);
  middle = sorted[n / 2];
  free (sorted);
  return middle;
}
END
sed -i.old 's|  const double odd.*|&\n  const double even[] = { 4, 1, 3, 2 };|
s|^  is (stats_mean.*|&\n  is (stats_median (odd, 3), 2, "median of an odd number");\n  is (stats_median (even, 4), 2.5, "median of an even number");\n  is (stats_mean (odd, 0), 0, "mean of nothing");|' test-stats.c
rm -f ./*.old
commit 'stats: median, with tests' '2026-01-07T09:00:00Z'
