#!/bin/sh
# shell.sh: shellcheck of every script of the tree.
set -u
bad=0
if ! command -v shellcheck >/dev/null; then
	test -z "${CHECK_MUST_WORK:-}" || { echo "check-shell: no shellcheck" >&2; exit 1; }
	echo "check-shell: skipped, no shellcheck"
	exit 0
fi
list=$(git ls-files -co --exclude-standard 2>/dev/null) || list=$(find . -type f | sed 's,^\./,,')
scripts=$(echo "$list" | while IFS= read -r file; do
	test -f "$file" || continue
	case $file in
	t/t[0-9]*.sh | t/torture/[!r]*.sh | t/torture/re*.sh | t/hostile/*.sh | t/lib/*.sh) ;; # sharness: test bodies are strings to the tool
	lima/guest/*) ;;                                # given to sh -c: without a first line
	*.sh | .ci/run | hooks/* | lima/host/* | *.bash) echo "$file" ;;
	esac
done)
# shellcheck disable=SC2086 # names of the tree have no spaces
shellcheck -x -S warning $scripts || bad=1
guest=$(echo "$list" | grep '^lima/guest/.*\.sh$')
# shellcheck disable=SC2086
test -z "$guest" || shellcheck -s sh -S warning $guest || bad=1
# The Perl in which a guest without KVM does in one process what would take a shell twenty.
for file in $(echo "$list" | grep '^lima/guest/.*\.pl$'); do
	perl -c "$file" 2>&1 | grep -v ' syntax OK$' >&2 && bad=1
done
# In the test scripts only what is wrong for certain.
tests=$(echo "$list" | grep -E '^t/(t[0-9].*|hostile/.*|lib/.*)\.sh$' | while IFS= read -r file; do
	test ! -f "$file" || echo "$file"
done)
# shellcheck disable=SC2086
shellcheck -S error -s sh $tests || bad=1
exit $bad
