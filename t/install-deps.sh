#!/bin/sh
# install-deps.sh [--ci]: install what building and testing need with the machine's package manager;
# with --ci also what only the whole check needs (the other compiler, fuzzing, all shells).  Asks
# nothing, and does nothing when everything is there.
set -eu

debian='build-essential pkg-config git libglib2.0-dev libgit2-dev libsqlite3-dev sqlite3 libcjson-dev
libyaml-dev libseccomp-dev libarchive-dev zlib1g-dev bubblewrap slirp4netns tmux sharness asciidoctor
shellcheck jq strace git-lfs perl python3 iproute2 procps man-db faketime
qemu-utils zstd openssh-client'
debian_ci='clang clang-format libclang-rt-dev zsh fish'
fedora='gcc make pkgconf-pkg-config git glib2-devel libgit2-devel sqlite-devel sqlite cjson-devel
libyaml-devel libseccomp-devel libarchive-devel zlib-devel bubblewrap slirp4netns tmux sharness rubygem-asciidoctor
ShellCheck jq strace git-lfs perl-Test-Harness python3 iproute procps-ng glibc-static man-db libfaketime
qemu-img zstd openssh-clients'
fedora_ci='clang clang-tools-extra compiler-rt zsh fish'
brew_ci='clang-format fish'
brew='pkg-config git glib libgit2 sqlite cjson libyaml libarchive tmux asciidoctor shellcheck jq git-lfs'

case ${1:-} in
'') ;;
--ci) debian="$debian $debian_ci" fedora="$fedora $fedora_ci" brew="$brew $brew_ci" ;;
*) echo "usage: t/install-deps.sh [--ci]" >&2; exit 129 ;;
esac

as_root () {
	if test "$(id -u)" = 0; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@"
	else
		echo "deps: '$1' needs root, and there is no sudo" >&2
		return 1
	fi
}

missing_debian () {
	for package in $debian; do
		test "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ||
			printf '%s ' "$package"
	done
}

fail () {
	echo "deps: $*" >&2
	exit 1
}

if command -v apt-get >/dev/null; then
	missing=$(missing_debian)
	test -n "$missing" || exit 0
	echo "deps: installing $missing"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	# shellcheck disable=SC2086 # a list of words
	if ! { as_root apt-get -o DPkg::Lock::Timeout=120 update && as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends $missing; } >"$log" 2>&1; then
		tail -n 5 "$log" >&2
		fail "apt-get could not install: $missing"
	fi
elif command -v dnf >/dev/null; then
	# shellcheck disable=SC2086
	rpm -q --quiet $fedora && exit 0
	# shellcheck disable=SC2086
	as_root dnf install -y -q $fedora || fail "dnf could not install: $fedora"
elif command -v brew >/dev/null; then
	# shellcheck disable=SC2086
	brew list --formula $brew >/dev/null 2>&1 && exit 0
	# shellcheck disable=SC2086
	brew install -q $brew || fail "brew could not install: $brew"
else
	fail "no apt-get, dnf or brew here; install by hand: $debian"
fi
