#!/bin/sh
# words.sh: words that this tree does not use, with what is said instead (CodingGuidelines), and
# what is unfinished.  A line of CodingGuidelines itself is no use.
set -u
list=$(git ls-files -co --exclude-standard 2>/dev/null) || list=$(find . -type f | sed 's,^\./,,')
files=$(echo "$list" | grep -E '\.(c|h|def|sh|adoc|md|mk|yaml|bash|fish|sql)$|^Makefile$|^hooks/|^\.ci/' |
	grep -v -E '^t/check/words\.sh$|^Documentation/CodingGuidelines\.adoc$|^t/hostile/')
bad=0
# refuse REGEX WHAT-INSTEAD
refuse () {
	# shellcheck disable=SC2086 # names of the tree have no spaces
	if grep -n -I -i -w -E -- "$1" $files 2>/dev/null >&2; then
		echo "check-words: instead of /$1/: $2" >&2
		bad=1
	fi
}
refuse 'TODO|FIXME|XXX' 'finish it, or say in the issue what is open'
refuse 'whitelist(ed)?|blacklist(ed)?' 'allow list, refuse list'
refuse 'catalogue' 'catalog'
refuse 'result branch|output branch' 'review branch'
refuse 'golden image|base image|base vm' 'base'
refuse 'jail(ed)?' 'sandbox, guest'
refuse '/wor[k]/[a-z]+' 'no paths of one machine'
refuse 'co-authored-by|generated (by|with) [a-z]+' 'no such lines'
exit $bad
