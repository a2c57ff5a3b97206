# agent-gemini.sh: answer what Gemini CLI asks when it starts for the first time in a guest, so that a task
# that it was given begins.  Run in the workspace, with the agent's variables.
#
# How it is to authenticate: what was given to it says so.
set -u
folder=$HOME/.gemini file=$HOME/.gemini/settings.json
if test -n "${GOOGLE_GENAI_USE_VERTEXAI:-}"; then
	type=vertex-ai
elif test -n "${GEMINI_API_KEY:-}"; then
	type=gemini-api-key
elif test -s "$folder/oauth_creds.json"; then
	type=oauth-personal
else
	exit 0
fi

umask 077
mkdir -p "$folder" || exit
if ! test -s "$file"; then
	printf '{"security":{"auth":{"selectedType":"%s"}}}\n' "$type" >"$file"
elif command -v jq >/dev/null; then
	# shellcheck disable=SC2016 # jq's variables
	jq --arg type "$type" '.security.auth.selectedType //= $type' "$file" >"$file.new" &&
		mv "$file.new" "$file"
fi
