#!/bin/sh
# 40-browser.sh FLAVOUR BROWSER: the DevTools MCP server of headless Chromium.  Run as root; the packages
# of Chromium are there.
#
# BROWSER is the text of guest/browser.sh, which tells the agents of it.
#
# The browser runs under a user of its own with its own sandbox on: what a page does to it reaches
# neither the workspace nor the agent's logins.  The agent gets to it by agbranch-browser only.
set -eu
test "$1" = full || exit 0
browser=$2
mcp_version=0.10.2

file=/usr/local/lib/node_modules/chrome-devtools-mcp/package.json
if ! test -f "$file" || test "$(jq -r .version "$file")" != "$mcp_version"; then
	NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
		npm install --global --prefix /usr/local --no-audit --no-fund --loglevel=error \
		"chrome-devtools-mcp@$mcp_version"
fi
id browser >/dev/null 2>&1 || useradd --system --create-home --shell /usr/sbin/nologin browser

# The server does not end with its client, and no other user may signal it.
mkdir -p /usr/local/lib/agbranch
cat >/usr/local/lib/agbranch/browser <<'END'
#!/bin/sh
{ cat; kill -TERM 0; } | /usr/local/bin/chrome-devtools-mcp --headless --isolated \
	--executablePath /usr/bin/chromium "$@"
END
cat >/usr/local/bin/agbranch-browser <<'END'
#!/bin/sh
exec setsid --wait sudo -n -u browser -H /usr/local/lib/agbranch/browser "$@"
END
chmod 755 /usr/local/lib/agbranch/browser /usr/local/bin/agbranch-browser
echo 'agent ALL=(browser) NOPASSWD: /usr/local/lib/agbranch/browser' >/etc/sudoers.d/agbranch-browser
chmod 440 /etc/sudoers.d/agbranch-browser

runuser -u agent -- env HOME=/home/agent sh -c "$browser" browser.sh on
