#!/bin/bash
# A cluster with the project's images in it, and beside it the simulator and proxies; or all of that removed again.
# The last line of up is the path of its kubeconfig.   usage: stand.sh up NAME [PROXIES] | down NAME
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
export CACHE=${CACHE:-$HOME/.cache/wa-cluster}; export PATH=$CACHE/bin:$root/node_modules/.bin:$PATH
say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
usage() { echo "usage: $0 up NAME [PROXIES] | down NAME" >&2; exit 2; }
[ $# -ge 2 ] || usage
name=$2
case "$1" in
  up)
    say "cluster $name: one control plane, three workers (40 s; 15 minutes more where its binaries are not built yet)"
    kubeconfig=$("$here/up.sh" "$name" 3 | tail -1)
    command -v helm >/dev/null || { say "helm (2 minutes)"; "$here/build-binaries.sh" helm >&2; }
    say "images (2 minutes at first)"; "$here/images.sh"
    say "loading images into the nodes"
    kind load docker-image --name "$name" whatsapp-operator:dev whatsapp-session-pod:dev whatsapp-postgresql:dev >&2
    say "simulator and SOCKS5 proxies outside the cluster"
    # The simulator forgets its devices when it ends, so one that stands is kept.
    [ "$(docker inspect -f '{{.State.Running}}' "$name-simulator" 2>/dev/null)" = true ] || "$here/outside-up.sh" "$name" "${3:-1}" >&2
    echo "$kubeconfig" ;;
  down)
    "$here/outside-down.sh" "$name"; "$here/down.sh" "$name"; rm -rf "$CACHE/volumes/$name"
    say "$name is gone" ;;
  *) usage ;;
esac
