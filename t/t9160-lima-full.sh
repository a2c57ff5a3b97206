#!/bin/sh
test_description='Lima: a full base: Docker, compose, the browser in its own sandbox, Python, Node and the agents'
. ./t/lib/test-lib.sh
. "$TEST_TOP/t/lib/lima.sh"
: "${AGB_LIMA_FULL_IMAGE:=/var/cache/agbranch-test-image-full}"
AGB_LIMA_IMAGE=$AGB_LIMA_FULL_IMAGE
lima_tool
test -f "$AGB_LIMA_IMAGE/image.qcow2" ||
	lima_skip "no guest image: make one with t/lima/make-image.sh --full, or name it in AGB_LIMA_FULL_IMAGE"
lima_machine
# A base of its own beside that of other scripts (AGB_LIMA_KEEP=agbranch-base-full keeps it too).
git config --global agbranch.lima.base agbranch-base-full
git config --global agbranch.memory 2GiB
git config --global agbranch.disk 16GiB
git config --global agbranch.lima.caCerts true

in_guest () {
	git agbranch run one -- "$@"
}

# version NAME: that of a package in the image, as make-image.sh wrote it down.
version () {
	sed -n "s,^$1	,,p" "$AGB_LIMA_IMAGE/packages.txt"
}

# pin PACKAGE SEPARATOR WHERE: the agent at the version that is in the image, so that nothing is fetched.
pin () {
	git config --global --add agbranch.lima.agents "$1$2$(version "$3:$1")"
}

says_version () {
	in_guest sh -c "$1 --version 2>&1" >said && grep -F -w "$2" said
}

test_expect_success 'base prepare: all of the full flavour, found in the image' '
	make_repo repo && cd repo &&
	git config --global --unset-all agbranch.lima.agents &&
	for agent in @anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai @github/copilot; do
		pin "$agent" @ npm || return 1
	done &&
	pin aider-chat == pypi &&
	expect_code 0 git agbranch base prepare --full --timeout 90m --json &&
	jq -r ".steps[]? | \"# \(.name): \(.ms | floor) ms\"" out &&
	json_is .flavour full && json_is .warm true &&
	! grep -E "^(Get:|added |changed )" "$LIMA_HOME/_agbranch/agbranch-base-full-provision.log"
'

test_expect_success 'base show: ready, with the versions of all that is in it' '
	expect_code 0 git agbranch base show --require-ready --json && json_is .status ready && json_is .flavour full &&
	jq -r "\"# image: \(.size_bytes / 1048576 | floor) MiB\"" out &&
	jq -r "(.versions + .agent_cli_versions) | to_entries[] | \"# \(.key) \(.value)\"" out &&
	json_is "[.agent_cli_versions | keys[]] | join (\" \")" "aider claude codex copilot gemini opencode" &&
	json_is ".versions.node | split (\".\")[0]" 22 &&
	for program in git curl jq tmux git-lfs rg fd gh wget gcc make python3 pip venv xvfb docker docker-compose \
		chromium chrome-devtools-mcp; do
		jq -e --arg program "$program" ".versions[\$program] // \"\" | length > 0" out || return 1
	done
'

test_expect_success 'open: a warm session' '
	expect_code 0 git agbranch open one --json &&
	jq -r ".phases[] | \"# \(.name): \(.ms | floor) ms\"" out &&
	git agbranch show one --json >out && json_is .runtime.vm.cold_start null
'

test_expect_success 'programs: gh, wget, fd, rg, jq, git-lfs, make with gcc' '
	in_guest sh -c "gh --version && wget --version | head -n 1 && fd --version && rg --version && jq --version && git lfs version" &&
	in_guest sh -c "echo found >needle.txt && fd needle && rg -l found needle.txt && rm needle.txt" >out &&
	printf "%s\n" needle.txt needle.txt >expected && test_cmp expected out &&
	in_guest sh -c "cd \$(mktemp -d) && echo '\''int puts (const char *); int main (void) { return puts (\"built\") < 0; }'\'' >x.c && make -s x && ./x" >out &&
	echo built >expected && test_cmp expected out
'

