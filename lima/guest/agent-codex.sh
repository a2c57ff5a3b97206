# agent-codex.sh: answer what Codex asks when it starts for the first time in a guest, so that a task that it
# was given begins.  Run in the workspace, with the agent's variables.
#
# This folder is trusted.  Where there is no login but an API key in the environment, that is what it uses:
# by itself it would ask for a login all the same.  Nothing of the key is written.
set -u
folder=$HOME/.codex file=$HOME/.codex/config.toml
url=${OPENAI_BASE_URL:-https://api.openai.com/v1}
case $url in
*[!A-Za-z0-9._~:/?=%@+-]*) url= ;;
esac

umask 077
mkdir -p "$folder" || exit
if ! test -s "$file" && ! test -s "$folder/auth.json" && test -n "${OPENAI_API_KEY:-}" && test -n "$url"; then
	cat >"$file" <<-END
	model_provider = "environment"

	[model_providers.environment]
	name = "OpenAI"
	base_url = "$url"
	env_key = "OPENAI_API_KEY"
	wire_api = "responses"
	END
fi
grep -qsF "[projects.\"$PWD\"]" "$file" ||
	printf '\n[projects."%s"]\ntrust_level = "trusted"\n' "$PWD" >>"$file"
