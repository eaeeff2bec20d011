#!/bin/bash
# A cluster with the project's images in it, and beside it the simulator and proxies; or all of that removed again.
# The last line of up is the path of its kubeconfig.   usage: stand.sh up NAME [PROXIES] | down NAME
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
. "$here/engine.sh"; export PATH=$CACHE/bin:$root/node_modules/.bin:$PATH
usage() { echo "usage: $0 up NAME [PROXIES] | down NAME" >&2; exit 2; }
[ $# -ge 2 ] || usage
name=$2
case "$1" in
  up)
    say "$name: a cluster of one control plane and three workers, the project's images, simulator and proxies beside it"
    engine
    kubeconfig=$("$here/up.sh" "$name" 3 | tail -1)
    command -v helm > /dev/null || "$here/build-binaries.sh" helm >&2
    "$here/images.sh" >&2
    step "loading images into the nodes" "free some room, then run this again: each node keeps a copy of each image" \
      kind load docker-image --name "$name" whatsapp-operator:dev whatsapp-session-pod:dev whatsapp-postgresql:dev
    # The simulator forgets its devices when it ends, so one that stands is kept.
    standing=$(ask "simulator beside $name" "run this again" docker ps -q --filter "name=^/?$name-simulator$")
    [ -n "$standing" ] || "$here/outside-up.sh" "$name" "${3:-1}" >&2
    echo "$kubeconfig" ;;
  down)
    # Containers of an engine of ours that ended before them are in its data still.
    if engine_find || [ -d "$engine_dir/data" ]; then
      engine; "$here/outside-down.sh" "$name"; "$here/down.sh" "$name"; engine_end
    else say "no Docker engine answers, and none was started here"; fi
    rm -rf "$CACHE/volumes/$name" "$CACHE/$name.kubeconfig" "$CACHE/$name.engine"
    say "$name is gone" ;;
  *) usage ;;
esac
