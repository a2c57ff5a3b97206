#!/bin/sh
# format.sh FILE...: clang-format would change nothing (make format).
set -u
tool=${CLANG_FORMAT:-clang-format}
if ! command -v "$tool" >/dev/null; then
	test -z "${CHECK_MUST_WORK:-}" || { echo "check-format: no $tool" >&2; exit 1; }
	echo "check-format: skipped, no $tool"
	exit 0
fi
bad=
for file; do
	"$tool" "$file" | cmp -s - "$file" || bad="$bad $file"
done
test -z "$bad" || {
	echo "check-format: not as clang-format lays it out (make format):" >&2
	printf '  %s\n' $bad >&2
	exit 1
}
