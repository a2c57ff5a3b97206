# bash completion of `git agbranch`, `git-agbranch` and `agbranch`.
#
# Installed as bash-completion/completions/git-agbranch, where git's own completion finds it; or:
#   eval "$(git agbranch completion bash)"
#
# Nothing is listed here: verbs, their options and what they take come from the programs themselves.

# Candidates that begin with $1, one a line on stdin, into COMPREPLY.
__agbranch_reply () {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line == "$1"* ]]; then
			COMPREPLY+=("$line")
		fi
	done
	# What bash takes for the word begins behind the last ":" or "=".
	if [[ $1 == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${1%"${1##*:}"}"}")
	fi
}

__agbranch_files () {
	compopt -o default 2>/dev/null
	COMPREPLY=()
}

# Paths in the running session $1 that begin with $2, each behind $3, quoted for this shell.
__agbranch_guest_paths () {
	local line home
	"${agbranch[@]}" ps -q --state running 2>/dev/null | grep -qxF -- "$1" || return
	# shellcheck disable=SC2016 # for the guest's shell
	"${agbranch[@]}" run -q "$1" --timeout 2s -- sh -c 'home=
		case $1 in "~/"*) home="~/"; cd && set -- "${1#??}" ;; esac
		ls -1dp -- "$1"* 2>/dev/null | sed "s,^,$home,"' sh "${2//\\/}" </dev/null 2>/dev/null |
		LC_ALL=C grep -v '[^ -~]' | while IFS= read -r line; do
		home=
		if [[ $line == \~/* ]]; then
			home=\~/
		fi
		printf '%s%s%q\n' "$3" "$home" "${line#"$home"}"
	done
}

# What __agbranch_guest_paths says, into COMPREPLY for $4; a folder is not the end of a word.
__agbranch_reply_guest_paths () {
	__agbranch_reply "$4" < <(__agbranch_guest_paths "$1" "$2" "$3")
	if [[ ${COMPREPLY[0]} == */ ]]; then
		compopt -o nospace 2>/dev/null
	fi
}

# The words that usage lines have behind the verb: `agent start`, `hooks install|remove`.
__agbranch_subverbs () {
	"${agbranch[@]}" "$1" -h 2>/dev/null |
		sed -n "s/^\(usage:\|   or:\) git agbranch $1 (\{0,1\}\([a-z][a-z|-]*\))\{0,1\}\( .*\)\{0,1\}$/\2/p" |
		tr '|' '\n' | sort -u
}

# Complete words[cword]; words[$1] is "agbranch" (or the program's own name).
__agbranch_complete () {
	local at=$(($1 + 1)) verb='' options previous=${words[cword - 1]} i operands=0 subverbs='' session=''
	local -a agbranch=(git agbranch) folder=()
	if (($1 == 0)); then
		agbranch=("${words[0]/#\~/$HOME}")
	fi
	while ((at < cword)); do
		case ${words[at]} in
		-C)
			agbranch+=(-C "${words[at + 1]/#\~/$HOME}")
			folder+=(-C "${words[at + 1]/#\~/$HOME}")
			at=$((at + 2))
			;;
		-*) at=$((at + 1)) ;;
		*)
			verb=${words[at]}
			break
			;;
		esac
	done
	if [[ -z $verb ]]; then
		case $previous,$cur in
		-C,*) __agbranch_files ;;
		*,-*) __agbranch_reply "$cur" < <(printf '%s\n' -C --help --version) ;;
		*) __agbranch_reply "$cur" < <("${agbranch[@]}" help --list-verbs 2>/dev/null | cut -f 1) ;;
		esac
		return
	fi

	options=$("${agbranch[@]}" "$verb" --list-options 2>/dev/null)
	for ((i = at + 1; i < cword; i++)); do
		case ${words[i]} in
		--) # a command for the guest
			__agbranch_files
			return
			;;
		--session) session=${words[++i]} ;;
		--session=*) session=${words[i]#*=} ;;
		-*)
			# An option that takes a value has the next word, too.
			if grep -q -- "^${words[i]}=$(printf '\t')" <<<"$options"; then
				i=$((i + 1))
			fi
			;;
		*)
			operands=$((operands + 1))
			session=${session:-${words[i]}}
			;;
		esac
	done

	case $previous,$cur in
	*,--*=*) # --name=value
		previous=${cur%%=*}
		cur=${cur#*=}
		;;
	esac
	case $previous,$cur in
	--session,*)
		__agbranch_reply "$cur" < <("${agbranch[@]}" ps -q 2>/dev/null)
		return
		;;
	--base,* | --ref,*)
		__agbranch_reply "$cur" < <(__agbranch_refs)
		return
		;;
	--from,*)
		__agbranch_reply_guest_paths "$session" "$cur" '' "$cur"
		return
		;;
	*,-*)
		__agbranch_reply "$cur" < <(cut -f 1 <<<"$options" | sed 's/=$//')
		return
		;;
	esac
	if [[ $previous == -* ]] && grep -q -- "^$previous=$(printf '\t')" <<<"$options"; then
		__agbranch_files
		return
	fi

	subverbs=$(__agbranch_subverbs "$verb")
	if [[ -n $subverbs && $operands == 0 ]]; then
		if [[ $verb == help ]]; then
			subverbs+=$'\n'$("${agbranch[@]}" help --list-verbs 2>/dev/null | cut -f 1)
		fi
		__agbranch_reply "$cur" <<<"$subverbs"
	elif [[ $cur == *:* && $verb == cp ]]; then
		__agbranch_reply_guest_paths "${cur%%:*}" "${cur#*:}" "${cur%%:*}:" "$cur"
	elif [[ $verb == cp ]]; then
		__agbranch_files
		__agbranch_reply "$cur" < <("${agbranch[@]}" ps -q 2>/dev/null | sed 's/$/:/')
		compopt -o nospace 2>/dev/null
	elif [[ $verb == open || $verb == launch ]]; then
		COMPREPLY=() # a new name
	elif grep -q '^--session=' <<<"$options" && ((operands == 0 || (${#subverbs} > 0 && operands == 1))); then
		__agbranch_reply "$cur" < <("${agbranch[@]}" ps -q 2>/dev/null)
	else
		__agbranch_files
	fi
}

# Refs of the repository that -C or the working directory names.
__agbranch_refs () {
	git "${folder[@]}" for-each-ref --format='%(refname:short)' refs/heads refs/tags refs/remotes 2>/dev/null
	echo HEAD
}

# Called by git's completion for `git agbranch …`; words, cword and cur are set.
_git_agbranch () {
	local at=${__git_cmd_idx:-}
	if [[ -z $at ]]; then
		for ((at = 0; at < cword; at++)); do
			[[ ${words[at]} == agbranch ]] && break
		done
	fi
	__agbranch_complete "$at"
}

# For the programs by their own names, with or without bash-completion and git's functions.
_agbranch () {
	local cur words cword
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n =: cur words cword
	else
		words=("${COMP_WORDS[@]}")
		cword=$COMP_CWORD
		cur=${words[cword]}
	fi
	__agbranch_complete 0
}
complete -F _agbranch git-agbranch agbranch
