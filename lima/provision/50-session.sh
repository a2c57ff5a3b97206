#!/bin/sh
# 50-session.sh GUARD API: what every session needs in its guest.  Run as root.
#
# GUARD is the text of guest/guard.sh: it becomes a unit, so that the network guard is there after
# every boot.  API is the version of the agreement between these scripts and the program.
set -eu
guard=$1 api=$2

mkdir -p /etc/agbranch /usr/local/lib/agbranch
printf '%s\n' "$api" >/etc/agbranch/api
echo open >/etc/agbranch/network
printf '%s' "$guard" >/usr/local/lib/agbranch/guard.sh
chmod 755 /usr/local/lib/agbranch/guard.sh

cat >/etc/systemd/system/agbranch-guard.service <<'END'
[Unit]
Description=Network guard of git agbranch
Wants=network-pre.target
After=systemd-resolved.service network.target nftables.service docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/agbranch/guard.sh saved

[Install]
WantedBy=multi-user.target
END
systemctl --quiet enable agbranch-guard.service

# Commands share one connection; many of them may run at once.  Their variables come in LC_AGBRANCH_ENV,
# and what identity.pl writes is for them all.
mkdir -p /etc/ssh/sshd_config.d
printf '%s\n' 'MaxSessions 200' 'MaxStartups 64:30:200' 'AcceptEnv LC_AGBRANCH_*' \
	'PermitUserEnvironment AGBRANCH_SESSION,COMPOSE_PROJECT_NAME' >/etc/ssh/sshd_config.d/40-agbranch.conf

# Else sshd makes the message of the day anew for every command.
sed -i '/^session.*pam_\(motd\|mail\)\.so/d' /etc/pam.d/sshd

# Its first form, older than the login environment that is kept: identity.pl leaves its time as it is.
echo '# the session: its start writes it here' >/etc/profile.d/agbranch.sh

# The host's authorities (agbranch.lima.caCerts): Node and Python otherwise trust those that they came with.
rm -f /etc/profile.d/agbranch-ca.sh
for file in /usr/local/share/ca-certificates/*.crt; do
	test -e "$file" || continue
	bundle=/etc/ssl/certs/ca-certificates.crt
	printf 'export %s\n' "NODE_EXTRA_CA_CERTS=$bundle" "SSL_CERT_FILE=$bundle" "REQUESTS_CA_BUNDLE=$bundle" \
		>/etc/profile.d/agbranch-ca.sh
	break
done

for folder in workspaces sandbox .agbranch .agbranch/tmux; do
	mkdir -p "/home/agent/$folder"
	chown agent: "/home/agent/$folder"
done
chmod 700 /home/agent/.agbranch /home/agent/.agbranch/tmux
