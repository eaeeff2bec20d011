#!/bin/bash
# What stands outside the cluster, as containers with addresses of their own on the cluster's Docker network:
# NAME-simulator (ws and control on 8080, wss on 8443), NAME-socks-1, -2 ... (SOCKS5 on 1080, user demo, password
# p@ss:w/rd#1) and NAME-http-1 (HTTP CONNECT on 8080, user demo, password passw0rd). Prints each with its address.
#   usage: outside-up.sh NAME [SOCKS PROXIES, default 1]
here=$(cd "$(dirname "$0")" && pwd); . "$here/engine.sh"
name=${1:?usage: outside-up.sh NAME [SOCKS PROXIES]}; proxies=${2:-1}; network=kind
advice="$here/up.sh makes the network, $here/images.sh the images; then run this again"
engine_find || fail "no Docker engine answers" "$advice"
run() { # container, then arguments of docker run
  local container=$1 old; shift
  old=$(docker ps -aq --filter "name=^/?$container$")
  # shellcheck disable=SC2086  # one identifier at most
  [ -z "$old" ] || docker rm -f $old
  docker run -d --name "$container" --label "wa.outside=$name" --network "$network" "$@"
}
start() {
  step "container $1" "$advice" run "$@"
  ask "address of $1" "docker logs $1" docker inspect -f "$1 {{.NetworkSettings.Networks.kind.IPAddress}}" "$1"
}
start "$name-simulator" whatsapp-simulator:dev --host :: --port 8080 --tls-port 8443 --san "$name-simulator"
for ((i = 1; i <= proxies; i++)); do
  start "$name-socks-$i" -e PROXY_USERNAME=demo -e 'PROXY_PASSWORD=p@ss:w/rd#1' whatsapp-proxy:dev
done
start "$name-http-1" -e PROXY_PROTOCOL=http -e PROXY_USERNAME=demo -e PROXY_PASSWORD=passw0rd whatsapp-proxy:dev
