#!/bin/sh
# browser.sh on|off: put the browser's DevTools server (MCP) into the configuration of the agents, or
# take it out.  Run as the guest's user.  What is not there is not made by `off`; a repeat is ok.
set -eu
action=$1
command=/usr/local/bin/agbranch-browser
umask 077

# change FILE FILTER: a JSON file by jq, made for `on`.
change () {
	test -e "$1" || test "$action" = on || return 0
	mkdir -p "$(dirname "$1")"
	test -s "$1" || echo '{}' >"$1"
	jq --arg command "$command" "$2" "$1" >"$1.new"
	mv "$1.new" "$1"
}

if test "$action" = on; then
	change "$HOME/.claude.json" '.mcpServers.browser = {type: "stdio", command: $command, args: []}'
	change "$HOME/.gemini/settings.json" '.mcpServers.browser = {command: $command, args: []}'
	change "$HOME/.config/opencode/opencode.json" \
		'.mcp.browser = {type: "local", command: [$command], enabled: true}'
else
	change "$HOME/.claude.json" 'del (.mcpServers.browser)'
	change "$HOME/.gemini/settings.json" 'del (.mcpServers.browser)'
	change "$HOME/.config/opencode/opencode.json" 'del (.mcp.browser)'
fi

# codex has TOML: a table of its own, at the end, between two lines of ours.
file=$HOME/.codex/config.toml
if test -e "$file"; then
	sed -i '/^# agbranch browser$/,/^# agbranch browser end$/d' "$file"
fi
test "$action" = on || exit 0
mkdir -p "${file%/*}"
cat >>"$file" <<END
# agbranch browser
[mcp_servers.browser]
command = "$command"
args = []
# agbranch browser end
END
