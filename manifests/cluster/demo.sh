#!/bin/bash
# The main job on a cluster of this machine; see README.   usage: demo.sh up|down
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd); name=wa-demo
export CACHE=${CACHE:-$HOME/.cache/wa-cluster}; export PATH=$CACHE/bin:$root/node_modules/.bin:$PATH
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
case "${1:-up}" in
  up)
    say "cluster $name: one control plane, three workers (40 s; 15 minutes more where its binaries are not built yet)"
    export KUBECONFIG; KUBECONFIG=$("$here/up.sh" "$name" 3 | tail -1)
    command -v helm >/dev/null || { say "helm (2 minutes)"; "$here/build-binaries.sh" tools; }
    say "images (2 minutes at first)"; "$here/images.sh"
    say "loading images into the nodes"
    kind load docker-image --name "$name" whatsapp-operator:dev whatsapp-session-pod:dev whatsapp-postgresql:dev
    say "simulator and SOCKS5 proxy outside the cluster"
    # Images are never pulled and the simulator forgets its devices when it ends, so one that stands is kept.
    docker inspect "$name-simulator" >/dev/null 2>&1 && [ "$(docker inspect -f '{{.State.Running}}' "$name-simulator")" = true ] || "$here/outside-up.sh" "$name"
    address=$(docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' "$name-simulator")
    exec node --conditions=source --disable-warning=ExperimentalWarning "$root/e2e/demo/main.ts" "$address" ;;
  down)
    "$here/outside-down.sh" "$name"; "$here/down.sh" "$name"; rm -rf "$CACHE/volumes/$name"
    say "$name is gone" ;;
  *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
