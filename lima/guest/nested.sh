# nested.sh WORKSPACE: the repositories in the work tree of the session's clone, and those in them, each as its
# path and a NUL: submodules, and what was made or cloned there, but not what is ignored.
#
# A submodule that was put away (git submodule deinit) is checked out again from .git/modules; nothing is
# fetched.
set -u
cd "$1" || exit 1

# Between programs newlines in paths are \001, and a path ends with a newline.
nested () {
	{
		git -C "./$1" ls-files -s -z | tr '\n\0' '\1\n' | sed -n 's/^160000 [0-9a-f]* 0	//p'
		git -C "./$1" ls-files -o -z --exclude-standard | tr '\n\0' '\1\n' | sed -n 's,/$,,p'
	} | sort -u | while IFS= read -r shown; do
		path=$1$(printf '%s' "$shown" | tr '\1' '\n')
		test -e "./$path/.git" ||
			GIT_ALLOW_PROTOCOL='' git -C "./$1" submodule --quiet update --init --checkout -- "$shown" \
				>/dev/null 2>&1 </dev/null
		test -e "./$path/.git" || continue
		printf '%s\n' "$1$shown"
		test "$2" -ge 8 || nested "$path/" $(($2 + 1))
	done
}
nested '' 1 | tr '\n\1' '\0\n'