test_expect_success 'Python: pip, and a venv with a pip of its own' '
	in_guest python3 -m pip --version &&
	in_guest sh -c "python3 -m venv /tmp/venv && /tmp/venv/bin/pip --version" >out &&
	grep " from /tmp/venv/lib/" out
'

test_expect_success 'xvfb-run: a display that a program can connect to' '
	in_guest xvfb-run -a python3 -c "
import os, socket
s = socket.socket (socket.AF_UNIX)
s.connect (\"/tmp/.X11-unix/X\" + os.environ[\"DISPLAY\"].lstrip (\":\"))
print (\"connected\")
" >out &&
	echo connected >expected && test_cmp expected out
'

test_expect_success 'agbranch.lima.caCerts: Node, Python and curl are told of what the host trusts' '
	in_guest sh -c "ls /usr/local/share/ca-certificates | grep -c crt; env | grep -E \"^(NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|REQUESTS_CA_BUNDLE)=\" | sort" >out &&
	sed 1d out >variables && sed -n 1p out >count && test "$(cat count)" -gt 0 &&
	bundle=/etc/ssl/certs/ca-certificates.crt &&
	printf "%s\n" NODE_EXTRA_CA_CERTS=$bundle REQUESTS_CA_BUNDLE=$bundle SSL_CERT_FILE=$bundle >expected && test_cmp expected variables
'

test_expect_success 'Node 22 and its npm' '
	in_guest node -e "console.log (process.versions.node.split (\".\")[0])" >out && echo 22 >expected && test_cmp expected out &&
	in_guest npm --version
'

test_expect_success 'Docker: the agent may use it; an image that is made here runs' '
	in_guest docker info --format "{{.ServerVersion}} {{.Driver}} cgroup {{.CgroupVersion}}" >out && sed "s/^/# /" out &&
	in_guest sh -c "cd \$(mktemp -d) && echo '\''#include <stdio.h>
int main (void) { puts (\"in a container\"); return 0; }'\'' >hello.c && gcc -static -o hello hello.c &&
		tar -cf - hello | docker import - tiny" &&
	in_guest docker run --rm --network none tiny /hello >out &&
	echo "in a container" >expected && test_cmp expected out
'

test_expect_success 'compose: the project is that of the session' '
	in_guest sh -c "mkdir /tmp/compose && cd /tmp/compose && printf '\''services: {hi: {image: tiny, command: [/hello], network_mode: none}}\n'\'' >compose.yaml &&
		docker compose up --no-color" >out && grep "in a container" out &&
	in_guest docker ps -a --format "{{.Names}} {{.Label \"com.docker.compose.project\"}}" >out &&
	echo "agbranch-one-hi-1 agbranch-one" >expected && test_cmp expected out &&
	in_guest sh -c "cd /tmp/compose && docker compose down"
'

test_expect_success 'each agent is there, at the version that was pinned' '
	says_version claude "$(version npm:@anthropic-ai/claude-code)" &&
	says_version codex "$(version npm:@openai/codex)" &&
	says_version gemini "$(version npm:@google/gemini-cli)" &&
	says_version opencode "$(version npm:opencode-ai)" &&
	says_version copilot "$(version npm:@github/copilot)" &&
	says_version aider "$(version pypi:aider-chat)"
'

test_expect_success 'the browser: a user of its own, who shows a page and reaches neither work nor root nor Docker' '
	in_guest sh -c "umask 022; echo '\''<p id=x></p><script>x.textContent = 6 * 7 + \" by script\"</script>'\'' >/tmp/page.html" &&
	in_guest sudo -n -u browser -H chromium --headless --dump-dom file:///tmp/page.html >out 2>log &&
	grep "42 by script" out &&
	test_must_fail in_guest sudo -n -u browser ls /home/agent &&
	test_must_fail in_guest sudo -n -u browser sudo -n true &&
	test_must_fail in_guest sudo -n -u browser docker ps
'

no_browser () {
	! in_guest pgrep -u browser >/dev/null
}

# What the processes of the browser are, while a page is open: user, seccomp mode, and how many of the
# name spaces user, pid and net are other than those of process 1.
cat >../browser.py <<'END'
import json, os, subprocess, sys
os.chdir ("/tmp")
server = subprocess.Popen (["python3", "-m", "http.server", "--bind", "127.0.0.1", "8765"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
mcp = subprocess.Popen (["agbranch-browser"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
number = 0
def ask (method, **params):
    global number
    number += 1
    mcp.stdin.write (json.dumps ({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
    mcp.stdin.flush ()
    for line in mcp.stdout:
        answer = json.loads (line)
        if answer.get ("id") == number:
            return answer.get ("result") or sys.exit (line)
    sys.exit ("the server is gone")
def call (name, **arguments):
    result = ask ("tools/call", name=name, arguments=arguments)
    text = "".join (part.get ("text", "") for part in result["content"])
    return sys.exit (text) if result.get ("isError") else text
print ("server", ask ("initialize", protocolVersion="2025-06-18", capabilities={},
                      clientInfo={"name": "test", "version": "1"})["serverInfo"]["name"])
mcp.stdin.write (json.dumps ({"jsonrpc": "2.0", "method": "notifications/initialized"}) + "\n")
call ("new_page", url="http://127.0.0.1:8765/page.html", timeout=300000)
text = call ("evaluate_script", function="() => document.body.innerText")
print ("page", "42 by script" in text)
if "42 by script" not in text:
    print (text)
look = r'''
import os, pwd
seen = {}
for pid in filter (str.isdigit, os.listdir ("/proc")):
    try:
        words = open (f"/proc/{pid}/cmdline").read ().replace ("\0", " ").split ()
        status = dict (line.split (":", 1) for line in open (f"/proc/{pid}/status"))
        spaces = sum (os.readlink (f"/proc/{pid}/ns/{n}") != os.readlink (f"/proc/1/ns/{n}") for n in ("user", "pid", "net"))
        user = pwd.getpwuid (os.stat (f"/proc/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        continue
    if not words or "chromium" not in words[0]:
        continue
    kind = next ((w[7:] for w in words if w.startswith ("--type=")), "browser")
    if "crashpad" in kind:
        continue
    unsafe = sorted (w for w in words if w in ("--no-sandbox", "--disable-setuid-sandbox", "--disable-seccomp-filter-sandbox"))
    print ("process", kind, user, "seccomp", status["Seccomp"].strip (), "spaces", spaces, *unsafe)
'''
sys.stdout.flush ()
subprocess.run (["sudo", "-n", "python3", "-c", look], check=True)
mcp.stdin.close ()
mcp.wait ()
server.terminate ()
END

test_expect_success 'the DevTools server is in the configuration of the agents, and shows a page in a sandbox' '
	in_guest sh -c "jq -r .mcpServers.browser.command ~/.claude.json ~/.gemini/settings.json && jq -r .mcp.browser.command[0] ~/.config/opencode/opencode.json && sed -n \"/mcp_servers.browser/{n;p;}\" ~/.codex/config.toml" >out &&
	printf "%s\n" /usr/local/bin/agbranch-browser /usr/local/bin/agbranch-browser /usr/local/bin/agbranch-browser \
		"command = \"/usr/local/bin/agbranch-browser\"" >expected && test_cmp expected out &&
	in_guest sh -c "cat >/tmp/browser.py" <../browser.py &&
	in_guest python3 /tmp/browser.py >out && sed "s/^/# /" out &&
	grep -x "page True" out &&
	grep -x "process browser browser seccomp 0 spaces 0" out &&
	grep -x "process renderer browser seccomp 2 spaces 3" out &&
	! grep "^process" out | grep -v -E "^process [a-z-]+ browser seccomp [02] spaces [0-3]$" &&
	: "nor is anything left when its client is gone, which may not signal it" &&
	wait_until 120 no_browser
'

test_expect_success '--no-browser: the agents are not told of it' '
	expect_code 0 git agbranch open two --no-browser --json &&
	git agbranch run two -- sh -c "cat ~/.claude.json ~/.gemini/settings.json ~/.config/opencode/opencode.json ~/.codex/config.toml" >out &&
	! grep agbranch-browser out &&
	expect_code 0 git agbranch close --discard --yes two
'

test_expect_success 'work comes back, and the session goes' '
	agent_commit one file "by the agent" &&
	expect_code 0 git agbranch sync one && repo_is_sound . &&
	expect_code 0 git agbranch close --sync --yes one
'

test_done
