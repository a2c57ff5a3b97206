# Credentials of the host, planted where tools keep them, and the search for them.  Sourced after
# test-lib.sh.
#
# Each holds the same word, which is nowhere else; it is put together here, so that a trace of the
# script does not hold it either.

secret_word=pla
secret_word=${secret_word}nted$$qz7

# plant_secrets HOME REPO: files in HOME, and a token in the address of a remote of REPO.
plant_secrets () {
	mkdir -p "$1/.ssh" "$1/.aws" "$1/.claude" "$1/.codex" "$1/.config/gh" "$1/.docker" "$1/.gnupg" &&
	for file in .ssh/id_ed25519 .aws/credentials .claude/.credentials.json .codex/auth.json .netrc \
		.config/gh/hosts.yml .docker/config.json .gnupg/secring.gpg .npmrc .git-credentials \
		.pypirc .bash_history; do
		printf 'secret = "%s-%s"\n' "$secret_word" "$file" >"$1/$file" && chmod 600 "$1/$file" || return 1
	done
	git -C "$2" remote add origin "https://user:$secret_word-remote@example.invalid/x.git"
}

# with_secrets COMMAND…: run it with secrets in its environment.
with_secrets () {
	(
		for name in ANTHROPIC_API_KEY OPENAI_API_KEY GITHUB_TOKEN AWS_SECRET_ACCESS_KEY NPM_TOKEN MY_PASSWORD; do
			eval "$name=\$secret_word-$name" && export "${name?}"
		done
		HTTPS_PROXY= https_proxy= SECRET_PROXY="http://user:$secret_word-proxy@127.0.0.1:9/" "$@"
	)
}

# has_control WORD PATH…: the search finds what is there.
has_control () {
	word=$1
	shift
	grep -r -a -q -F -e "$word" -- "$@" || {
		echo "'$word' is not found in $*: the search finds nothing" >&2
		return 1
	}
}

# no_secret PATH…: the word is in none of them.
no_secret () {
	grep -r -a -l -F -e "$secret_word" -- "$@" >found 2>/dev/null || :
	test ! -s found || {
		echo "secrets are in:" >&2
		cat found >&2
		return 1
	}
}
