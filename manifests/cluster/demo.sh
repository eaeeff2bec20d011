#!/bin/bash
# The main job on a cluster of this machine; see README.   usage: demo.sh up|down
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd); name=wa-demo
. "$here/engine.sh"; export PATH=$CACHE/bin:$root/node_modules/.bin:$PATH
case "${1:-up}" in
  up)
    export KUBECONFIG; KUBECONFIG=$("$here/stand.sh" up "$name" | tail -1)
    engine_find || fail "the Docker engine no longer answers" "run this again"
    exec node --conditions=source --disable-warning=ExperimentalWarning "$root/e2e/demo/main.ts" "$name" ;;
  down) "$here/stand.sh" down "$name" ;;
  *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
