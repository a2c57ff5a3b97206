# agent-claude.sh: answer what Claude Code asks when it starts for the first time in a guest, so that a task
# that it was given begins.  Run in the workspace, with the agent's variables.
#
# The colours, whether this folder is trusted, whether it may work without asking, whether the API key of
# the environment is meant: that it was started with one says so.  It knows a key by its last 20 characters.
set -u
file=$HOME/.claude.json
key=$(printf '%s' "${ANTHROPIC_API_KEY:-}" | tail -c 20)
case $key in
*[!A-Za-z0-9_-]*) key= ;;
esac

umask 077
if ! test -s "$file"; then
	printf '{"hasCompletedOnboarding":true,"bypassPermissionsModeAccepted":true,"customApiKeyResponses":{"approved":[%s],"rejected":[]},"projects":{"%s":{"hasTrustDialogAccepted":true}}}\n' \
		"${key:+\"$key\"}" "$PWD" >"$file"
elif command -v jq >/dev/null; then
	# shellcheck disable=SC2016 # jq's variables
	jq --arg folder "$PWD" --arg key "$key" '
		.hasCompletedOnboarding = true | .bypassPermissionsModeAccepted = true
		| .projects[$folder].hasTrustDialogAccepted = true
		| if $key == "" then . else
			.customApiKeyResponses.rejected = ((.customApiKeyResponses.rejected // []) - [$key])
			| .customApiKeyResponses.approved = ((.customApiKeyResponses.approved // []) + [$key] | unique)
		end' "$file" >"$file.new" && mv "$file.new" "$file"
fi
