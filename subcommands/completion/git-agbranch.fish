# fish completion of `git-agbranch` and `agbranch`; fish's own git completion asks it for `git agbranch`.
# Installed as fish/vendor_completions.d/git-agbranch.fish; or:
#   git agbranch completion fish | source
#
# Nothing is listed here: verbs, their options and what they take come from the programs themselves.

# The program to ask, with the -C options of the command line.
function __agbranch
    command git agbranch $__agbranch_folder $argv 2>/dev/null
end

function __agbranch_refs
    echo HEAD
    command git $__agbranch_folder for-each-ref --format='%(refname:short)' refs/heads refs/tags refs/remotes 2>/dev/null
end

# The words that usage lines have behind the verb: `agent start`, `hooks install|remove`.
function __agbranch_subverbs
    __agbranch $argv[1] -h | string match -rg "^(?:usage:|   or:) git agbranch $argv[1] \(?([a-z][a-z|-]*)\)?(?: .*)?\$" | string split '|' | sort -u
end

# Paths in the running session $argv[1] that begin with $argv[2], each behind $argv[3].
function __agbranch_guest_paths
    contains -- "$argv[1]" (__agbranch ps -q --state running); or return
    for path in (__agbranch run -q $argv[1] --timeout 2s -- sh -c 'home=
        case $1 in "~/"*) home="~/"; cd && set -- "${1#??}" ;; esac
        ls -1dp -- "$1"* 2>/dev/null | sed "s,^,$home,"' sh "$argv[2]" </dev/null | string match -r '^[ -~]+$')
        echo "$argv[3]$path"
    end
end

function __agbranch_complete
    set -l tokens (commandline -opc)
    set -l current (commandline -ct)
    set -l unquoted (string unescape -- $current; or echo -- $current)
    set -g __agbranch_folder
    set -l verb
    set -l operands 0
    set -l options
    set -l previous $tokens[-1]
    set -l session
    set -l skip 0
    for i in (seq 2 (count $tokens))
        set -l token $tokens[$i]
        if test $skip = 1
            set skip 0
            continue
        end
        if test -z "$verb"
            switch $token
                case -C
                    set -a __agbranch_folder -C $tokens[(math $i + 1)]
                    set skip 1
                case '-*'
                case '*'
                    set verb $token
                    set options (__agbranch $verb --list-options)
            end
        else
            switch $token
                case --
                    __fish_complete_path $current
                    return
                case --session
                    set session $tokens[(math $i + 1)]
                    set skip 1
                case '--session=*'
                    set session (string split -m 1 = -- $token)[2]
                case '-*'
                    string match -q -- "$token="\t'*' $options; and set skip 1
                case '*'
                    set operands (math $operands + 1)
                    set -q session[1]; or set session $token
            end
        end
    end

    if test -z "$verb"
        if test "$previous" = -C
            __fish_complete_directories $current
        else if string match -q -- '-*' $current
            printf '%s\n' -C --help --version
        else
            __agbranch help --list-verbs
        end
        return
    end

    if string match -q -- '--*=*' $current
        set -l parts (string split -m 1 = -- $current)
        switch $parts[1]
            case --session
                printf "$parts[1]=%s\n" (__agbranch ps -q)
            case --base --ref
                printf "$parts[1]=%s\n" (__agbranch_refs)
            case --from
                __agbranch_guest_paths "$session" "$parts[2]" "$parts[1]="
        end
        return
    end
    switch "$previous"
        case --session
            __agbranch ps -q
            return
        case --base --ref
            __agbranch_refs
            return
        case --from
            __agbranch_guest_paths "$session" "$unquoted" ""
            return
    end
    if test $skip = 1
        __fish_complete_path $current
        return
    end
    if string match -q -- '-*' $current
        string replace = '' -- $options
        return
    end

    set -l subverbs (__agbranch_subverbs $verb)
    if test (count $subverbs) -gt 0 -a $operands = 0
        printf '%s\n' $subverbs
        test $verb = help; and __agbranch help --list-verbs
    else if test $verb = cp
        if string match -q '*:*' -- $current
            set -l parts (string split -m 1 : -- $unquoted)
            __agbranch_guest_paths $parts[1] "$parts[2]" $parts[1]:
        else
            __agbranch ps -q | string replace -r '$' ':'
            __fish_complete_path $current
        end
    else if contains -- $verb open launch
        return # a new name
    else if string match -q -- '--session=*' $options; and test $operands = 0 -o \( (count $subverbs) -gt 0 -a $operands = 1 \)
        __agbranch ps -q
    else
        __fish_complete_path $current
    end
end

complete -c git-agbranch -f -a '(__agbranch_complete)'
complete -c agbranch -w git-agbranch

# fish 3.6 completes programs called git-NAME as "git git-NAME" only.
complete -c git -f -n 'functions -q __fish_git_needs_command; and __fish_git_needs_command' -a agbranch -d 'disposable, isolated workspaces for coding agents'
complete -c git -f -n 'functions -q __fish_git_using_command; and __fish_git_using_command agbranch' -a '(__fish_git_complete_custom_command agbranch)'
