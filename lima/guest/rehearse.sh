#!/bin/sh
# rehearse.sh: do once what the first minute of a session does, before the running state is saved: its
# programs are in memory then.  Run as the guest's user; leaves nothing.
set -eu
folder=$(mktemp -d)
cd "$folder"
git init -q --template= one
cd one
git -c user.name=rehearsal -c user.email=rehearsal@localhost commit -q --allow-empty -m rehearsal
git rev-parse HEAD | git pack-objects --revs --stdout -q >../pack
git init -q --template= ../two
cd ../two
git index-pack --stdin --fix-thin <../pack
git update-ref refs/heads/main "$(git -C ../one rev-parse HEAD)"
git -c checkout.workers=0 read-tree -m -u HEAD || git status --short
tmux -S ../socket has-session -t none || :
tmux -S ../socket new-session -d -s rehearsal ';' set-option -g history-limit 100
tmux -S ../socket list-panes -s -t rehearsal
tmux -S ../socket kill-server
sudo -n iptables-restore --version || :
sudo -n nft list ruleset || :
cd
rm -rf "$folder"
