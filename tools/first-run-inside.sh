#!/bin/bash
# The part of first-run.sh that runs on the fresh machine; nothing of it is a user's to call.
#   usage: first-run-inside.sh demo|both ENGINE(yes|no)     writes ~/first-run.tsv: a command, its seconds
set -euo pipefail
what=$1 has_engine=$2 times=$HOME/first-run.tsv
: > "$times"
timed() { # command...
  local start=$SECONDS
  echo "--- $*"
  "$@" || { echo "--- $* ended with $? after $((SECONDS - start)) s"; exit 1; }
  printf '%s\t%s\n' "$*" $((SECONDS - start)) >> "$times"
}
engines() { grep -lx dockerd /proc/[0-9]*/comm || true; }

own=/srv/own-engine
if [ "$has_engine" = yes ]; then
  # A machine's own, at the usual place: whether it is ours is told by CACHE alone.
  CACHE=$own manifests/cluster/start-docker.sh
  ln -sfn "$own/engine/docker.sock" /var/run/docker.sock
fi
before=$(engines)
timed make demo
timed make demo-down
[ "$what" != both ] || timed make test
after=$(engines)
[ "$before" = "$after" ] || { echo "engines before: ${before:-none}; after: ${after:-none}"; exit 1; }
if [ "$has_engine" = yes ]; then
  left=$(docker ps -aq)
  [ -z "$left" ] || { echo "containers are left in the machine's engine: $left"; exit 1; }
  [ ! -e "$HOME/.cache/wa-cluster/engine/data" ] || { echo "an engine of ours was started beside the one that answers"; exit 1; }
fi
echo "--- README's commands hold on a fresh machine"
